//! What a store tells of its repositories, a page at a time: for whoever looks after it.

use std::collections::BTreeMap;

use bytes::Bytes;
use tuf_schema::{BaseRole, UtcTime};

/// Which repositories are told of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OverviewQuery {
    /// Only those whose names begin with this.
    pub prefix: String,
    /// Only those behind this name, which need not be stored: where the page before ended.
    pub after: Option<String>,
    /// How many names are looked at.
    pub limit: u32,
}

impl OverviewQuery {
    /// The first name that may be meant; [`Self::after`] itself is not.
    pub(super) fn first(&self) -> &str {
        self.left_out().max(self.prefix.as_str())
    }

    /// The name that is left out; no name is empty.
    pub(super) fn left_out(&self) -> &str {
        self.after.as_deref().unwrap_or_default()
    }
}

/// Some repositories, in the order of the bytes of their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OverviewPage {
    /// Those among the names that were looked at of which something is stored.
    pub repositories: Vec<RepositoryRow>,
    /// The last name that was looked at; `None` when there is nothing behind it.
    pub next: Option<String>,
}

/// A repository as the rows tell of it, checked by nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryRow {
    /// Its name, which may be no GUN where the reference stored it.
    pub name: String,
    /// The newest file of each base role that is there.
    pub newest: BTreeMap<BaseRole, Beginning>,
}

/// How a file begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beginning {
    /// The version in the row; `None` when it is no number.
    pub version: Option<i64>,
    /// As many of its bytes as `beginning_bytes` says, or all of them.
    pub bytes: Bytes,
}

impl Beginning {
    /// Whether nothing of a file of `role` is left out.
    pub(crate) fn is_whole(&self, role: BaseRole) -> bool {
        self.bytes.len() < beginning_bytes(role)
    }
}

/// How much of a file is told. Its date stands at the beginning; in targets behind the keys of a dozen signers. A root is
/// told whole unless it names a dozen keys: it says who signs what.
pub(crate) fn beginning_bytes(role: BaseRole) -> usize {
    match role {
        BaseRole::Targets => 16 << 10,
        BaseRole::Root => 8 << 10,
        BaseRole::Snapshot | BaseRole::Timestamp => 512,
    }
}

/// A file by its names, without its bytes, as it stands in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileKey {
    /// Ascending in the order of storing.
    pub id: i64,
    /// The role's name.
    pub role: String,
    /// The version in the row; `None` when it is no number.
    pub version: Option<i64>,
    /// When it was stored; `None` when the row has no date.
    pub created_at: Option<UtcTime>,
}
