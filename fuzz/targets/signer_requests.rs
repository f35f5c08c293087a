//! Messages of the signer's contract: no input panics, and what is said of it stays short.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| bulla_signer::fuzzing::requests(bytes));
