//! Keys on PKCS #11 tokens: hardware, or what stands for it, that holds keys and lets none of them out.
//!
//! The library of the token's maker is loaded when something is first asked of a token, and then it is somebody's code
//! in this process. One command asks little: one session for each token, opened and logged in when it is needed.

use std::fmt;

use ring::rand::SecureRandom;

mod error;
mod keys;
mod listing;
mod module;
mod session;
mod signing;
mod stub;

pub use error::TokenError;
pub(super) use keys::{destroy, make};
pub use listing::{TokenKeyShown, TokenShown};
pub use module::{Exposed, Module};
pub(super) use session::Tokens;
pub use signing::TokenKey;
pub(super) use stub::{EXTENSION, Stub};

/// The longest `CKA_ID` that is taken, in bytes.
const MAX_ID_BYTES: usize = 64;
/// Bytes of an id that is made here.
const ID_BYTES: usize = 16;

/// Which token.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenName {
    /// The label that it was given when it was initialised.
    pub label: String,
    /// The number that its maker gave it; may be empty.
    pub serial: String,
}

/// The `CKA_ID` of a key pair on a token.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectId(Vec<u8>);

/// A text that is no id of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an object's id is 1 to {MAX_ID_BYTES} bytes in hexadecimal digits, such as 02")]
pub struct ObjectIdError;

/// A key pair on a token.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenObject {
    /// The token.
    pub token: TokenName,
    /// The key pair on it.
    pub id: ObjectId,
}

impl ObjectId {
    /// A new one; nothing when there is no randomness.
    pub(super) fn random(rng: &dyn SecureRandom) -> Option<Self> {
        let mut bytes = vec![0; ID_BYTES];
        rng.fill(&mut bytes).ok()?;
        Some(Self(bytes))
    }

    fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::str::FromStr for ObjectId {
    type Err = ObjectIdError;

    fn from_str(text: &str) -> Result<Self, ObjectIdError> {
        let bytes = hex::decode(text).ok().filter(|bytes| (1..=MAX_ID_BYTES).contains(&bytes.len()));
        bytes.map(Self).ok_or(ObjectIdError)
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the token {:?}", self.label)?;
        if self.serial.is_empty() { Ok(()) } else { write!(f, " (serial number {})", self.serial) }
    }
}

#[cfg(test)]
pub(super) mod scratch;
#[cfg(test)]
mod tests;
