//! Key ids: the names under which keys stand in metadata.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::KeyType;
use crate::digest::Sha256;

/// The name of a key in metadata: for a sound document the hash of the key, on the wire any text.
///
/// Cheap to clone. Two ids being different does not make two keys different: see [`super::PublicKey::material`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Arc<str>);

impl KeyId {
    /// An id as a document gives it, not checked against any key.
    #[must_use]
    pub fn from_wire(text: &str) -> Self {
        Self(text.into())
    }

    /// The id that a key must have: lower-case hexadecimal SHA-256 of the key object's canonical JSON.
    #[must_use]
    pub fn of(key_type: &KeyType, public: &[u8]) -> Self {
        // The reference hashes exactly this object, with members sorted and the private part null.
        let object = format!(
            "{{\"keytype\":\"{}\",\"keyval\":{{\"private\":null,\"public\":\"{}\"}}}}",
            canonical_string(key_type.name()),
            STANDARD.encode(public)
        );
        Self(Sha256::of(object.as_bytes()).to_hex().into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The inside of a canonical JSON string: only `"` and `\` are escaped.
fn canonical_string(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_hash_of_the_canonical_key_object() {
        // From tests/fixtures/db/expected-keys.json, written by the reference's signer.
        let public = "3059301306072a8648ce3d020106082a8648ce3d03010703420004e006574ea3ee43897e205bb885610faa1d1920c988448b67a8fe4b0\
                      2974aac1bff466364a84b7e6bdc8039c10b42c434d943662918cc084553109142063d091f";
        let id = KeyId::of(&KeyType::Ecdsa, &hex::decode(public.replace(' ', "")).unwrap());
        assert_eq!(id.as_str(), "d7e6c5cae1a3f099ad97bf270b14c646756059751e00ed77572f78dfa5c2417d");
    }

    #[test]
    fn the_type_is_part_of_the_id_with_its_quotes_escaped() {
        let named = |name: &str| KeyId::of(&KeyType::Other(name.into()), b"");
        let expected = Sha256::of(br#"{"keytype":"a\"b\\c","keyval":{"private":null,"public":""}}"#).to_hex();
        assert_eq!(named("a\"b\\c").as_str(), expected);
    }
}
