//! What can be published: an edit of a repository, applied anew to what is there at each attempt.

use tuf_schema::verify::chain::ChainError;
use tuf_schema::version::Version;
use tuf_schema::{DelegationName, Gun, KeyId, Role};

use super::Working;
use crate::signers::SignersError;
use crate::threshold::ThresholdError;

/// A change of a repository's documents.
///
/// It may be applied several times, each time to what others have published by then. It does nothing else: keys are made
/// and servers are asked before, and what came of that is part of the edit.
pub trait Edit: Send + Sync {
    /// Changes what is there. Documents that stay untouched are not published.
    ///
    /// # Errors
    /// [`EditError`]; then nothing is published.
    fn apply(&self, working: &mut Working) -> Result<(), EditError>;

    /// Whether it is applied to what has expired, too: then no date counts, only signatures, versions and hashes do.
    fn opens_expired(&self) -> bool {
        false
    }

    /// Whether a repository that the trust server does not know is made by it, as by docker's first signature.
    fn founds(&self) -> bool {
        false
    }

    /// Told just before what came of it is handed to the trust server. From then on it may be public, whatever the
    /// server answers.
    fn goes_out(&self) {}
}

/// Looks at the repository without changing it.
pub(crate) struct Look;

impl Edit for Look {
    fn apply(&self, _: &mut Working) -> Result<(), EditError> {
        Ok(())
    }
}

/// Why an edit does not fit what is published.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// There are delegations, and none of their keys is here (docker's words).
    #[error(
        "no valid signing keys for delegation roles; sign where a signer's key is, or bring it here with: bulla trust key \
         load FILE"
    )]
    NoDelegationKey,
    /// A delegation was passed over in reading, so nothing can be added to it.
    #[error(
        "cannot edit {role}: {why}; whoever may sign it can take over what it lists, after a look at it, with: bulla repo \
         witness -p {gun} {role}"
    )]
    Unreadable {
        /// The repository.
        gun: Gun,
        /// The delegation.
        role: Role,
        /// Why it was passed over.
        why: Box<ChainError>,
    },
    /// A document that was to be signed anew as it is came in an older version than was seen before.
    #[error(
        "{role} came in version {found}, but version {known} was seen before: the trust server shows an older one, which \
         is not signed anew; ask its administrator"
    )]
    Older {
        /// The role.
        role: Role,
        /// The version that came.
        found: Version,
        /// The newest version that was seen.
        known: Version,
    },
    /// Nobody was given this role.
    #[error("the delegation {0} is not there; see who has one with: bulla delegation list GUN")]
    Undeclared(DelegationName),
    /// The role above was never published, so it gives no rights.
    #[error("the role {0} was never published")]
    NeverPublished(Role),
    /// A delegation cannot begin without a key (notary's rule).
    #[error("the delegation {0} would have no key; give it one at least")]
    WithoutKey(DelegationName),
    /// A key to be taken away is not there.
    #[error("the key {key} is not one of {role}")]
    NotAKeyOf {
        /// The key, by the id of the bare public key.
        key: KeyId,
        /// The delegation.
        role: DelegationName,
    },
    /// A role may not list a target of this name, so readers would pass it over (the reference's rule).
    #[error("could not add all targets: {role} may not list {target:?}; give it a path for it: bulla delegation add")]
    TargetOutside {
        /// The role.
        role: Role,
        /// The target.
        target: String,
    },
    /// A delegation cannot be given a path that the role above has not got (notary's words).
    #[error("invalid paths to add to role {name}: {path:?} lies outside of what {} may list", name.parent())]
    PathOutside {
        /// The delegation.
        name: DelegationName,
        /// The path.
        path: String,
    },
    /// This role lists no targets.
    #[error("{0} lists no targets: choose targets or a delegation")]
    ListsNoTargets(Role),
    /// The signers, or what they released, are not as the edit needs them.
    #[error(transparent)]
    Signers(#[from] SignersError),
    /// The keys and the threshold that a role is to have do not fit.
    #[error(transparent)]
    Threshold(#[from] ThresholdError),
    /// No version is left for a role.
    #[error("{0} has reached the last version")]
    VersionsExhausted(Role),
}
