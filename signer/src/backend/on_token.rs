//! Keys on tokens: made there, named by their rows, and asked to sign. Whatever a token signs is checked before it is
//! answered.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use ring::rand::SecureRandom;
use tuf_schema::key::KeyShape;
use tuf_schema::sign::{RawSignature, SecretKeyError};

use super::BackendError;
use crate::clock::Clock;
use crate::excerpt::Excerpt;
use crate::seal::passphrase::Alias;
use crate::store::{KeyRecord, Purpose};
use crate::token::{ObjectId, Token, TokenError, TokenName, TokenObject, TokenSettings};

/// Every token of the configuration.
pub(crate) struct TokenKeys {
    tokens: BTreeMap<TokenName, Token>,
    rng: Arc<dyn SecureRandom + Send + Sync>,
}

impl TokenKeys {
    /// Starts the threads that ask the tokens. No module is loaded before something is asked.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn new(
        tokens: &[TokenSettings],
        clock: &Arc<dyn Clock>,
        rng: Arc<dyn SecureRandom + Send + Sync>,
    ) -> io::Result<Self> {
        let started =
            |settings: &TokenSettings| Ok((settings.name.clone(), Token::new(settings.clone(), Arc::clone(clock))?));
        Ok(Self { tokens: tokens.iter().map(started).collect::<io::Result<_>>()?, rng })
    }

    /// The tokens by their names.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = &Token> {
        self.tokens.values()
    }

    /// Makes a key on a token.
    pub(super) async fn generate(
        &self,
        name: &TokenName,
        shape: KeyShape,
        purpose: &Purpose,
    ) -> Result<KeyRecord, BackendError> {
        let unusable = || TokenError::Ended { token: name.clone() };
        // the configuration was checked: both are there
        let token = self.tokens.get(name).ok_or_else(|| BackendError::MakeOnToken(unusable()))?;
        let alias = Alias::parse(name.as_str()).ok_or_else(|| BackendError::MakeOnToken(unusable()))?;
        let id = ObjectId::random(self.rng.as_ref()).ok_or(SecretKeyError::Randomness)?;
        let made = token.make(shape, id.clone(), label(purpose)).await;
        let key = made.map_err(BackendError::MakeOnToken)?;
        let sealed = TokenObject { label: token.label().to_owned(), id }.to_row();
        Ok(KeyRecord { key, purpose: purpose.clone(), alias, sealed, last_used: None, retired: None })
    }

    /// Destroys what a record names. What cannot be destroyed now stays on the token without a row.
    pub(super) async fn discard(&self, record: &KeyRecord) {
        let Ok((token, id)) = self.object(record) else { return };
        if let Err(error) = token.destroy(id.clone()).await {
            tracing::warn!(token = %token.name(), object = %id, %error, "a key without a row stays on the token");
        }
    }

    /// Has the key sign something that is no document.
    pub(super) async fn prove(&self, record: &KeyRecord) -> Result<(), BackendError> {
        let (token, id) = self.object(record)?;
        match token.prove(id, record.key.clone()).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(wrong_signature(record, token)),
            Err(source) => Err(BackendError::Token { key: record.key.id().clone(), source }),
        }
    }

    pub(super) async fn sign(&self, record: &KeyRecord, message: &[u8]) -> Result<RawSignature, BackendError> {
        let (token, id) = self.object(record)?;
        match token.sign(id, record.key.clone(), message.to_vec()).await {
            Ok(Some(signature)) => Ok(signature),
            Ok(None) => Err(wrong_signature(record, token)),
            Err(source) => Err(BackendError::Token { key: record.key.id().clone(), source }),
        }
    }

    fn object(&self, record: &KeyRecord) -> Result<(&Token, ObjectId), BackendError> {
        let key = || record.key.id().clone();
        let name = TokenName::parse(record.alias.as_str());
        let token = name.and_then(|name| self.tokens.get(&name));
        let unknown = || BackendError::UnknownToken { key: key(), token: Excerpt::of(record.alias.as_str()) };
        let token = token.ok_or_else(unknown)?;
        let object = TokenObject::of(&record.sealed).ok_or_else(|| BackendError::NamesNoObject { key: key() })?;
        Ok((token, object.id))
    }
}

fn wrong_signature(record: &KeyRecord, token: &Token) -> BackendError {
    BackendError::WrongSignature { key: record.key.id().clone(), token: token.name().clone() }
}

/// How the token shows the key to people.
fn label(purpose: &Purpose) -> String {
    ["bulla", purpose.gun_text(), purpose.role_text()].join(" ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use tuf_schema::key::Curve;
    use tuf_schema::signature::Signature;
    use tuf_schema::{Gun, Role};

    use super::*;
    use crate::seal::{KeyWrap, SealedKey};
    use crate::token::scratch::ScratchToken;

    fn purpose() -> Purpose {
        Purpose { gun: Some(Gun::parse("registry.test/app").unwrap()), role: Some(Role::Timestamp) }
    }

    fn keys(scratch: &ScratchToken) -> TokenKeys {
        let clock = Arc::clone(&scratch.clock) as Arc<dyn Clock>;
        TokenKeys::new(std::slice::from_ref(&scratch.settings), &clock, Arc::new(SystemRandom::new())).unwrap()
    }

    async fn made(keys: &TokenKeys, shape: KeyShape) -> KeyRecord {
        keys.generate(&TokenName::parse("hsm").unwrap(), shape, &purpose()).await.unwrap()
    }

    #[tokio::test]
    async fn a_row_names_the_object_and_holds_nothing_of_the_key() {
        let Some(scratch) = ScratchToken::new("row") else { return };
        let keys = keys(&scratch);
        let record = made(&keys, KeyShape::Ecdsa(Curve::P384)).await;
        assert_eq!(record.alias.as_str(), "hsm");
        assert_eq!((record.sealed.key_wrap().name(), record.sealed.encryption()), ("PKCS11", "PKCS11"));
        let listed = keys.tokens.values().next().unwrap().list().await.unwrap();
        assert_eq!(listed[0].label, "bulla registry.test/app timestamp");
        assert_eq!(listed[0].public.as_ref(), Some(&record.key));
        let id: String = hex::decode(listed[0].id.to_string()).unwrap().iter().map(|b| format!("%{b:02x}")).collect();
        let label = scratch.settings.label.replace(' ', "%20");
        assert_eq!(record.sealed.as_str(), format!("pkcs11:token={label};id={id};type=private"));
    }

    #[tokio::test]
    async fn another_signer_on_the_token_signs_with_a_stored_key() {
        let Some(scratch) = ScratchToken::new("two signers") else { return };
        for shape in [KeyShape::Ecdsa(Curve::P256), KeyShape::Ed25519, KeyShape::Rsa { bits: 2048 }] {
            let record = made(&keys(&scratch), shape).await;
            let other = keys(&scratch);
            other.prove(&record).await.unwrap();
            let signed = other.sign(&record, b"message").await.unwrap();
            let signature = Signature { key_id: record.key.id().clone(), method: signed.method, bytes: signed.bytes };
            assert!(record.key.verifies(b"message", &signature), "{shape:?}");
        }
    }

    #[tokio::test]
    async fn a_discarded_key_leaves_no_object_behind() {
        let Some(scratch) = ScratchToken::new("discarded") else { return };
        let keys = keys(&scratch);
        let record = made(&keys, KeyShape::Ed25519).await;
        keys.discard(&record).await;
        assert!(keys.tokens.values().next().unwrap().list().await.unwrap().is_empty());
        let refusal = keys.sign(&record, b"message").await.unwrap_err();
        assert!(matches!(refusal, BackendError::Token { source: TokenError::NoObject { .. }, .. }), "{refusal:?}");
    }

    #[tokio::test]
    async fn the_object_of_another_key_is_not_used() {
        let Some(scratch) = ScratchToken::new("swapped") else { return };
        let keys = keys(&scratch);
        let (one, other) = (made(&keys, KeyShape::Ed25519).await, made(&keys, KeyShape::Ed25519).await);
        let swapped = KeyRecord { sealed: other.sealed, ..one };
        let refusal = keys.sign(&swapped, b"message").await.unwrap_err();
        assert!(matches!(refusal, BackendError::WrongSignature { .. }), "{refusal:?}");
        assert!(matches!(keys.prove(&swapped).await, Err(BackendError::WrongSignature { .. })));
    }

    #[tokio::test]
    async fn the_object_of_a_key_of_another_kind_is_not_asked_to_sign() {
        const SHAPES: [KeyShape; 4] = [
            KeyShape::Ecdsa(Curve::P256),
            KeyShape::Ecdsa(Curve::P384),
            KeyShape::Ed25519,
            KeyShape::Rsa { bits: 2048 },
        ];
        let Some(mut scratch) = ScratchToken::new("kinds of rows") else { return };
        // which remembers every object
        scratch.settings.sessions = 1;
        let of_kinds = keys(&scratch);
        let mut records = Vec::new();
        for shape in SHAPES {
            records.push(made(&of_kinds, shape).await);
        }
        let with_fresh_sessions = keys(&scratch);
        for keys in [&with_fresh_sessions, &of_kinds] {
            for told in &records {
                for there in records.iter().filter(|there| there.key != told.key) {
                    let swapped = KeyRecord { sealed: there.sealed.clone(), ..told.clone() };
                    for refusal in [keys.prove(&swapped).await, keys.sign(&swapped, b"message").await.map(|_| ())] {
                        let refusal = refusal.unwrap_err();
                        let is_told =
                            matches!(refusal, BackendError::Token { source: TokenError::OtherKind { .. }, .. });
                        assert!(is_told, "{refusal:?}");
                    }
                    // and it lost nothing that it had open
                    keys.prove(there).await.unwrap();
                }
            }
        }
    }

    #[tokio::test]
    async fn a_row_that_names_no_object_or_no_token_is_told_apart() {
        let Some(scratch) = ScratchToken::new("rows") else { return };
        let keys = keys(&scratch);
        let record = made(&keys, KeyShape::Ed25519).await;
        let elsewhere = KeyRecord { alias: Alias::parse("elsewhere").unwrap(), ..record.clone() };
        let refusal = keys.sign(&elsewhere, b"message").await.unwrap_err();
        assert!(matches!(refusal, BackendError::UnknownToken { .. }), "{refusal:?}");
        let sealed = SealedKey::from_row(KeyWrap::Held, "pkcs11:nothing".to_owned());
        let refusal = keys.sign(&KeyRecord { sealed, ..record }, b"message").await.unwrap_err();
        assert!(matches!(refusal, BackendError::NamesNoObject { .. }), "{refusal:?}");
    }
}
