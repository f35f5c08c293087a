//! Certificates of the signer's clients: no input panics.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| bulla_signer::fuzzing::certificate(bytes));
