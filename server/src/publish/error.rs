//! Why an upload was not published. The words of a [`Violation`] are the reference's `Msg`, which clients print.

use tuf_schema::{Role, Version};

use crate::signer::SignerError;
use crate::store::StoreError;

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
        source: Box<dyn std::error::Error + Send + Sync>,
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
    /// The signer failed; this says nothing about the upload.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The store failed; this says nothing about the upload.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Others published again and again in the meantime.
    #[error("the repository changed {attempts} times while the upload was prepared")]
    Contended {
        /// How often the upload was prepared.
        attempts: u32,
    },
}

/// A rule that an upload breaks. Displayed as the reference words it, where it has the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The first upload has no root.
    #[error("no pre-existing root and no root provided in update.")]
    NoRoot,
}
