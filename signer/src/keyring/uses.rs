//! When keys were last used, gathered in memory and written down in batches, so that a signature costs no write.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tuf_schema::UtcTime;
use tuf_schema::key::KeyId;

use crate::store::StoreError;

/// How many keys are remembered between two batches; uses of further ones are passed over.
const MAX_KEYS: usize = 16 * 1024;

/// Later uses of keys that have been used before. Only for the operator to read: nothing depends on them, and a process
/// that is killed loses them. The first use of a key is none of these.
#[derive(Default)]
pub(super) struct Uses(Mutex<HashMap<KeyId, UtcTime>>);

impl Uses {
    /// Remembers the latest use of a key.
    pub(super) fn note(&self, id: &KeyId, now: UtcTime) {
        let mut uses = self.uses();
        if let Some(time) = uses.get_mut(id) {
            *time = now.max(*time);
        } else if uses.len() < MAX_KEYS {
            uses.insert(id.clone(), now);
        }
    }

    /// Has all of them written by `write`; they are kept until that has succeeded, also when it is given up.
    pub(super) async fn write_down(
        &self,
        write: impl AsyncFnOnce(&[(KeyId, UtcTime)]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let batch: Vec<_> = self.uses().iter().map(|(id, time)| (id.clone(), *time)).collect();
        if batch.is_empty() {
            return Ok(());
        }
        write(&batch).await?;
        let mut uses = self.uses();
        for (id, written) in &batch {
            // a key that was used again meanwhile is for the next batch
            if uses.get(id).is_some_and(|time| time <= written) {
                uses.remove(id);
            }
        }
        Ok(())
    }

    fn uses(&self) -> MutexGuard<'_, HashMap<KeyId, UtcTime>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn id(number: usize) -> KeyId {
        KeyId::from_wire(&number.to_string())
    }

    fn time(seconds: i64) -> UtcTime {
        UtcTime::from_unix_seconds(seconds).unwrap()
    }

    async fn written(uses: &Uses) -> Vec<(KeyId, UtcTime)> {
        let mut written = Vec::new();
        let write = async |batch: &[_]| {
            written.extend_from_slice(batch);
            Ok(())
        };
        uses.write_down(write).await.unwrap();
        written
    }

    #[tokio::test]
    async fn the_latest_use_is_written_once() {
        let uses = Uses::default();
        for seconds in [5, 7, 6] {
            uses.note(&id(1), time(seconds));
        }
        assert_eq!(written(&uses).await, [(id(1), time(7))]);
        assert_eq!(written(&uses).await, []);
    }

    #[tokio::test]
    async fn no_more_keys_are_remembered_than_there_is_room_for() {
        let uses = Uses::default();
        for number in 0..=MAX_KEYS {
            uses.note(&id(number), time(5));
        }
        uses.note(&id(0), time(6));
        let written = written(&uses).await;
        assert_eq!(written.len(), MAX_KEYS);
        assert!(written.contains(&(id(0), time(6))), "a key that is remembered is brought up to date");
        assert!(!written.contains(&(id(MAX_KEYS), time(5))));
        uses.note(&id(MAX_KEYS), time(5));
        assert_eq!(self::written(&uses).await, [(id(MAX_KEYS), time(5))], "there is room again");
    }

    #[tokio::test]
    async fn uses_are_kept_until_they_are_written() {
        let uses = Uses::default();
        uses.note(&id(1), time(5));
        let fail = async |_: &[_]| Err(StoreError::Unavailable("told to fail".into()));
        uses.write_down(fail).await.unwrap_err();
        let hang = uses.write_down(async |_: &[_]| std::future::pending().await);
        tokio::time::timeout(Duration::ZERO, hang).await.unwrap_err();
        assert_eq!(written(&uses).await, [(id(1), time(5))]);
    }

    #[tokio::test]
    async fn a_use_that_comes_while_others_are_written_is_for_the_next_batch() {
        let uses = Uses::default();
        uses.note(&id(1), time(5));
        let write = async |_: &[_]| {
            uses.note(&id(1), time(6));
            Ok(())
        };
        uses.write_down(write).await.unwrap();
        assert_eq!(written(&uses).await, [(id(1), time(6))]);
    }
}
