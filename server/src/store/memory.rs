//! The store in memory: the executable specification of [`MetadataStore`], for tests and trials.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tuf_schema::{Gun, Role, Sha256, UtcTime, Version};

use super::{Change, ChangeCategory, ChangeQuery, ChangeWindow, MetadataStore, Newest, StoreError, Stored};
use crate::clock::Clock;
use crate::publish::ValidatedUpdate;

/// Keeps everything until the process ends.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<Gun, BTreeMap<Role, BTreeMap<Version, Stored>>>,
    changes: Vec<Change>,
    last_change_id: i64,
}

impl MemoryStore {
    /// An empty store; `clock` dates what is written.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change of the state is made in one step after all checks, so a poisoned state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl MetadataStore for MemoryStore {
    async fn latest(&self, gun: &Gun, role: &Role) -> Result<Option<Stored>, StoreError> {
        Ok(self.state().versions(gun, role).and_then(|versions| versions.values().next_back()).cloned())
    }

    async fn newest(&self, gun: &Gun) -> Result<Newest, StoreError> {
        let state = self.state();
        let newest = |role| state.versions(gun, &role).and_then(|versions| versions.values().next_back()).cloned();
        Ok(Newest {
            root: newest(Role::Root),
            targets: newest(Role::Targets),
            snapshot: newest(Role::Snapshot),
            timestamp: newest(Role::Timestamp),
        })
    }

    async fn by_version(&self, gun: &Gun, role: &Role, version: Version) -> Result<Option<Stored>, StoreError> {
        Ok(self.state().versions(gun, role).and_then(|versions| versions.get(&version)).cloned())
    }

    async fn by_sha256(&self, gun: &Gun, role: &Role, sha256: &Sha256) -> Result<Option<Stored>, StoreError> {
        let state = self.state();
        let mut versions = state.versions(gun, role).into_iter().flat_map(BTreeMap::values);
        Ok(versions.find(|stored| stored.sha256 == *sha256).cloned())
    }

    async fn commit(&self, update: &ValidatedUpdate) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut state = self.state();
        for file in update.files() {
            let newest = state.versions(update.gun(), file.role()).and_then(|v| v.last_key_value()).map(|(v, _)| *v);
            if newest.is_some_and(|newest| newest >= file.version()) {
                return Err(StoreError::Conflict { role: file.role().clone(), current: newest });
            }
        }
        let newest = state.versions(update.gun(), &Role::Timestamp).and_then(|versions| versions.values().next_back());
        if newest.map(|stored| &stored.sha256) != update.base() {
            return Err(StoreError::Conflict { role: Role::Timestamp, current: newest.map(|stored| stored.version) });
        }
        let roles = state.files.entry(update.gun().clone()).or_default();
        for file in update.files() {
            let stored = Stored {
                version: file.version(),
                sha256: *file.sha256(),
                bytes: file.bytes().clone(),
                created_at: now,
            };
            roles.entry(file.role().clone()).or_default().insert(file.version(), stored);
        }
        let timestamp = update.timestamp();
        state.record(
            now,
            update.gun(),
            timestamp.version().number(),
            timestamp.sha256().to_hex(),
            ChangeCategory::Update,
        );
        Ok(())
    }

    async fn delete(&self, gun: &Gun) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let mut state = self.state();
        let removed = state.files.remove(gun).is_some();
        if removed {
            state.record(now, gun, 0, String::new(), ChangeCategory::Deletion);
        }
        Ok(removed)
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

    async fn aging(&self, before: UtcTime, after: Option<&Gun>, limit: u32) -> Result<Vec<Gun>, StoreError> {
        let state = self.state();
        let guns = state.files.keys().filter(|gun| after.is_none_or(|after| *gun > after));
        let old = guns.filter(|gun| {
            let newest = state.versions(gun, &Role::Timestamp).and_then(|versions| versions.values().next_back());
            newest.is_some_and(|stored| stored.created_at < before)
        });
        Ok(old.take(count(limit.into())).cloned().collect())
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl State {
    fn versions(&self, gun: &Gun, role: &Role) -> Option<&BTreeMap<Version, Stored>> {
        self.files.get(gun)?.get(role)
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
