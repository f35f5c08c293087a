//! Heads of a signer's audit chain: no input panics, and what is read is all of the input.
#![no_main]

use bulla_signer::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::audit_head(bytes));
