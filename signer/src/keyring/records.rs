//! Records of keys, believed for a short while, so that a signature does not cost a question to the database.
//!
//! Another signer or an operator may delete or retire a key at the database at any time: what was read is believed for a
//! moment only, counted from when it was asked for. What is done through this process counts at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tuf_schema::UtcTime;
use tuf_schema::key::KeyId;

use crate::store::{KeyRecord, StoreError};

/// How many records are held at most, each of about two kilobytes; those of further keys are asked for each time.
const MAX_RECORDS: usize = 16 * 1024;

/// Records by key id. Only those of keys that have signed are held: that a key was used for the first time must be on the
/// disk before it is believed.
pub(super) struct Records {
    life: Duration,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    records: HashMap<KeyId, Arc<Asked>>,
    /// When old ones were last looked for.
    swept: Option<UtcTime>,
}

/// One question to the store, for all who want to know the same while it is under way and a little longer.
struct Asked {
    at: UtcTime,
    answer: OnceCell<Result<Option<Arc<KeyRecord>>, Arc<StoreError>>>,
}

impl Records {
    /// Believes a record for `life` after it was asked for; for no time at all if that is zero.
    #[must_use]
    pub(super) fn new(life: Duration) -> Self {
        Self { life, held: Mutex::default() }
    }

    /// The record of a key, as old as `life` at most: an answer that is held, or that somebody waits for already, or else
    /// that of `ask`.
    pub(super) async fn find<F>(
        &self,
        id: &KeyId,
        now: UtcTime,
        ask: impl FnOnce() -> F,
    ) -> Result<Option<Arc<KeyRecord>>, StoreError>
    where
        F: Future<Output = Result<Option<KeyRecord>, StoreError>>,
    {
        let asked = self.asked(id, now);
        let ask = async || ask().await.map(|found| found.map(Arc::new)).map_err(Arc::new);
        let answer = asked.answer.get_or_init(ask).await;
        let may_be_held = matches!(answer, Ok(Some(record)) if record.last_used.is_some());
        if !may_be_held {
            self.held().forget(id, &asked);
        }
        answer.clone().map_err(|error| error.again())
    }

    /// Asks for this key anew from now on, also where a question is under way.
    pub(super) fn forget(&self, id: &KeyId) {
        self.held().records.remove(id);
    }

    /// The question whose answer is believed at `now`: one that was asked already, or a new one.
    fn asked(&self, id: &KeyId, now: UtcTime) -> Arc<Asked> {
        let mut held = self.held();
        match held.records.get(id) {
            Some(asked) if asked.is_believed(self.life, now) => return Arc::clone(asked),
            Some(_) | None => {}
        }
        let asked = Arc::new(Asked { at: now, answer: OnceCell::new() });
        if held.has_room_for(id, self.life, now) {
            held.records.insert(id.clone(), Arc::clone(&asked));
        }
        asked
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // what is held is a copy of what the store has: nothing can be half done
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn has_room_for(&mut self, id: &KeyId, life: Duration, now: UtcTime) -> bool {
        // in vain at most once in a life, as all are looked at
        if self.records.len() >= MAX_RECORDS && !self.swept.is_some_and(|swept| is_within(life, swept, now)) {
            self.records.retain(|_, asked| asked.is_believed(life, now));
            self.swept = Some(now);
        }
        self.records.len() < MAX_RECORDS || self.records.contains_key(id)
    }

    /// Drops the answer to one question, and not to one that was asked since.
    fn forget(&mut self, id: &KeyId, asked: &Arc<Asked>) {
        if self.records.get(id).is_some_and(|held| Arc::ptr_eq(held, asked)) {
            self.records.remove(id);
        }
    }
}

impl Asked {
    fn is_believed(&self, life: Duration, now: UtcTime) -> bool {
        is_within(life, self.at, now)
    }
}

/// Whether `now` is less than `life` after `since`. A clock that was set back makes things old, not young.
fn is_within(life: Duration, since: UtcTime, now: UtcTime) -> bool {
    let micros = |time: UtcTime| time.to_utc().timestamp_micros();
    let passed = micros(now).checked_sub(micros(since)).and_then(|passed| u64::try_from(passed).ok());
    passed.is_some_and(|passed| Duration::from_micros(passed) < life)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::error::Error as _;

    use ring::rand::SystemRandom;
    use tokio::sync::oneshot;
    use tuf_schema::key::{KeyType, PublicKey};
    use tuf_schema::sign::{SecretKey, SecretKind, SigningKey as _};

    use super::*;
    use crate::seal::passphrase::Alias;
    use crate::seal::{KeyWrap, SealedKey};
    use crate::store::Purpose;

    const LIFE: Duration = Duration::from_secs(1);

    fn time(micros: i64) -> UtcTime {
        let (seconds, micros) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
        let whole = UtcTime::from_unix_seconds(seconds).unwrap().to_rfc3339();
        UtcTime::parse(&whole.replace('Z', &format!(".{micros:06}Z"))).unwrap()
    }

    fn used() -> KeyRecord {
        let key = SecretKey::generate(SecretKind::Ed25519, &SystemRandom::new()).unwrap();
        KeyRecord { last_used: Some(time(0)), ..record(key.public().clone()) }
    }

    fn record(key: PublicKey) -> KeyRecord {
        let (purpose, alias) = (Purpose { gun: None, role: None }, Alias::parse("k1").unwrap());
        KeyRecord {
            key,
            purpose,
            alias,
            sealed: SealedKey::from_row(KeyWrap::Passphrase, String::new()),
            last_used: None,
            retired: None,
        }
    }

    fn id(number: usize) -> KeyId {
        KeyId::from_wire(&number.to_string())
    }

    /// Counts how often it is asked, and answers the same each time.
    struct Store {
        asked: Cell<usize>,
        found: Option<KeyRecord>,
    }

    impl Store {
        fn of(found: Option<KeyRecord>) -> Self {
            Self { asked: Cell::new(0), found }
        }

        async fn find(&self) -> Result<Option<KeyRecord>, StoreError> {
            self.asked.set(self.asked.get() + 1);
            Ok(self.found.clone())
        }
    }

    async fn asked_at(records: &Records, store: &Store, micros: i64) -> usize {
        let before = store.asked.get();
        assert_eq!(records.find(&id(1), time(micros), || store.find()).await.unwrap().as_deref(), store.found.as_ref());
        store.asked.get() - before
    }

    #[tokio::test]
    async fn a_record_is_believed_for_its_life_and_no_longer() {
        let (records, store) = (Records::new(LIFE), Store::of(Some(used())));
        assert_eq!(asked_at(&records, &store, 5_000_000).await, 1);
        assert_eq!(asked_at(&records, &store, 5_999_999).await, 0);
        assert_eq!(asked_at(&records, &store, 6_000_000).await, 1);
        assert_eq!(asked_at(&records, &store, 5_999_999).await, 1, "the clock was set back");
    }

    #[tokio::test]
    async fn a_life_of_nothing_asks_each_time() {
        let (records, store) = (Records::new(Duration::ZERO), Store::of(Some(used())));
        for _ in 0..2 {
            assert_eq!(asked_at(&records, &store, 0).await, 1);
        }
    }

    #[tokio::test]
    async fn only_a_key_that_is_there_and_has_signed_is_held() {
        let unused = KeyRecord { last_used: None, ..used() };
        for found in [None, Some(unused)] {
            let (records, store) = (Records::new(LIFE), Store::of(found));
            for _ in 0..2 {
                assert_eq!(asked_at(&records, &store, 0).await, 1);
            }
            assert!(records.held().records.is_empty());
        }
    }

    #[tokio::test]
    async fn a_forgotten_record_is_asked_for_at_once() {
        let (records, store) = (Records::new(LIFE), Store::of(Some(used())));
        asked_at(&records, &store, 0).await;
        records.forget(&id(1));
        assert_eq!(asked_at(&records, &store, 0).await, 1);
    }

    #[tokio::test]
    async fn many_who_ask_at_the_same_time_ask_once() {
        let (records, store, id) = (Records::new(LIFE), Store::of(Some(used())), id(1));
        let (answer, answered) = oneshot::channel::<()>();
        let first = records.find(&id, time(0), || async {
            answered.await.unwrap();
            store.find().await
        });
        let second = records.find(&id, time(1), || store.find());
        let third = async {
            // both others wait by now, as these are polled in turn
            answer.send(()).unwrap();
            records.find(&id, time(2), || store.find()).await
        };
        let (first, second, third) = tokio::join!(first, second, third);
        assert_eq!(store.asked.get(), 1);
        for found in [first, second, third] {
            assert_eq!(found.unwrap().as_deref(), store.found.as_ref());
        }
    }

    #[tokio::test]
    async fn what_was_asked_before_a_deletion_is_not_held_after_it() {
        let (records, store, id) = (Records::new(LIFE), Store::of(Some(used())), id(1));
        let (answer, answered) = oneshot::channel::<()>();
        let early = records.find(&id, time(0), || async {
            answered.await.unwrap();
            store.find().await
        });
        let deletion = async {
            records.forget(&id);
            answer.send(()).unwrap();
        };
        let (early, ()) = tokio::join!(early, deletion);
        assert!(early.unwrap().is_some());
        let gone = records.find(&id, time(1), || async { Ok(None) }).await;
        assert_eq!(gone.unwrap(), None);
    }

    #[tokio::test]
    async fn a_failure_is_told_with_its_cause_and_not_held() {
        let records = Records::new(LIFE);
        let fail = || async { Err(StoreError::Unavailable("the disk is on fire".into())) };
        let failure = records.find(&id(1), time(0), fail).await.unwrap_err();
        assert!(matches!(failure, StoreError::Unavailable(_)), "{failure}");
        assert_eq!(failure.source().unwrap().to_string(), "the disk is on fire");
        let store = Store::of(Some(used()));
        assert_eq!(asked_at(&records, &store, 0).await, 1);
    }

    #[tokio::test]
    async fn no_more_records_are_held_than_there_is_room_for() {
        let records = Records::new(LIFE);
        let found = record(PublicKey::new(KeyType::Ed25519, vec![1; 32]));
        let found = KeyRecord { last_used: Some(time(0)), ..found };
        for number in 0..=MAX_RECORDS {
            let ask = || async { Ok(Some(found.clone())) };
            records.find(&id(number), time(0), ask).await.unwrap();
        }
        assert_eq!(records.held().records.len(), MAX_RECORDS);
        assert!(!records.held().records.contains_key(&id(MAX_RECORDS)));
        // when the others are old there is room again
        records.find(&id(MAX_RECORDS), time(1_000_000), || async { Ok(Some(found.clone())) }).await.unwrap();
        assert_eq!(records.held().records.len(), 1);
    }
}
