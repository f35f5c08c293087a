//! Sealed keys of a key store: no input panics, and what is said of it stays short.
#![no_main]

use bulla_signer::fuzzing;
use libfuzzer_sys::fuzz_target;

const COLUMNS: [&str; 4] = ["PBES2-HS256+A128KW", "bulla-vault-transit", "A256GCMKW", "PKCS11"];

fuzz_target!(|bytes: &[u8]| {
    for column in COLUMNS {
        fuzzing::sealed_key(column, bytes);
    }
});
