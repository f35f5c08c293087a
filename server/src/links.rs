//! What stored timestamps and snapshots point to, remembered by digest so that a read parses nothing twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tuf_schema::model::{Snapshot, Timestamp};
use tuf_schema::{Role, Sha256, UtcTime};

use crate::bounded::BoundedMap;
use crate::publish::load::unverified;
use crate::store::{StoreError, Stored};

/// How many documents of each kind are remembered.
const REMEMBERED: usize = 4096;

/// The most roles of a snapshot that is remembered, so that the memory for all of them stays near ten megabytes.
/// A larger one is parsed at each read.
const REMEMBERED_ROLES: usize = 20;

/// The parsed links of stored documents.
pub(crate) struct Links {
    timestamps: Mutex<BoundedMap<Sha256, TimestampLink>>,
    snapshots: Mutex<BoundedMap<Sha256, Arc<SnapshotLinks>>>,
}

/// What a timestamp says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimestampLink {
    pub(crate) expires: UtcTime,
    /// The snapshot; `None` when it is named without the digest by which it could be found.
    pub(crate) snapshot: Option<Sha256>,
}

/// What a snapshot says.
#[derive(Debug)]
pub(crate) struct SnapshotLinks {
    pub(crate) expires: UtcTime,
    pub(crate) roles: BTreeMap<Role, Sha256>,
}

impl Links {
    pub(crate) fn new() -> Self {
        Self { timestamps: Mutex::new(BoundedMap::new(REMEMBERED)), snapshots: Mutex::new(BoundedMap::new(REMEMBERED)) }
    }

    /// The link of a stored timestamp.
    pub(crate) fn timestamp(&self, stored: &Stored) -> Result<TimestampLink, StoreError> {
        let remembered = || self.timestamps.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = remembered().get(&stored.sha256) {
            return Ok(*link);
        }
        let document = unverified::<Timestamp>(&Role::Timestamp, stored)?;
        let model = document.claims();
        let link = TimestampLink { expires: model.expires, snapshot: model.snapshot.digests.sha256() };
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
        let roles = model.meta.iter().filter_map(|(role, file)| Some((role.clone(), file.digests.sha256()?))).collect();
        let links = Arc::new(SnapshotLinks { expires: model.expires, roles });
        if links.roles.len() > REMEMBERED_ROLES {
            return Ok(links);
        }
        let mut remembered = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.insert(stored.sha256, links.clone());
        Ok(links)
    }
}
