//! What the server's next snapshot goes on listing of roles that are not uploaded: the newest stored files, over their
//! bytes, whatever the snapshot before said of them.
//!
//! The reference hashes its own re-encoding of an upload, and takes snapshots that list files which never came. A client
//! that is led to a file it cannot get or that has another digest gives the whole update up (measured); what is not
//! listed it passes over. So each entry is of bytes that are there, and what is not there is not listed.

use std::collections::{BTreeMap, BTreeSet};

use tuf_schema::model::FileMeta;
use tuf_schema::{Gun, Role, Sha256, Version};

use crate::store::{MetadataStore, Newest, StoreError};

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
    let mut meta = BTreeMap::new();
    if let Some(root) = &newest.root {
        meta.insert(Role::Root, fitting(&Role::Root, &root.sha256).unwrap_or_else(|| FileMeta::of(&root.bytes)));
    }
    let targets = newest.targets.map(|edition| (Role::Targets, (edition.version, edition.sha256)));
    let delegations = delegations(listed).into_iter().filter_map(|role| found.get_key_value(&role));
    let delegations = delegations.map(|(role, edition)| (role.clone(), *edition));
    for (role, (version, sha256)) in targets.into_iter().chain(delegations) {
        let entry = match fitting(&role, &sha256) {
            Some(entry) => Some(entry),
            None => store.by_version(gun, &role, version).await?.map(|stored| FileMeta::of(&stored.bytes)),
        };
        meta.extend(entry.map(|entry| (role, entry)));
    }
    Ok(meta)
}
