//! Backups of a signer's keys: no input panics, and what is said of it stays short.
#![no_main]

use bulla_signer::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::backup(bytes));
