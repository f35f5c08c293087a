//! `bulla key` and `bulla trust key` as processes: what they print, what they leave behind, how they end.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod bundles;
mod faults;
mod moving;
mod passphrases;
mod process;
mod shares;
mod storing;
