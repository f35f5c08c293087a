//! The signer as its clients see it: real TLS, real gRPC, on loopback.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "these are tests")]

mod backup;
mod callers;
mod captures;
mod clients;
mod deadly;
mod keys;
mod life;
mod pki;
mod process;
mod recorded;
mod rewrap;
mod roleless;
#[path = "../../src/store/sql/scratch.rs"]
mod scratch;
mod shutdown;
mod signer;
mod taken_over;
