//! The seam of providers: each key is encrypted with a content key of its own, and a provider wraps that.

use std::fmt;
use std::num::NonZeroU32;

use async_trait::async_trait;
use ring::rand::SecureRandom;
use tuf_schema::key::KeyId;
use zeroize::Zeroizing;

use super::error::{OpenError, SealError};

/// AES-256.
pub(super) const CONTENT_KEY_BYTES: usize = 32;
/// AES key wrap adds one block of 8 bytes (RFC 3394).
pub(super) const KEY_WRAP_BYTES: usize = CONTENT_KEY_BYTES + 8;
pub(super) const IV_BYTES: usize = 12;
pub(super) const TAG_BYTES: usize = 16;

/// What both columns for methods say of a key that a token holds.
pub(super) const HELD: &str = "PKCS11";

/// What wraps the content keys of one alias.
#[async_trait]
pub(crate) trait Wrapping: Send + Sync {
    /// Which method it writes, and the only one it is asked to unwrap.
    fn method(&self) -> KeyWrap;

    /// The name of the wrapping key, where the method names one in the envelope. Only envelopes with this name are
    /// unwrapped: what a row says never chooses the key.
    fn key_name(&self) -> Option<&str>;

    /// Whether it is not in this process, so that it may stop answering.
    fn may_be_away(&self) -> bool;

    /// Wraps the content key of `key`. A provider that can binds the wrapped key to the id, so that it unwraps for no
    /// other.
    async fn wrap(&self, content_key: &ContentKey, key: &KeyId) -> Result<WrappedKey, SealError>;

    /// Unwraps what [`Wrapping::wrap`] gave for `key`.
    async fn unwrap(&self, wrapped: WrappedKey, key: &KeyId) -> Result<ContentKey, OpenError>;
}

/// How content keys are wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyWrap {
    /// With a key derived from a passphrase, as the reference does (RFC 7518, 4.8).
    Passphrase,
    /// With AES-GCM by a key that stays in a PKCS#11 token (RFC 7518, 4.7).
    Token,
    /// By a key of Vault's transit engine. The name is ours.
    Vault,
    /// Not at all: the key itself stays in a PKCS #11 token, and the row names its object. The name is ours.
    Held,
}

/// The key that encrypts one sealed key, wiped on drop; on the heap, so that moving it leaves no copy behind. Never shown.
pub(crate) struct ContentKey(Box<Zeroizing<[u8; CONTENT_KEY_BYTES]>>);

/// A wrapped content key, and what its provider needs to unwrap it. Comes from rows: nothing in it is to be trusted but
/// the lengths.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum WrappedKey {
    /// AES key wrap with a key derived from a passphrase.
    Passphrase {
        /// The salt, without the method's name before it.
        salt: Vec<u8>,
        /// Rounds of PBKDF2, within the limit.
        rounds: NonZeroU32,
        /// The wrapped content key.
        wrapped: [u8; KEY_WRAP_BYTES],
    },
    /// AES-GCM in a token.
    Token {
        /// The label of the token's key.
        key_name: String,
        /// The initialisation vector.
        iv: [u8; IV_BYTES],
        /// The authentication tag.
        tag: [u8; TAG_BYTES],
        /// The encrypted content key.
        wrapped: [u8; CONTENT_KEY_BYTES],
    },
    /// Vault's own text.
    Vault {
        /// The name of the key in the transit engine.
        key_name: String,
        /// What Vault gave, as `vault:v1:...`.
        ciphertext: String,
    },
}

impl KeyWrap {
    /// As the header and the reference's column name it.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Passphrase => "PBES2-HS256+A128KW",
            Self::Token => "A256GCMKW",
            Self::Vault => "bulla-vault-transit",
            Self::Held => HELD,
        }
    }

    /// The method of this name.
    #[must_use]
    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Passphrase, Self::Token, Self::Vault, Self::Held].into_iter().find(|method| method.name() == name)
    }
}

impl ContentKey {
    /// A new one.
    ///
    /// # Errors
    /// [`SealError::Randomness`].
    pub(crate) fn random(rng: &dyn SecureRandom) -> Result<Self, SealError> {
        let mut key = Self::zero();
        rng.fill(key.expose_mut()).map_err(|_| SealError::Randomness)?;
        Ok(key)
    }

    /// One that was unwrapped; nothing if it has another length than 32 bytes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut key = Self::zero();
        (bytes.len() == CONTENT_KEY_BYTES).then(|| key.expose_mut().copy_from_slice(bytes))?;
        Some(key)
    }

    /// All zero, to be written to.
    pub(super) fn zero() -> Self {
        Self(Box::new(Zeroizing::new([0; CONTENT_KEY_BYTES])))
    }

    /// The bytes, to encrypt with or to wrap.
    pub(crate) fn expose(&self) -> &[u8; CONTENT_KEY_BYTES] {
        &self.0
    }

    pub(super) fn expose_mut(&mut self) -> &mut [u8; CONTENT_KEY_BYTES] {
        &mut self.0
    }
}

impl WrappedKey {
    /// How it is wrapped.
    #[must_use]
    pub(crate) fn method(&self) -> KeyWrap {
        match self {
            Self::Passphrase { .. } => KeyWrap::Passphrase,
            Self::Token { .. } => KeyWrap::Token,
            Self::Vault { .. } => KeyWrap::Vault,
        }
    }

    /// The wrapping key it names.
    #[must_use]
    pub(crate) fn key_name(&self) -> Option<&str> {
        match self {
            Self::Passphrase { .. } => None,
            Self::Token { key_name, .. } | Self::Vault { key_name, .. } => Some(key_name),
        }
    }
}

impl fmt::Display for KeyWrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_has_one_name_and_no_other() {
        for method in [KeyWrap::Passphrase, KeyWrap::Token, KeyWrap::Vault, KeyWrap::Held] {
            assert_eq!(KeyWrap::parse(method.name()), Some(method));
        }
        for name in ["", "a256gcmkw", "A256GCM", "PBES2-HS512+A256KW", "dir"] {
            assert_eq!(KeyWrap::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_content_key_has_32_bytes_and_is_not_shown() {
        assert!(ContentKey::from_bytes(&[7; 31]).is_none() && ContentKey::from_bytes(&[7; 33]).is_none());
        let key = ContentKey::from_bytes(&[7; 32]).unwrap();
        assert_eq!((key.expose(), format!("{key:?}").as_str()), (&[7; 32], "ContentKey(..)"));
    }
}
