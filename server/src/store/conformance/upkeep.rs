//! What the server keeps about its repositories, and what it asks for administration.

use std::collections::BTreeSet;

use tuf_schema::{Gun, Role, Sha256};

use super::subject::Subject;
use super::{commit, file, file_with, gun, role, update_on, version};
use crate::clock::Clock as _;
use crate::publish::ValidatedUpdate;
use crate::store::{Aging, Floors, Lease, RenewalKey};

const DAY: i64 = 24 * 60 * 60;

on_every_store!(
    guns_with_an_old_timestamp_are_found_page_by_page,
    an_old_timestamp_behind_many_new_ones_is_found_by_small_steps,
    renewals_are_looked_at_page_by_page,
    guns_that_nobody_uses_do_not_age,
    a_use_never_moves_backwards_and_is_of_existing_guns_only,
    a_deletion_leaves_the_highest_versions_as_floors,
    a_lease_is_of_one_holder_until_it_runs_out,
    a_lease_that_a_wrong_clock_lent_is_free_when_the_clock_is_right_again,
    superseded_renewals_are_dropped_and_nothing_else,
    the_newest_of_many_roles_are_told,
    an_update_of_many_and_large_files_is_stored_whole,
    repositories_and_files_are_listed_page_by_page,
);

async fn renew(subject: &Subject, name: &str, base: i64) {
    let base = Some(Sha256::of(format!("timestamp {base}").as_bytes()));
    let newest = subject.store.latest(&gun(name), &Role::Timestamp).await.unwrap().unwrap();
    let next = file("timestamp", i64::from(newest.version.number()) + 1);
    let update = ValidatedUpdate::renewal_for_store_tests(&gun(name), base, next);
    subject.store.commit(&update).await.unwrap();
}

/// What was stored more than a day ago and used in the last `used_days`.
async fn aging(subject: &Subject, used_days: i64) -> Vec<Gun> {
    let now = subject.clock.now();
    let (before, used_since) = (now.plus_seconds(-DAY), now.plus_seconds(-used_days * DAY));
    subject.store.aging(&Aging { before, used_since, after: None, limit: 10 }).await.unwrap().guns
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
    let aging = async |after: Option<&str>, limit| {
        let query = Aging { before, used_since, after: after.map(str::to_owned), limit };
        let page = subject.store.aging(&query).await.unwrap();
        (page.guns, page.next)
    };
    assert_eq!(aging(None, 3).await, (vec![gun("a"), gun("c")], Some("c".to_owned())));
    assert_eq!(aging(Some("c"), 3).await, (vec![gun("d")], None));
    assert_eq!(aging(Some("a"), 1).await, (Vec::new(), Some("b".to_owned())), "none of one, and more behind it");
    assert_eq!(aging(Some("e"), 3).await, (Vec::new(), None));
}

async fn an_old_timestamp_behind_many_new_ones_is_found_by_small_steps(subject: Subject) {
    commit(&subject, "z", 1, Vec::new()).await;
    subject.clock.advance_days(8);
    for number in 10..35 {
        commit(&subject, &format!("g{number}"), 1, Vec::new()).await;
    }
    let now = subject.clock.now();
    let (before, used_since) = (now.plus_seconds(-DAY), now.plus_seconds(-90 * DAY));
    let mut query = Aging { before, used_since, after: None, limit: 10 };
    let mut pages = Vec::new();
    loop {
        let page = subject.store.aging(&query).await.unwrap();
        query.after.clone_from(&page.next);
        pages.push((page.guns.len(), page.next));
        if query.after.is_none() {
            break;
        }
    }
    assert_eq!(pages, [(0, Some("g19".to_owned())), (0, Some("g29".to_owned())), (1, None)]);
}

async fn renewals_are_looked_at_page_by_page(subject: Subject) {
    for name in ["a", "b", "c"] {
        commit(&subject, name, 1, Vec::new()).await;
        renew(&subject, name, 1).await;
    }
    subject.clock.advance_days(1);
    renew(&subject, "a", 2).await;
    renew(&subject, "c", 2).await;
    let before = subject.clock.now().plus_seconds(1);
    let drop = async |after: Option<(&str, i64)>, limit| {
        let after = after.map(|(gun, version)| RenewalKey { gun: gun.to_owned(), version });
        let dropped = subject.store.drop_superseded(before, after.as_ref(), limit).await.unwrap();
        (dropped.timestamps, dropped.next.map(|next| (next.gun, next.version)))
    };
    // In their order: 2 and 3 of a, 2 of b, 2 and 3 of c; the first of a and of c have a successor.
    assert_eq!(drop(Some(("a", 2)), 2).await, (0, Some(("b".to_owned(), 2))), "none of two, and more behind them");
    assert_eq!(drop(None, 2).await, (1, Some(("a".to_owned(), 3))));
    assert_eq!(drop(Some(("b", 2)), 1).await, (1, Some(("c".to_owned(), 2))));
    assert_eq!(drop(Some(("c", 2)), 2).await, (0, None));
    assert_eq!(drop(None, 10).await, (0, None));
}

async fn guns_that_nobody_uses_do_not_age(subject: Subject) {
    commit(&subject, "a", 1, Vec::new()).await;
    commit(&subject, "b", 1, Vec::new()).await;
    subject.clock.advance_days(100);
    assert!(aging(&subject, 90).await.is_empty());
    subject.store.note_use(&[gun("b")], subject.clock.now()).await.unwrap();
    assert_eq!(aging(&subject, 90).await, [gun("b")]);
    // What the server signs itself is no use.
    renew(&subject, "a", 1).await;
    subject.clock.advance_days(2);
    assert_eq!(aging(&subject, 90).await, [gun("b")]);
    assert_eq!(aging(&subject, 103).await, [gun("a"), gun("b")]);
}

async fn a_use_never_moves_backwards_and_is_of_existing_guns_only(subject: Subject) {
    commit(&subject, "a", 1, Vec::new()).await;
    let first = subject.clock.now();
    subject.clock.advance_days(10);
    subject.store.note_use(&[gun("a"), gun("none")], subject.clock.now()).await.unwrap();
    subject.store.note_use(&[gun("a")], first).await.unwrap();
    assert_eq!(aging(&subject, 5).await, [gun("a")]);
    // Had the use been noted, the repository would count as used ten days ago.
    subject.clock.advance_days(20);
    commit(&subject, "none", 1, Vec::new()).await;
    subject.clock.advance_days(2);
    assert_eq!(aging(&subject, 5).await, [gun("none")]);
}

async fn a_deletion_leaves_the_highest_versions_as_floors(subject: Subject) {
    let floors = async || subject.store.newest(&gun("g")).await.unwrap().floors;
    subject.store.delete(&gun("g")).await.unwrap();
    assert_eq!(floors().await, Floors::default());
    commit(&subject, "g", 7, vec![file("targets", 2)]).await;
    assert_eq!(floors().await, Floors::default());
    subject.store.delete(&gun("g")).await.unwrap();
    assert_eq!(floors().await, Floors { snapshot: None, timestamp: Some(version(7)) });
    commit(&subject, "g", 3, vec![file("snapshot", 4)]).await;
    subject.store.delete(&gun("g")).await.unwrap();
    assert_eq!(floors().await, Floors { snapshot: Some(version(4)), timestamp: Some(version(7)) });
    assert_eq!(subject.store.newest(&gun("h")).await.unwrap().floors, Floors::default());
}

async fn a_lease_is_of_one_holder_until_it_runs_out(subject: Subject) {
    let take = async |holder: &str, seconds| {
        subject.store.take_lease(Lease::Renewal, holder, subject.clock.now(), seconds).await.unwrap()
    };
    assert!(take("one", 60).await);
    assert!(!take("two", 60).await);
    subject.clock.advance_seconds(50);
    assert!(take("one", 60).await);
    subject.clock.advance_seconds(59);
    assert!(!take("two", 60).await);
    subject.clock.advance_seconds(1);
    assert!(take("two", 60).await);
    assert!(!take("one", 60).await);
    subject.store.give_back_lease(Lease::Renewal, "one").await.unwrap();
    assert!(!take("one", 60).await, "not his to give back");
    subject.store.give_back_lease(Lease::Renewal, "two").await.unwrap();
    assert!(take("one", 60).await);
}

async fn a_lease_that_a_wrong_clock_lent_is_free_when_the_clock_is_right_again(subject: Subject) {
    let take =
        async |holder: &str| subject.store.take_lease(Lease::Renewal, holder, subject.clock.now(), 60).await.unwrap();
    subject.clock.advance_days(365);
    assert!(take("one").await);
    subject.clock.advance_days(-365);
    assert!(take("two").await);
    assert!(!take("one").await);
    // Clocks of replicas may differ by as much as the lease is long.
    subject.clock.advance_seconds(-60);
    assert!(!take("one").await);
    subject.clock.advance_seconds(-1);
    assert!(take("one").await);
}

async fn superseded_renewals_are_dropped_and_nothing_else(subject: Subject) {
    commit(&subject, "g", 1, vec![file("targets", 1)]).await;
    for base in 1..=3 {
        subject.clock.advance_days(1);
        renew(&subject, "g", base).await;
    }
    subject.clock.advance_days(1);
    commit(&subject, "g", 5, Vec::new()).await;
    subject.clock.advance_days(1);
    renew(&subject, "g", 5).await;
    let stored = async || {
        let mut there = Vec::new();
        for number in 1..=6 {
            if subject.store.by_version(&gun("g"), &Role::Timestamp, version(number)).await.unwrap().is_some() {
                there.push(number);
            }
        }
        there
    };
    let now = subject.clock.now();
    let drop = async |before| subject.store.drop_superseded(before, None, 10).await.unwrap().timestamps;
    // Version 2 was followed three days ago, 3 two days ago, 4 one day ago by a publish, 6 by nothing.
    assert_eq!(drop(now.plus_seconds(-3 * DAY)).await, 0);
    assert_eq!(drop(now.plus_seconds(-DAY - 3600)).await, 2);
    assert_eq!(stored().await, [1, 4, 5, 6]);
    assert_eq!(drop(now.plus_seconds(DAY)).await, 1);
    assert_eq!(stored().await, [1, 5, 6]);
    assert_eq!(drop(now.plus_seconds(DAY)).await, 0);
    assert!(subject.store.delete(&gun("g")).await.unwrap());
    commit(&subject, "g", 6, Vec::new()).await;
    commit(&subject, "g", 7, Vec::new()).await;
    assert_eq!(drop(now.plus_seconds(DAY)).await, 0, "version 6 is a publish's now");
}

async fn the_newest_of_many_roles_are_told(subject: Subject) {
    let names: Vec<String> = (0..70).map(|number| format!("targets/{number}")).collect();
    let files = names.iter().map(|name| file(name, 1)).collect();
    commit(&subject, "g", 1, files).await;
    commit(&subject, "g", 2, vec![file("targets/3", 5)]).await;
    let mut roles: BTreeSet<Role> = names.iter().map(|name| role(name)).collect();
    roles.insert(Role::Snapshot);
    let newest = subject.store.newest_of(&gun("g"), &roles).await.unwrap();
    assert_eq!(newest.len(), 70);
    assert_eq!(newest.get(&role("targets/3")), Some(&(version(5), Sha256::of(b"targets/3 5"))));
    assert_eq!(newest.get(&role("targets/69")), Some(&(version(1), Sha256::of(b"targets/69 1"))));
    assert!(subject.store.newest_of(&gun("g"), &BTreeSet::new()).await.unwrap().is_empty());
    assert!(subject.store.newest_of(&gun("h"), &roles).await.unwrap().is_empty());
}

async fn an_update_of_many_and_large_files_is_stored_whole(subject: Subject) {
    let large = "x".repeat(3 * 1024 * 1024);
    let mut files: Vec<_> = (0..130).map(|number| file(&format!("targets/{number}"), 1)).collect();
    files.push(file_with("targets", 1, &large));
    files.push(file_with("targets/large", 1, &large));
    subject.store.commit(&update_on(0, "g", 1, files)).await.unwrap();
    assert_eq!(subject.store.files(&gun("g"), None, 1000).await.unwrap().len(), 133);
    let stored = subject.store.latest(&gun("g"), &role("targets/large")).await.unwrap().unwrap();
    assert_eq!(stored.bytes.len(), large.len());
    assert_eq!(stored.sha256, Sha256::of(large.as_bytes()));
}

async fn repositories_and_files_are_listed_page_by_page(subject: Subject) {
    for name in ["b/x", "a", "C", "b"] {
        commit(&subject, name, 1, vec![file("targets", 2)]).await;
    }
    commit(&subject, "a", 2, Vec::new()).await;
    assert_eq!(subject.store.guns(None, 3).await.unwrap(), [gun("C"), gun("a"), gun("b")]);
    assert_eq!(subject.store.guns(Some(&gun("b")), 3).await.unwrap(), [gun("b/x")]);
    for name in ["a/1", "a/2", "a/3"] {
        commit(&subject, name, 1, Vec::new()).await;
        subject.store.delete(&gun(name)).await.unwrap();
    }
    let behind_deleted = subject.store.guns(Some(&gun("a")), 2).await.unwrap();
    assert_eq!(behind_deleted.first(), Some(&gun("b")), "a page of deleted ones is not the end");
    let files = subject.store.files(&gun("a"), None, 2).await.unwrap();
    let of = |row: &crate::store::FileRow| (row.role.clone(), row.version);
    assert_eq!(files.iter().map(of).collect::<Vec<_>>(), [("targets".to_owned(), 2), ("timestamp".to_owned(), 1)]);
    let [targets, timestamp] = &files[..] else { panic!("{files:?}") };
    assert!(targets.id < timestamp.id);
    assert_eq!(targets.bytes, "targets 2");
    assert_eq!(targets.sha256, Sha256::of(b"targets 2").to_hex());
    assert_eq!(targets.created_at, Some(subject.kept(subject.clock.now())));
    let rest = subject.store.files(&gun("a"), Some(timestamp.id), 2).await.unwrap();
    assert_eq!(rest.iter().map(of).collect::<Vec<_>>(), [("timestamp".to_owned(), 2)]);
}
