//! Public keys of every type from any bytes: no panic, and no signature of nonsense verifies.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tuf_schema::key::x509::{Expiry, leaf_for};
use tuf_schema::{Gun, KeyType, PublicKey, Signature, SignatureMethod, UtcTime};

fuzz_target!(|bytes: &[u8]| {
    let gun = Gun::parse("example.com/app").expect("a GUN");
    let now = UtcTime::from_unix_seconds(1_795_000_000).expect("a time");
    for name in ["ecdsa", "ecdsa-x509", "rsa", "rsa-x509", "ed25519", "other"] {
        let key = PublicKey::new(KeyType::parse(name), bytes.to_vec());
        let _ = (key.material(), key.bare(), leaf_for(&key, &gun, now, Expiry::Checked));
        for method in ["ecdsa", "rsapss", "rsapkcs1v15", "eddsa", "pycrypto-pkcs#1 pss"] {
            let signature = Signature {
                key_id: key.id().clone(),
                method: SignatureMethod::parse(method),
                bytes: bytes.iter().rev().copied().collect(),
            };
            assert!(!key.verifies(b"a message nobody signed", &signature));
        }
    }
});
