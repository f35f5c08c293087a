//! Documents that a signer is asked to sign: what it takes is canonical.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| bulla_signer::fuzzing::document(bytes));
