//! Files whose place a newer version has taken, for whoever removes them.

use std::collections::BTreeSet;

use tuf_schema::{Role, Sha256, UtcTime};

/// Which files of a repository are meant: those of which a newer version of the same role was stored before a time. No
/// root is: whoever trusts an old one comes to the newest through each of those between. Nor is the newest of a role.
///
/// As a snapshot is stored with the timestamp that leads to it, and what it lists before or with it, none of them is
/// meant as long as a timestamp is not that leads to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OldFiles<'a> {
    /// The time.
    pub before: UtcTime,
    /// Digests of files that are left all the same.
    pub kept: &'a BTreeSet<Sha256>,
    /// Only those behind this id: where the page before ended.
    pub after: Option<i64>,
    /// How many files are looked at, whether they are meant or not.
    pub limit: u32,
}

/// Those that are meant among the files that were looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OldFilesPage {
    /// How many there are.
    pub files: u64,
    /// How long they are together, in bytes.
    pub bytes: u64,
    /// The id of the last file that was looked at; `None` when there is nothing behind it.
    pub next: Option<i64>,
}

impl OldFiles<'_> {
    /// Whether a file is meant that has a newer version which was stored before the time. Rows that bear no role or no
    /// digest are left to `admin verify`.
    pub(super) fn mean(&self, role: &str, sha256: &str) -> bool {
        let is_kept = |sha256| self.kept.contains(&sha256);
        let may_go = Sha256::from_hex(sha256).is_some_and(|sha256| !is_kept(sha256));
        may_go && Role::parse(role).is_ok_and(|role| role != Role::Root)
    }
}

impl OldFilesPage {
    pub(super) fn add(&mut self, length: i64) {
        self.files = self.files.saturating_add(1);
        self.bytes = self.bytes.saturating_add(u64::try_from(length).unwrap_or_default());
    }
}
