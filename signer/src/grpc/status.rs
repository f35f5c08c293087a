//! The one table from errors to gRPC statuses. Texts that the reference has too are the reference's.
//!
//! | Status | When |
//! |---|---|
//! | INVALID_ARGUMENT | no key id; a gun that is none; a role that is none or whose keys are not the signer's |
//! | UNKNOWN | an algorithm that the signer cannot make keys of, as in the reference |
//! | NOT_FOUND | no such key |
//! | PERMISSION_DENIED | the client's name is not allowed, or not for this key; the content is not of the key's role, or for another repository |
//! | RESOURCE_EXHAUSTED | the caller asks, or the key signs, more often than the limits allow |
//! | FAILED_PRECONDITION | what opens the key is missing or wrong: the key is there and locked; the key was retired |
//! | DATA_LOSS | the stored key is damaged |
//! | UNAVAILABLE | the key store, or the provider that opens the key, does not answer; what was done cannot be recorded |
//! | INTERNAL | a key could not be made, or not sign |

use tonic::{Code, Status};
use tuf_schema::gun::GunError;

use super::peer::{Caller, NotAllowed};
use crate::backend::BackendError;
use crate::causes::WithCauses;
use crate::excerpt::Excerpt;
use crate::keyring::{Keyring, KeyringError, NotReady};
use crate::seal::SealError;
use crate::store::StoreError;
use crate::token::TokenError;

/// How much of the names of a client is kept that is not let in.
const MAX_NAMES_CHARACTERS: usize = 512;

/// A request that asks for nothing sensible.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("the request names no key")]
    NoKeyId,
    #[error("a key id of {bytes} bytes is none")]
    LongKeyId { bytes: usize },
    #[error("algorithm {0} not supported for create key")]
    UnsupportedAlgorithm(Excerpt),
    #[error(transparent)]
    Gun(#[from] GunError),
    #[error("the gun in the metadata is not text")]
    UnreadableGun,
    #[error("\"{0}\" is not the name of a role")]
    NotARole(Excerpt),
}

/// Turns away who may not even ask.
pub(super) fn not_allowed(keyring: &Keyring, refusal: &NotAllowed) -> Status {
    let names: String = refusal.names().chars().take(MAX_NAMES_CHARACTERS).collect();
    keyring.turn_away(&names.into(), refusal);
    Status::permission_denied(refusal.to_string())
}

/// Turns away a request that asks for nothing sensible.
pub(super) fn malformed(keyring: &Keyring, caller: &Caller, error: &RequestError) -> Status {
    keyring.turn_away(caller.shared_name(), error);
    let code = match error {
        RequestError::NoKeyId
        | RequestError::LongKeyId { .. }
        | RequestError::Gun(_)
        | RequestError::UnreadableGun
        | RequestError::NotARole(_) => Code::InvalidArgument,
        RequestError::UnsupportedAlgorithm(_) => Code::Unknown,
    };
    Status::new(code, error.to_string())
}

impl From<KeyringError> for Status {
    fn from(error: KeyringError) -> Self {
        let code = code(&error);
        // of those that are too many the keyring logs a few
        if !matches!(code, Code::NotFound | Code::ResourceExhausted) {
            tracing::error!(error = %WithCauses(&error), "a request failed");
        }
        Self::new(code, message(&error))
    }
}

/// What the peer is told: for a locked or damaged key everything, as its operator has to act on it; of a failing
/// store only that it fails.
fn message(error: &KeyringError) -> String {
    match error {
        KeyringError::Backend(_)
        | KeyringError::NotReady(
            NotReady::Locked { .. } | NotReady::NotTried { .. } | NotReady::Token(_) | NotReady::StoreTooSlow,
        ) => WithCauses(error).to_string(),
        KeyringError::KeyNotFound(_)
        | KeyringError::SigningKeyNotFound(_)
        | KeyringError::RoleNotServed(_)
        | KeyringError::ContentRefused { .. }
        | KeyringError::Retired { .. }
        | KeyringError::NotYours { .. }
        | KeyringError::NotYoursToMake(_)
        | KeyringError::TooMany(_)
        | KeyringError::CreationFailed(_)
        | KeyringError::NotReady(NotReady::Store(_) | NotReady::Audit(_) | NotReady::Heads(_))
        | KeyringError::Audit(_)
        | KeyringError::Store(_) => error.to_string(),
    }
}

fn code(error: &KeyringError) -> Code {
    match error {
        KeyringError::KeyNotFound(_) | KeyringError::SigningKeyNotFound(_) => Code::NotFound,
        KeyringError::RoleNotServed(_) => Code::InvalidArgument,
        KeyringError::ContentRefused { .. } | KeyringError::NotYours { .. } | KeyringError::NotYoursToMake(_) => {
            Code::PermissionDenied
        }
        KeyringError::TooMany(_) => Code::ResourceExhausted,
        KeyringError::Retired { .. } => Code::FailedPrecondition,
        KeyringError::CreationFailed(_) => Code::Internal,
        KeyringError::NotReady(amiss) => match amiss {
            NotReady::Store(_) | NotReady::StoreTooSlow | NotReady::Audit(_) | NotReady::Heads(_) => Code::Unavailable,
            NotReady::NotTried { .. } => Code::FailedPrecondition,
            NotReady::Locked { source, .. } => backend_code(source),
            NotReady::Token(error) => backend_code(error),
        },
        KeyringError::Store(error) => match error {
            StoreError::Unavailable(_) => Code::Unavailable,
            StoreError::Duplicate(_) | StoreError::DoesNotFit(_) => Code::Internal,
            StoreError::Damaged { .. } => Code::DataLoss,
        },
        KeyringError::Backend(error) => backend_code(error),
        KeyringError::Audit(_) => Code::Unavailable,
    }
}

fn token_code(error: &TokenError) -> Code {
    match error {
        TokenError::NoPin { .. }
        | TokenError::PinRefused { .. }
        | TokenError::Ambiguous { .. }
        | TokenError::SeveralObjects { .. }
        | TokenError::AlwaysAsks { .. }
        | TokenError::SecretKeys { .. }
        | TokenError::UnfitSecretKey { .. } => Code::FailedPrecondition,
        TokenError::Module { .. }
        | TokenError::Away { .. }
        | TokenError::Silent { .. }
        | TokenError::Busy { .. }
        | TokenError::Slow { .. }
        | TokenError::Ended { .. } => Code::Unavailable,
        TokenError::NoObject { .. } | TokenError::OtherKind { .. } => Code::DataLoss,
        TokenError::Unfit { .. } | TokenError::Refused { .. } => Code::Internal,
    }
}

fn backend_code(error: &BackendError) -> Code {
    match error {
        BackendError::Locked { .. } | BackendError::NothingToSealWith(_) | BackendError::UnknownToken { .. } => {
            Code::FailedPrecondition
        }
        BackendError::Unsupported(_) => Code::Unknown,
        BackendError::Token { source, .. } | BackendError::MakeOnToken(source) | BackendError::TokenAway(source) => {
            token_code(source)
        }
        BackendError::Away { .. } | BackendError::Seal(SealError::Away(_)) => Code::Unavailable,
        BackendError::Damaged { .. }
        | BackendError::NotItsHalf { .. }
        | BackendError::NamesNoObject { .. }
        | BackendError::WrongSignature { .. } => Code::DataLoss,
        BackendError::Seal(SealError::Locked(_) | SealError::Randomness | SealError::Encryption)
        | BackendError::Make(_)
        | BackendError::Sign(_)
        | BackendError::Ended => Code::Internal,
    }
}
