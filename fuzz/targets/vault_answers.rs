//! Answers of Vault, or of whoever is in its place: no input panics, what is kept is bounded and what is shown short.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| bulla_signer::fuzzing::vault_answer(bytes));
