//! Wrapping with a passphrase: PBES2-HS256+A128KW (RFC 7518, 4.8), as the reference does.

use std::num::NonZeroU32;
use std::sync::Arc;

use aes_kw::{AesKw, KeyInit as _, aes::Aes128};
use async_trait::async_trait;
use ring::pbkdf2;
use tuf_schema::key::KeyId;
use tuf_schema::sign::Passphrase;
use zeroize::Zeroizing;

use super::error::{Damage, Locked, OpenError, SealError};
use super::passphrase::{Alias, Passphrases};
use super::wrapping::{ContentKey, KEY_WRAP_BYTES, KeyWrap, WrappedKey, Wrapping};
use crate::Randomness;

/// Rounds of PBKDF2 that the reference writes, and so do we.
const ROUNDS: u32 = 8192;
const SALT_BYTES: usize = 12;
const KEK_BYTES: usize = 16;

/// The passphrase of one alias.
pub(crate) struct PassphraseWrapping {
    alias: Alias,
    passphrases: Arc<Passphrases>,
    rng: Randomness,
}

impl PassphraseWrapping {
    /// Wraps with the passphrase of `alias`, which is looked up at each use.
    #[must_use]
    pub(crate) fn new(alias: Alias, passphrases: Arc<Passphrases>, rng: Randomness) -> Self {
        Self { alias, passphrases, rng }
    }

    fn secret(&self) -> String {
        format!("the passphrase in {}", self.alias.variable())
    }
}

#[async_trait]
impl Wrapping for PassphraseWrapping {
    fn method(&self) -> KeyWrap {
        KeyWrap::Passphrase
    }

    fn key_name(&self) -> Option<&str> {
        None
    }

    /// The reference's form has no place for the id: rows that exchange their envelopes are told by their public keys.
    async fn wrap(&self, content_key: &ContentKey, _key: &KeyId) -> Result<WrappedKey, SealError> {
        let passphrase = self.passphrases.of(&self.alias).map_err(Locked::from)?;
        let mut salt = vec![0; SALT_BYTES];
        self.rng.fill(&mut salt).map_err(|_| SealError::Randomness)?;
        let rounds = NonZeroU32::new(ROUNDS).ok_or(SealError::Encryption)?;
        let content_key = ContentKey::from_bytes(content_key.expose()).ok_or(SealError::Encryption)?;
        let wrapping = tokio::task::spawn_blocking(move || {
            let kek = derive(&passphrase, &salt, rounds);
            let mut wrapped = [0; KEY_WRAP_BYTES];
            let done = AesKw::<Aes128>::new((&*kek).into()).wrap_key(content_key.expose(), &mut wrapped);
            done.map_err(|_| SealError::Encryption)?;
            Ok(WrappedKey::Passphrase { salt, rounds, wrapped })
        });
        wrapping.await.map_err(|_| SealError::Encryption)?
    }

    async fn unwrap(&self, wrapped: WrappedKey, _key: &KeyId) -> Result<ContentKey, OpenError> {
        let WrappedKey::Passphrase { salt, rounds, wrapped } = wrapped else { return Err(Damage::Form.into()) };
        let passphrase = self.passphrases.of(&self.alias).map_err(Locked::from)?;
        let unwrapping = tokio::task::spawn_blocking(move || {
            let kek = derive(&passphrase, &salt, rounds);
            let mut content_key = ContentKey::zero();
            let done = AesKw::<Aes128>::new((&*kek).into()).unwrap_key(&wrapped, content_key.expose_mut());
            let is_done = done.is_ok();
            is_done.then_some(content_key)
        });
        let content_key = unwrapping.await.map_err(|_| OpenError::GivenUp)?;
        Ok(content_key.ok_or_else(|| Locked::DoesNotOpen { secret: self.secret() })?)
    }
}

/// The key that wraps the content key (RFC 7518, 4.8.1.1: the salt is the method's name, a zero byte and `p2s`). Takes
/// some milliseconds of a core.
fn derive(passphrase: &Passphrase, salt: &[u8], rounds: NonZeroU32) -> Zeroizing<[u8; KEK_BYTES]> {
    let salt = [KeyWrap::Passphrase.name().as_bytes(), &[0], salt].concat();
    let mut kek = Zeroizing::new([0; KEK_BYTES]);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, passphrase.expose(), kek.as_mut());
    kek
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;

    use super::*;
    use crate::config::Environment;

    fn wrapping(passphrase: &str) -> PassphraseWrapping {
        let environment = Environment::new([("NOTARY_SIGNER_K1".to_owned(), passphrase.to_owned())]);
        let passphrases = Arc::new(Passphrases::from_environment(environment, &[]));
        PassphraseWrapping::new(Alias::parse("k1").unwrap(), passphrases, Arc::new(SystemRandom::new()))
    }

    fn key() -> KeyId {
        KeyId::from_wire(&"ab".repeat(32))
    }

    #[tokio::test]
    async fn the_reference_s_rounds_and_salt_are_written() {
        let content_key = ContentKey::from_bytes(&[7; 32]).unwrap();
        let wrapped = wrapping("right").wrap(&content_key, &key()).await.unwrap();
        let WrappedKey::Passphrase { salt, rounds, .. } = &wrapped else { panic!("{wrapped:?}") };
        assert_eq!((salt.len(), rounds.get()), (12, 8192));
        let unwrapped = wrapping("right").unwrap(wrapped, &key()).await.unwrap();
        assert_eq!(unwrapped.expose(), &[7; 32]);
    }

    #[tokio::test]
    async fn another_passphrase_does_not_unwrap_and_its_variable_is_named() {
        let content_key = ContentKey::from_bytes(&[7; 32]).unwrap();
        let wrapped = wrapping("right").wrap(&content_key, &key()).await.unwrap();
        let refusal = wrapping("wrong").unwrap(wrapped, &key()).await.unwrap_err();
        assert_eq!(refusal.to_string(), "the passphrase in NOTARY_SIGNER_K1 does not open it");
    }

    #[tokio::test]
    async fn without_a_passphrase_nothing_is_wrapped() {
        let content_key = ContentKey::from_bytes(&[7; 32]).unwrap();
        let refusal = wrapping("").wrap(&content_key, &key()).await.unwrap_err();
        assert!(matches!(refusal, SealError::Locked(Locked::NoPassphrase(_))), "{refusal}");
    }
}
