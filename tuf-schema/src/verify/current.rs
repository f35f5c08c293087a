//! The proof that a verified document may be used now: not expired, not older than known, and what its parent lists.

use bytes::Bytes;

use crate::dialect::Document;
use crate::model::{FileMeta, FileMismatch};
use crate::role::Role;
use crate::time::UtcTime;
use crate::verify::Verified;
use crate::version::Version;

/// A document that may be used now.
///
/// ```compile_fail,E0423
/// # fn forge(verified: tuf_schema::verify::Verified<tuf_schema::model::Root>) {
/// let forged = tuf_schema::verify::Current(verified);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Current<M>(Verified<M>);

/// What a document must not fall below, and what it must match.
#[derive(Debug, Clone, Copy, Default)]
pub struct Floor<'a> {
    /// The version already trusted; an older one is a rollback.
    pub version: Option<Version>,
    /// What the document above lists for this one.
    pub listed: Option<&'a FileMeta>,
}

/// Why a verified document may not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StaleError {
    /// It is past its date.
    #[error("{role} expired at {expired}")]
    Expired {
        /// The role.
        role: Role,
        /// Its date.
        expired: UtcTime,
    },
    /// A newer version is trusted already.
    #[error("{role} version {offered} is lower than current version {trusted}")]
    Rollback {
        /// The role.
        role: Role,
        /// The version offered.
        offered: Version,
        /// The version trusted.
        trusted: Version,
    },
    /// It is not the document that the one above lists.
    #[error("{role} is not what is listed for it: {mismatch}")]
    Unlisted {
        /// The role.
        role: Role,
        /// What differs.
        mismatch: FileMismatch,
    },
}

impl<M: Document> Verified<M> {
    /// Checks that the document may be used at `now`.
    ///
    /// # Errors
    /// [`StaleError`] names the rule.
    pub fn current(self, floor: Floor<'_>, now: UtcTime) -> Result<Current<M>, StaleError> {
        self.check_listed(floor)?;
        self.check_fresh(now)?;
        Ok(Current(self))
    }

    /// Checks the date alone. A document is expired when its date is before `now` (the reference's test).
    ///
    /// # Errors
    /// [`StaleError::Expired`].
    pub fn check_fresh(&self, now: UtcTime) -> Result<(), StaleError> {
        let expired = self.model().expires();
        if expired < now { Err(StaleError::Expired { role: self.role().clone(), expired }) } else { Ok(()) }
    }

    /// Checks version and parent's listing, not the date.
    ///
    /// # Errors
    /// [`StaleError::Rollback`] or [`StaleError::Unlisted`].
    pub fn check_listed(&self, floor: Floor<'_>) -> Result<(), StaleError> {
        let role = || self.role().clone();
        if let Some(listed) = floor.listed {
            listed.check(self.raw()).map_err(|mismatch| StaleError::Unlisted { role: role(), mismatch })?;
        }
        match floor.version {
            Some(trusted) if self.model().version() < trusted => {
                Err(StaleError::Rollback { role: role(), offered: self.model().version(), trusted })
            }
            _ => Ok(()),
        }
    }
}

impl<M> Current<M> {
    /// What the document says.
    #[must_use]
    pub fn model(&self) -> &M {
        self.0.model()
    }

    /// The bytes as they came.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        self.0.raw()
    }

    /// The weaker proof.
    #[must_use]
    pub fn verified(&self) -> &Verified<M> {
        &self.0
    }
}
