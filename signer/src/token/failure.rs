//! What went wrong with a token: what its module answers, and what that means for those who asked.

use std::path::PathBuf;
use std::time::Duration;

use cryptoki::error::{Error, RvError};

use super::TokenName;
use super::pin::PinError;

/// Why a token did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    /// The module cannot be loaded or does not begin.
    #[error("the PKCS #11 module {file} of token {token} cannot be used")]
    Module {
        /// The token's name in the configuration.
        token: TokenName,
        /// The module.
        file: PathBuf,
        /// What it said.
        source: Error,
    },
    /// The token is not there.
    #[error("token {token} is away: no slot of its module has a token labelled {label:?}{}", of_serial(serial.as_deref()))]
    Away {
        /// The token's name in the configuration.
        token: TokenName,
        /// The label it should have.
        label: String,
        /// The serial number it should have.
        serial: Option<String>,
    },
    /// The token was there and does not answer any more.
    #[error("token {token} does not answer")]
    Silent {
        /// The token's name in the configuration.
        token: TokenName,
        /// What its module said last.
        source: Error,
    },
    /// Several tokens have the label.
    #[error("token {token}: {found} tokens are labelled {label:?}; set tokens.{token}.serial to one of theirs")]
    Ambiguous {
        /// The token's name in the configuration.
        token: TokenName,
        /// The label.
        label: String,
        /// How many.
        found: usize,
    },
    /// As much is asked of the token as it takes.
    #[error("token {token} has too much to do")]
    Busy {
        /// The token's name in the configuration.
        token: TokenName,
    },
    /// The token takes too long.
    #[error("token {token} does not answer within {} seconds", patience.as_secs())]
    Slow {
        /// The token's name in the configuration.
        token: TokenName,
        /// How long was waited.
        patience: Duration,
    },
    /// There is no PIN.
    #[error("token {token} is locked")]
    NoPin {
        /// The token's name in the configuration.
        token: TokenName,
        /// Why there is none.
        source: PinError,
    },
    /// The token refused the PIN, now or before. It is not tried again, as a token locks itself after a few.
    #[error(
        "token {token} is locked: it refused the PIN ({reason}); the same PIN is not tried again: change what its \
         source gives, or start anew"
    )]
    PinRefused {
        /// The token's name in the configuration.
        token: TokenName,
        /// What the module said.
        reason: RvError,
    },
    /// The token has no such object.
    #[error("token {token} has no object with id {id}")]
    NoObject {
        /// The token's name in the configuration.
        token: TokenName,
        /// The object's `CKA_ID` in hexadecimal.
        id: String,
    },
    /// Several objects have the id: which is meant cannot be told.
    #[error(
        "token {token} has {found} objects with id {id}, of which none is used or destroyed: give the others other ids"
    )]
    SeveralObjects {
        /// The token's name in the configuration.
        token: TokenName,
        /// The objects' `CKA_ID` in hexadecimal.
        id: String,
        /// How many there are.
        found: usize,
    },
    /// The object is no key of the kind that its row says. Modules that are had to sign with it may crash.
    #[error("object {id} of token {token} is a key of another kind than its row says, and is not asked to sign")]
    OtherKind {
        /// The token's name in the configuration.
        token: TokenName,
        /// The object's `CKA_ID` in hexadecimal.
        id: String,
    },
    /// The token wants its PIN for each signature of the object.
    #[error(
        "token {token} wants its PIN at every signature of object {id} (CKA_ALWAYS_AUTHENTICATE), which is not supported: \
         have the token take it once for all, and make another key"
    )]
    AlwaysAsks {
        /// The token's name in the configuration.
        token: TokenName,
        /// The object's `CKA_ID` in hexadecimal.
        id: String,
    },
    /// What the token made is not what it was asked for.
    #[error("token {token} made a key that cannot be kept: {fact}")]
    Unfit {
        /// The token's name in the configuration.
        token: TokenName,
        /// What is wrong.
        fact: &'static str,
    },
    /// The key that is to wrap others is not there, or not the only one of its label.
    #[error("token {token} has {found} AES keys labelled {label:?}; there must be one")]
    SecretKeys {
        /// The token's name in the configuration.
        token: TokenName,
        /// The label.
        label: String,
        /// How many there are.
        found: usize,
    },
    /// The key that is to wrap others is too short, or may leave the token.
    #[error("key {label:?} of token {token} must be of 256 bits, sensitive and not extractable")]
    UnfitSecretKey {
        /// The token's name in the configuration.
        token: TokenName,
        /// The label.
        label: String,
    },
    /// The module refused.
    #[error("token {token} refused")]
    Refused {
        /// The token's name in the configuration.
        token: TokenName,
        /// What it said.
        source: Error,
    },
    /// The process is ending.
    #[error("the work for token {token} was given up")]
    Ended {
        /// The token's name in the configuration.
        token: TokenName,
    },
}

/// Why one piece of work on a session failed.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The module answered with an error.
    Module(Error),
    /// No slot has the token.
    Away,
    /// Several slots have one.
    Ambiguous(usize),
    /// There is no PIN.
    NoPin(PinError),
    /// The PIN is or was refused.
    PinRefused(RvError),
    /// No object has this id.
    NoObject(String),
    /// Several objects of one class have this id.
    SeveralObjects { id: String, found: usize },
    /// The object of this id is of another kind than it should be.
    OtherKind(String),
    /// The token wants its PIN for each signature of the object of this id.
    AlwaysAsks(String),
    /// What was made is not what was asked for.
    Unfit(&'static str),
    /// Not one secret key has this label.
    SecretKeys { label: String, found: usize },
    /// The secret key of this label is not fit.
    UnfitSecretKey { label: String },
}

/// What may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Nothing.
    None,
    /// To forget what the session had found on the token, and to open and log in another one.
    NewSession,
    /// To end the module's work and begin it anew, which finds tokens that came since.
    NewModule,
}

impl TokenError {
    /// Whether it may pass without anybody changing the configuration or the token.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Module { .. }
            | Self::Away { .. }
            | Self::Silent { .. }
            | Self::Busy { .. }
            | Self::Slow { .. }
            | Self::Ended { .. } => true,
            Self::Ambiguous { .. }
            | Self::NoPin { .. }
            | Self::PinRefused { .. }
            | Self::NoObject { .. }
            | Self::SeveralObjects { .. }
            | Self::OtherKind { .. }
            | Self::AlwaysAsks { .. }
            | Self::Unfit { .. }
            | Self::SecretKeys { .. }
            | Self::UnfitSecretKey { .. }
            | Self::Refused { .. } => false,
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Module(error)
    }
}

impl Trouble {
    /// What may help, by what the module said.
    pub(super) fn remedy(&self) -> Remedy {
        match self {
            Self::Module(Error::Pkcs11(code, _)) => remedy(*code),
            // it may be that the module still shows what was on a token that has gone
            Self::Away | Self::NoObject(_) | Self::SecretKeys { found: 0, .. } => Remedy::NewModule,
            Self::Module(_)
            | Self::Ambiguous(_)
            | Self::NoPin(_)
            | Self::PinRefused(_)
            | Self::SeveralObjects { .. }
            | Self::OtherKind(_)
            | Self::AlwaysAsks(_)
            | Self::Unfit(_)
            | Self::SecretKeys { .. }
            | Self::UnfitSecretKey { .. } => Remedy::None,
        }
    }

    /// Whether the session is known to be no more.
    pub(super) fn has_ended_the_session(&self) -> bool {
        use RvError::{CryptokiNotInitialized, DeviceRemoved, SessionClosed, SessionHandleInvalid, TokenNotPresent};
        let ends = [CryptokiNotInitialized, DeviceRemoved, SessionClosed, SessionHandleInvalid, TokenNotPresent];
        matches!(self, Self::Module(Error::Pkcs11(code, _)) if ends.contains(code))
    }
}

fn remedy(code: RvError) -> Remedy {
    match code {
        RvError::SessionHandleInvalid
        | RvError::SessionClosed
        | RvError::UserNotLoggedIn
        | RvError::KeyHandleInvalid
        | RvError::ObjectHandleInvalid
        | RvError::OperationActive
        | RvError::OperationNotInitialized => Remedy::NewSession,
        RvError::DeviceRemoved
        | RvError::DeviceError
        | RvError::TokenNotPresent
        | RvError::TokenNotRecognized
        | RvError::SlotIdInvalid
        | RvError::GeneralError
        | RvError::FunctionFailed
        | RvError::CryptokiNotInitialized => Remedy::NewModule,
        _ => Remedy::None,
    }
}

fn of_serial(serial: Option<&str>) -> String {
    serial.map(|serial| format!(" with serial number {serial}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use cryptoki::context::Function;

    use super::*;

    #[test]
    fn a_refused_pin_has_no_remedy_that_would_try_it_again() {
        for code in [RvError::PinIncorrect, RvError::PinLocked, RvError::PinInvalid, RvError::PinLenRange] {
            assert_eq!(Trouble::from(Error::Pkcs11(code, Function::Login)).remedy(), Remedy::None, "{code}");
            assert_eq!(Trouble::PinRefused(code).remedy(), Remedy::None, "{code}");
        }
    }

    #[test]
    fn a_lost_session_is_opened_anew_and_a_lost_token_looked_for() {
        let remedy = |code| Trouble::from(Error::Pkcs11(code, Function::Sign)).remedy();
        for code in [RvError::SessionHandleInvalid, RvError::SessionClosed, RvError::UserNotLoggedIn] {
            assert_eq!(remedy(code), Remedy::NewSession, "{code}");
        }
        for code in [RvError::DeviceRemoved, RvError::TokenNotPresent] {
            assert_eq!(remedy(code), Remedy::NewModule, "{code}");
        }
        assert_eq!(remedy(RvError::MechanismInvalid), Remedy::None);
    }
}
