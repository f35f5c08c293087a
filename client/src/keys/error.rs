//! Why a key cannot be had.

use std::path::PathBuf;

use tuf_schema::KeyId;
use tuf_schema::sign::SecretKeyError;

use super::new_file::NewFileError;
use super::token::{TokenError, TokenObject};
use super::{OpenError, PassphraseError, SealError};
use crate::cache::FileError;

/// Why a key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// A file or directory cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file of this key holds no private key.
    #[error("{path} holds no private key that can be read: restore it, or move it away", path = .0.display())]
    NotAKey(PathBuf),
    /// The file holds another key than its name says.
    #[error("{path} holds the key {found}", path = path.display())]
    WrongName {
        /// The file.
        path: PathBuf,
        /// The key in it.
        found: KeyId,
    },
    /// A file is where the key's should be, or cannot be written.
    #[error(transparent)]
    New(#[from] NewFileError),
    /// There is no such key (notary's words).
    #[error("No key with ID {0} found")]
    Unknown(KeyId),
    /// A file could not be removed.
    #[error("cannot remove {path}", path = path.display())]
    Remove {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No passphrase opens the key.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// A token does not do what it should.
    #[error(transparent)]
    Token(Box<TokenError>),
    /// What was asked for takes a key in a file.
    #[error("the key {key} is on {} and never leaves it: {what}", object.token)]
    OnToken {
        /// The key.
        key: KeyId,
        /// Where it is.
        object: Box<TokenObject>,
        /// What that means for what was asked, and what to do instead.
        what: &'static str,
    },
    /// The key is kept elsewhere, and that is where it would be taken from.
    #[error(
        "the key {key} is here already, in {path}, and is used from there: to use it on the token, remove that (bulla key \
         remove {key}), a key in a file once it has a backup, and add it again",
        path = path.display()
    )]
    HereAlready {
        /// The key.
        key: KeyId,
        /// Its file.
        path: PathBuf,
    },
    /// What was asked for takes a key on a token.
    #[error("the key {0} is in a file and not on a token")]
    NotOnToken(KeyId),
    /// The key cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The key cannot be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The key cannot be made.
    #[error(transparent)]
    Make(#[from] SecretKeyError),
}

impl From<TokenError> for KeyringError {
    fn from(error: TokenError) -> Self {
        Self::Token(Box::new(error))
    }
}
