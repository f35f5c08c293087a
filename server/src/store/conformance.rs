//! One suite for every store: what holds in memory holds in every database.
//!
//! It stands inside the crate because only `publish` can make updates, and tests must not open that door for others.

use bytes::Bytes;
use tuf_schema::{Gun, Role, Sha256, Version};

use super::{Change, ChangeCategory, ChangeQuery, Edition, Newest, StoreError};
use crate::clock::Clock as _;
use crate::publish::{NewFile, ValidatedUpdate};

macro_rules! on_every_store {
    ($($rule:ident),* $(,)?) => {
        on_a_store!(memory: $($rule),*);
        on_a_store!(sqlite: $($rule),*);
        on_a_store!(postgres: $($rule),*);
        on_a_store!(postgres_taken_over: $($rule),*);
        on_a_store!(mariadb: $($rule),*);
        on_a_store!(mariadb_taken_over: $($rule),*);
    };
}

macro_rules! on_a_store {
    ($store:ident: $($rule:ident),*) => {
        mod $store {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $rule() {
                if let Some(subject) = crate::store::conformance::subject::$store().await {
                    super::$rule(subject).await;
                }
            })*
        }
    };
}

mod as_it_was_read;
mod old_files;
mod overview;
mod races;
mod subject;
mod upkeep;
mod webhooks;

use subject::Subject;

on_every_store!(
    an_unknown_gun_has_nothing,
    what_was_committed_is_read_back_as_it_came,
    the_latest_is_the_highest_version,
    many_who_read_at_once_get_each_his_own,
    a_file_by_its_hash_is_of_one_repository_and_role_and_gone_with_it,
    the_newest_of_the_base_roles_are_read_together,
    a_digest_finds_only_files_of_its_own_gun_and_role,
    a_version_that_is_stored_already_is_a_conflict,
    a_version_below_the_newest_is_a_conflict,
    a_conflict_leaves_nothing_of_the_update,
    an_update_that_was_prepared_before_another_is_a_conflict,
    an_update_that_was_prepared_before_a_deletion_is_a_conflict,
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
    let newest = subject.store.newest(&gun(name)).await.unwrap();
    let base = newest.timestamp.map_or(0, |stored| stored.version.number().into());
    let update = update_on(base, name, timestamp, others).after_writes(newest.writes);
    subject.store.commit(&update).await.unwrap();
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
    assert_eq!(stored.created_at, subject.kept(subject.clock.now()));
    assert_eq!(subject.store.by_sha256(&gun, &releases, &stored.sha256).await.unwrap(), Some(stored.clone()));
    assert_eq!(subject.store.latest(&gun, &releases).await.unwrap(), Some(stored));
}

async fn many_who_read_at_once_get_each_his_own(subject: Subject) {
    let names: Vec<String> = (0..40).map(|number| format!("g{number}")).collect();
    for (name, number) in names.iter().zip(1..).step_by(2) {
        commit(&subject, name, number, vec![]).await;
    }
    let reads = names.iter().chain(&names).map(|name| {
        let (store, gun) = (&subject.store, gun(name));
        async move { store.latest(&gun, &Role::Timestamp).await.unwrap() }
    });
    let found = futures_util::future::join_all(reads).await;
    for (place, stored) in found.iter().enumerate() {
        let number = place % names.len();
        let expected = number.is_multiple_of(2).then(|| format!("timestamp {}", number + 1));
        assert_eq!(stored.as_ref().map(|stored| &*stored.bytes), expected.as_ref().map(String::as_bytes), "{place}");
    }
}

async fn a_file_by_its_hash_is_of_one_repository_and_role_and_gone_with_it(subject: Subject) {
    let sha256 = Sha256::of(b"targets 1");
    let found = async |name: &str, role: Role| subject.store.by_sha256(&gun(name), &role, &sha256).await.unwrap();
    commit(&subject, "g", 1, vec![file("targets", 1)]).await;
    let stored = found("g", Role::Targets).await.unwrap();
    assert_eq!(found("g", Role::Targets).await.as_ref(), Some(&stored));
    assert_eq!(found("g", Role::Snapshot).await, None);
    assert_eq!(found("h", Role::Targets).await, None);
    assert!(subject.store.delete(&gun("g")).await.unwrap());
    assert_eq!(found("g", Role::Targets).await, None);
    commit(&subject, "g", 2, vec![file_with("targets", 2, "targets 1")]).await;
    assert_eq!(found("g", Role::Targets).await.unwrap().version, version(2));
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
    assert_eq!(newest.targets, Some(Edition { version: version(3), sha256: Sha256::of(b"targets 3") }));
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
        created_at: subject.kept(subject.clock.now()),
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
