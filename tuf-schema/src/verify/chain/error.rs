//! Why an update did not end with usable metadata.

use super::DocumentName;
use crate::dialect::DecodeError;
use crate::digest::Sha256;
use crate::envelope::EnvelopeError;
use crate::gun::Gun;
use crate::role::Role;
use crate::verify::limits::{MAX_DELEGATED_ROLES, MAX_ROOT_STEPS};
use crate::verify::{FirstRootError, PinError, PinMismatch, RootError, SignatureError, StaleError};
use crate::version::Version;

/// Why an update did not end with usable metadata.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The server has no root: it knows nothing of the repository.
    #[error("no trust data for {0}")]
    NoTrustData(Gun),
    /// The server lacks a document that must be there.
    #[error("the trust server does not have {0}")]
    Missing(DocumentName),
    /// The document could not be asked for, and nothing that may stand in for it is cached.
    #[error("{0} could not be fetched")]
    Unreachable(DocumentName),
    /// The document is no acceptable envelope.
    #[error("{role} is malformed")]
    Envelope {
        /// The role.
        role: Role,
        /// What is wrong.
        source: EnvelopeError,
    },
    /// The document does not mean what its role demands.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The cached root cannot be trusted: the anchor of all else is damaged.
    #[error("the cached root is damaged: {0}")]
    CachedRoot(Box<Self>),
    /// The first root cannot be believed.
    #[error(transparent)]
    FirstRoot(#[from] FirstRootError),
    /// The root does not follow the one before.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The root's signatures are in order, and it is not what is pinned.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// A root of a version already trusted has other content.
    #[error("another root with the trusted version {version} was offered: sha256 {offered} instead of {trusted}")]
    RootReplaced {
        /// The version.
        version: Version,
        /// The digest of the trusted one.
        trusted: Sha256,
        /// The digest of the other.
        offered: Sha256,
    },
    /// A root by number has another number.
    #[error("root version {found} was sent for version {asked}")]
    RootNumber {
        /// The version asked for.
        asked: Version,
        /// The version that came.
        found: Version,
    },
    /// More roots than anyone rotates through.
    #[error("more than {MAX_ROOT_STEPS} roots to follow")]
    TooManyRoots,
    /// The signatures do not suffice.
    #[error("{}", signature_text(.role, .source))]
    Signature {
        /// The role.
        role: Role,
        /// What is missing.
        source: SignatureError,
    },
    /// Expired, older than known, or not what is listed.
    #[error(transparent)]
    Stale(#[from] StaleError),
    /// The snapshot lists nothing for a role that must be there: `root`, `targets`, or a delegation that an earlier
    /// snapshot listed and whose keys are still those of the document seen then.
    #[error("the snapshot does not list {0}")]
    Unlisted(Role),
    /// More delegated roles than anyone uses.
    #[error("more than {MAX_DELEGATED_ROLES} delegated roles")]
    TooManyRoles,
}

/// The reference's words, with the role where they do not name it.
fn signature_text(role: &Role, source: &SignatureError) -> String {
    match source {
        SignatureError::BelowThreshold { .. } => source.to_string(),
        SignatureError::KeyIdMismatch(id) => format!("{role}: {source}: {id}"),
        SignatureError::Unsigned => format!("{role}: {source}"),
    }
}

impl From<Box<PinMismatch>> for ChainError {
    fn from(mismatch: Box<PinMismatch>) -> Self {
        Self::Pin(mismatch.into())
    }
}
