//! Opened keys, held for a while so that not every signature costs a key derivation.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::metrics::gauge::Gauge;
use tuf_schema::UtcTime;
use tuf_schema::key::KeyId;
use tuf_schema::sign::SecretKey;

use crate::config::OpenedKeysLimits;

/// Opened keys by id. Dropping one wipes it.
#[derive(Default)]
pub(crate) struct OpenedKeys {
    limits: OpenedKeysLimits,
    keys: Mutex<HashMap<KeyId, Opened>>,
    /// How many there are.
    count: Gauge,
}

struct Opened {
    key: Arc<SecretKey>,
    since: UtcTime,
}

impl OpenedKeys {
    /// Holds none yet. `count` is kept at the number of keys in memory.
    pub(crate) fn new(limits: OpenedKeysLimits, count: Gauge) -> Self {
        Self { limits, keys: Mutex::default(), count }
    }

    pub(super) fn find(&self, id: &KeyId, now: UtcTime) -> Option<Arc<SecretKey>> {
        let limits = self.limits;
        self.keys().get(id).filter(|opened| opened.is_fresh(limits, now)).map(|opened| Arc::clone(&opened.key))
    }

    /// Holds a key. When there are too many, the one that has been held longest goes.
    pub(super) fn hold(&self, id: KeyId, key: Arc<SecretKey>, now: UtcTime) {
        let limits = self.limits;
        if limits.keys == 0 || limits.seconds == 0 {
            return;
        }
        self.change(|keys| {
            if keys.len() >= usize::try_from(limits.keys).unwrap_or(usize::MAX) && !keys.contains_key(&id) {
                let oldest = keys.iter().min_by_key(|(_, opened)| opened.since).map(|(id, _)| id.clone());
                oldest.and_then(|oldest| keys.remove(&oldest));
            }
            keys.insert(id, Opened { key, since: now });
        });
    }

    pub(super) fn forget(&self, id: &KeyId) {
        self.change(|keys| drop(keys.remove(id)));
    }

    pub(super) fn sweep(&self, now: UtcTime) {
        let limits = self.limits;
        self.change(|keys| keys.retain(|_, opened| opened.is_fresh(limits, now)));
    }

    fn change(&self, change: impl FnOnce(&mut HashMap<KeyId, Opened>)) {
        let mut keys = self.keys();
        change(&mut keys);
        self.count.set(i64::try_from(keys.len()).unwrap_or(i64::MAX));
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<KeyId, Opened>> {
        // a held key is a copy of what the store has: nothing can be half done
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Opened {
    fn is_fresh(&self, limits: OpenedKeysLimits, now: UtcTime) -> bool {
        // a clock that was set back makes keys old, not young
        (self.since..self.since.plus_seconds(limits.seconds.into())).contains(&now)
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

    fn id(number: u32) -> KeyId {
        KeyId::from_wire(&number.to_string())
    }

    fn opened(keys: u32, seconds: u32) -> OpenedKeys {
        OpenedKeys::new(OpenedKeysLimits { keys, seconds }, Gauge::default())
    }

    #[test]
    fn a_key_is_held_as_long_as_is_configured_and_no_longer() {
        let (opened, key) = (opened(9, 600), key());
        opened.hold(key.public().id().clone(), Arc::clone(&key), time(1000));
        assert!(opened.find(key.public().id(), time(1599)).is_some());
        assert!(opened.find(key.public().id(), time(1600)).is_none());
        assert!(opened.find(key.public().id(), time(999)).is_none(), "the clock was set back");
    }

    #[test]
    fn a_swept_key_is_dropped_and_no_more_counted() {
        let (opened, key) = (opened(9, 600), key());
        opened.hold(id(1), Arc::clone(&key), time(0));
        opened.sweep(time(599));
        assert_eq!((Arc::strong_count(&key), opened.count.get()), (2, 1));
        opened.sweep(time(600));
        assert_eq!((Arc::strong_count(&key), opened.count.get()), (1, 0));
    }

    #[test]
    fn the_key_held_longest_makes_room() {
        let (opened, key) = (opened(16, 600), key());
        for number in 0..=16 {
            opened.hold(id(number), Arc::clone(&key), time(i64::from(number) / 4));
        }
        assert_eq!((opened.keys().len(), opened.count.get()), (16, 16));
        assert!(opened.find(&id(16), time(4)).is_some());
        assert_eq!((0..4).filter(|n| opened.find(&id(*n), time(4)).is_some()).count(), 3);
    }

    #[test]
    fn a_limit_of_nothing_holds_nothing() {
        let key = key();
        for opened in [opened(0, 600), opened(9, 0)] {
            opened.hold(id(1), Arc::clone(&key), time(0));
            assert_eq!((Arc::strong_count(&key), opened.count.get()), (1, 0));
        }
    }

    #[test]
    fn a_forgotten_key_is_dropped_at_once() {
        let (opened, key) = (opened(9, 600), key());
        opened.hold(id(1), Arc::clone(&key), time(0));
        opened.forget(&id(1));
        assert_eq!((Arc::strong_count(&key), opened.count.get()), (1, 0));
    }
}
