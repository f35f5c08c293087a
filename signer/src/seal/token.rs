//! Wrapping by a key that stays in a PKCS #11 token: A256GCMKW (RFC 7518, 4.7).

use std::sync::Arc;

use async_trait::async_trait;
use tuf_schema::key::KeyId;
use zeroize::Zeroizing;

use super::error::{Away, Damage, Locked, OpenError, SealError};
use super::passphrase::Alias;
use super::wrapping::{CONTENT_KEY_BYTES, ContentKey, IV_BYTES, KeyWrap, TAG_BYTES, WrappedKey, Wrapping};
use crate::Randomness;
use crate::token::{Token, TokenError};

/// A key of a token.
pub(crate) struct TokenWrapping {
    alias: Alias,
    token: Arc<Token>,
    key_label: String,
    rng: Randomness,
}

impl TokenWrapping {
    /// For an alias, with the AES-256 key of this label. The token is not asked yet.
    #[must_use]
    pub(crate) fn new(alias: Alias, token: Arc<Token>, key_label: String, rng: Randomness) -> Self {
        Self { alias, token, key_label, rng }
    }

    fn failed(&self, error: TokenError) -> Result<Away, Locked> {
        let alias = self.alias.clone();
        if error.may_pass() {
            Ok(Away { alias, source: error.into() })
        } else {
            Err(Locked::Refused { alias, source: error.into() })
        }
    }
}

#[async_trait]
impl Wrapping for TokenWrapping {
    fn method(&self) -> KeyWrap {
        KeyWrap::Token
    }

    fn key_name(&self) -> Option<&str> {
        Some(&self.key_label)
    }

    fn may_be_away(&self) -> bool {
        true
    }

    /// The method has no place for the id; the envelope has.
    async fn wrap(&self, content_key: &ContentKey, _key: &KeyId) -> Result<WrappedKey, SealError> {
        let mut iv = [0; IV_BYTES];
        self.rng.fill(&mut iv).map_err(|_| SealError::Randomness)?;
        let plaintext = Zeroizing::new(content_key.expose().to_vec());
        let encrypted = self.token.encrypt(self.key_label.clone(), iv, plaintext).await;
        let encrypted = encrypted.map_err(|error| match self.failed(error) {
            Ok(away) => SealError::Away(away),
            Err(locked) => SealError::Locked(locked),
        })?;
        let (wrapped, tag) = encrypted.split_at_checked(CONTENT_KEY_BYTES).ok_or(SealError::Encryption)?;
        let wrapped = wrapped.try_into().map_err(|_| SealError::Encryption)?;
        let tag: [u8; TAG_BYTES] = tag.try_into().map_err(|_| SealError::Encryption)?;
        Ok(WrappedKey::Token { key_name: self.key_label.clone(), iv, tag, wrapped })
    }

    async fn unwrap(&self, wrapped: WrappedKey, _key: &KeyId) -> Result<ContentKey, OpenError> {
        let WrappedKey::Token { iv, tag, wrapped, .. } = wrapped else { return Err(Damage::Form.into()) };
        let ciphertext = [wrapped.as_slice(), &tag].concat();
        let mut iv_of_trial = [0; IV_BYTES];
        self.rng.fill(&mut iv_of_trial).map_err(|_| OpenError::GivenUp)?;
        let decrypted = self.token.decrypt(self.key_label.clone(), iv, ciphertext, iv_of_trial).await;
        let decrypted = decrypted.map_err(|error| match self.failed(error) {
            Ok(away) => OpenError::Away(away),
            Err(locked) => OpenError::Locked(locked),
        })?;
        let content_key = decrypted.and_then(|bytes| ContentKey::from_bytes(&bytes));
        let named = || format!("key {:?} of token {}", self.key_label, self.token.name());
        Ok(content_key.ok_or_else(|| Locked::DoesNotOpen { named: named() })?)
    }
}
