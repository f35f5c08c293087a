//! Private keys in every form from any bytes: no panic, and what loads is written and read again as the same key.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tuf_schema::SigningKey;
use tuf_schema::sign::SecretKey;

fuzz_target!(|bytes: &[u8]| {
    let read = [
        SecretKey::from_sec1_der(bytes),
        SecretKey::from_pkcs8_der(bytes),
        SecretKey::from_pkcs1_der(bytes),
        SecretKey::from_ed25519_reference(bytes),
    ];
    for key in read.into_iter().flatten() {
        let Ok(written) = key.to_pkcs8_der() else { continue };
        let again = SecretKey::from_pkcs8_der(&written).expect("what we wrote is a key");
        assert_eq!(again.public().id(), key.public().id());
    }
});
