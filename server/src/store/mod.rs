//! What the server keeps: accepted metadata and the change feed, behind the few questions the server asks.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as StdError;

use async_trait::async_trait;
use bytes::Bytes;
use tuf_schema::{Gun, Role, Sha256, UtcTime, Version};

use crate::publish::ValidatedUpdate;

mod feed;
pub mod memory;
mod old_files;
mod overview;
pub mod sql;
mod webhooks;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod test_databases;

pub(crate) use feed::ChangeWindow;
pub use feed::{Change, ChangeCategory, ChangeQuery, DEFAULT_CHANGE_RECORDS};
pub use old_files::{OldFiles, OldFilesPage};
pub use overview::{Beginning, FileKey, OverviewPage, OverviewQuery, RepositoryRow};
pub use webhooks::WebhookPlaces;

/// Accepted metadata. Each method is one transaction.
#[async_trait]
pub trait MetadataStore: WebhookPlaces {
    /// The highest version of a role.
    async fn latest(&self, gun: &Gun, role: &Role) -> Result<Option<Stored>, StoreError>;

    /// The highest version of each base role, all of one moment, and the versions that a deletion took away.
    async fn newest(&self, gun: &Gun) -> Result<Newest, StoreError>;

    /// The highest version of each of `roles` that is there, and its digest.
    async fn newest_of(
        &self,
        gun: &Gun,
        roles: &BTreeSet<Role>,
    ) -> Result<BTreeMap<Role, (Version, Sha256)>, StoreError>;

    /// One version of a role.
    async fn by_version(&self, gun: &Gun, role: &Role, version: Version) -> Result<Option<Stored>, StoreError>;

    /// The file of a role with this digest; never a file of another GUN or role.
    async fn by_sha256(&self, gun: &Gun, role: &Role, sha256: &Sha256) -> Result<Option<Stored>, StoreError>;

    /// The same for whoever was led to it by the newest timestamp, which he asked for just now: it may be answered from
    /// memory. Whoever stored that timestamp held all that it leads to against the stored files, and a deletion takes it
    /// away with them.
    async fn listed(&self, gun: &Gun, role: &Role, sha256: &Sha256) -> Result<Option<Stored>, StoreError> {
        self.by_sha256(gun, role, sha256).await
    }

    /// Writes every file of `update` and its change record, or nothing. A publish counts as a use of the GUN; the
    /// timestamp of a renewal is remembered as one.
    ///
    /// [`StoreError::Conflict`] when a version is not newer than every stored version of its role, or when the newest
    /// timestamp is not the one that the update was prepared on. [`StoreError::DoesNotFit`] when the database's tables
    /// cannot hold the GUN beside what they hold.
    async fn commit(&self, update: &ValidatedUpdate) -> Result<(), StoreError>;

    /// Removes every file of a GUN and says whether there was one. A change record is written only then, and the
    /// highest versions of snapshot and timestamp are kept as [`Floors`].
    async fn delete(&self, gun: &Gun) -> Result<bool, StoreError>;

    /// The change records that `query` asks for, oldest first.
    async fn changes(&self, query: &ChangeQuery) -> Result<Vec<Change>, StoreError>;

    /// Looks at the next repositories and tells those whose newest timestamp grows old, in order. A GUN of which no use
    /// is on record counts as used now.
    async fn aging(&self, query: &Aging) -> Result<AgingPage, StoreError>;

    /// Puts on record that GUNs were used at a time; the last use counts. What is not there is left out.
    async fn note_use(&self, guns: &[Gun], at: UtcTime) -> Result<(), StoreError>;

    /// Lends `lease` to `holder` for `seconds` from `now`: true when it was free, had run out, or was the holder's
    /// already. One that is lent for more than twice as long was lent by a clock that was wrong, and is free.
    async fn take_lease(&self, lease: Lease, holder: &str, now: UtcTime, seconds: u32) -> Result<bool, StoreError>;

    /// Frees what `holder` was lent. What is another's by now stays that one's.
    async fn give_back_lease(&self, lease: Lease, holder: &str) -> Result<(), StoreError>;

    /// Looks at the `limit` renewals after `after` and removes the timestamps among them whose successor was stored
    /// before `before`. The newest timestamp of a GUN stays.
    async fn drop_superseded(
        &self,
        before: UtcTime,
        after: Option<&RenewalKey>,
        limit: u32,
    ) -> Result<Dropped, StoreError>;

    /// At most `limit` GUNs after `after`, in the order of their bytes. For administration.
    async fn guns(&self, after: Option<&Gun>, limit: u32) -> Result<Vec<Gun>, StoreError>;

    /// At most `limit` names after `after`, in the order of their bytes, that rows bear as a GUN and that are none. For
    /// administration. What this server stored has no such name; what the reference stored may.
    async fn strange_names(&self, after: &str, limit: u32) -> Result<Vec<String>, StoreError> {
        let (_, _) = (after, limit);
        Ok(Vec::new())
    }

    /// At most `limit` files of a GUN with an id above `after`, in the order of their ids. For administration.
    async fn files(&self, gun: &Gun, after: Option<i64>, limit: u32) -> Result<Vec<FileRow>, StoreError>;

    /// The same files without their bytes. For administration.
    async fn file_keys(&self, gun: &Gun, after: Option<i64>, limit: u32) -> Result<Vec<FileKey>, StoreError>;

    /// Sees to it that [`Self::overview`] knows what another server stored in the same database. For administration: a
    /// server does it in the background.
    async fn adopt(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Looks at the next names and tells what is newest under each, in the order of their bytes. Writes nothing.
    async fn overview(&self, query: &OverviewQuery) -> Result<OverviewPage, StoreError>;

    /// The same of one GUN, and without a look at any other; `None` when nothing is stored of it.
    async fn overview_of(&self, gun: &Gun) -> Result<Option<RepositoryRow>, StoreError>;

    /// Looks at the next files of a GUN and tells which of them are [old](OldFiles). For administration.
    async fn old_files(&self, gun: &Gun, query: &OldFiles<'_>) -> Result<OldFilesPage, StoreError>;

    /// The same, and removes them. The change feed stays as it is.
    async fn remove_old_files(&self, gun: &Gun, query: &OldFiles<'_>) -> Result<OldFilesPage, StoreError>;

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

/// Which file it is, without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edition {
    /// The version that its signed part names.
    pub version: Version,
    /// The digest of its bytes.
    pub sha256: Sha256,
}

impl From<&Stored> for Edition {
    fn from(stored: &Stored) -> Self {
        Self { version: stored.version, sha256: stored.sha256 }
    }
}

/// The newest files of the base roles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Newest {
    /// Of root.
    pub root: Option<Stored>,
    /// Of targets, which are long, and whose bytes few need.
    pub targets: Option<Edition>,
    /// Of the snapshot.
    pub snapshot: Option<Stored>,
    /// Of the timestamp.
    pub timestamp: Option<Stored>,
    /// What a deletion took away.
    pub floors: Floors,
    /// How often the repository was written to, by a store that counts it and as far as it knows: while the count
    /// stays, whatever is read of the repository stays.
    pub writes: Option<i64>,
}

/// The highest versions that were ever deleted: the next of the server's own files start above them, so that no
/// client meets a version twice with two contents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Floors {
    /// Of the snapshot.
    pub snapshot: Option<Version>,
    /// Of the timestamp.
    pub timestamp: Option<Version>,
}

/// Which GUNs are to be renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aging {
    /// Only those whose newest timestamp was stored before this.
    pub before: UtcTime,
    /// Only those that were read or published at this time or later.
    pub used_since: UtcTime,
    /// Only those after this name: where the page before ended.
    pub after: Option<String>,
    /// How many repositories are looked at, whether they are to be renewed or not.
    pub limit: u32,
}

/// Some of the GUNs that are to be renewed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgingPage {
    /// Those among the repositories that were looked at; none does not mean that there are none behind them.
    pub guns: Vec<Gun>,
    /// The last name that was looked at, which may be no GUN; `None` when there is nothing behind it.
    pub next: Option<String>,
}

/// The place of a timestamp that was made by renewal, in the order in which they are looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RenewalKey {
    /// The name of its repository.
    pub gun: String,
    /// Its version.
    pub version: i64,
}

/// What became of the renewals that were looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dropped {
    /// How many timestamps were removed.
    pub timestamps: u64,
    /// The last renewal that was looked at; `None` when there is nothing behind it.
    pub next: Option<RenewalKey>,
}

/// Work that one process of many does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lease {
    /// Renewing timestamps and snapshots in the background.
    Renewal,
}

impl Lease {
    /// The name in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Renewal => "renewal",
        }
    }
}

/// A file as it stands in the table, checked by nobody: what a damaged database holds must still be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRow {
    /// Ascending in the order of storing.
    pub id: i64,
    /// The role's name.
    pub role: String,
    /// The version in the row.
    pub version: i64,
    /// The digest in the row, in hexadecimal; empty when there is none.
    pub sha256: String,
    /// The file.
    pub bytes: Bytes,
    /// When it was stored, if the row says it.
    pub created_at: Option<UtcTime>,
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
    /// The tables cannot hold the GUN.
    #[error("the metadata database cannot hold the repository: {reason}")]
    DoesNotFit {
        /// Why not.
        reason: Misfit,
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

/// Why a table cannot hold a GUN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The table's collation does not tell the GUN from one that is stored.
    #[error("its tables do not tell the name from {stored:?}")]
    EqualName {
        /// The stored GUN.
        stored: String,
    },
    /// The table's character set lacks a character of the GUN.
    #[error("its tables' character set {set} lacks {character:?}")]
    Character {
        /// The character.
        character: char,
        /// The character set.
        set: String,
    },
}

/// The roles whose newest versions decide whether `update` still holds.
pub(crate) fn decisive_roles(update: &ValidatedUpdate) -> BTreeSet<Role> {
    update.files().map(|file| file.role().clone()).chain([Role::Timestamp]).collect()
}

/// Whether `update` follows on what is stored: `newest` are the newest versions of its [`decisive_roles`]. The one
/// rule of every store.
pub(crate) fn follows(update: &ValidatedUpdate, newest: &BTreeMap<Role, (Version, Sha256)>) -> Result<(), StoreError> {
    for file in update.files() {
        if let Some((current, _)) = newest.get(file.role()).filter(|(current, _)| *current >= file.version()) {
            return Err(StoreError::Conflict { role: file.role().clone(), current: Some(*current) });
        }
    }
    let timestamp = newest.get(&Role::Timestamp);
    if timestamp.map(|(_, sha256)| sha256) == update.base() {
        Ok(())
    } else {
        Err(StoreError::Conflict { role: Role::Timestamp, current: timestamp.map(|(version, _)| *version) })
    }
}
