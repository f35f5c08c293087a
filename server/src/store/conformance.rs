//! One suite for every store: what holds in memory holds in every database.
//!
//! It stands inside the crate because only `publish` can make updates, and tests must not open that door for others.

use std::sync::Arc;

use bytes::Bytes;
use tuf_schema::{Gun, Role, Sha256, Version};

use super::memory::MemoryStore;
use super::sql::SqliteStore;
use super::{Aging, Change, ChangeCategory, ChangeQuery, MetadataStore, Newest, StoreError};
use crate::clock::{Clock as _, TestClock};
use crate::publish::{NewFile, ValidatedUpdate};

/// An empty store and what it needs to live.
struct Subject {
    store: Arc<dyn MetadataStore>,
    clock: Arc<TestClock>,
    _directory: Option<tempfile::TempDir>,
}

async fn memory() -> Subject {
    let clock = TestClock::at("2026-11-21T21:05:00.123456Z");
    Subject { store: Arc::new(MemoryStore::new(clock.clone())), clock, _directory: None }
}

async fn sqlite() -> Subject {
    let clock = TestClock::at("2026-11-21T21:05:00.123456Z");
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("server.db"), clock.clone()).await.unwrap();
    Subject { store: Arc::new(store), clock, _directory: Some(directory) }
}

macro_rules! every_store {
    ($($rule:ident),* $(,)?) => {
        mod in_memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $rule() {
                super::$rule(super::memory().await).await;
            })*
        }
        mod in_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $rule() {
                super::$rule(super::sqlite().await).await;
            })*
        }
    };
}

every_store!(
    an_unknown_gun_has_nothing,
    what_was_committed_is_read_back_as_it_came,
    the_latest_is_the_highest_version,
    the_newest_of_the_base_roles_are_read_together,
    a_digest_finds_only_files_of_its_own_gun_and_role,
    a_version_that_is_stored_already_is_a_conflict,
    a_version_below_the_newest_is_a_conflict,
    a_conflict_leaves_nothing_of_the_update,
    an_update_that_was_prepared_before_another_is_a_conflict,
    an_update_that_was_prepared_before_a_deletion_is_a_conflict,
    guns_with_an_old_timestamp_are_found_page_by_page,
    one_of_eight_racing_writers_wins,
    writers_of_different_guns_do_not_disturb_each_other,
    names_that_differ_in_case_are_different_repositories,
    delete_removes_one_gun_and_records_it,
    deleting_nothing_is_not_recorded,
    a_deleted_gun_starts_anew_at_any_version,
    an_update_is_recorded_with_its_timestamp,
    the_feed_reads_forward_from_an_id,
    the_feed_reads_backward_and_answers_in_order,
    the_feed_can_be_of_one_gun,
    a_page_holds_a_hundred_records,
    the_check_passes,
);

fn gun(text: &str) -> Gun {
    Gun::parse(text).unwrap()
}

fn role(text: &str) -> Role {
    Role::parse(text).unwrap()
}

fn version(number: i64) -> Version {
    Version::new(number).unwrap()
}

fn file(name: &str, number: i64) -> NewFile {
    file_with(name, number, &format!("{name} {number}"))
}

fn file_with(name: &str, number: i64, content: &str) -> NewFile {
    NewFile::new(role(name), version(number), Bytes::from(content.to_owned()))
}

/// An update that was prepared when the newest timestamp was of version `base`, 0 for none.
fn update_on(base: i64, name: &str, timestamp: i64, others: Vec<NewFile>) -> ValidatedUpdate {
    let base = (base > 0).then(|| Sha256::of(format!("timestamp {base}").as_bytes()));
    ValidatedUpdate::for_store_tests(&gun(name), base, file("timestamp", timestamp), others)
}

async fn commit(subject: &Subject, name: &str, timestamp: i64, others: Vec<NewFile>) {
    let newest = subject.store.latest(&gun(name), &Role::Timestamp).await.unwrap();
    let base = newest.map_or(0, |stored| stored.version.number().into());
    subject.store.commit(&update_on(base, name, timestamp, others)).await.unwrap();
}

async fn ids(subject: &Subject, change_id: i64, records: i64) -> Vec<i64> {
    let found = subject.store.changes(&ChangeQuery { gun: None, change_id, records }).await.unwrap();
    found.iter().map(|change| change.id).collect()
}

async fn all_changes(subject: &Subject) -> Vec<Change> {
    subject.store.changes(&ChangeQuery { gun: None, change_id: 0, records: 0 }).await.unwrap()
}

async fn an_unknown_gun_has_nothing(subject: Subject) {
    let (gun, store) = (gun("example.com/none"), &subject.store);
    assert_eq!(store.latest(&gun, &Role::Root).await.unwrap(), None);
    assert_eq!(store.by_version(&gun, &Role::Root, version(1)).await.unwrap(), None);
    assert_eq!(store.by_sha256(&gun, &Role::Root, &Sha256::of(b"root 1")).await.unwrap(), None);
    assert!(all_changes(&subject).await.is_empty());
}

async fn what_was_committed_is_read_back_as_it_came(subject: Subject) {
    let content = "{\"signed\":\u{0}\u{fe} \n}";
    commit(&subject, "g", 1, vec![file_with("targets/releases", 7, content)]).await;
    let (gun, releases) = (gun("g"), role("targets/releases"));
    let stored = subject.store.by_version(&gun, &releases, version(7)).await.unwrap().unwrap();
    assert_eq!(stored.bytes, content);
    assert_eq!(stored.sha256, Sha256::of(content.as_bytes()));
    assert_eq!(stored.version, version(7));
    assert_eq!(stored.created_at, subject.clock.now());
    assert_eq!(subject.store.by_sha256(&gun, &releases, &stored.sha256).await.unwrap(), Some(stored.clone()));
    assert_eq!(subject.store.latest(&gun, &releases).await.unwrap(), Some(stored));
}

async fn the_latest_is_the_highest_version(subject: Subject) {
    commit(&subject, "g", 1, vec![file("targets", 9)]).await;
    commit(&subject, "g", 2, vec![file("targets", 10)]).await;
    let latest = subject.store.latest(&gun("g"), &Role::Targets).await.unwrap().unwrap();
    assert_eq!(latest.version, version(10));
    let timestamp = subject.store.latest(&gun("g"), &Role::Timestamp).await.unwrap().unwrap();
    assert_eq!(timestamp.bytes, "timestamp 2");
}

async fn the_newest_of_the_base_roles_are_read_together(subject: Subject) {
    commit(&subject, "g", 1, vec![file("root", 1), file("targets", 1), file("targets/a", 1)]).await;
    commit(&subject, "g", 2, vec![file("targets", 3)]).await;
    commit(&subject, "h", 1, vec![file("snapshot", 1)]).await;
    let newest = subject.store.newest(&gun("g")).await.unwrap();
    assert_eq!(newest.root.unwrap().bytes, "root 1");
    assert_eq!(newest.targets.unwrap().bytes, "targets 3");
    assert_eq!(newest.snapshot, None);
    assert_eq!(newest.timestamp.unwrap().bytes, "timestamp 2");
    assert_eq!(subject.store.newest(&gun("none")).await.unwrap(), Newest::default());
}

async fn a_digest_finds_only_files_of_its_own_gun_and_role(subject: Subject) {
    commit(&subject, "g", 1, vec![file_with("targets", 1, "same")]).await;
    commit(&subject, "h", 1, Vec::new()).await;
    let digest = Sha256::of(b"same");
    assert!(subject.store.by_sha256(&gun("g"), &Role::Targets, &digest).await.unwrap().is_some());
    assert_eq!(subject.store.by_sha256(&gun("g"), &Role::Root, &digest).await.unwrap(), None);
    assert_eq!(subject.store.by_sha256(&gun("h"), &Role::Targets, &digest).await.unwrap(), None);
}

async fn a_version_that_is_stored_already_is_a_conflict(subject: Subject) {
    commit(&subject, "g", 1, vec![file("targets", 2)]).await;
    let again = subject.store.commit(&update_on(1, "g", 2, vec![file_with("targets", 2, "other")])).await;
    assert_conflict(again, Role::Targets, 2);
}

async fn a_version_below_the_newest_is_a_conflict(subject: Subject) {
    commit(&subject, "g", 5, vec![file("targets", 5)]).await;
    let older = subject.store.commit(&update_on(5, "g", 6, vec![file("targets", 4)])).await;
    assert_conflict(older, Role::Targets, 5);
    let older = subject.store.commit(&update_on(5, "g", 4, vec![file("targets", 6)])).await;
    assert_conflict(older, Role::Timestamp, 5);
}

async fn a_conflict_leaves_nothing_of_the_update(subject: Subject) {
    commit(&subject, "g", 1, vec![file("targets", 2)]).await;
    let before = all_changes(&subject).await;
    let others = vec![file("root", 1), file("snapshot", 1), file("targets", 2)];
    assert_conflict(subject.store.commit(&update_on(1, "g", 2, others)).await, Role::Targets, 2);
    assert_eq!(subject.store.latest(&gun("g"), &Role::Root).await.unwrap(), None);
    assert_eq!(subject.store.latest(&gun("g"), &Role::Snapshot).await.unwrap(), None);
    assert_eq!(subject.store.by_version(&gun("g"), &Role::Timestamp, version(2)).await.unwrap(), None);
    assert_eq!(all_changes(&subject).await, before);
}

async fn an_update_that_was_prepared_before_another_is_a_conflict(subject: Subject) {
    commit(&subject, "g", 1, vec![file("targets", 1)]).await;
    commit(&subject, "g", 2, Vec::new()).await;
    let late = subject.store.commit(&update_on(1, "g", 3, vec![file("targets", 2)])).await;
    assert_conflict(late, Role::Timestamp, 2);
    assert_eq!(subject.store.latest(&gun("g"), &Role::Targets).await.unwrap().unwrap().version, version(1));
}

async fn an_update_that_was_prepared_before_a_deletion_is_a_conflict(subject: Subject) {
    commit(&subject, "g", 1, vec![file("root", 1), file("targets", 1)]).await;
    let late = update_on(1, "g", 2, vec![file("targets", 2)]);
    subject.store.delete(&gun("g")).await.unwrap();
    let refused = subject.store.commit(&late).await;
    assert!(matches!(refused, Err(StoreError::Conflict { role: Role::Timestamp, current: None })), "{refused:?}");
    assert_eq!(subject.store.latest(&gun("g"), &Role::Targets).await.unwrap(), None);
}

async fn guns_with_an_old_timestamp_are_found_page_by_page(subject: Subject) {
    for name in ["a", "b", "c", "d"] {
        commit(&subject, name, 1, vec![file("targets", 1)]).await;
    }
    subject.clock.advance_days(8);
    commit(&subject, "b", 2, Vec::new()).await;
    commit(&subject, "e", 1, Vec::new()).await;
    let before = subject.clock.now().plus_seconds(-7 * 24 * 3600);
    let used_since = before.plus_seconds(-24 * 3600);
    let aging = async |after, limit| subject.store.aging(&Aging { before, used_since, after, limit }).await.unwrap();
    assert_eq!(aging(None, 2).await, [gun("a"), gun("c")]);
    assert_eq!(aging(Some(gun("c")), 2).await, [gun("d")]);
    assert!(aging(Some(gun("d")), 2).await.is_empty());
}

async fn one_of_eight_racing_writers_wins(subject: Subject) {
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let store = subject.store.clone();
            let update = update_on(0, "g", 1, vec![file_with("targets", 1, &format!("writer {writer}"))]);
            tokio::spawn(async move { store.commit(&update).await })
        })
        .collect();
    let mut won = 0;
    for writer in writers {
        match writer.await.unwrap() {
            Ok(()) => won += 1,
            Err(StoreError::Conflict { role: Role::Targets, current }) => assert_eq!(current, Some(version(1))),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(all_changes(&subject).await.len(), 1);
}

async fn writers_of_different_guns_do_not_disturb_each_other(subject: Subject) {
    let writers: Vec<_> = (0..16)
        .map(|writer| {
            let store = subject.store.clone();
            let update = update_on(0, &format!("g/{writer}"), 1, vec![file("targets", 1)]);
            tokio::spawn(async move { store.commit(&update).await })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    assert_eq!(all_changes(&subject).await.len(), 16);
}

async fn names_that_differ_in_case_are_different_repositories(subject: Subject) {
    commit(&subject, "example.com/Fix", 1, Vec::new()).await;
    assert_eq!(subject.store.latest(&gun("example.com/fix"), &Role::Timestamp).await.unwrap(), None);
}

async fn delete_removes_one_gun_and_records_it(subject: Subject) {
    commit(&subject, "g", 1, vec![file("targets", 1)]).await;
    commit(&subject, "g/h", 1, Vec::new()).await;
    assert!(subject.store.delete(&gun("g")).await.unwrap());
    assert_eq!(subject.store.latest(&gun("g"), &Role::Targets).await.unwrap(), None);
    assert_eq!(subject.store.latest(&gun("g"), &Role::Timestamp).await.unwrap(), None);
    assert!(subject.store.latest(&gun("g/h"), &Role::Timestamp).await.unwrap().is_some());
    let record = all_changes(&subject).await.pop().unwrap();
    assert_eq!((record.gun.as_str(), record.category), ("g", ChangeCategory::Deletion));
    assert_eq!((record.version, record.sha256.as_str()), (0, ""));
}

async fn deleting_nothing_is_not_recorded(subject: Subject) {
    assert!(!subject.store.delete(&gun("g")).await.unwrap());
    commit(&subject, "g", 1, Vec::new()).await;
    assert!(subject.store.delete(&gun("g")).await.unwrap());
    assert!(!subject.store.delete(&gun("g")).await.unwrap());
    assert_eq!(all_changes(&subject).await.len(), 2);
}

async fn a_deleted_gun_starts_anew_at_any_version(subject: Subject) {
    commit(&subject, "g", 9, vec![file("targets", 9)]).await;
    subject.store.delete(&gun("g")).await.unwrap();
    commit(&subject, "g", 1, vec![file("targets", 1)]).await;
    assert_eq!(subject.store.latest(&gun("g"), &Role::Targets).await.unwrap().unwrap().version, version(1));
}

async fn an_update_is_recorded_with_its_timestamp(subject: Subject) {
    commit(&subject, "g", 3, vec![file("root", 1), file("targets", 2)]).await;
    let records = all_changes(&subject).await;
    let expected = Change {
        id: 1,
        created_at: subject.clock.now(),
        gun: "g".to_owned(),
        version: 3,
        sha256: Sha256::of(b"timestamp 3").to_hex(),
        category: ChangeCategory::Update,
    };
    assert_eq!(records, [expected]);
}

async fn the_feed_reads_forward_from_an_id(subject: Subject) {
    for number in 1..=5 {
        commit(&subject, "g", number, Vec::new()).await;
    }
    assert_eq!(ids(&subject, 0, 2).await, [1, 2]);
    assert_eq!(ids(&subject, 2, 2).await, [3, 4]);
    assert_eq!(ids(&subject, 4, 100).await, [5]);
    assert!(ids(&subject, 5, 100).await.is_empty());
}

async fn the_feed_reads_backward_and_answers_in_order(subject: Subject) {
    for number in 1..=5 {
        commit(&subject, "g", number, Vec::new()).await;
    }
    assert_eq!(ids(&subject, 4, -2).await, [2, 3]);
    assert_eq!(ids(&subject, 0, -2).await, [4, 5]);
    assert_eq!(ids(&subject, -1, -2).await, [4, 5]);
    assert_eq!(ids(&subject, -1, 2).await, [4, 5]);
    assert!(ids(&subject, 1, -2).await.is_empty());
}

async fn the_feed_can_be_of_one_gun(subject: Subject) {
    for number in 1..=3 {
        commit(&subject, "g", number, Vec::new()).await;
        commit(&subject, "h", number, Vec::new()).await;
    }
    for (change_id, records, expected) in [(0, 2, [2, 4]), (2, 9, [4, 6]), (0, -2, [4, 6]), (6, -9, [2, 4])] {
        let query = ChangeQuery { gun: Some(gun("h")), change_id, records };
        let found = subject.store.changes(&query).await.unwrap();
        assert_eq!(found.iter().map(|change| change.id).collect::<Vec<_>>(), expected);
        assert!(found.iter().all(|change| change.gun == "h"));
    }
}

async fn a_page_holds_a_hundred_records(subject: Subject) {
    for number in 1..=101 {
        commit(&subject, "g", number, Vec::new()).await;
    }
    assert_eq!(ids(&subject, 0, 0).await, (1..=100).collect::<Vec<_>>());
    assert_eq!(ids(&subject, -1, 0).await, (2..=101).collect::<Vec<_>>());
}

async fn the_check_passes(subject: Subject) {
    subject.store.check().await.unwrap();
}

fn assert_conflict(result: Result<(), StoreError>, expected: Role, newest: i64) {
    match result {
        Err(StoreError::Conflict { role, current }) => assert_eq!((role, current), (expected, Some(version(newest)))),
        other => panic!("no conflict: {other:?}"),
    }
}
