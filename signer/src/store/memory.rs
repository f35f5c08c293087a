//! Sealed keys in memory: the specification of every other store, and the reference's `memory` backend.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tuf_schema::UtcTime;
use tuf_schema::key::KeyId;

use super::{Algorithm, KeyRecord, KeyStore, Purpose, StoreError};
use crate::seal::passphrase::Alias;

/// Keys in order of their ids; `None` for a deleted one, whose id stays taken.
#[derive(Default)]
pub(crate) struct MemoryKeyStore(Mutex<BTreeMap<KeyId, Option<KeyRecord>>>);

impl MemoryKeyStore {
    fn keys(&self) -> MutexGuard<'_, BTreeMap<KeyId, Option<KeyRecord>>> {
        // every change below is one step, so a panic elsewhere leaves the map sound
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl KeyStore for MemoryKeyStore {
    async fn find(&self, id: &KeyId) -> Result<Option<KeyRecord>, StoreError> {
        Ok(self.keys().get(id).cloned().flatten())
    }

    async fn pending(&self, purpose: &Purpose, algorithm: Algorithm) -> Result<Option<KeyRecord>, StoreError> {
        let wanted = |record: &&KeyRecord| {
            record.purpose == *purpose && record.key.key_type().name() == algorithm.name() && record.last_used.is_none()
        };
        Ok(self.keys().values().flatten().find(wanted).cloned())
    }

    async fn insert(&self, record: &KeyRecord, _now: UtcTime) -> Result<(), StoreError> {
        let id = record.key.id().clone();
        let mut keys = self.keys();
        if keys.contains_key(&id) {
            return Err(StoreError::Duplicate(id));
        }
        keys.insert(id, Some(record.clone()));
        Ok(())
    }

    async fn mark_used(&self, uses: &[(KeyId, UtcTime)]) -> Result<(), StoreError> {
        let mut keys = self.keys();
        for (id, time) in uses {
            if let Some(Some(record)) = keys.get_mut(id) {
                record.last_used = record.last_used.max(Some(*time));
            }
        }
        Ok(())
    }

    async fn delete(&self, id: &KeyId, _now: UtcTime) -> Result<bool, StoreError> {
        Ok(self.keys().get_mut(id).and_then(Option::take).is_some())
    }

    async fn sealed_under(&self, alias: &Alias, limit: u32) -> Result<Vec<KeyRecord>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self.keys().values().flatten().filter(|record| record.alias == *alias).take(limit).cloned().collect())
    }

    async fn probe(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
