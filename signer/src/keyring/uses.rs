//! When keys were last used, gathered in memory and written down in batches, so that a signature costs no write.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tuf_schema::UtcTime;
use tuf_schema::key::KeyId;

use crate::store::{KeyStore, StoreError};

/// How many keys are remembered between two batches; uses of further ones are passed over.
const MAX_KEYS: usize = 16 * 1024;

/// Later uses of keys that have been used before. Only for the operator to read: nothing depends on them.
#[derive(Default)]
pub(super) struct Uses(Mutex<HashMap<KeyId, UtcTime>>);

impl Uses {
    pub(super) fn note(&self, id: &KeyId, now: UtcTime) {
        let mut uses = self.uses();
        if let Some(time) = uses.get_mut(id) {
            *time = now.max(*time);
        } else if uses.len() < MAX_KEYS {
            uses.insert(id.clone(), now);
        }
    }

    /// Writes all of them down; they are kept when the store fails.
    pub(super) async fn write_down(&self, store: &dyn KeyStore) -> Result<(), StoreError> {
        let batch: Vec<_> = self.uses().drain().collect();
        if batch.is_empty() {
            return Ok(());
        }
        let written = store.mark_used(&batch).await;
        if written.is_err() {
            batch.iter().for_each(|(id, time)| self.note(id, *time));
        }
        written
    }

    fn uses(&self) -> MutexGuard<'_, HashMap<KeyId, UtcTime>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
