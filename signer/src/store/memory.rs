//! Sealed keys in memory: the specification of every other store, and the reference's `memory` backend.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tuf_schema::UtcTime;
use tuf_schema::key::KeyId;

use super::heads::MemoryHeads;
use super::roles::{KeyRoles, Roleless, Taken};
use super::wrapped::{AliasUse, Replacement, WrappedKey, WrappedKeys};
use super::{KeyKind, KeyRecord, KeyStore, Purpose, StoreError};
use crate::seal::passphrase::Alias;

/// Keys in order of their ids; `None` for a deleted one, whose id stays taken.
type Keys = BTreeMap<KeyId, Option<KeyRecord>>;

/// Sealed keys in memory.
#[derive(Default)]
pub(crate) struct MemoryKeyStore {
    keys: Mutex<Keys>,
    /// The ids in the order in which they were stored.
    order: Mutex<Vec<KeyId>>,
    taken: Mutex<BTreeMap<KeyId, Taken>>,
    pub(super) heads: MemoryHeads,
}

impl MemoryKeyStore {
    fn keys(&self) -> MutexGuard<'_, Keys> {
        // every change below is one step, so a panic elsewhere leaves the map sound
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn order(&self) -> MutexGuard<'_, Vec<KeyId>> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn taken_roles(&self) -> MutexGuard<'_, BTreeMap<KeyId, Taken>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl KeyStore for MemoryKeyStore {
    async fn find(&self, id: &KeyId) -> Result<Option<KeyRecord>, StoreError> {
        Ok(self.keys().get(id).cloned().flatten())
    }

    async fn pending(&self, purpose: &Purpose, kind: &KeyKind) -> Result<Option<KeyRecord>, StoreError> {
        Ok(pending(&self.keys(), purpose, kind))
    }

    async fn insert_unless_pending(&self, record: &KeyRecord, _now: UtcTime) -> Result<Option<KeyRecord>, StoreError> {
        let mut keys = self.keys();
        match record.kind().and_then(|kind| pending(&keys, &record.purpose, &kind)) {
            Some(pending) => Ok(Some(pending)),
            None => {
                insert(&mut keys, record)?;
                self.order().push(record.key.id().clone());
                Ok(None)
            }
        }
    }

    #[cfg(test)]
    async fn insert(&self, record: &KeyRecord, _now: UtcTime) -> Result<(), StoreError> {
        insert(&mut self.keys(), record)?;
        self.order().push(record.key.id().clone());
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

    async fn newest(&self, limit: u32) -> Result<Vec<KeyId>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self.order().iter().rev().take(limit).cloned().collect())
    }

    async fn probe(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl KeyRoles for MemoryKeyStore {
    async fn taken(&self, id: &KeyId) -> Result<Option<Taken>, StoreError> {
        Ok(self.taken_roles().get(id).cloned())
    }

    async fn take(&self, id: &KeyId, taking: &Taken, _now: UtcTime) -> Result<Taken, StoreError> {
        Ok(self.taken_roles().entry(id.clone()).or_insert_with(|| taking.clone()).clone())
    }

    async fn roleless(&self, limit: u32) -> Result<Roleless, StoreError> {
        let (keys, taken) = (self.keys(), self.taken_roles());
        let without = keys.values().flatten().filter(|record| record.purpose.role.is_none());
        let ids: Vec<_> = without.map(|record| record.key.id().clone()).filter(|id| !taken.contains_key(id)).collect();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let count = u64::try_from(ids.len()).unwrap_or(u64::MAX);
        Ok(Roleless { count, some: ids.into_iter().take(limit).collect() })
    }
}

/// Of deleted keys nothing is left that could be wrapped.
#[async_trait]
impl WrappedKeys for MemoryKeyStore {
    async fn aliases(&self) -> Result<Vec<AliasUse>, StoreError> {
        let mut uses: Vec<AliasUse> = Vec::new();
        for record in self.keys().values().flatten() {
            match uses.iter_mut().find(|known| known.alias == record.alias) {
                Some(known) => known.keys += 1,
                None => uses.push(AliasUse { alias: record.alias.clone(), keys: 1, deleted: 0 }),
            }
        }
        uses.sort_by(|one, other| one.alias.as_str().cmp(other.alias.as_str()));
        Ok(uses)
    }

    async fn page(&self, after: Option<&KeyId>, limit: u32) -> Result<Vec<WrappedKey>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let keys = self.keys();
        let behind = keys.iter().filter(|(id, _)| after.is_none_or(|after| *id > after));
        let wrapped = |(id, record): (&KeyId, &Option<KeyRecord>)| {
            record.as_ref().map(|record| WrappedKey { id: id.clone(), record: Ok(record.clone()) })
        };
        Ok(behind.filter_map(wrapped).take(limit).collect())
    }

    async fn rewrap(&self, read: &KeyRecord, wrapping: &Replacement, _now: UtcTime) -> Result<bool, StoreError> {
        let mut keys = self.keys();
        let Some(Some(record)) = keys.get_mut(read.key.id()) else { return Ok(false) };
        if record.alias != read.alias || record.sealed != read.sealed {
            return Ok(false);
        }
        (record.alias, record.sealed) = (wrapping.alias.clone(), wrapping.sealed.clone());
        Ok(true)
    }
}

fn pending(keys: &Keys, purpose: &Purpose, kind: &KeyKind) -> Option<KeyRecord> {
    keys.values().flatten().find(|record| purpose.is_pending(kind, record)).cloned()
}

fn insert(keys: &mut Keys, record: &KeyRecord) -> Result<(), StoreError> {
    let id = record.key.id().clone();
    if keys.contains_key(&id) {
        return Err(StoreError::Duplicate(id));
    }
    keys.insert(id, Some(record.clone()));
    Ok(())
}
