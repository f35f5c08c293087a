//! Opened keys, held for a while so that not every signature costs a key derivation.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tuf_schema::UtcTime;
use tuf_schema::key::KeyId;
use tuf_schema::sign::SecretKey;

/// How many keys are held at most.
const MAX_KEYS: usize = 1024;
/// How long a key is held after it was opened, in seconds.
const MAX_AGE_SECONDS: i64 = 600;

/// Opened keys by id. Dropping one wipes it.
#[derive(Default)]
pub(super) struct OpenedKeys(Mutex<HashMap<KeyId, Opened>>);

struct Opened {
    key: Arc<SecretKey>,
    since: UtcTime,
}

impl OpenedKeys {
    pub(super) fn find(&self, id: &KeyId, now: UtcTime) -> Option<Arc<SecretKey>> {
        self.keys().get(id).filter(|opened| opened.is_fresh(now)).map(|opened| Arc::clone(&opened.key))
    }

    /// Holds a key. When there are too many, the one that has been held longest goes.
    pub(super) fn hold(&self, id: KeyId, key: Arc<SecretKey>, now: UtcTime) {
        let mut keys = self.keys();
        if keys.len() >= MAX_KEYS && !keys.contains_key(&id) {
            let oldest = keys.iter().min_by_key(|(_, opened)| opened.since).map(|(id, _)| id.clone());
            oldest.and_then(|oldest| keys.remove(&oldest));
        }
        keys.insert(id, Opened { key, since: now });
    }

    pub(super) fn forget(&self, id: &KeyId) {
        self.keys().remove(id);
    }

    pub(super) fn sweep(&self, now: UtcTime) {
        self.keys().retain(|_, opened| opened.is_fresh(now));
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<KeyId, Opened>> {
        // a held key is a copy of what the store has: nothing can be half done
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Opened {
    fn is_fresh(&self, now: UtcTime) -> bool {
        // a clock that was set back makes keys old, not young
        (self.since..self.since.plus_seconds(MAX_AGE_SECONDS)).contains(&now)
    }
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use tuf_schema::sign::{SecretKind, SigningKey as _};

    use super::*;

    fn time(seconds: i64) -> UtcTime {
        UtcTime::from_unix_seconds(seconds).unwrap()
    }

    fn key() -> Arc<SecretKey> {
        Arc::new(SecretKey::generate(SecretKind::Ed25519, &SystemRandom::new()).unwrap())
    }

    fn id(number: usize) -> KeyId {
        KeyId::from_wire(&number.to_string())
    }

    #[test]
    fn a_key_is_held_for_ten_minutes() {
        let (opened, key) = (OpenedKeys::default(), key());
        opened.hold(key.public().id().clone(), Arc::clone(&key), time(1000));
        assert!(opened.find(key.public().id(), time(1599)).is_some());
        assert!(opened.find(key.public().id(), time(1600)).is_none());
        assert!(opened.find(key.public().id(), time(999)).is_none(), "the clock was set back");
    }

    #[test]
    fn a_swept_key_is_dropped() {
        let (opened, key) = (OpenedKeys::default(), key());
        opened.hold(id(1), Arc::clone(&key), time(0));
        opened.sweep(time(599));
        assert_eq!(Arc::strong_count(&key), 2);
        opened.sweep(time(600));
        assert_eq!(Arc::strong_count(&key), 1);
    }

    #[test]
    fn the_key_held_longest_makes_room() {
        let (opened, key) = (OpenedKeys::default(), key());
        for number in 0..=MAX_KEYS {
            opened.hold(id(number), Arc::clone(&key), time(i64::try_from(number).unwrap() / 4));
        }
        assert_eq!(opened.keys().len(), MAX_KEYS);
        assert!(opened.find(&id(MAX_KEYS), time(256)).is_some());
        assert_eq!((0..4).filter(|n| opened.find(&id(*n), time(256)).is_some()).count(), 3);
    }

    #[test]
    fn a_forgotten_key_is_dropped_at_once() {
        let (opened, key) = (OpenedKeys::default(), key());
        opened.hold(id(1), Arc::clone(&key), time(0));
        opened.forget(&id(1));
        assert_eq!(Arc::strong_count(&key), 1);
    }
}
