//! Rows that name an object on a token: no input panics, and what is read is the same when it was written.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| bulla_signer::fuzzing::token_object(bytes));
