//! What a record of the change feed changed: the files that its timestamp leads to, held against those of the record
//! before.
//!
//! Files are found by their hashes, so that who signed them is not asked again: they were checked when they came.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use tuf_schema::dialect::Document;
use tuf_schema::model::{FileMeta, Root, Snapshot, Timestamp};
use tuf_schema::{BaseRole, Gun, Role, Sha256};

use crate::publish::aside;
use crate::publish::load::unverified;
use crate::store::{Change, ChangeCategory, ChangeQuery, MetadataStore, StoreError, Stored};

/// What a record changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Changed {
    /// As far as it is stored what it changed.
    Known {
        /// The roles whose documents are others than before; none where the server signed anew what there was.
        roles: Vec<Role>,
        /// The base roles whose keys or thresholds are others than before; none in a repository's first record.
        keys: Vec<KeyChange>,
    },
    /// Its files, or those of the record before, are not stored any more.
    NotStored,
    /// They went when all of the repository was deleted.
    Deleted,
}

/// Who may sign for a base role, before and after.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KeyChange {
    pub(super) role: Role,
    pub(super) before: Grant,
    pub(super) after: Grant,
}

/// The keys that may sign for a role, by id, and how many must.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) key_ids: BTreeSet<String>,
    pub(super) threshold: NonZeroU32,
}

/// What a repository was at a record.
struct State {
    listed: BTreeMap<Role, FileMeta>,
    grants: Vec<(BaseRole, Grant)>,
}

/// What the record `change` of `gun` changed.
pub(super) async fn changed(store: &dyn MetadataStore, gun: &Gun, change: &Change) -> Result<Changed, StoreError> {
    let query = ChangeQuery { gun: Some(gun.clone()), change_id: change.id, records: -1 };
    let before = store.changes(&query).await?.pop();
    let before = match before.filter(|before| before.category == ChangeCategory::Update) {
        None => None,
        Some(record) => match state(store, gun, &record).await? {
            Some(state) => Some(state),
            None => return gone(store, gun, change).await,
        },
    };
    let Some(after) = state(store, gun, change).await? else { return gone(store, gun, change).await };
    Ok(compared(before.as_ref(), &after))
}

/// Whether the files of a record went with all of the repository: what a deletion removed is never above its floor, and
/// what is published afterwards always is.
async fn gone(store: &dyn MetadataStore, gun: &Gun, change: &Change) -> Result<Changed, StoreError> {
    let floor = match store.newest(gun).await {
        Err(StoreError::Corrupt { .. }) => None,
        newest => newest?.floors.timestamp,
    };
    let is_deleted = floor.is_some_and(|floor| change.version <= floor.number());
    Ok(if is_deleted { Changed::Deleted } else { Changed::NotStored })
}

fn compared(before: Option<&State>, after: &State) -> Changed {
    let listed = |role: &Role| before.and_then(|before| before.listed.get(role));
    let mut roles: Vec<Role> = after
        .listed
        .iter()
        .filter(|(role, file)| listed(role).is_none_or(|listed| listed.digests.sha256() != file.digests.sha256()))
        .map(|(role, _)| role.clone())
        .collect();
    // Those that are listed no longer.
    roles.extend(
        before
            .into_iter()
            .flat_map(|before| before.listed.keys())
            .filter(|role| !after.listed.contains_key(*role))
            .cloned(),
    );
    roles.sort();
    let grants = before.into_iter().flat_map(|before| before.grants.iter().zip(&after.grants));
    let keys = grants.filter(|((_, before), (_, after))| before != after).map(|((role, before), (_, after))| {
        KeyChange { role: (*role).into(), before: before.clone(), after: after.clone() }
    });
    Changed::Known { roles, keys: keys.collect() }
}

/// What the timestamp of a record leads to; `None` when something of it is not stored, or in no form that we read.
async fn state(store: &dyn MetadataStore, gun: &Gun, record: &Change) -> Result<Option<State>, StoreError> {
    let Some(sha256) = Sha256::from_hex(&record.sha256) else { return Ok(None) };
    let Some(timestamp) = document::<Timestamp>(store, gun, Role::Timestamp, Some(sha256)).await? else {
        return Ok(None);
    };
    let listed = timestamp.snapshot.digests.sha256();
    let Some(snapshot) = document::<Snapshot>(store, gun, Role::Snapshot, listed).await? else { return Ok(None) };
    let listed = snapshot.meta.get(&Role::Root).and_then(|file| file.digests.sha256());
    let Some(root) = document::<Root>(store, gun, Role::Root, listed).await? else { return Ok(None) };
    let grants = BaseRole::ALL.into_iter().map(|role| {
        let grant = root.grant(role);
        let key_ids = grant.key_ids.iter().map(ToString::to_string).collect();
        (role, Grant { key_ids, threshold: grant.threshold })
    });
    Ok(Some(State { grants: grants.collect(), listed: snapshot.meta }))
}

/// A file of a repository by its hash, and what it says.
async fn document<M: Document + Clone + Send + 'static>(
    store: &dyn MetadataStore,
    gun: &Gun,
    role: Role,
    sha256: Option<Sha256>,
) -> Result<Option<M>, StoreError> {
    let Some(sha256) = sha256 else { return Ok(None) };
    let stored: Option<Stored> = match store.by_sha256(gun, &role, &sha256).await {
        Err(StoreError::Corrupt { .. }) => None,
        stored => stored?,
    };
    let Some(stored) = stored else { return Ok(None) };
    let size = stored.bytes.len();
    let read = move || unverified::<M>(&role, &stored).ok().map(|document| document.claims().clone());
    Ok(aside(size, read).await)
}
