//! What the server's next snapshot goes on listing of roles that are not uploaded: the newest stored files, over their
//! bytes, whatever the snapshot before said of them.
//!
//! The reference hashes its own re-encoding of an upload, and takes snapshots that list files which never came. A client
//! that is led to a file it cannot get or that has another digest gives the whole update up (measured); what is not
//! listed it passes over. So each entry is of bytes that are there, and what is not there is not listed.

use std::collections::{BTreeMap, BTreeSet};

use tuf_schema::model::FileMeta;
use tuf_schema::{Gun, Role, Sha256, Version};

use crate::store::{MetadataStore, Newest, StoreError, Stored};

/// The newest stored version and digest of roles.
pub(crate) type Found = BTreeMap<Role, (Version, Sha256)>;

/// The delegations among the listed roles.
pub(crate) fn delegations(meta: &BTreeMap<Role, FileMeta>) -> BTreeSet<Role> {
    meta.keys().filter(|role| matches!(role, Role::Delegation(_))).cloned().collect()
}

/// Looks for `roles` in the store, which is not asked for none.
pub(crate) async fn find(store: &dyn MetadataStore, gun: &Gun, roles: &BTreeSet<Role>) -> Result<Found, StoreError> {
    if roles.is_empty() { Ok(Found::new()) } else { store.newest_of(gun, roles).await }
}

/// The entries of root and targets, and of each delegation that was `listed` and is `found`.
///
/// An entry in `believed` is kept if it fits the stored digest; without one the file is read.
pub(crate) async fn carried(
    store: &dyn MetadataStore,
    gun: &Gun,
    newest: &Newest,
    listed: &BTreeMap<Role, FileMeta>,
    believed: &BTreeMap<Role, FileMeta>,
    found: &Found,
) -> Result<BTreeMap<Role, FileMeta>, StoreError> {
    let fitting = |role: &Role, sha256: &Sha256| {
        believed.get(role).filter(|file| file.digests.sha256().as_ref() == Some(sha256)).cloned()
    };
    let of =
        |role: &Role, stored: &Stored| fitting(role, &stored.sha256).unwrap_or_else(|| FileMeta::of(&stored.bytes));
    let mut meta = BTreeMap::new();
    meta.extend(newest.root.as_ref().map(|stored| (Role::Root, of(&Role::Root, stored))));
    meta.extend(newest.targets.as_ref().map(|stored| (Role::Targets, of(&Role::Targets, stored))));
    for role in delegations(listed) {
        let Some((version, sha256)) = found.get(&role) else { continue };
        let entry = match fitting(&role, sha256) {
            Some(entry) => Some(entry),
            None => store.by_version(gun, &role, *version).await?.map(|stored| FileMeta::of(&stored.bytes)),
        };
        meta.extend(entry.map(|entry| (role, entry)));
    }
    Ok(meta)
}
