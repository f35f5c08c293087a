//! Deltas: what must be added to a document that a client holds, to have the one that is current.
//!
//! Whoever may pull may ask for one, and to make one takes much more than to send one. So it is made once and remembered;
//! a few are made at a time and one of each repository; both documents have a largest size, and are in memory only while
//! it is made. Who gets no turn within a moment is sent the whole document.
//!
//! A base is looked up under the repository and the role that it is to be a base of: bytes of others get into no delta.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout_at};
use tuf_schema::{Gun, Role, Sha256, Version};

use super::patch::patch;
use super::plan::Wanted;
use super::read;
use crate::auth::{Access, Pull};
use crate::bounded::BoundedMap;
use crate::config::Limits;
use crate::gun_turns::{GunTurns, Turn};
use crate::links::Listed;
use crate::metrics::{Counters, DeltaOutcome};
use crate::read::Reader;
use crate::store::{StoreError, Stored};

/// Documents below this size are sent whole: they are in the first flight of a connection as they are.
const SMALLEST_BYTES: u64 = 16 << 10;

/// How long turns are waited for, in all that one answer needs.
const PATIENCE: Duration = Duration::from_secs(1);

/// The part of a document that a delta may be as large as: the half of it would not be worth the work.
const WORTH: usize = 4;

/// Of how many bases that are not stored that is remembered.
const MISSING: usize = 4096;

/// What an entry takes beside its delta, and the names in it, in bytes.
const ENTRY_BYTES: usize = 256;

/// Makes deltas and remembers them.
pub(crate) struct Deltas {
    made: Arc<Mutex<BoundedMap<Pair, Option<Delta>>>>,
    /// Pairs whose base is not stored: a reader may name any, and none of them takes the place of what was made.
    missing: Mutex<BoundedMap<Pair, ()>>,
    turns: GunTurns,
    slots: Arc<Semaphore>,
    /// `limits.delta_bytes`.
    largest: u64,
    /// `limits.delta_memory_bytes`.
    memory_bytes: usize,
    /// How long turns are waited for.
    pub(super) patience: Duration,
    /// What became of those that were asked for.
    pub(super) outcomes: Counters<DeltaOutcome>,
}

/// Two documents of one role of one repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Pair {
    gun: Gun,
    role: Role,
    base: Sha256,
    file: Sha256,
}

/// What is sent in place of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Delta {
    /// The version of the document.
    pub(super) version: Version,
    pub(super) bytes: Bytes,
}

/// What there is for two documents.
pub(super) enum Made {
    /// This.
    Delta(Delta),
    /// Nothing that is worth sending, or worth making.
    Useless,
    /// No turn to make it.
    Busy,
}

/// The right to make a delta now.
pub(super) struct Place {
    _turn: Turn,
    _slot: OwnedSemaphorePermit,
}

impl Deltas {
    pub(super) fn new(limits: &Limits) -> Self {
        let slots = limits.deltas.min(Semaphore::MAX_PERMITS);
        Self {
            made: Arc::new(Mutex::new(BoundedMap::new(limits.delta_memory_bytes))),
            missing: Mutex::new(BoundedMap::new(MISSING)),
            turns: GunTurns::default(),
            slots: Arc::new(Semaphore::new(slots)),
            largest: if slots == 0 { 0 } else { limits.delta_bytes as u64 },
            memory_bytes: limits.delta_memory_bytes,
            patience: PATIENCE,
            outcomes: Counters::new(),
        }
    }

    /// Until when turns are waited for that are needed from now on.
    pub(super) fn deadline(&self) -> Instant {
        sleep(self.patience).deadline()
    }

    /// The delta of a document against `base`; one that must be made needs a turn.
    pub(super) async fn delta(
        &self,
        reader: &Reader,
        access: &Access<Pull>,
        (wanted, base): (&Wanted, Sha256),
        deadline: Instant,
    ) -> Result<Made, StoreError> {
        let (role, listed) = (&wanted.role, wanted.listed);
        if !self.suits(listed.length) {
            return Ok(Made::Useless);
        }
        let pair = Pair { gun: access.gun().clone(), role: role.clone(), base, file: listed.sha256 };
        if let Some(made) = self.remembered(&pair) {
            return Ok(self.counted(made, DeltaOutcome::Remembered));
        }
        let place = self.place(&pair.gun, deadline).await;
        // by the one whose turn it was before, perhaps
        if let Some(made) = self.remembered(&pair) {
            return Ok(self.counted(made, DeltaOutcome::Remembered));
        }
        let Some(place) = place else { return Ok(self.counted(Made::Busy, DeltaOutcome::NoTurn)) };
        let made = self.read_and_make(reader, access, pair, listed, place).await?;
        Ok(self.counted(made, DeltaOutcome::Made))
    }

    /// Reads both documents and makes the delta, if there is one to be made.
    async fn read_and_make(
        &self,
        reader: &Reader,
        access: &Access<Pull>,
        pair: Pair,
        listed: Listed,
        place: Place,
    ) -> Result<Made, StoreError> {
        let Some(base) = reader.by_sha256(access, &pair.role, &pair.base).await? else {
            missing(&self.missing).insert(pair, ());
            return Ok(Made::Useless);
        };
        if base.bytes.len() as u64 > self.largest {
            remember(&self.made, pair, None);
            return Ok(Made::Useless);
        }
        let Some(file) = read(reader, access, &pair.role, listed).await? else { return Ok(Made::Useless) };
        Ok(self.make(pair, base, file, place).await)
    }

    /// Counts what a client is sent; `outcome` where that is a delta.
    fn counted(&self, made: Made, outcome: DeltaOutcome) -> Made {
        self.outcomes.count(match &made {
            Made::Delta(_) | Made::Busy => outcome,
            Made::Useless => DeltaOutcome::Useless,
        });
        made
    }

    /// Whether a document of this size may be sent as a delta.
    fn suits(&self, length: u64) -> bool {
        (SMALLEST_BYTES..=self.largest).contains(&length)
    }

    fn remembered(&self, pair: &Pair) -> Option<Made> {
        let made = remembered(&self.made).get(pair).cloned().map(Made::of);
        made.or_else(|| missing(&self.missing).get(pair).map(|()| Made::Useless))
    }

    /// Waits for a place, and not for long; one that is free now is had after the deadline too.
    pub(super) async fn place(&self, gun: &Gun, deadline: Instant) -> Option<Place> {
        let place = async {
            let turn = self.turns.take(gun).await;
            let slot = Arc::clone(&self.slots).acquire_owned().await.ok()?;
            Some(Place { _turn: turn, _slot: slot })
        };
        timeout_at(deadline, place).await.ok().flatten()
    }

    /// Makes and remembers one, also if nobody waits for it any more: the place is taken until it is done.
    async fn make(&self, pair: Pair, base: Stored, file: Stored, place: Place) -> Made {
        let most = (file.bytes.len() / WORTH).min(self.memory_bytes / WORTH);
        let made = Arc::clone(&self.made);
        let work = move || {
            let delta = patch(&base.bytes, &file.bytes, most);
            let delta = delta.map(|bytes| Delta { version: file.version, bytes });
            remember(&made, pair, delta.clone());
            drop(place);
            delta
        };
        Made::of(tokio::task::spawn_blocking(work).await.ok().flatten())
    }
}

impl Made {
    fn of(delta: Option<Delta>) -> Self {
        delta.map_or(Self::Useless, Self::Delta)
    }
}

fn remember(made: &Mutex<BoundedMap<Pair, Option<Delta>>>, pair: Pair, delta: Option<Delta>) {
    let names = pair.gun.as_str().len().saturating_add(pair.role.as_str().len());
    let weight = delta.as_ref().map_or(0, |delta| delta.bytes.len()).saturating_add(names);
    remembered(made).insert_weighing(pair, delta, weight.saturating_add(ENTRY_BYTES));
}

fn missing(missing: &Mutex<BoundedMap<Pair, ()>>) -> MutexGuard<'_, BoundedMap<Pair, ()>> {
    missing.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remembered(made: &Mutex<BoundedMap<Pair, Option<Delta>>>) -> MutexGuard<'_, BoundedMap<Pair, Option<Delta>>> {
    made.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tuf_schema::UtcTime;

    use super::*;
    use crate::catch_up::tests::{lines, reader, store};
    use crate::store::memory::MemoryStore;

    fn deltas(change: impl FnOnce(&mut Limits)) -> Deltas {
        let mut limits = Limits::default();
        change(&mut limits);
        Deltas::new(&limits)
    }

    fn gun(name: &str) -> Gun {
        Gun::parse(name).unwrap()
    }

    fn stored(bytes: Vec<u8>) -> Stored {
        let created_at = UtcTime::parse("2026-11-21T21:05:00Z").unwrap();
        Stored { version: Version::FIRST, sha256: Sha256::of(&bytes), bytes: bytes.into(), created_at }
    }

    async fn turn(deltas: &Deltas, gun: &Gun) -> Option<Place> {
        deltas.place(gun, deltas.deadline()).await
    }

    fn pair(base: &Stored, file: &Stored) -> Pair {
        Pair { gun: gun("g"), role: Role::Targets, base: base.sha256, file: file.sha256 }
    }

    #[test]
    fn documents_within_the_limit_suit_and_one_byte_more_does_not() {
        let deltas = deltas(|limits| limits.delta_bytes = 1 << 20);
        for (length, suits) in [(16 << 10, true), ((16 << 10) - 1, false), (1 << 20, true), ((1 << 20) + 1, false)] {
            assert_eq!(deltas.suits(length), suits, "{length}");
        }
        assert!(!self::deltas(|limits| limits.deltas = 0).suits(1 << 20));
    }

    #[tokio::test]
    async fn a_repository_has_one_turn_and_all_have_so_many() {
        let deltas = deltas(|limits| limits.deltas = 2);
        let (g, h, i) = (gun("g"), gun("h"), gun("i"));
        let first = turn(&deltas, &g).await.unwrap();
        let mut same = Box::pin(turn(&deltas, &g));
        assert!((&mut same).now_or_never().is_none(), "its repository has its turn");
        let second = turn(&deltas, &h).now_or_never().flatten().unwrap();
        let mut third = Box::pin(turn(&deltas, &i));
        assert!((&mut third).now_or_never().is_none(), "both places are taken");
        drop(second);
        assert!((&mut third).now_or_never().flatten().is_some());
        drop(first);
        assert!((&mut same).now_or_never().flatten().is_some());
    }

    #[tokio::test]
    async fn a_turn_that_does_not_come_within_a_moment_is_given_up() {
        let deltas = Deltas { patience: Duration::ZERO, ..deltas(|limits| limits.deltas = 1) };
        let held = turn(&deltas, &gun("g")).await.unwrap();
        assert!(turn(&deltas, &gun("g")).await.is_none());
        assert!(turn(&deltas, &gun("h")).await.is_none());
        drop(held);
        assert!(turn(&deltas, &gun("h")).await.is_some(), "who gave up holds nothing");
    }

    #[tokio::test]
    async fn what_was_made_is_remembered_under_its_repository_role_base_and_file() {
        let deltas = deltas(|_| {});
        let (base, mut file) = (lines("line", 1000), lines("line", 1000));
        file[500] ^= 1;
        let (base, file) = (stored(base), stored(file));
        let place = turn(&deltas, &gun("g")).await.unwrap();
        let made = deltas.make(pair(&base, &file), base.clone(), file.clone(), place).await;
        let Made::Delta(delta) = made else { panic!("it is worth it") };
        assert!(matches!(deltas.remembered(&pair(&base, &file)), Some(Made::Delta(known)) if known == delta));
        for other in [
            Pair { gun: gun("h"), ..pair(&base, &file) },
            Pair { role: Role::Snapshot, ..pair(&base, &file) },
            pair(&file, &file),
            pair(&base, &base),
        ] {
            assert!(deltas.remembered(&other).is_none(), "{other:?}");
        }
        assert!(turn(&deltas, &gun("g")).now_or_never().flatten().is_some(), "the turn is over");
    }

    #[tokio::test]
    async fn that_a_delta_is_not_worth_it_is_remembered_too_and_what_is_remembered_has_an_end() {
        let deltas = deltas(|limits| limits.delta_memory_bytes = 64 << 10);
        let base = stored(lines("line", 10));
        let files: Vec<Stored> = (0..300).map(|number| stored(lines("line", 300 + number))).collect();
        for file in &files {
            let place = turn(&deltas, &gun("g")).await.unwrap();
            let made = deltas.make(pair(&base, file), base.clone(), file.clone(), place).await;
            assert!(matches!(made, Made::Useless));
        }
        let known = files.iter().filter(|file| deltas.remembered(&pair(&base, file)).is_some()).count();
        assert_eq!(known, (64 << 10) / (ENTRY_BYTES + "g".len() + "targets".len()), "the last of them");
        assert!(deltas.remembered(&pair(&base, &files[299])).is_some());
    }

    async fn asked(deltas: &Deltas, store: Arc<MemoryStore>, base: Sha256, file: &Stored) -> Made {
        let listed = Listed { sha256: file.sha256, length: file.bytes.len() as u64 };
        let wanted = Wanted { role: Role::Targets, listed, base: Some(base), delta: None };
        let access = Access::for_tests(gun("g"));
        deltas.delta(&reader(store), &access, (&wanted, base), deltas.deadline()).await.unwrap()
    }

    #[tokio::test]
    async fn that_a_base_is_too_large_or_not_stored_is_remembered() {
        let deltas = deltas(|limits| limits.delta_bytes = 64 << 10);
        let (large, file) = (stored(lines("line", 1010)), stored(lines("line", 1000)));
        assert!(large.bytes.len() > 64 << 10);
        let store = Arc::new(store());
        store.take_over(&gun("g"), &Role::Targets, large.clone());
        let unknown = stored(lines("line", 990));
        for base in [&large, &unknown] {
            assert!(matches!(asked(&deltas, Arc::clone(&store), base.sha256, &file).await, Made::Useless));
            assert!(matches!(deltas.remembered(&pair(base, &file)), Some(Made::Useless)));
        }
    }

    #[tokio::test]
    async fn bases_that_are_not_stored_have_an_end_and_take_no_place_of_what_was_made() {
        let deltas = deltas(|limits| limits.delta_memory_bytes = 64 << 10);
        let (base, mut file) = (lines("line", 1000), lines("line", 1000));
        file[500] ^= 1;
        let (base, file) = (stored(base), stored(file));
        let place = turn(&deltas, &gun("g")).await.unwrap();
        assert!(matches!(deltas.make(pair(&base, &file), base.clone(), file.clone(), place).await, Made::Delta(_)));
        let store = Arc::new(store());
        let unknown = |number: usize| Sha256::of(&number.to_be_bytes());
        for number in 0..=MISSING {
            assert!(matches!(asked(&deltas, Arc::clone(&store), unknown(number), &file).await, Made::Useless));
        }
        let is_known = |number| deltas.remembered(&Pair { base: unknown(number), ..pair(&base, &file) }).is_some();
        assert_eq!([0, 1, MISSING].map(is_known), [false, true, true]);
        assert!(matches!(deltas.remembered(&pair(&base, &file)), Some(Made::Delta(_))));
    }

    #[tokio::test]
    async fn what_another_made_meanwhile_is_sent_although_there_was_no_turn() {
        let deltas = Deltas { patience: Duration::from_millis(200), ..deltas(|_| {}) };
        let (base, mut file) = (lines("line", 1000), lines("line", 1000));
        file[500] ^= 1;
        let (base, file) = (stored(base), stored(file));
        let _held = turn(&deltas, &gun("g")).await.unwrap();
        let elsewhere = turn(&deltas, &gun("h")).await.unwrap();
        let making = deltas.make(pair(&base, &file), base.clone(), file.clone(), elsewhere);
        // asked first, when nothing is made yet
        let (asked, _) = tokio::join!(asked(&deltas, Arc::new(store()), base.sha256, &file), making);
        assert!(matches!(asked, Made::Delta(_)));
    }

    #[tokio::test]
    async fn what_a_client_could_have_been_sent_is_counted_by_what_became_of_it() {
        let deltas = Deltas { patience: Duration::ZERO, ..deltas(|_| {}) };
        let (base, mut file) = (lines("line", 1000), lines("line", 1000));
        file[500] ^= 1;
        let (base, file) = (stored(base), Stored { version: Version::new(2).unwrap(), ..stored(file) });
        let store = Arc::new(store());
        for document in [&base, &file] {
            store.take_over(&gun("g"), &Role::Targets, document.clone());
        }
        let count = |outcome| deltas.outcomes.counted(outcome);
        let held = turn(&deltas, &gun("g")).await.unwrap();
        assert!(matches!(asked(&deltas, Arc::clone(&store), base.sha256, &file).await, Made::Busy));
        assert_eq!(count(DeltaOutcome::NoTurn), 1);
        drop(held);
        for (made, remembered) in [(1, 0), (1, 1), (1, 2)] {
            assert!(matches!(asked(&deltas, Arc::clone(&store), base.sha256, &file).await, Made::Delta(_)));
            assert_eq!((count(DeltaOutcome::Made), count(DeltaOutcome::Remembered)), (made, remembered));
        }
        // a base that is not stored: looked for, and then remembered
        for useless in 1..=2 {
            let unknown = Sha256::of(b"unknown");
            assert!(matches!(asked(&deltas, Arc::clone(&store), unknown, &file).await, Made::Useless));
            assert_eq!(count(DeltaOutcome::Useless), useless);
        }
        assert_eq!(count(DeltaOutcome::NoTurn), 1);
    }
}
