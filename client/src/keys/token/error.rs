//! What can go wrong with a token: each says the cause and the next step.

use std::path::PathBuf;

use cryptoki::error::Error;

use super::{Exposed, ObjectId, TokenName};

/// Why a token did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Nothing says how tokens are reached.
    #[error(
        "no PKCS #11 module is named: set BULLA_PKCS11_MODULE to the library of the token's maker, or name it in \
         bulla.json of the trust directory: {{\"pkcs11\": {{\"module\": FILE}}}}"
    )]
    NoModule,
    /// The library cannot be used.
    #[error(
        "the PKCS #11 module {file} cannot be used ({source}): see that it is the library of the token's maker, for this \
         machine", file = file.display()
    )]
    Module {
        /// The library.
        file: PathBuf,
        /// Why not.
        source: Error,
    },
    /// The library is open to others.
    #[error("{0}")]
    Exposed(Box<Exposed>),
    /// It is not in any slot.
    #[error("{0} is not there: plug it in, and look what is there with: bulla key token list")]
    Away(TokenName),
    /// No token is called so.
    #[error("no token has the label or the serial number {0:?}: look what is there with: bulla key token list")]
    NoneNamed(String),
    /// There is no token at all.
    #[error("the PKCS #11 module {file} shows no token: plug it in, or initialise one", file = .0.display())]
    NoToken(PathBuf),
    /// Several have that name.
    #[error("{found} tokens are called {name:?}: name one by its serial number, which bulla key token list shows")]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// How many there are.
        found: usize,
    },
    /// Several are there, and nothing says which.
    #[error("{0} tokens are there: say which with --token LABEL")]
    Which(usize),
    /// The PIN is wrong. It is not tried again: tokens lock themselves after a few.
    #[error("{token} refused the PIN, which is not tried again: {}", next(*is_last_try))]
    PinWrong {
        /// The token.
        token: TokenName,
        /// Whether the next wrong one locks it.
        is_last_try: bool,
    },
    /// It refused the PIN before, in this run.
    #[error("{0} refused the PIN before, and it is not tried again")]
    PinRefusedBefore(TokenName),
    /// No PIN helps.
    #[error(
        "the PIN of {0} is locked after too many wrong ones: unlock it with the maker's tool and its PUK or SO PIN"
    )]
    PinLocked(TokenName),
    /// There is no PIN yet, or it must be changed.
    #[error("{0} has no PIN that can be used: set it with the maker's tool")]
    PinNotSet(TokenName),
    /// The object is gone.
    #[error(
        "the key {object} is not on {token} any more, or not for who knows its PIN: look with: bulla key token list; if it \
         is lost, rotate to another key"
    )]
    NoObject {
        /// The token.
        token: TokenName,
        /// The key pair.
        object: ObjectId,
    },
    /// The object is that of another key than it should be.
    #[error("the object {object} on {token} does not sign for the public key that it should belong to")]
    OtherKey {
        /// The token.
        token: TokenName,
        /// The key pair.
        object: ObjectId,
    },
    /// A key on a token that cannot be used.
    #[error("the key {object} on {token} cannot be used: {fact}")]
    Unfit {
        /// The token.
        token: TokenName,
        /// The key pair.
        object: ObjectId,
        /// Why.
        fact: &'static str,
    },
    /// The token refused.
    #[error("{token} refused: {source}")]
    Refused {
        /// The token.
        token: TokenName,
        /// What its module said.
        source: Error,
    },
    /// There is no randomness for an id.
    #[error("no randomness for the id of a key")]
    Randomness,
}

fn next(is_last_try: bool) -> &'static str {
    if is_last_try {
        "mend what gives the PIN first, for the next wrong one locks the token"
    } else {
        "mend what gives the PIN, or leave it out to be asked"
    }
}
