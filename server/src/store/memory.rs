//! The store in memory: the executable specification of [`MetadataStore`], for tests and trials.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tuf_schema::{BaseRole, Gun, Role, Sha256, UtcTime, Version};

mod webhooks;

use self::webhooks::Place;
use super::overview::beginning_bytes;
use super::{
    Aging, AgingPage, Beginning, Change, ChangeCategory, ChangeQuery, ChangeWindow, Dropped, Edition, FileKey, FileRow,
    Floors, Lease, MetadataStore, Newest, OldFiles, OldFilesPage, OverviewPage, OverviewQuery, RenewalKey,
    RepositoryRow, StoreError, Stored, decisive_roles, follows,
};
use crate::clock::Clock;
use crate::publish::{Origin, ValidatedUpdate};
use crate::webhooks::WebhookName;

/// Keeps everything until the process ends.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<Gun, BTreeMap<Role, Versions>>,
    last_file_id: i64,
    changes: Vec<Change>,
    last_change_id: i64,
    repositories: BTreeMap<Gun, Repository>,
    renewals: BTreeSet<(Gun, Version)>,
    leases: BTreeMap<Lease, (String, UtcTime)>,
    webhooks: BTreeMap<WebhookName, Place>,
}

type Versions = BTreeMap<Version, Kept>;

struct Kept {
    id: i64,
    stored: Stored,
}

/// What is known of a GUN beside its files; outlives them.
struct Repository {
    used_at: UtcTime,
    floors: Floors,
}

impl MemoryStore {
    /// An empty store; `clock` dates what is written.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    /// Takes over a row of another database.
    #[cfg(test)]
    pub(crate) fn take_over(&self, gun: &Gun, role: &Role, stored: Stored) {
        self.state().keep(gun, role, stored);
    }

    /// Takes over a change record of another database, its id included.
    #[cfg(test)]
    pub(crate) fn take_over_change(&self, change: Change) {
        let mut state = self.state();
        state.last_change_id = state.last_change_id.max(change.id);
        state.changes.push(change);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change of the state is made in one step after all checks, so a poisoned state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl MetadataStore for MemoryStore {
    async fn latest(&self, gun: &Gun, role: &Role) -> Result<Option<Stored>, StoreError> {
        Ok(self.state().newest(gun, role).cloned())
    }

    async fn newest(&self, gun: &Gun) -> Result<Newest, StoreError> {
        let state = self.state();
        Ok(Newest {
            root: state.newest(gun, &Role::Root).cloned(),
            targets: state.newest(gun, &Role::Targets).map(Edition::from),
            snapshot: state.newest(gun, &Role::Snapshot).cloned(),
            timestamp: state.newest(gun, &Role::Timestamp).cloned(),
            floors: state.repositories.get(gun).map(|repository| repository.floors).unwrap_or_default(),
            writes: None,
        })
    }

    async fn newest_of(
        &self,
        gun: &Gun,
        roles: &BTreeSet<Role>,
    ) -> Result<BTreeMap<Role, (Version, Sha256)>, StoreError> {
        Ok(self.state().newest_of(gun, roles))
    }

    async fn by_version(&self, gun: &Gun, role: &Role, version: Version) -> Result<Option<Stored>, StoreError> {
        let state = self.state();
        let kept = state.versions(gun, role).and_then(|versions| versions.get(&version));
        Ok(kept.map(|kept| kept.stored.clone()))
    }

    async fn by_sha256(&self, gun: &Gun, role: &Role, sha256: &Sha256) -> Result<Option<Stored>, StoreError> {
        let state = self.state();
        let mut versions = state.versions(gun, role).into_iter().flat_map(BTreeMap::values);
        Ok(versions.find(|kept| kept.stored.sha256 == *sha256).map(|kept| kept.stored.clone()))
    }

    async fn commit(&self, update: &ValidatedUpdate) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut state = self.state();
        let gun = update.gun();
        follows(update, &state.newest_of(gun, &decisive_roles(update)))?;
        for file in update.files() {
            let stored = Stored {
                version: file.version(),
                sha256: *file.sha256(),
                bytes: file.bytes().clone(),
                created_at: now,
            };
            state.keep(gun, file.role(), stored);
        }
        let timestamp = update.timestamp();
        match update.origin() {
            Origin::Publish => state.use_at(gun, now),
            Origin::Renewal => {
                state.renewals.insert((gun.clone(), timestamp.version()));
            }
        }
        state.record(now, gun, timestamp.version().number(), timestamp.sha256().to_hex(), ChangeCategory::Update);
        Ok(())
    }

    async fn delete(&self, gun: &Gun) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let mut state = self.state();
        let Some(roles) = state.files.remove(gun) else { return Ok(false) };
        state.renewals.retain(|(renewed, _)| renewed != gun);
        let highest = |role| roles.get(&role).and_then(|versions| versions.keys().next_back()).copied();
        let repository = state.repository(gun, now);
        repository.floors.snapshot = repository.floors.snapshot.max(highest(Role::Snapshot));
        repository.floors.timestamp = repository.floors.timestamp.max(highest(Role::Timestamp));
        state.record(now, gun, 0, String::new(), ChangeCategory::Deletion);
        Ok(true)
    }

    async fn changes(&self, query: &ChangeQuery) -> Result<Vec<Change>, StoreError> {
        let state = self.state();
        let wanted = |change: &&Change| query.gun.as_ref().is_none_or(|gun| gun.as_str() == change.gun);
        let records = state.changes.iter().filter(wanted);
        let mut found: Vec<Change> = match query.window() {
            ChangeWindow::Forward { after, limit } => {
                records.filter(|change| change.id > after).take(count(limit)).cloned().collect()
            }
            ChangeWindow::Backward { before, limit } => {
                let older = records.filter(|change| before.is_none_or(|before| change.id < before));
                older.rev().take(count(limit)).cloned().collect()
            }
        };
        found.sort_by_key(|change| change.id);
        Ok(found)
    }

    async fn aging(&self, query: &Aging) -> Result<AgingPage, StoreError> {
        let now = self.clock.now();
        let mut state = self.state();
        let limit = count(query.limit.into());
        let guns =
            state.files.keys().filter(|gun| query.after.as_ref().is_none_or(|after| gun.as_str() > after.as_str()));
        let looked_at: Vec<Gun> = guns.take(limit).cloned().collect();
        let next = if looked_at.len() < limit { None } else { looked_at.last().map(|gun| gun.as_str().to_owned()) };
        let mut guns = looked_at;
        guns.retain(|gun| {
            let timestamp = state.newest(gun, &Role::Timestamp);
            timestamp.is_some_and(|stored| stored.created_at < query.before)
                && state.repositories.get(gun).is_none_or(|repository| repository.used_at >= query.used_since)
        });
        for gun in &guns {
            state.repository(gun, now);
        }
        Ok(AgingPage { guns, next })
    }

    async fn note_use(&self, guns: &[Gun], at: UtcTime) -> Result<(), StoreError> {
        let mut state = self.state();
        for gun in guns {
            if state.files.contains_key(gun) {
                state.use_at(gun, at);
            }
        }
        Ok(())
    }

    async fn take_lease(&self, lease: Lease, holder: &str, now: UtcTime, seconds: u32) -> Result<bool, StoreError> {
        let mut state = self.state();
        let too_late = now.plus_seconds(i64::from(seconds).saturating_mul(2));
        let is_free =
            state.leases.get(&lease).is_none_or(|(other, until)| other == holder || *until <= now || *until > too_late);
        if is_free {
            state.leases.insert(lease, (holder.to_owned(), now.plus_seconds(seconds.into())));
        }
        Ok(is_free)
    }

    async fn give_back_lease(&self, lease: Lease, holder: &str) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.leases.get(&lease).is_some_and(|(other, _)| other == holder) {
            state.leases.remove(&lease);
        }
        Ok(())
    }

    async fn drop_superseded(
        &self,
        before: UtcTime,
        after: Option<&RenewalKey>,
        limit: u32,
    ) -> Result<Dropped, StoreError> {
        let mut state = self.state();
        let key = |(gun, version): &(Gun, Version)| RenewalKey {
            gun: gun.as_str().to_owned(),
            version: version.number().into(),
        };
        let limit = count(limit.into());
        let renewals = state.renewals.iter().filter(|renewal| after.is_none_or(|after| key(renewal) > *after));
        let looked_at: Vec<(Gun, Version)> = renewals.take(limit).cloned().collect();
        let next = if looked_at.len() < limit { None } else { looked_at.last().map(key) };
        let mut superseded = looked_at;
        superseded.retain(|(gun, version)| {
            let after = (Bound::Excluded(*version), Bound::Unbounded);
            let mut later = state.versions(gun, &Role::Timestamp).into_iter().flat_map(|v| v.range(after));
            later.next().is_some_and(|(_, next)| next.stored.created_at < before)
        });
        let mut dropped = 0_u64;
        for renewal in superseded {
            let (gun, version) = &renewal;
            let timestamps = state.files.get_mut(gun).and_then(|roles| roles.get_mut(&Role::Timestamp));
            if timestamps.and_then(|timestamps| timestamps.remove(version)).is_some() {
                dropped = dropped.saturating_add(1);
            }
            state.renewals.remove(&renewal);
        }
        Ok(Dropped { timestamps: dropped, next })
    }

    async fn guns(&self, after: Option<&Gun>, limit: u32) -> Result<Vec<Gun>, StoreError> {
        let state = self.state();
        let guns = state.files.keys().filter(|gun| after.is_none_or(|after| *gun > after));
        Ok(guns.take(count(limit.into())).cloned().collect())
    }

    async fn files(&self, gun: &Gun, after: Option<i64>, limit: u32) -> Result<Vec<FileRow>, StoreError> {
        let state = self.state();
        let mut rows = Vec::new();
        for (role, versions) in state.files.get(gun).into_iter().flatten() {
            for Kept { id, stored } in versions.values() {
                if after.is_none_or(|after| *id > after) {
                    rows.push(FileRow {
                        id: *id,
                        role: role.as_str().to_owned(),
                        version: stored.version.number().into(),
                        sha256: stored.sha256.to_hex(),
                        bytes: stored.bytes.clone(),
                        created_at: Some(stored.created_at),
                    });
                }
            }
        }
        rows.sort_by_key(|row| row.id);
        rows.truncate(count(limit.into()));
        Ok(rows)
    }

    async fn file_keys(&self, gun: &Gun, after: Option<i64>, limit: u32) -> Result<Vec<FileKey>, StoreError> {
        let rows = self.files(gun, after, limit).await?;
        let key = |row: FileRow| FileKey {
            id: row.id,
            role: row.role,
            version: Some(row.version),
            created_at: row.created_at,
        };
        Ok(rows.into_iter().map(key).collect())
    }

    async fn overview(&self, query: &OverviewQuery) -> Result<OverviewPage, StoreError> {
        let state = self.state();
        let is_meant = |gun: &&Gun| {
            let name = gun.as_str();
            name >= query.first() && name != query.left_out() && name.starts_with(&query.prefix)
        };
        let limit = count(query.limit.into());
        let looked_at: Vec<&Gun> = state.files.keys().filter(is_meant).take(limit).collect();
        let next = if looked_at.len() < limit { None } else { looked_at.last().map(|gun| gun.as_str().to_owned()) };
        Ok(OverviewPage { repositories: looked_at.into_iter().map(|gun| state.row(gun)).collect(), next })
    }

    async fn overview_of(&self, gun: &Gun) -> Result<Option<RepositoryRow>, StoreError> {
        let state = self.state();
        Ok(state.files.contains_key(gun).then(|| state.row(gun)))
    }

    async fn old_files(&self, gun: &Gun, query: &OldFiles<'_>) -> Result<OldFilesPage, StoreError> {
        Ok(self.state().old_files(gun, query).0)
    }

    async fn remove_old_files(&self, gun: &Gun, query: &OldFiles<'_>) -> Result<OldFilesPage, StoreError> {
        let mut state = self.state();
        let (page, old) = state.old_files(gun, query);
        for (role, version) in old {
            if let Some(versions) = state.files.get_mut(gun).and_then(|roles| roles.get_mut(&role)) {
                versions.remove(&version);
            }
        }
        Ok(page)
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl State {
    /// What is newest of a repository.
    fn row(&self, gun: &Gun) -> RepositoryRow {
        let beginning = |role: BaseRole| {
            let stored = self.newest(gun, &role.into())?;
            let bytes = stored.bytes.slice(..stored.bytes.len().min(beginning_bytes(role)));
            Some((role, Beginning { version: Some(stored.version.number().into()), bytes }))
        };
        RepositoryRow {
            name: gun.as_str().to_owned(),
            newest: BaseRole::ALL.into_iter().filter_map(beginning).collect(),
        }
    }

    fn versions(&self, gun: &Gun, role: &Role) -> Option<&Versions> {
        self.files.get(gun)?.get(role)
    }

    fn newest(&self, gun: &Gun, role: &Role) -> Option<&Stored> {
        self.versions(gun, role)?.values().next_back().map(|kept| &kept.stored)
    }

    fn newest_of(&self, gun: &Gun, roles: &BTreeSet<Role>) -> BTreeMap<Role, (Version, Sha256)> {
        let newest = |role: &Role| Some((role.clone(), self.newest(gun, role).map(|s| (s.version, s.sha256))?));
        roles.iter().filter_map(newest).collect()
    }

    /// The page, and which files they are.
    fn old_files(&self, gun: &Gun, query: &OldFiles<'_>) -> (OldFilesPage, Vec<(Role, Version)>) {
        let of_role = |(role, versions): (&Role, &Versions)| {
            let successors = versions.values().skip(1).map(|next| Some(next.stored.created_at)).chain([None]);
            let files = versions.values().zip(successors);
            files.map(|(file, next)| (file.id, role.clone(), file.stored.clone(), next)).collect::<Vec<_>>()
        };
        let mut files: Vec<_> = self.files.get(gun).into_iter().flatten().flat_map(of_role).collect();
        files.retain(|(id, ..)| query.after.is_none_or(|after| *id > after));
        files.sort_by_key(|(id, ..)| *id);
        let limit = count(query.limit.into());
        files.truncate(limit);
        let next = if files.len() < limit { None } else { files.last().map(|(id, ..)| *id) };
        let (mut page, mut old) = (OldFilesPage { next, ..OldFilesPage::default() }, Vec::new());
        for (_, role, stored, next) in files {
            if next.is_some_and(|next| next < query.before) && query.mean(role.as_str(), &stored.sha256.to_hex()) {
                page.add(i64::try_from(stored.bytes.len()).unwrap_or(i64::MAX));
                old.push((role, stored.version));
            }
        }
        (page, old)
    }

    fn keep(&mut self, gun: &Gun, role: &Role, stored: Stored) {
        self.last_file_id = self.last_file_id.saturating_add(1);
        let kept = Kept { id: self.last_file_id, stored };
        let versions = self.files.entry(gun.clone()).or_default().entry(role.clone()).or_default();
        versions.insert(kept.stored.version, kept);
    }

    /// What is known of a GUN; one of which nothing is known is used at `now`.
    fn repository(&mut self, gun: &Gun, now: UtcTime) -> &mut Repository {
        let unknown = || Repository { used_at: now, floors: Floors::default() };
        self.repositories.entry(gun.clone()).or_insert_with(unknown)
    }

    fn use_at(&mut self, gun: &Gun, at: UtcTime) {
        let repository = self.repository(gun, at);
        repository.used_at = repository.used_at.max(at);
    }

    fn record(&mut self, created_at: UtcTime, gun: &Gun, version: u32, sha256: String, category: ChangeCategory) {
        self.last_change_id = self.last_change_id.saturating_add(1);
        let gun = gun.as_str().to_owned();
        self.changes.push(Change { id: self.last_change_id, created_at, gun, version, sha256, category });
    }
}

fn count(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
