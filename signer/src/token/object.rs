//! How a row names an object on a token: a PKCS #11 URI (RFC 7512) with the token's label and the object's id.

use std::fmt;

use ring::rand::SecureRandom;

use crate::seal::{KeyWrap, SealedKey};

/// What each URI begins with; no envelope of a sealed key does.
const SCHEME: &str = "pkcs11:";
/// Bytes of an id that is made here.
const ID_BYTES: usize = 16;
/// The longest id that is accepted from a row, in bytes.
const MAX_ID_BYTES: usize = 64;
/// The longest label that is accepted from a row, in bytes: PKCS #11 has 32.
const MAX_LABEL_BYTES: usize = 32;

/// The `CKA_ID` of an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ObjectId(Vec<u8>);

/// A private key object on a token. Nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenObject {
    /// The label that the token had when the key was made. For people: the token is found by the row's alias.
    pub(crate) label: String,
    /// Which object.
    pub(crate) id: ObjectId,
}

impl ObjectId {
    /// A new one; nothing when there is no randomness.
    pub(crate) fn random(rng: &dyn SecureRandom) -> Option<Self> {
        let mut bytes = vec![0; ID_BYTES];
        rng.fill(&mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// Reads hexadecimal digits; nothing if they are none, or too many.
    pub(super) fn parse(text: &str) -> Option<Self> {
        hex::decode(text).ok().filter(|bytes| (1..=MAX_ID_BYTES).contains(&bytes.len())).map(Self)
    }

    pub(super) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl TokenObject {
    /// The object that a row names; nothing if it names none.
    pub(crate) fn of(sealed: &SealedKey) -> Option<Self> {
        Self::parse(sealed.as_str())
    }

    /// What a row says of the object.
    pub(crate) fn to_row(&self) -> SealedKey {
        SealedKey::from_row(KeyWrap::Held, self.to_uri())
    }

    /// Reads the text of a row; nothing if it is no URI as [`TokenObject::to_uri`] writes it.
    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(SCHEME)?.strip_prefix("token=")?;
        let (label, rest) = rest.split_once(';')?;
        let id = rest.strip_prefix("id=")?.strip_suffix(";type=private")?;
        let (label, id) = (unescape(label)?, unescape(id)?);
        let fits = label.len() <= MAX_LABEL_BYTES && (1..=MAX_ID_BYTES).contains(&id.len());
        fits.then_some(Self { label: String::from_utf8(label).ok()?, id: ObjectId(id) })
    }

    /// For a fuzz target: what is read of a text, as it would be written; nothing if nothing is read.
    #[cfg(fuzzing)]
    pub(crate) fn read_and_written(text: &str) -> Option<String> {
        Self::parse(text).map(|object| object.to_uri())
    }

    /// The text for a row.
    fn to_uri(&self) -> String {
        let id: String = self.id.0.iter().map(|byte| format!("%{byte:02x}")).collect();
        let label: String = self.label.bytes().map(escape).collect();
        format!("{SCHEME}token={label};id={id};type=private")
    }
}

/// Letters, digits and `-._` as they are (RFC 3986, 2.3), all else by its number.
fn escape(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02x}")
    }
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut unescaped = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        unescaped.push(if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            *hex::decode(digits).ok()?.first()?
        } else {
            byte
        });
    }
    Some(unescaped)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    const URI: &str = "pkcs11:token=my%20token;id=%00%ff;type=private";

    #[test]
    fn an_object_is_named_by_a_uri_that_other_tools_read() {
        let object = TokenObject { label: "my token".to_owned(), id: ObjectId(vec![0, 255]) };
        assert_eq!(object.to_uri(), URI);
        assert_eq!(TokenObject::parse(URI), Some(object));
    }

    #[test]
    fn what_is_no_such_uri_names_nothing() {
        for text in [
            "",
            "eyJhbGciOiJQQkVTMi1IUzI1NitBMTI4S1cifQ.a.b.c.d",
            "pkcs11:",
            "pkcs11:token=t;id=;type=private",
            "pkcs11:token=t;id=%0;type=private",
            "pkcs11:token=t;id=%zz;type=private",
            "pkcs11:token=t;id=%00;type=public",
            "pkcs11:token=%ff;id=%00;type=private",
            "pkcs11:id=%00;type=private",
        ] {
            assert_eq!(TokenObject::parse(text), None, "{text}");
        }
    }

    #[test]
    fn labels_and_ids_have_a_longest() {
        let of = |label: usize, id: usize| {
            TokenObject::parse(&format!("pkcs11:token={};id={};type=private", "t".repeat(label), "%01".repeat(id)))
        };
        assert!(of(32, 64).is_some());
        assert!(of(33, 64).is_none());
        assert!(of(32, 65).is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in any::<String>()) {
            let _ = TokenObject::parse(&format!("{SCHEME}token={text}"));
            let _ = TokenObject::parse(&text);
        }

        #[test]
        fn what_is_written_is_read(label in "\\PC{0,8}", id in proptest::collection::vec(any::<u8>(), 1..=64)) {
            let object = TokenObject { label, id: ObjectId(id) };
            prop_assert_eq!(TokenObject::parse(&object.to_uri()), Some(object));
        }
    }
}
