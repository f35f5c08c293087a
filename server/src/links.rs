//! What stored timestamps and snapshots point to, remembered by digest so that a read parses nothing twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tuf_schema::model::{FileMeta, Snapshot, Timestamp};
use tuf_schema::{Gun, Role, Sha256, UtcTime, Version};

use crate::bounded::BoundedMap;
use crate::publish::MAX_SNAPSHOT_ROLES;
use crate::publish::load::unverified;
use crate::store::{StoreError, Stored};

/// How many timestamps are remembered, of how many roots the versions, and of how many repositories the newest snapshot.
const REMEMBERED: usize = 4096;

/// What the remembered snapshots may take, in bytes: some twenty thousand of the usual size, or the twenty largest.
const REMEMBERED_BYTES: usize = 32 * 1024 * 1024;

/// What a snapshot takes without its roles, and a role without its name, in bytes; rather too much.
const ENTRY_BYTES: usize = 256;

/// The parsed links of stored documents.
pub(crate) struct Links {
    timestamps: Mutex<BoundedMap<Sha256, TimestampLink>>,
    snapshots: Mutex<BoundedMap<Sha256, Arc<SnapshotLinks>>>,
    root_versions: Mutex<BoundedMap<Sha256, Version>>,
    newest: Mutex<BoundedMap<Gun, Sha256>>,
}

/// The digest and the length that are listed for a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) sha256: Sha256,
    pub(crate) length: u64,
}

/// What a timestamp says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimestampLink {
    pub(crate) expires: UtcTime,
    /// The snapshot; `None` when it is named without the digest by which it could be found.
    pub(crate) snapshot: Option<Listed>,
}

/// What a snapshot says.
#[derive(Debug)]
pub(crate) struct SnapshotLinks {
    pub(crate) expires: UtcTime,
    pub(crate) roles: BTreeMap<Role, Listed>,
}

impl Links {
    pub(crate) fn new() -> Self {
        let snapshots = BoundedMap::new(REMEMBERED_BYTES);
        Self {
            timestamps: Mutex::new(BoundedMap::new(REMEMBERED)),
            snapshots: Mutex::new(snapshots),
            root_versions: Mutex::new(BoundedMap::new(REMEMBERED)),
            newest: Mutex::new(BoundedMap::new(REMEMBERED)),
        }
    }

    /// The link of the newest timestamp of a repository, which is remembered as that.
    pub(crate) fn newest_timestamp(&self, gun: &Gun, stored: &Stored) -> Result<TimestampLink, StoreError> {
        let link = self.timestamp(stored)?;
        if let Some(snapshot) = link.snapshot {
            let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
            if newest.get(gun) != Some(&snapshot.sha256) {
                newest.insert(gun.clone(), snapshot.sha256);
            }
        }
        Ok(link)
    }

    /// The snapshot that was current when the repository was last read; another one may be by now, or none.
    pub(crate) fn last_snapshot(&self, gun: &Gun) -> Option<Sha256> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).get(gun).copied()
    }

    /// Whether the snapshot with this digest is the document, or lists it; no if it is not remembered.
    pub(crate) fn leads_to(&self, snapshot: &Sha256, role: &Role, sha256: &Sha256) -> bool {
        if *role == Role::Snapshot {
            return snapshot == sha256;
        }
        let links = self.remembered_snapshot(snapshot);
        links.is_some_and(|links| links.roles.get(role).is_some_and(|listed| listed.sha256 == *sha256))
    }

    /// The link of a stored timestamp.
    pub(crate) fn timestamp(&self, stored: &Stored) -> Result<TimestampLink, StoreError> {
        let remembered = || self.timestamps.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = remembered().get(&stored.sha256) {
            return Ok(*link);
        }
        let document = unverified::<Timestamp>(&Role::Timestamp, stored)?;
        let model = document.claims();
        let link = TimestampLink { expires: model.expires, snapshot: Listed::of(&model.snapshot) };
        remembered().insert(stored.sha256, link);
        Ok(link)
    }

    /// The links of the snapshot with this digest, if they are remembered.
    pub(crate) fn remembered_snapshot(&self, sha256: &Sha256) -> Option<Arc<SnapshotLinks>> {
        self.snapshots.lock().unwrap_or_else(PoisonError::into_inner).get(sha256).cloned()
    }

    /// The links of a stored snapshot.
    pub(crate) fn snapshot(&self, stored: &Stored) -> Result<Arc<SnapshotLinks>, StoreError> {
        if let Some(links) = self.remembered_snapshot(&stored.sha256) {
            return Ok(links);
        }
        let document = unverified::<Snapshot>(&Role::Snapshot, stored)?;
        let model = document.claims();
        let roles = model.meta.iter().filter_map(|(role, file)| Some((role.clone(), Listed::of(file)?))).collect();
        let links = Arc::new(SnapshotLinks { expires: model.expires, roles });
        // Only one stored before there was a limit is larger; it is parsed at each read.
        if links.roles.len() > MAX_SNAPSHOT_ROLES {
            return Ok(links);
        }
        let names = links.roles.keys().map(|role| role.as_str().len().saturating_add(ENTRY_BYTES));
        let bytes = names.fold(ENTRY_BYTES, usize::saturating_add);
        let mut remembered = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.insert_weighing(stored.sha256, links.clone(), bytes);
        Ok(links)
    }

    /// The version of the root with this digest, if it is remembered.
    pub(crate) fn remembered_root(&self, sha256: &Sha256) -> Option<Version> {
        self.root_versions.lock().unwrap_or_else(PoisonError::into_inner).get(sha256).copied()
    }

    /// Remembers which version a root has.
    pub(crate) fn remember_root(&self, stored: &Stored) {
        self.root_versions.lock().unwrap_or_else(PoisonError::into_inner).insert(stored.sha256, stored.version);
    }
}

impl Listed {
    /// `None` without the digest by which a document could be found.
    fn of(file: &FileMeta) -> Option<Self> {
        Some(Self { sha256: file.digests.sha256()?, length: file.length })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tuf_schema::testing::{secret_key, signed};

    use super::*;

    /// A snapshot of so many roles; the names of delegations are as long as they may be.
    fn stored(roles: usize) -> Stored {
        let expires = UtcTime::parse("2026-11-21T21:05:00Z").unwrap();
        let name = |number| Role::parse(&format!("targets/{number:0247}")).unwrap();
        let meta = (2..roles).map(name).chain([Role::Root, Role::Targets]);
        let meta = meta.map(|role| (role, FileMeta::of(b"content"))).collect();
        let bytes: Bytes = signed(&Snapshot { version: Version::FIRST, expires, meta }, &[&secret_key()]);
        Stored { version: Version::FIRST, sha256: Sha256::of(&bytes), bytes, created_at: expires }
    }

    #[test]
    fn a_snapshot_of_every_allowed_size_is_remembered() {
        let links = Links::new();
        for (roles, is_remembered) in [(2, true), (MAX_SNAPSHOT_ROLES, true), (MAX_SNAPSHOT_ROLES + 1, false)] {
            let stored = stored(roles);
            assert_eq!(links.snapshot(&stored).unwrap().roles.len(), roles);
            assert_eq!(links.remembered_snapshot(&stored.sha256).is_some(), is_remembered, "{roles}");
        }
    }
}
