//! Why an upload was not published. The words of a [`Violation`] are the reference's `Msg`, which clients print.

use tuf_schema::dialect::{DecodeError, EncodeError};
use tuf_schema::digest::DigestMismatch;
use tuf_schema::envelope::EnvelopeError;
use tuf_schema::model::FileMismatch;
use tuf_schema::verify::{FirstRootError, RootError, SignatureError, StaleError};
use tuf_schema::{BaseRole, DelegationName, KeyId, Role, Version};

use crate::signer::SignerError;
use crate::store::{Misfit, StoreError};

/// Why an upload was not published. Nothing of it was stored.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A part is no signed document.
    #[error("the uploaded {role} is no signed document")]
    MalformedJson {
        /// The part's role.
        role: Role,
        /// What is wrong with it.
        #[source]
        source: EnvelopeError,
    },
    /// `ErrBadRoot`.
    #[error("{0}")]
    BadRoot(Violation),
    /// `ErrBadTargets`.
    #[error("{0}")]
    BadTargets(Violation),
    /// `ErrBadSnapshot`.
    #[error("{0}")]
    BadSnapshot(Violation),
    /// `ErrBadHierarchy`: a role is missing that the server cannot make.
    #[error("{violation}")]
    BadHierarchy {
        /// The role that is missing.
        missing: Role,
        /// Why the server cannot make it.
        violation: Violation,
    },
    /// `ErrValidation`.
    #[error("{0}")]
    Validation(Violation),
    /// A part is not newer than what is stored.
    #[error("the uploaded {role} is not newer than the stored one")]
    VersionConflict {
        /// The role.
        role: Role,
        /// Its newest stored version, when it could still be told.
        current: Option<Version>,
    },
    /// The upload was not to blame: others published each time that it was prepared.
    #[error("the repository changed each time the upload was prepared; its {role} is another one again")]
    Overtaken {
        /// The role that changed last.
        role: Role,
        /// Its newest stored version, when it could still be told.
        current: Option<Version>,
    },
    /// The database's tables cannot hold the repository beside what they hold.
    #[error("the metadata database cannot hold the repository: {reason}")]
    DoesNotFit {
        /// Why not.
        reason: Misfit,
    },
    /// The signer failed; this says nothing about the upload.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The store failed; this says nothing about the upload.
    #[error(transparent)]
    Store(StoreError),
    /// What the server makes cannot be written; this says nothing about the upload.
    #[error("the server's own document cannot be written")]
    Unwritable(#[from] EncodeError),
}

impl PublishError {
    /// Whether the upload is to blame, as it was judged.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::MalformedJson { .. }
            | Self::BadRoot(_)
            | Self::BadTargets(_)
            | Self::BadSnapshot(_)
            | Self::BadHierarchy { .. }
            | Self::Validation(_)
            | Self::VersionConflict { .. } => true,
            Self::Overtaken { .. }
            | Self::DoesNotFit { .. }
            | Self::Signer(_)
            | Self::Store(_)
            | Self::Unwritable(_) => false,
        }
    }
}

impl From<StoreError> for PublishError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::DoesNotFit { reason } => Self::DoesNotFit { reason },
            error @ (StoreError::Conflict { .. } | StoreError::Unavailable(_) | StoreError::Corrupt { .. }) => {
                Self::Store(error)
            }
        }
    }
}

/// A rule that an upload breaks. Displayed as the reference words it, where it has the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The first upload has no root.
    #[error("no pre-existing root and no root provided in update.")]
    NoRoot,
    /// Root's version is neither the current one nor the next.
    #[error("Root modifications must increment the version. Current {current}, new {offered}")]
    RootStep {
        /// The stored version, 1 when there is none.
        current: Version,
        /// The uploaded version, which may be no version at all.
        offered: i64,
    },
    /// The document does not mean what its role demands.
    #[error(transparent)]
    Structure(#[from] DecodeError),
    /// A first root does not stand by itself.
    #[error(transparent)]
    FirstRoot(#[from] FirstRootError),
    /// A root does not follow from the stored one.
    #[error(transparent)]
    RootChain(#[from] RootError),
    /// Not enough keys signed.
    #[error("{}", reference_words(.0))]
    Signatures(#[from] SignatureError),
    /// Expired.
    #[error(transparent)]
    Stale(#[from] StaleError),
    /// Root asks for more signatures than a role has keys: nobody could ever sign.
    #[error("root type metadata invalid: {} needs {threshold} signatures and has {keys} distinct keys", Role::from(*.role))]
    ThresholdAboveKeys {
        /// The role.
        role: BaseRole,
        /// Signatures needed.
        threshold: u32,
        /// Distinct keys that can sign.
        keys: usize,
    },
    /// The role above does not declare this delegation.
    #[error("tuf: invalid role {0}. delegation does not exist")]
    Undeclared(DelegationName),
    /// The version is further above the stored one than the configured limit.
    #[error("{role} version {offered} is more than {limit} above {}", stored_version(.newest))]
    VersionStep {
        /// The role.
        role: Role,
        /// The newest stored version.
        newest: Option<Version>,
        /// The uploaded version.
        offered: Version,
        /// The configured limit.
        limit: u32,
    },
    /// The reference would hash its own encoding of the document, which differs from these bytes.
    #[error(
        "{0} is not encoded as Notary encodes it (white space, order of members, unknown members or form of expires)"
    )]
    NotReferenceEncoding(Role),
    /// Something follows the document.
    #[error("invalid character {} after top-level value", reference_quotes(*.0))]
    TrailingBytes(char),
    /// A snapshot lists another document than the one it should.
    #[error("{}", checksum_words(.role, .mismatch))]
    Checksum {
        /// The listed role.
        role: Role,
        /// What differs.
        mismatch: FileMismatch,
    },
    /// A role was uploaded that the snapshot beside it does not list.
    #[error("the snapshot does not list {0}")]
    NotListed(Role),
    /// A snapshot lists a document that neither came with it nor is stored.
    #[error("the snapshot lists a {0} that was never uploaded")]
    NeverUploaded(Role),
    /// An uploaded snapshot is longer than a server keeps.
    #[error("the snapshot is {bytes} bytes long and at most {limit} are allowed")]
    SnapshotTooLarge {
        /// Its length in bytes.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A snapshot would list more roles than a repository may have.
    #[error("the snapshot would list {roles} roles and at most {limit} are allowed")]
    TooManyRoles {
        /// How many it would list.
        roles: usize,
        /// The limit.
        limit: usize,
    },
    /// A document bears more signatures than the configured limit.
    #[error("the {role} has {signatures} signatures and at most {limit} are allowed")]
    TooManySignatures {
        /// The role.
        role: Role,
        /// How many it bears.
        signatures: usize,
        /// The limit.
        limit: usize,
    },
    /// A document delegates to more roles than the configured limit.
    #[error("{role} delegates to {delegations} roles and at most {limit} are allowed")]
    TooManyDelegations {
        /// The role that delegates.
        role: Role,
        /// How many roles it delegates to.
        delegations: usize,
        /// The limit.
        limit: usize,
    },
    /// The server cannot make the first snapshot of a repository without targets.
    #[error("targets must be loaded first")]
    NoTargets,
    /// The signer does not hold a key that must sign: a remote one's words.
    #[error("rpc error: code = NotFound desc = key {0} not found")]
    KeyNotFound(KeyId),
    /// The server should make the snapshot and does not hold its key: a local signer's words.
    #[error("no snapshot was included in update and server does not hold current snapshot key for repository")]
    NoSnapshotKey,
    /// The server does not hold the timestamp key: a local signer's words.
    #[error("no  timestamp keys exist on the server")]
    NoTimestampKey,
    /// The last version of a role is stored.
    #[error("{0} has no versions left")]
    NoVersionsLeft(Role),
}

/// The reference does not say how many signatures were good.
fn reference_words(error: &SignatureError) -> String {
    match error {
        SignatureError::BelowThreshold { role, .. } => format!("valid signatures did not meet threshold for {role}"),
        SignatureError::Unsigned | SignatureError::KeyIdMismatch(_) => error.to_string(),
    }
}

/// A character as the reference's language quotes it.
fn reference_quotes(character: char) -> String {
    match character {
        '\u{7}' => r"'\a'".to_owned(),
        '\u{8}' => r"'\b'".to_owned(),
        '\u{b}' => r"'\v'".to_owned(),
        '\u{c}' => r"'\f'".to_owned(),
        '\n' | '\r' | '\t' => format!("{character:?}"),
        '\0'..='\u{1f}' | '\u{7f}' => format!(r"'\x{:02x}'", u32::from(character)),
        '\u{80}'..='\u{a0}' | '\u{ad}' => format!(r"'\u{:04x}'", u32::from(character)),
        _ => format!("{character:?}"),
    }
}

fn checksum_words(role: &Role, mismatch: &FileMismatch) -> String {
    match mismatch {
        FileMismatch::Digest(DigestMismatch::Differs { algorithm, expected, .. }) => {
            format!("{} checksum for {role} did not match: expected {expected}", algorithm.name())
        }
        FileMismatch::Digest(DigestMismatch::NoKnownAlgorithm) | FileMismatch::Length { .. } => {
            format!("{role}: {mismatch}")
        }
    }
}

fn stored_version(newest: &Option<Version>) -> String {
    newest.map_or_else(|| "0".to_owned(), |version| version.to_string())
}
