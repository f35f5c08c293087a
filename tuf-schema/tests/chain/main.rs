//! The client update, fed from a server and a cache that are maps: real repositories, and one thing broken at a time.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where it stands")]

mod delegations;
mod pins;
mod renewal;
mod update;
mod world;
