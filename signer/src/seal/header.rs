//! The protected header of an envelope: how its content key is wrapped, and with what. Comes from rows, so that
//! everything in it has a limit.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use tuf_schema::key::KeyId;

use super::envelope::{decode, fixed};
use super::error::Damage;
use super::wrapping::WrappedKey;
use crate::excerpt::Excerpt;

/// The most rounds that are accepted from data: the limit of the reference's JOSE library. Without one, a row could
/// keep a core busy for hours.
pub(super) const MAX_ROUNDS: u32 = 1_300_000;
/// The longest salt that is accepted from data.
const MAX_SALT_BYTES: usize = 128;
/// The longest header that is accepted from data, in bytes.
const MAX_HEADER_BYTES: usize = 2048;
/// The longest name of a wrapping key that is accepted from data and configuration, in bytes.
pub(crate) const MAX_KEY_NAME_BYTES: usize = 255;
/// The longest text of Vault that is accepted from data and from Vault, in bytes; it gives less than 200.
pub(crate) const MAX_VAULT_BYTES: usize = 4096;
/// A key id is SHA-256 in hexadecimal.
const KEY_ID_CHARACTERS: usize = 64;

/// What a header and the encrypted key behind it say.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) wrapped: WrappedKey,
    /// The key that the envelope was made for. The reference's form has no place for it.
    pub(super) of: Option<KeyId>,
}

/// The members in the order of the reference; unknown ones are refused, as they might mean something.
#[derive(Serialize, Deserialize)]
#[serde(tag = "alg", deny_unknown_fields)]
enum Members {
    #[serde(rename = "PBES2-HS256+A128KW")]
    Passphrase { enc: Encryption, p2c: u64, p2s: String },
    #[serde(rename = "A256GCMKW")]
    Token { enc: Encryption, kid: String, iv: String, tag: String, bulla_key_id: String },
    #[serde(rename = "bulla-vault-transit")]
    Vault { enc: Encryption, kid: String, bulla_key_id: String },
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Encryption {
    A256GCM,
}

/// The header's JSON and the encrypted key for the secret half of `key`. Nothing if a member has no JSON.
pub(super) fn write_header(wrapped: WrappedKey, key: &KeyId) -> Option<(String, Vec<u8>)> {
    let (enc, bulla_key_id) = (Encryption::A256GCM, key.as_str().to_owned());
    let (members, encrypted_key) = match wrapped {
        WrappedKey::Passphrase { salt, rounds, wrapped } => {
            let (p2c, p2s) = (rounds.get().into(), URL_SAFE_NO_PAD.encode(salt));
            (Members::Passphrase { enc, p2c, p2s }, wrapped.to_vec())
        }
        WrappedKey::Token { key_name: kid, iv, tag, wrapped } => {
            let (iv, tag) = (URL_SAFE_NO_PAD.encode(iv), URL_SAFE_NO_PAD.encode(tag));
            (Members::Token { enc, kid, iv, tag, bulla_key_id }, wrapped.to_vec())
        }
        WrappedKey::Vault { key_name: kid, ciphertext } => {
            (Members::Vault { enc, kid, bulla_key_id }, ciphertext.into_bytes())
        }
    };
    Some((serde_json::to_string(&members).ok()?, encrypted_key))
}

/// Reads a header and the encrypted key.
pub(super) fn read_header(json: &[u8], encrypted_key: Vec<u8>) -> Result<Header, Damage> {
    let refused = || Damage::Header { header: Excerpt::of(&String::from_utf8_lossy(json)) };
    let is_short = json.len() <= MAX_HEADER_BYTES;
    let members = is_short.then(|| serde_json::from_slice(json).ok()).flatten().ok_or_else(refused)?;
    let named = |name: String, id: String| {
        let is_name = !name.is_empty() && name.len() <= MAX_KEY_NAME_BYTES;
        let is_id = id.len() == KEY_ID_CHARACTERS;
        (is_name && is_id).then(|| (name, Some(KeyId::from_wire(&id)))).ok_or_else(refused)
    };
    match members {
        Members::Passphrase { enc: Encryption::A256GCM, p2c, p2s } => {
            let bounded = u32::try_from(p2c).ok().filter(|rounds| *rounds <= MAX_ROUNDS);
            let rounds = bounded.and_then(NonZeroU32::new).ok_or(Damage::Rounds { found: p2c })?;
            let salt = decode(&p2s)?;
            if salt.is_empty() || salt.len() > MAX_SALT_BYTES {
                return Err(refused());
            }
            let wrapped = encrypted_key.try_into().map_err(|_| Damage::Form)?;
            Ok(Header { wrapped: WrappedKey::Passphrase { salt, rounds, wrapped }, of: None })
        }
        Members::Token { enc: Encryption::A256GCM, kid, iv, tag, bulla_key_id } => {
            let (key_name, of) = named(kid, bulla_key_id)?;
            let wrapped = encrypted_key.try_into().map_err(|_| Damage::Form)?;
            let wrapped = WrappedKey::Token { key_name, iv: fixed(&iv)?, tag: fixed(&tag)?, wrapped };
            Ok(Header { wrapped, of })
        }
        Members::Vault { enc: Encryption::A256GCM, kid, bulla_key_id } => {
            let (key_name, of) = named(kid, bulla_key_id)?;
            let is_short = encrypted_key.len() <= MAX_VAULT_BYTES;
            let ciphertext = String::from_utf8(encrypted_key).ok().filter(|_| is_short).ok_or(Damage::Form)?;
            Ok(Header { wrapped: WrappedKey::Vault { key_name, ciphertext }, of })
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::super::wrapping::KeyWrap;
    use super::*;

    fn key() -> KeyId {
        KeyId::from_wire(&"ab".repeat(32))
    }

    fn header_error(json: &str) -> Damage {
        Damage::Header { header: Excerpt::of(json) }
    }

    fn with_rounds(rounds: &str) -> Result<Header, Damage> {
        let json = format!(r#"{{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":{rounds},"p2s":"AAAAAAAAAAAAAAAA"}}"#);
        read_header(json.as_bytes(), vec![0; 40])
    }

    fn vault(kid: &str, id: &str, ciphertext: &[u8]) -> Result<Header, Damage> {
        let json = format!(r#"{{"alg":"bulla-vault-transit","enc":"A256GCM","kid":"{kid}","bulla_key_id":"{id}"}}"#);
        read_header(json.as_bytes(), ciphertext.to_vec())
    }

    #[test]
    fn a_passphrase_s_header_is_the_reference_s_to_the_byte() {
        let rounds = NonZeroU32::new(8192).unwrap();
        let wrapped = WrappedKey::Passphrase { salt: vec![0; 12], rounds, wrapped: [0; 40] };
        let json = r#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":8192,"p2s":"AAAAAAAAAAAAAAAA"}"#;
        assert_eq!(write_header(wrapped, &key()).unwrap(), (json.to_owned(), vec![0; 40]));
    }

    #[test]
    fn rounds_are_accepted_up_to_the_limit_and_not_one_more() {
        for accepted in [1, 1_300_000] {
            let WrappedKey::Passphrase { rounds, .. } = with_rounds(&accepted.to_string()).unwrap().wrapped else {
                panic!("of another method")
            };
            assert_eq!(rounds.get(), accepted);
        }
        for (text, found) in [("1300001", 1_300_001), ("0", 0), ("18446744073709551615", u64::MAX)] {
            assert_eq!(with_rounds(text).unwrap_err(), Damage::Rounds { found });
        }
    }

    #[test]
    fn other_methods_and_unknown_members_are_refused() {
        for json in [
            r#"{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2c":8192,"p2s":"AAAAAAAAAAAAAAAA"}"#,
            r#"{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":8192,"p2s":"AAAAAAAAAAAAAAAA"}"#,
            r#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":8192,"p2s":"AAAAAAAAAAAAAAAA","zip":"DEF"}"#,
            r#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":8192,"p2s":""}"#,
            r#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2s":"AAAAAAAAAAAAAAAA"}"#,
            r#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":1,"p2c":1,"p2s":"AAAAAAAAAAAAAAAA"}"#,
            r#"{"alg":"A256GCMKW","enc":"A256GCM","p2c":8192,"p2s":"AAAAAAAAAAAAAAAA"}"#,
            r#"{"alg":"dir","enc":"A256GCM"}"#,
            "[]",
        ] {
            assert_eq!(read_header(json.as_bytes(), vec![0; 40]).unwrap_err(), header_error(json), "{json}");
        }
    }

    #[test]
    fn a_salt_has_at_most_128_bytes() {
        let with_salt = |bytes: usize| {
            let salt = URL_SAFE_NO_PAD.encode(vec![1; bytes]);
            let json = format!(r#"{{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":1,"p2s":"{salt}"}}"#);
            (read_header(json.as_bytes(), vec![0; 40]), json)
        };
        with_salt(128).0.unwrap();
        let (refusal, json) = with_salt(129);
        assert_eq!(refusal.unwrap_err(), header_error(&json));
    }

    #[test]
    fn a_wrapped_key_of_another_length_is_no_envelope() {
        let json = r#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":1,"p2s":"AAAA"}"#.as_bytes();
        for bytes in [0, 39, 41] {
            assert_eq!(read_header(json, vec![0; bytes]).unwrap_err(), Damage::Form, "{bytes}");
        }
    }

    #[test]
    fn the_name_of_a_wrapping_key_has_1_to_255_bytes() {
        let id = "ab".repeat(32);
        assert_eq!(vault(&"k".repeat(255), &id, b"x").unwrap().wrapped.method(), KeyWrap::Vault);
        for name in [String::new(), "k".repeat(256)] {
            assert!(matches!(vault(&name, &id, b"x"), Err(Damage::Header { .. })), "{name}");
        }
    }

    #[test]
    fn the_id_of_the_sealed_key_has_64_characters() {
        for characters in [0, 63, 65] {
            assert!(matches!(vault("k", &"a".repeat(characters), b"x"), Err(Damage::Header { .. })), "{characters}");
        }
    }

    #[test]
    fn a_text_of_vault_has_at_most_4096_bytes() {
        let id = "ab".repeat(32);
        vault("k", &id, &[b'v'; 4096]).unwrap();
        assert_eq!(vault("k", &id, &[b'v'; 4097]).unwrap_err(), Damage::Form);
        assert_eq!(vault("k", &id, &[0xff]).unwrap_err(), Damage::Form);
    }

    #[test]
    fn a_header_has_at_most_2048_bytes() {
        let json = r#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":1,"p2s":"AAAA"}"#;
        let padded = |bytes: usize| format!("{json}{}", " ".repeat(bytes - json.len()));
        read_header(padded(2048).as_bytes(), vec![0; 40]).unwrap();
        assert!(matches!(read_header(padded(2049).as_bytes(), vec![0; 40]), Err(Damage::Header { .. })));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            name in ".{1,60}", iv: [u8; 12], tag: [u8; 16], wrapped: [u8; 32], text in ".{0,200}", salt in proptest::collection::vec(any::<u8>(), 1..128),
        ) {
            let token = || WrappedKey::Token { key_name: name.clone(), iv, tag, wrapped };
            let vault = || WrappedKey::Vault { key_name: name.clone(), ciphertext: text.clone() };
            let rounds = NonZeroU32::new(7).unwrap();
            let passphrase = || WrappedKey::Passphrase { salt: salt.clone(), rounds, wrapped: [7; 40] };
            for (one, same, of) in
                [(token(), token(), Some(key())), (vault(), vault(), Some(key())), (passphrase(), passphrase(), None)]
            {
                let (json, encrypted_key) = write_header(one, &key()).unwrap();
                prop_assert_eq!(read_header(json.as_bytes(), encrypted_key).unwrap(), Header { wrapped: same, of });
            }
        }

        #[test]
        fn no_header_makes_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[{}\\[\\]\":,a-z0-9A-Z+-]{0,120}", key in proptest::collection::vec(any::<u8>(), 0..60)) {
            // most are refused; the rest is within its limits by its type
            let _ = read_header(&bytes, key.clone());
            let _ = read_header(text.as_bytes(), key);
        }
    }
}
