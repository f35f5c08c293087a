//! What is stored and touched by an upload.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tuf_schema::dialect::Document;
use tuf_schema::model::{FileMismatch, Root, Snapshot, Targets};
use tuf_schema::verify::Verified;
use tuf_schema::{Dialect, Envelope, Gun, Role, Unverified, Version};

use super::parts::Parts;
use crate::store::{MetadataStore, Newest, StoreError, Stored};

/// The stored state that one upload is judged by.
pub(super) struct Known {
    /// The newest stored root. It may be expired; it was believed when it came.
    pub(super) root: Option<Arc<Verified<Root>>>,
    /// Targets roles that are not uploaded but declare one that is.
    pub(super) ancestors: BTreeMap<Role, Unverified<Targets>>,
    /// The newest stored snapshot, where the server is to make the next one.
    pub(super) snapshot: Option<Snapshot>,
    /// Whether the stored files that an uploaded snapshot lists, found by digest, are what it lists.
    pub(super) listed: BTreeMap<Role, Result<(), FileMismatch>>,
    /// The newest stored version of every role that will be written.
    pub(super) newest: BTreeMap<Role, Version>,
}

/// Reads what `parts` touch and `newest`, read before everything else, does not hold.
pub(super) async fn load(
    store: &dyn MetadataStore,
    gun: &Gun,
    newest: &Newest,
    root: Option<Arc<Verified<Root>>>,
    parts: &Parts,
) -> Result<Known, StoreError> {
    let base = [
        (Role::Root, &newest.root),
        (Role::Targets, &newest.targets),
        (Role::Snapshot, &newest.snapshot),
        (Role::Timestamp, &newest.timestamp),
    ];
    let versions = base.into_iter().filter_map(|(role, stored)| Some((role, stored.as_ref()?.version)));
    let mut known =
        Known { root, ancestors: BTreeMap::new(), snapshot: None, listed: BTreeMap::new(), newest: versions.collect() };
    // Roles that come with the upload, or that were looked for: what is above them is looked for already.
    let mut sought: BTreeSet<Role> = parts.targets.iter().map(|part| part.role.clone()).collect();
    for part in &parts.targets {
        if let Role::Delegation(_) = &part.role
            && let Some(stored) = store.latest(gun, &part.role).await?
        {
            known.newest.insert(part.role.clone(), stored.version);
        }
        let mut above = part.role.parent();
        while let Some(role) = above {
            if !sought.insert(role.clone()) {
                break;
            }
            let stored = match &role {
                Role::Targets => newest.targets.clone(),
                _ => store.latest(gun, &role).await?,
            };
            // Below a role that is missing nothing is declared, whatever is above.
            let Some(stored) = stored else { break };
            known.ancestors.insert(role.clone(), unverified(&role, &stored)?);
            above = role.parent();
        }
    }
    if let (None, Some(stored)) = (&parts.snapshot, &newest.snapshot) {
        known.snapshot = Some(unverified::<Snapshot>(&Role::Snapshot, stored)?.claims().clone());
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

/// A stored document, parsed.
pub(crate) fn unverified<M: Document>(role: &Role, stored: &Stored) -> Result<Unverified<M>, StoreError> {
    let envelope = Envelope::parse(Dialect::Notary, stored.bytes.clone()).map_err(|e| damaged(role, stored, &e))?;
    envelope.decode(role.clone()).map_err(|e| damaged(role, stored, &e))
}

pub(super) fn damaged(role: &Role, stored: &Stored, error: &dyn std::error::Error) -> StoreError {
    StoreError::Corrupt { what: format!("{role} version {} ({}): {error}", stored.version, stored.sha256) }
}
