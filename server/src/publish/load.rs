//! What is stored and touched by an upload.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use tuf_schema::dialect::Document;
use tuf_schema::model::{FileMeta, FileMismatch, Root, Snapshot, Targets};
use tuf_schema::verify::Verified;
use tuf_schema::{Dialect, Envelope, Gun, Role, Unverified, Version};

use super::listing;
use super::parts::Parts;
use crate::store::{Edition, MetadataStore, Newest, StoreError, Stored};

/// The stored state that one upload is judged by.
#[derive(Default)]
pub(super) struct Known {
    /// The newest stored root. It may be expired; it was believed when it came.
    pub(super) root: Option<KnownRoot>,
    /// Targets roles that are not uploaded but declare one that is.
    pub(super) ancestors: BTreeMap<Role, Ancestor>,
    /// What the next snapshot goes on listing, where the server is to make it.
    pub(super) carried: BTreeMap<Role, FileMeta>,
    /// Whether the stored files that an uploaded snapshot lists, found by digest, are what it lists.
    pub(super) listed: BTreeMap<Role, Result<(), FileMismatch>>,
    /// The newest stored version of every role that will be written.
    pub(super) newest: BTreeMap<Role, Version>,
}

/// The newest stored root.
pub(super) struct KnownRoot {
    /// What it says.
    pub(super) root: Arc<Verified<Root>>,
    /// As it is stored.
    pub(super) bytes: Bytes,
}

/// A stored role above an uploaded one.
pub(super) struct Ancestor {
    /// What it says, to be believed by the role above it.
    pub(super) document: Unverified<Targets>,
    /// As it is stored.
    pub(super) bytes: Bytes,
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
        (Role::Root, newest.root.as_ref().map(Edition::from)),
        (Role::Targets, newest.targets),
        (Role::Snapshot, newest.snapshot.as_ref().map(Edition::from)),
        (Role::Timestamp, newest.timestamp.as_ref().map(Edition::from)),
    ];
    let versions = base.into_iter().filter_map(|(role, edition)| Some((role, edition?.version)));
    let root = root.zip(newest.root.as_ref()).map(|(root, stored)| KnownRoot { root, bytes: stored.bytes.clone() });
    let mut known = Known { root, newest: versions.collect(), ..Known::default() };
    load_ancestors(store, gun, newest, parts, &mut known).await?;
    // Every delegation whose newest version matters, asked for at once.
    let mut sought: BTreeSet<Role> = parts.targets.iter().map(|part| part.role.clone()).collect();
    sought.remove(&Role::Targets);
    let uploaded = sought.clone();
    let before = match &newest.snapshot {
        Some(stored) if parts.snapshot.is_none() => {
            unverified::<Snapshot>(&Role::Snapshot, stored)?.claims().meta.clone()
        }
        _ => BTreeMap::new(),
    };
    sought.extend(listing::delegations(&before));
    let found = listing::find(store, gun, &sought).await?;
    let versions = found.iter().filter(|(role, _)| uploaded.contains(*role));
    known.newest.extend(versions.map(|(role, (version, _))| (role.clone(), *version)));
    if parts.snapshot.is_none() {
        known.carried = listing::carried(store, gun, newest, &before, &before, &found).await?;
    }
    load_listed(store, gun, newest, parts, &mut known).await?;
    Ok(known)
}

/// Finds the roles that declare an uploaded one.
async fn load_ancestors(
    store: &dyn MetadataStore,
    gun: &Gun,
    newest: &Newest,
    parts: &Parts,
    known: &mut Known,
) -> Result<(), StoreError> {
    // Roles that come with the upload, or that were looked for: what is above them is looked for already.
    let mut sought: BTreeSet<Role> = parts.targets.iter().map(|part| part.role.clone()).collect();
    for part in &parts.targets {
        let mut above = part.role.parent();
        while let Some(role) = above {
            if !sought.insert(role.clone()) {
                break;
            }
            let stored = match &role {
                Role::Targets => newest_targets(store, gun, newest).await?,
                _ => store.latest(gun, &role).await?,
            };
            // Below a role that is missing nothing is declared, whatever is above.
            let Some(stored) = stored else { break };
            let ancestor = Ancestor { document: unverified(&role, &stored)?, bytes: stored.bytes };
            known.ancestors.insert(role.clone(), ancestor);
            above = role.parent();
        }
    }
    Ok(())
}

/// The bytes of the newest targets.
pub(crate) async fn newest_targets(
    store: &dyn MetadataStore,
    gun: &Gun,
    newest: &Newest,
) -> Result<Option<Stored>, StoreError> {
    match newest.targets {
        Some(edition) => store.by_version(gun, &Role::Targets, edition.version).await,
        None => Ok(None),
    }
}

/// Finds what an uploaded snapshot lists and what is not uploaded with it.
async fn load_listed(
    store: &dyn MetadataStore,
    gun: &Gun,
    newest: &Newest,
    parts: &Parts,
    known: &mut Known,
) -> Result<(), StoreError> {
    let Some(Ok(snapshot)) = parts.snapshot.as_ref().map(|part| part.document.as_ref()) else { return Ok(()) };
    for (role, listed) in &snapshot.claims().meta {
        let here = *role == Role::Root || parts.has_targets(role);
        let Some(sha256) = listed.digests.sha256().filter(|_| !here) else { continue };
        // Not by its digest, which its row may lack.
        let is_newest = *role == Role::Targets && newest.targets.is_some_and(|edition| edition.sha256 == sha256);
        let stored = if is_newest {
            newest_targets(store, gun, newest).await?
        } else {
            store.by_sha256(gun, role, &sha256).await?
        };
        // The first that is missing decides.
        let Some(stored) = stored else { break };
        known.listed.insert(role.clone(), listed.check(&stored.bytes));
    }
    Ok(())
}

/// A stored document, parsed.
///
/// The reference stores white space that follows a document, and its clients pass over it: digests are over all of the
/// stored bytes, the meaning is that of the document.
pub(crate) fn unverified<M: Document>(role: &Role, stored: &Stored) -> Result<Unverified<M>, StoreError> {
    let document = stored.bytes.slice(..stored.bytes.trim_ascii_end().len());
    let envelope = Envelope::parse(Dialect::Notary, document).map_err(|e| damaged(role, stored, &e))?;
    envelope.decode(role.clone()).map_err(|e| damaged(role, stored, &e))
}

pub(super) fn damaged(role: &Role, stored: &Stored, error: &dyn std::error::Error) -> StoreError {
    StoreError::Corrupt { what: format!("{role} version {} ({}): {error}", stored.version, stored.sha256) }
}
