//! The signer as its clients see it: real TLS, real gRPC, on loopback.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "these are tests")]

mod audit;
mod audit_by_hand;
mod backup;
mod callers;
mod captures;
mod clients;
mod deadly;
mod keys;
mod left_out;
mod life;
mod memory;
mod pki;
mod process;
mod recorded;
mod renewed;
mod rewrap;
mod roleless;
#[path = "../../src/store/sql/scratch.rs"]
mod scratch;
mod shutdown;
mod signer;
#[path = "../../src/seal/vault/stand_in.rs"]
#[expect(dead_code, reason = "the tests of the client use all of it")]
mod stand_in;
mod swapped;
mod taken_over;
mod wrapping;
