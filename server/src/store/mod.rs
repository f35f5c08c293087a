//! What the server keeps: accepted metadata and the change feed, behind the few questions the server asks.

use std::error::Error as StdError;

use async_trait::async_trait;
use bytes::Bytes;
use tuf_schema::{Gun, Role, Sha256, UtcTime, Version};

use crate::publish::ValidatedUpdate;

pub mod memory;
pub mod sql;

#[cfg(test)]
mod conformance;

/// The number of change records that one answer holds when none is asked for.
pub const DEFAULT_CHANGE_RECORDS: u64 = 100;

/// Accepted metadata. Each method is one transaction.
#[async_trait]
pub trait MetadataStore: Send + Sync {
    /// The highest version of a role.
    async fn latest(&self, gun: &Gun, role: &Role) -> Result<Option<Stored>, StoreError>;

    /// The highest version of each base role, all of one moment.
    async fn newest(&self, gun: &Gun) -> Result<Newest, StoreError>;

    /// One version of a role.
    async fn by_version(&self, gun: &Gun, role: &Role, version: Version) -> Result<Option<Stored>, StoreError>;

    /// The file of a role with this digest; never a file of another GUN or role.
    async fn by_sha256(&self, gun: &Gun, role: &Role, sha256: &Sha256) -> Result<Option<Stored>, StoreError>;

    /// Writes every file of `update` and its change record, or nothing.
    ///
    /// [`StoreError::Conflict`] when a version is not newer than every stored version of its role, or when the newest
    /// timestamp is not the one that the update was prepared on.
    async fn commit(&self, update: &ValidatedUpdate) -> Result<(), StoreError>;

    /// Removes every file of a GUN and says whether there was one. A change record is written only then.
    async fn delete(&self, gun: &Gun) -> Result<bool, StoreError>;

    /// The change records that `query` asks for, oldest first.
    async fn changes(&self, query: &ChangeQuery) -> Result<Vec<Change>, StoreError>;

    /// At most `limit` GUNs after `after`, in order, whose newest timestamp was stored before `before`.
    async fn aging(&self, before: UtcTime, after: Option<&Gun>, limit: u32) -> Result<Vec<Gun>, StoreError>;

    /// Whether the store can answer at all.
    async fn check(&self) -> Result<(), StoreError>;
}

/// A file as it was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The version that its signed part names.
    pub version: Version,
    /// The digest of `bytes`.
    pub sha256: Sha256,
    /// The bytes that came, untouched.
    pub bytes: Bytes,
    /// When it was stored.
    pub created_at: UtcTime,
}

/// The newest files of the base roles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Newest {
    /// Of root.
    pub root: Option<Stored>,
    /// Of targets.
    pub targets: Option<Stored>,
    /// Of the snapshot.
    pub snapshot: Option<Stored>,
    /// Of the timestamp.
    pub timestamp: Option<Stored>,
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody changed the repository first: this or a newer version of the role is stored.
    #[error("{role} does not follow on the stored one")]
    Conflict {
        /// The role.
        role: Role,
        /// Its newest stored version, when it could still be told.
        current: Option<Version>,
    },
    /// The database did not answer, or refused.
    #[error("the metadata database failed")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// A row holds what was never written.
    #[error("a row of the metadata database is damaged: {what}")]
    Corrupt {
        /// What is wrong with it.
        what: String,
    },
}

/// Which change records are asked for (the reference's two numbers and their meaning).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeQuery {
    /// Only records of this GUN.
    pub gun: Option<Gun>,
    /// Where to start; negative means "from the latest backwards".
    pub change_id: i64,
    /// How many; negative means backwards, 0 means [`DEFAULT_CHANGE_RECORDS`].
    pub records: i64,
}

/// A [`ChangeQuery`] as every store carries it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeWindow {
    /// The oldest `limit` records with an id above `after`.
    Forward { after: i64, limit: u64 },
    /// The newest `limit` records, with an id below `before` if it is there.
    Backward { before: Option<i64>, limit: u64 },
}

impl ChangeQuery {
    pub(crate) fn window(&self) -> ChangeWindow {
        let limit = if self.records == 0 { DEFAULT_CHANGE_RECORDS } else { self.records.unsigned_abs() };
        if self.records < 0 || self.change_id < 0 {
            ChangeWindow::Backward { before: (self.change_id > 0).then_some(self.change_id), limit }
        } else {
            ChangeWindow::Forward { after: self.change_id, limit }
        }
    }
}

/// One record of the change feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Ascending, never used twice.
    pub id: i64,
    /// When it happened.
    pub created_at: UtcTime,
    /// The GUN it happened to.
    pub gun: String,
    /// The version of the stored timestamp; 0 for a deletion.
    pub version: u32,
    /// The digest of the stored timestamp in hexadecimal; empty for a deletion.
    pub sha256: String,
    /// What happened.
    pub category: ChangeCategory,
}

/// What a change record tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeCategory {
    /// A new timestamp was stored.
    Update,
    /// Every file of the GUN was removed.
    Deletion,
}

impl ChangeCategory {
    /// The name in the feed and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Deletion => "deletion",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(change_id: i64, records: i64) -> ChangeWindow {
        ChangeQuery { gun: None, change_id, records }.window()
    }

    #[test]
    fn positive_numbers_read_forward() {
        assert_eq!(window(5, 10), ChangeWindow::Forward { after: 5, limit: 10 });
        assert_eq!(window(0, 0), ChangeWindow::Forward { after: 0, limit: 100 });
    }

    #[test]
    fn negative_records_read_backward_from_the_id_or_from_the_latest() {
        assert_eq!(window(5, -3), ChangeWindow::Backward { before: Some(5), limit: 3 });
        assert_eq!(window(0, -3), ChangeWindow::Backward { before: None, limit: 3 });
        assert_eq!(window(-1, -3), ChangeWindow::Backward { before: None, limit: 3 });
    }

    #[test]
    fn a_negative_id_reads_backward_from_the_latest_whatever_the_sign_of_records() {
        assert_eq!(window(-1, 3), ChangeWindow::Backward { before: None, limit: 3 });
        assert_eq!(window(-7, 0), ChangeWindow::Backward { before: None, limit: 100 });
    }
}
