//! What is stored and touched by an upload.

use std::collections::BTreeMap;

use tuf_schema::dialect::Document;
use tuf_schema::key::x509::Expiry;
use tuf_schema::model::{FileMismatch, Root, Snapshot, Targets};
use tuf_schema::verify::{Verified, trust_first};
use tuf_schema::{Dialect, Envelope, Gun, Role, Unverified, UtcTime, Version};

use super::parts::Parts;
use crate::store::{MetadataStore, StoreError, Stored};

/// The stored state that one upload is judged by.
pub(super) struct Known {
    /// The newest stored root. It may be expired; it was believed when it came.
    pub(super) root: Option<Verified<Root>>,
    /// Targets roles that are not uploaded but declare one that is.
    pub(super) ancestors: BTreeMap<Role, Unverified<Targets>>,
    /// The newest stored snapshot, where the server is to make the next one.
    pub(super) snapshot: Option<Snapshot>,
    /// Whether the stored files that an uploaded snapshot lists, found by digest, are what it lists.
    pub(super) listed: BTreeMap<Role, Result<(), FileMismatch>>,
    /// The newest stored version of every role that will be written.
    pub(super) newest: BTreeMap<Role, Version>,
}

/// Reads what `parts` touch; `timestamp` is the newest one, read before everything else.
pub(super) async fn load(
    store: &dyn MetadataStore,
    gun: &Gun,
    timestamp: Option<&Stored>,
    parts: &Parts,
    now: UtcTime,
) -> Result<Known, StoreError> {
    let mut known = Known {
        root: stored_root(store, gun, now).await?,
        ancestors: BTreeMap::new(),
        snapshot: None,
        listed: BTreeMap::new(),
        newest: BTreeMap::new(),
    };
    if let Some(root) = &known.root {
        known.newest.insert(Role::Root, root.model().version);
    }
    for part in &parts.targets {
        if let Some(stored) = store.latest(gun, &part.role).await? {
            known.newest.insert(part.role.clone(), stored.version);
        }
        let mut above = part.role.parent();
        while let Some(role) = above {
            if !parts.has_targets(&role)
                && !known.ancestors.contains_key(&role)
                && let Some(stored) = store.latest(gun, &role).await?
            {
                known.ancestors.insert(role.clone(), unverified(&role, &stored)?);
            }
            above = role.parent();
        }
    }
    if let Some(stored) = timestamp {
        known.newest.insert(Role::Timestamp, stored.version);
    }
    if let Some(stored) = store.latest(gun, &Role::Snapshot).await? {
        known.newest.insert(Role::Snapshot, stored.version);
        if parts.snapshot.is_none() {
            known.snapshot = Some(unverified::<Snapshot>(&Role::Snapshot, &stored)?.claims().clone());
        }
    }
    load_listed(store, gun, parts, &mut known).await?;
    Ok(known)
}

/// Finds what an uploaded snapshot lists and what is not uploaded with it.
async fn load_listed(store: &dyn MetadataStore, gun: &Gun, parts: &Parts, known: &mut Known) -> Result<(), StoreError> {
    let Some(Ok(snapshot)) = parts.snapshot.as_ref().map(|part| part.document.as_ref()) else { return Ok(()) };
    for (role, listed) in &snapshot.claims().meta {
        let here = *role == Role::Root || parts.has_targets(role);
        let Some(sha256) = listed.digests.sha256().filter(|_| !here) else { continue };
        // The first that is missing decides.
        let Some(stored) = store.by_sha256(gun, role, &sha256).await? else { break };
        known.listed.insert(role.clone(), listed.check(&stored.bytes));
    }
    Ok(())
}

/// The newest stored root, believed again; certificates may have expired since.
pub(crate) async fn stored_root(
    store: &dyn MetadataStore,
    gun: &Gun,
    now: UtcTime,
) -> Result<Option<Verified<Root>>, StoreError> {
    let Some(stored) = store.latest(gun, &Role::Root).await? else { return Ok(None) };
    let root = trust_first(unverified(&Role::Root, &stored)?, gun, now, Expiry::Ignored);
    root.map(Some).map_err(|error| damaged(&Role::Root, &stored, &error))
}

/// A stored document, parsed.
pub(crate) fn unverified<M: Document>(role: &Role, stored: &Stored) -> Result<Unverified<M>, StoreError> {
    let envelope = Envelope::parse(Dialect::Notary, stored.bytes.clone()).map_err(|e| damaged(role, stored, &e))?;
    envelope.decode(role.clone()).map_err(|e| damaged(role, stored, &e))
}

fn damaged(role: &Role, stored: &Stored, error: &dyn std::error::Error) -> StoreError {
    StoreError::Corrupt { what: format!("{role} version {} ({}): {error}", stored.version, stored.sha256) }
}
