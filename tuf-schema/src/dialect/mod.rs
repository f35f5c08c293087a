//! Dialects: how metadata is written. The one place that knows which dialect a document is in.

use crate::envelope::{EnvelopeError, Opened};
use crate::json::canonical::NotIntegral;
use crate::model::{Root, Snapshot, Targets, Timestamp};
use crate::role::{BaseRole, Role};
use crate::signature::Signature;
use crate::time::UtcTime;
use crate::version::VersionError;

mod direct;
mod notary;

/// A way of writing metadata. Chosen once, at the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Notary v1, as the reference implementation 0.7.0 writes it.
    Notary,
}

impl Dialect {
    /// Takes an envelope apart.
    pub(crate) fn open(self, envelope: &[u8]) -> Result<Opened, EnvelopeError> {
        match self {
            Self::Notary => notary::envelope::open(envelope),
        }
    }

    /// The version that an envelope claims, if it is one that can be [taken apart](Self::open).
    pub(crate) fn glance(self, envelope: &[u8]) -> Option<i64> {
        match self {
            Self::Notary => notary::envelope::glance(envelope),
        }
    }

    /// The date that an envelope claims to end at, if it stands among these first bytes of it and the envelope is one that
    /// can be [taken apart](Self::open).
    pub(crate) fn glance_expiry(self, beginning: &[u8]) -> Option<UtcTime> {
        match self {
            Self::Notary => notary::envelope::glance_expiry(beginning),
        }
    }

    /// Whether an envelope is the wire form of a `signed` part in canonical form and its signatures, put together.
    pub(crate) fn is_assembled(self, envelope: &[u8], signed: &[u8], signatures: &[Signature]) -> bool {
        match self {
            Self::Notary => notary::envelope::is_assembled(envelope, signed, signatures),
        }
    }

    /// Puts the wire form of a `signed` part and its signatures together.
    pub(crate) fn assemble(self, signed: &[u8], signatures: &[Signature]) -> Vec<u8> {
        match self {
            Self::Notary => notary::envelope::assemble(signed, signatures),
        }
    }
}

/// A document whose `signed` part does not mean what its role demands.
///
/// The texts are the reference's where it refuses for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{role} type metadata invalid: {fault}")]
pub struct DecodeError {
    /// The role that the document was given for.
    pub role: Role,
    /// What is wrong.
    pub fault: Fault,
}

/// The most keys that one document may list. Each is parsed before anything of the document is believed; a root that
/// keeps the certificates of its predecessors gains one a rotation.
pub const MAX_KEYS: usize = 1000;

/// What is wrong with the meaning of a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The document says to be of another type.
    #[error("expected type {expected}, not {found}")]
    Type {
        /// What the role demands.
        expected: &'static str,
        /// What the document says.
        found: String,
    },
    /// The version is out of range.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// A threshold below one, or above what fits.
    #[error("invalid threshold specified for {role}: {threshold} ")]
    Threshold {
        /// The role that has the threshold, as written.
        role: String,
        /// The threshold.
        threshold: i64,
    },
    /// Root lacks a base role.
    #[error("missing {} role specification", Role::from(*.0))]
    MissingRole(BaseRole),
    /// More keys than [`MAX_KEYS`].
    #[error("{0} keys are listed, more than {MAX_KEYS}")]
    TooManyKeys(usize),
    /// A role names a key that the document does not hold.
    #[error("key ID {key_id} specified in {role} without corresponding key")]
    KeyIdWithoutKey {
        /// The id.
        key_id: String,
        /// The role that names it.
        role: String,
    },
    /// A delegation that is no direct child of the role, or has no valid name.
    #[error("delegation role {0} invalid")]
    ForeignDelegation(String),
    /// One delegation is declared twice.
    #[error("delegation role {0} declared twice")]
    DuplicateDelegation(String),
    /// A snapshot or timestamp does not list what it must.
    #[error("missing {0} sha256 checksum information")]
    MissingChecksum(Role),
    /// A snapshot lists something that is no role.
    #[error("{0:?} is listed and is not the name of a role")]
    UnknownRole(String),
    /// A member is missing or of another type.
    #[error("{0}")]
    Member(String),
}

/// A document that cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Custom data with a fraction.
    #[error(transparent)]
    NotIntegral(#[from] NotIntegral),
    /// A structure that JSON cannot hold.
    #[error("cannot be written as JSON: {0}")]
    Unwritable(String),
}

/// A document type: root, targets, snapshot or timestamp.
///
/// Sealed: the four models implement it, in the dialect's folder.
pub trait Document: Sized + sealed::Sealed {
    /// Reads the meaning of a `signed` part in canonical form.
    ///
    /// # Errors
    /// [`DecodeError`] names the role and the fault.
    fn decode(dialect: Dialect, role: &Role, signed: &[u8]) -> Result<Self, DecodeError>;

    /// Writes the `signed` part in canonical form.
    ///
    /// # Errors
    /// [`EncodeError`] for custom data that has no wire form.
    fn encode(&self, dialect: Dialect) -> Result<Vec<u8>, EncodeError>;

    /// The same, and whether the `signed` part is what the reference would write after reading it: unknown members
    /// dropped, absent ones filled in, dates in its form.
    fn decode_and_compare(dialect: Dialect, role: &Role, signed: &[u8]) -> (Result<Self, DecodeError>, bool);

    /// The document's version.
    fn version(&self) -> crate::Version;

    /// When the document stops being valid.
    fn expires(&self) -> UtcTime;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Root {}
    impl Sealed for super::Targets {}
    impl Sealed for super::Snapshot {}
    impl Sealed for super::Timestamp {}
}
