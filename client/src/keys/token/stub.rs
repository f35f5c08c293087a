//! The file that says where a token's key is: `ID.token` beside the key files, which docker and notary pass over.
//!
//! Nothing in it is secret. What it says is not believed either: whatever the token signs is checked with the public key,
//! and the public key with the id.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use tuf_schema::{Gun, KeyId, PublicKey};

use super::{TokenName, TokenObject};
use crate::keys::role::KeyRole;

/// How the names of such files end.
pub(in crate::keys) const EXTENSION: &str = "token";
/// The format of the file.
const VERSION: u32 = 1;

/// What a stub says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::keys) struct Stub {
    pub(in crate::keys) role: KeyRole,
    pub(in crate::keys) gun: Option<Gun>,
    pub(in crate::keys) object: TokenObject,
    pub(in crate::keys) public: PublicKey,
}

/// An unknown member is an error: what is not understood may matter.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    bulla_token_key: u32,
    role: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    gun: Option<String>,
    token: String,
    serial: String,
    object: String,
    algorithm: String,
    public: String,
}

impl Stub {
    /// Reads a stub; nothing if the text is none.
    pub(in crate::keys) fn parse(text: &str) -> Option<Self> {
        let members: Members = serde_json::from_str(text).ok()?;
        if members.bulla_token_key != VERSION {
            return None;
        }
        let public = BASE64_STANDARD.decode(members.public).ok()?;
        let public = PublicKey::new(tuf_schema::KeyType::parse(&members.algorithm), public);
        // The bare key, as its id says: no certificate, and of a kind that verifies.
        let public = public.bare().filter(|bare| bare == &public)?;
        let gun = match members.gun {
            Some(gun) => Some(Gun::parse(&gun).ok()?),
            None => None,
        };
        let token = TokenName { label: members.token, serial: members.serial };
        let object = TokenObject { token, id: members.object.parse().ok()? };
        Some(Self { role: members.role.parse().ok()?, gun, object, public })
    }

    /// The text of the file.
    pub(in crate::keys) fn to_text(&self) -> String {
        let members = Members {
            bulla_token_key: VERSION,
            role: self.role.to_string(),
            gun: self.gun.as_ref().map(Gun::to_string),
            token: self.object.token.label.clone(),
            serial: self.object.token.serial.clone(),
            object: self.object.id.to_string(),
            algorithm: self.public.key_type().name().to_owned(),
            public: BASE64_STANDARD.encode(self.public.public_bytes()),
        };
        // Strings and a number: there is nothing that cannot be written.
        serde_json::to_string_pretty(&members).unwrap_or_default() + "\n"
    }

    /// The id under which the key is known.
    pub(in crate::keys) fn id(&self) -> &KeyId {
        self.public.id()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tuf_schema::SigningKey as _;
    use tuf_schema::testing::secret_key;

    use super::*;

    fn stub(label: String, serial: String, object: &[u8]) -> Stub {
        Stub {
            role: KeyRole::Targets,
            gun: Gun::parse("a.test/b").ok(),
            object: TokenObject {
                token: TokenName { label, serial },
                id: super::super::ObjectId::from_bytes(object.to_vec()),
            },
            public: secret_key().public().clone(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(label in "\\PC{0,32}", serial in "\\PC{0,16}", object in proptest::collection::vec(any::<u8>(), 1..=64)) {
            let stub = stub(label, serial, &object);
            prop_assert_eq!(Stub::parse(&stub.to_text()), Some(stub));
        }

        #[test]
        fn a_changed_stub_names_another_key_or_place_or_nothing_and_never_panics(place: proptest::sample::Index, with in any::<char>()) {
            let text = stub("t".into(), "1".into(), &[1]).to_text();
            let mut characters: Vec<char> = text.chars().collect();
            let place = place.index(characters.len());
            characters[place] = with;
            let changed: String = characters.into_iter().collect();
            if let Some(read) = Stub::parse(&changed) {
                prop_assert!(read.public.bare().as_ref() == Some(&read.public));
                prop_assert_eq!(Stub::parse(&read.to_text()), Some(read));
            }
        }
    }

    #[test]
    fn a_stub_of_a_later_format_or_with_more_in_it_is_not_guessed_at() {
        let text = stub("t".into(), "1".into(), &[1]).to_text();
        assert!(Stub::parse(&text).is_some());
        for (from, to) in [
            ("\"bulla_token_key\": 1", "\"bulla_token_key\": 2"),
            ("\"object\": \"01\"", "\"object\": \"\""),
            ("\"object\": \"01\"", "\"object\": \"0g\""),
            ("\"role\": \"targets\"", "\"role\": \"targets\", \"pin\": \"1234\""),
            ("\"algorithm\": \"ecdsa\"", "\"algorithm\": \"ecdsa-x509\""),
            ("a.test/b", "A:B//"),
        ] {
            let changed = text.replace(from, to);
            assert_ne!(changed, text, "{from}");
            assert_eq!(Stub::parse(&changed), None, "{to}");
        }
    }
}
