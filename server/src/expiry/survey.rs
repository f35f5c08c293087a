//! Looks at what is stored, a few repositories at a time, and notes when it expires.
//!
//! Not what renewal looks at: that reads no targets, and of each repository nothing for a week after a publish.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tuf_schema::dialect::Document;
use tuf_schema::model::{Root, Snapshot, Targets, Timestamp};
use tuf_schema::{Gun, Role, Sha256, UtcTime, Version};

use super::{DAY, Expiries, TOLD_BY_NAME};
use crate::bounded::BoundedMap;
use crate::chance::{Chance, part_of};
use crate::clock::Clock;
use crate::publish::load::{newest_targets, unverified};
use crate::publish::regenerate::TIMESTAMP_LIFETIME;
use crate::publish::{aside, listing};
use crate::read::RenewalSettings;
use crate::store::{Aging, MetadataStore, Newest, StoreError, Stored};

/// When after the start the first look is: after the first round of renewal, which finds out what another server stored.
const FIRST_AFTER: Duration = Duration::from_secs(60);

/// How long it rests between two looks.
const REST: Duration = Duration::from_secs(5 * 60);

/// By how much a rest may be longer: replicas that were started together do not stay together.
const LONGER_REST: Duration = Duration::from_secs(60);

/// How many repositories are looked at after a rest: two thousand in an hour, fifty thousand in a day, which the database
/// does not notice.
const AT_A_TIME: u32 = 200;

/// How many delegations of a repository are looked at. Few have more, and those that docker makes are among them.
const DELEGATIONS: usize = 16;

/// By how much renewal in the background must be late to be told, in seconds. It is for hours only where it is at work.
const LATE: i64 = DAY;

/// Of how many documents the dates are remembered, so that what did not change is not read again: four megabytes.
const REMEMBERED: usize = 1 << 15;

/// Looks at what is stored.
pub(crate) struct Survey {
    store: Arc<dyn MetadataStore>,
    clock: Arc<dyn Clock>,
    dates: Mutex<BoundedMap<Sha256, UtcTime>>,
    /// What was found.
    pub(crate) expiries: Expiries,
}

/// Where the next look begins: after this name. No name is empty, so all of them come after "".
#[derive(Debug, Default)]
struct Place {
    after: String,
}

impl Survey {
    pub(crate) fn new(store: Arc<dyn MetadataStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, dates: Mutex::new(BoundedMap::new(REMEMBERED)), expiries: Expiries::default() }
    }

    /// Looks for ever at what renewal in the background is for.
    pub(crate) async fn run(&self, settings: RenewalSettings, chance: &dyn Chance) {
        let mut place = Place::default();
        tokio::time::sleep(FIRST_AFTER).await;
        loop {
            if let Err(error) = self.look(&mut place, settings).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot look at what expires");
            }
            tokio::time::sleep(REST.saturating_add(part_of(LONGER_REST, chance))).await;
        }
    }

    /// Looks at the next repositories, and again at those that are told by name: once they are signed anew nobody must be
    /// warned any more.
    async fn look(&self, place: &mut Place, settings: RenewalSettings) -> Result<(), StoreError> {
        let now = self.clock.now();
        let told = self.expiries.expiring(now).into_iter().take(TOLD_BY_NAME);
        for gun in told.map(|expiring| expiring.gun).collect::<BTreeSet<_>>() {
            self.expiries.note_again(&gun, self.dated(&gun, now).await?);
        }
        let page = Aging {
            // Whatever its age; the clocks of others may be ahead.
            before: now.plus_seconds(DAY),
            used_since: settings.used_since(now),
            after: Some(place.after.clone()),
            limit: AT_A_TIME,
        };
        let page = self.store.aging(&page).await?;
        for gun in &page.guns {
            self.expiries.note(gun, self.dated(gun, now).await?);
        }
        if page.next.is_none() {
            self.expiries.end_round();
        }
        place.after = page.next.unwrap_or_default();
        Ok(())
    }

    /// Looks at every repository.
    #[cfg(test)]
    pub(crate) async fn look_at_all(&self) {
        self.look(&mut Place::default(), RenewalSettings::default()).await.unwrap();
    }

    /// When the documents of a repository expire. What is in no form that we read has no date.
    async fn dated(&self, gun: &Gun, now: UtcTime) -> Result<Vec<(Role, UtcTime)>, StoreError> {
        let Some(newest) = readable(self.store.newest(gun).await)? else { return Ok(Vec::new()) };
        let (Some(root), Some(snapshot), Some(timestamp)) = (&newest.root, &newest.snapshot, &newest.timestamp) else {
            // Deleted, or never whole.
            return Ok(Vec::new());
        };
        let mut dated = Vec::new();
        dated.extend(self.date::<Root>(Role::Root, root).await);
        // The server's own to renew: told where it should have been.
        let late = now.plus_seconds(TIMESTAMP_LIFETIME / 2 - LATE);
        dated.extend(self.date::<Timestamp>(Role::Timestamp, timestamp).await.filter(|(_, expires)| *expires < late));
        dated.extend(self.targets(gun, &newest).await?);
        let Some((expires, delegations)) = read_snapshot(snapshot).await else { return Ok(dated) };
        self.dates().insert(snapshot.sha256, expires);
        dated.push((Role::Snapshot, expires));
        for (role, (version, sha256)) in listing::find(&*self.store, gun, &delegations).await? {
            dated.extend(self.delegation(gun, role, version, &sha256).await?);
        }
        Ok(dated)
    }

    async fn targets(&self, gun: &Gun, newest: &Newest) -> Result<Option<(Role, UtcTime)>, StoreError> {
        let Some(edition) = newest.targets else { return Ok(None) };
        if let Some(expires) = self.remembered(&edition.sha256) {
            return Ok(Some((Role::Targets, expires)));
        }
        match readable(newest_targets(&*self.store, gun, newest).await)?.flatten() {
            Some(stored) => Ok(self.date::<Targets>(Role::Targets, &stored).await),
            None => Ok(None),
        }
    }

    async fn delegation(
        &self,
        gun: &Gun,
        role: Role,
        version: Version,
        sha256: &Sha256,
    ) -> Result<Option<(Role, UtcTime)>, StoreError> {
        if let Some(expires) = self.remembered(sha256) {
            return Ok(Some((role, expires)));
        }
        match readable(self.store.by_version(gun, &role, version).await)?.flatten() {
            Some(stored) => Ok(self.date::<Targets>(role, &stored).await),
            None => Ok(None),
        }
    }

    /// When a document expires.
    async fn date<M: Document + 'static>(&self, role: Role, stored: &Stored) -> Option<(Role, UtcTime)> {
        if let Some(expires) = self.remembered(&stored.sha256) {
            return Some((role, expires));
        }
        let read = {
            let (role, stored) = (role.clone(), stored.clone());
            move || unverified::<M>(&role, &stored).ok().map(|document| document.claims().expires())
        };
        let expires = aside(stored.bytes.len(), read).await?;
        self.dates().insert(stored.sha256, expires);
        Some((role, expires))
    }

    /// When the document with this digest expires, if it was looked at.
    pub(crate) fn remembered(&self, sha256: &Sha256) -> Option<UtcTime> {
        self.dates().get(sha256).copied()
    }

    fn dates(&self) -> MutexGuard<'_, BoundedMap<Sha256, UtcTime>> {
        self.dates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When a snapshot expires, and the delegations to look at among those that it lists.
async fn read_snapshot(snapshot: &Stored) -> Option<(UtcTime, BTreeSet<Role>)> {
    let stored = snapshot.clone();
    let read = move || {
        let document = unverified::<Snapshot>(&Role::Snapshot, &stored).ok()?;
        let listed = listing::delegations(&document.claims().meta);
        let (released, others): (Vec<Role>, Vec<Role>) = listed.into_iter().partition(is_released);
        Some((document.claims().expires, released.into_iter().chain(others).take(DELEGATIONS).collect()))
    };
    aside(snapshot.bytes.len(), read).await
}

/// Whether these are the targets that docker's clients take for released.
fn is_released(role: &Role) -> bool {
    matches!(role, Role::Delegation(name) if name.is_releases())
}

/// What was read; nothing where a row is damaged, which `admin verify` is for.
fn readable<T>(read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(StoreError::Corrupt { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use tuf_schema::SigningKey as _;
    use tuf_schema::testing::{Publisher, secret_key, signed};

    use super::*;
    use crate::clock::TestClock;
    use crate::store::memory::MemoryStore;

    struct Stack {
        clock: Arc<TestClock>,
        store: Arc<MemoryStore>,
        survey: Survey,
        place: Place,
    }

    impl Stack {
        fn new() -> Self {
            let clock = TestClock::at("2026-11-21T21:05:00Z");
            let store = Arc::new(MemoryStore::new(clock.clone()));
            let survey = Survey::new(store.clone(), clock.clone());
            Self { clock, store, survey, place: Place::default() }
        }

        fn keep(&self, gun: &Gun, role: &str, version: i64, bytes: bytes::Bytes) {
            let version = Version::new(version).unwrap();
            let stored = Stored { version, sha256: Sha256::of(&bytes), bytes, created_at: self.clock.now() };
            self.store.take_over(gun, &Role::parse(role).unwrap(), stored);
        }

        /// A repository whose documents expire in so many days, by role; its snapshot lists the delegations.
        fn repository(&self, gun: &str, days: &[(&str, i64)]) {
            let (gun, key) = (Gun::parse(gun).unwrap(), secret_key());
            let now = self.clock.now();
            let mut author = Publisher::new(&gun, key.public(), key.public(), now);
            let expires = |wanted: &str| {
                let found = days.iter().find(|(role, _)| *role == wanted);
                now.plus_seconds(found.map_or(5000, |(_, days)| *days) * DAY)
            };
            author.root.expires = expires("root");
            author.targets.expires = expires("targets");
            let mut listed = vec![(Role::Root, author.root_bytes()), (Role::Targets, author.targets_bytes())];
            for (role, _) in days.iter().filter(|(role, _)| role.starts_with("targets/")) {
                let bytes = signed(&Targets { expires: expires(role), ..author.targets.clone() }, &[&key]);
                listed.push((Role::parse(role).unwrap(), bytes));
            }
            for (role, bytes) in &listed {
                self.keep(&gun, role.as_str(), 1, bytes.clone());
            }
            let listed: Vec<(Role, &[u8])> =
                listed.iter().map(|(role, bytes)| (role.clone(), bytes.as_ref())).collect();
            let snapshot = Snapshot { expires: expires("snapshot"), ..author.snapshot(Version::FIRST, &listed) };
            let snapshot = signed(&snapshot, &[&key]);
            let timestamp = author.timestamp(Version::FIRST, &snapshot);
            let timestamp = Timestamp { expires: expires("timestamp"), ..timestamp };
            self.keep(&gun, "snapshot", 1, snapshot);
            self.keep(&gun, "timestamp", 1, signed(&timestamp, &[&key]));
        }

        async fn look(&mut self) {
            self.survey.look(&mut self.place, RenewalSettings::default()).await.unwrap();
        }

        /// What is known, in days from now.
        fn told(&self) -> Vec<(String, i64)> {
            let now = self.clock.now();
            let days = |expires: UtcTime| (expires.unix_seconds() - now.unix_seconds()).div_euclid(DAY);
            let told = self.survey.expiries.expiring(now).into_iter();
            told.map(|it| (format!("{} {}", it.gun, it.role), days(it.expires))).collect()
        }
    }

    fn days(told: &[(&str, i64)]) -> Vec<(String, i64)> {
        told.iter().map(|(what, days)| ((*what).to_owned(), *days)).collect()
    }

    #[tokio::test]
    async fn root_targets_delegations_and_snapshot_are_told_as_only_their_publishers_may_renew_them() {
        let mut stack = Stack::new();
        stack.repository("a", &[("root", 40), ("targets", 30), ("targets/releases", 20), ("snapshot", 50)]);
        stack.look().await;
        let expected = [("a targets/releases", 20), ("a targets", 30), ("a root", 40), ("a snapshot", 50)];
        assert_eq!(stack.told(), days(&expected));
        assert_eq!(stack.survey.expiries.rounds(), 1);
    }

    #[tokio::test]
    async fn a_timestamp_is_told_once_it_should_have_been_renewed_a_day_ago() {
        for (left, is_told) in [(14, false), (7, false), (6, false), (5, true), (-1, true)] {
            let mut stack = Stack::new();
            stack.repository("a", &[("timestamp", left)]);
            stack.look().await;
            assert_eq!(stack.told().contains(&("a timestamp".to_owned(), left)), is_told, "{left}");
        }
    }

    #[tokio::test]
    async fn what_was_signed_anew_is_no_longer_told_after_the_next_look() {
        let mut stack = Stack::new();
        stack.repository("a", &[("root", 3)]);
        stack.look().await;
        assert_eq!(stack.told()[0], ("a root".to_owned(), 3));
        let gun = Gun::parse("a").unwrap();
        let key = secret_key();
        let mut author = Publisher::new(&gun, key.public(), key.public(), stack.clock.now());
        author.root.version = Version::new(2).unwrap();
        stack.keep(&gun, "root", 2, author.root_bytes());
        // Also where the round is at others, and comes to no end.
        stack.place.after = "b".to_owned();
        for number in 0..AT_A_TIME {
            stack.keep(&Gun::parse(&format!("c{number}")).unwrap(), "timestamp", 1, "no document".into());
        }
        stack.look().await;
        assert_eq!(stack.told().len(), 3, "root, targets and snapshot");
        assert!(stack.told().iter().all(|(_, days)| *days > 3000), "{:?}", stack.told());
    }

    #[tokio::test]
    async fn two_hundred_repositories_are_looked_at_at_a_time_and_the_next_after_a_rest() {
        let mut stack = Stack::new();
        for number in 0..=AT_A_TIME {
            stack.repository(&format!("g{number:03}"), &[]);
        }
        stack.look().await;
        let known = |stack: &Stack| stack.told().iter().filter(|(what, _)| what.ends_with(" root")).count();
        assert_eq!((known(&stack), stack.survey.expiries.rounds()), (200, 0));
        stack.look().await;
        assert_eq!((known(&stack), stack.survey.expiries.rounds()), (201, 1));
    }

    #[tokio::test]
    async fn a_repository_that_was_deleted_is_told_no_longer() {
        let mut stack = Stack::new();
        stack.repository("a", &[]);
        stack.look().await;
        assert!(!stack.told().is_empty());
        stack.store.delete(&Gun::parse("a").unwrap()).await.unwrap();
        stack.look().await;
        assert_eq!(stack.told(), []);
    }

    #[tokio::test]
    async fn of_sixteen_delegations_all_are_looked_at_and_of_more_the_released_targets_too() {
        let names: Vec<String> = (0..20).map(|number| format!("targets/a{number:02}")).collect();
        for (others, looked_at) in [(15, 16), (16, 16), (20, 16)] {
            let mut stack = Stack::new();
            let mut roles: Vec<(&str, i64)> = names.iter().take(others).map(|name| (name.as_str(), 30)).collect();
            roles.push(("targets/releases", 20));
            stack.repository("a", &roles);
            stack.look().await;
            let told = stack.told();
            assert_eq!(told[0], ("a targets/releases".to_owned(), 20));
            assert_eq!(told.iter().filter(|(what, _)| what.contains(" targets/")).count(), looked_at, "{others}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_has_no_date_and_keeps_nothing_else_from_having_one() {
        let mut stack = Stack::new();
        stack.repository("a", &[("root", 9)]);
        stack.keep(&Gun::parse("a").unwrap(), "targets", 2, "no document".into());
        stack.repository("b", &[("root", 8)]);
        stack.look().await;
        let told: Vec<String> = stack.told().into_iter().map(|(what, _)| what).collect();
        assert_eq!(told, ["b root", "a root", "a snapshot", "b targets", "b snapshot"]);
    }
}
