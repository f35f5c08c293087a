//! Keys without a role: each takes that of the first document that it signs, and signs for no other from then on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tuf_schema::UtcTime;
use tuf_schema::key::KeyId;

use crate::causes::WithCauses;
use crate::config::WARNING_TARGET;
use crate::store::roles::{KeyRoles, Taken};
use crate::store::{KeyRecord, Purpose, StoreError};

/// Of how many keys it is remembered what they took. What was taken never changes; of further keys the store is asked.
const REMEMBERED: usize = 16 * 1024;

/// How many keys without a role are named at the start.
const NAMED: u32 = 20;

/// What keys without a role have taken.
pub(super) struct TakenRoles {
    store: Arc<dyn KeyRoles>,
    remembered: Mutex<HashMap<KeyId, Taken>>,
}

impl TakenRoles {
    pub(super) fn new(store: Arc<dyn KeyRoles>) -> Self {
        Self { store, remembered: Mutex::default() }
    }

    /// What a key is for: what its record says and, where that names no role, what the key took.
    pub(super) async fn purpose(&self, record: &KeyRecord) -> Result<Purpose, StoreError> {
        if record.purpose.role.is_some() {
            return Ok(record.purpose.clone());
        }
        let id = record.key.id();
        let remembered = self.remembered().get(id).cloned();
        let taken = match remembered {
            Some(taken) => Some(taken),
            None => self.store.taken(id).await?.inspect(|taken| self.remember(id, taken)),
        };
        Ok(taken.map_or_else(|| record.purpose.clone(), |taken| completed(record, taken)))
    }

    /// What a key is for that takes this, or took something before.
    pub(super) async fn take(&self, record: &KeyRecord, taking: &Taken, now: UtcTime) -> Result<Purpose, StoreError> {
        let id = record.key.id();
        let taken = self.store.take(id, taking, now).await?;
        self.remember(id, &taken);
        tracing::info!(key_id = %id, role = %taken.role, gun = ?taken.gun, "a key without a role has taken one");
        Ok(completed(record, taken))
    }

    /// Says how many keys are still without.
    pub(super) async fn tell(&self) {
        match self.store.roleless(NAMED).await {
            Ok(roleless) if roleless.count == 0 => {}
            Ok(roleless) => {
                let ids = roleless.some.iter().map(KeyId::as_str).collect::<Vec<_>>().join(", ");
                tracing::warn!(
                    target: WARNING_TARGET,
                    count = roleless.count,
                    ids,
                    "keys without a role: each signs either a snapshot or a timestamp, and is of that role from then on"
                );
            }
            Err(error) => {
                tracing::warn!(error = %WithCauses(&error), "whether there are keys without a role is not known");
            }
        }
    }

    fn remember(&self, id: &KeyId, taken: &Taken) {
        let mut remembered = self.remembered();
        if remembered.len() < REMEMBERED {
            remembered.insert(id.clone(), taken.clone());
        }
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<KeyId, Taken>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn completed(record: &KeyRecord, taken: Taken) -> Purpose {
    Purpose { gun: record.purpose.gun.clone().or(taken.gun), role: Some(taken.role) }
}
