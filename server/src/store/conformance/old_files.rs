//! Which files are old, and that nothing else is removed.

use std::collections::BTreeSet;

use tuf_schema::{Role, Sha256};

use super::subject::Subject;
use super::{all_changes, commit, file, gun, role, version};
use crate::clock::Clock as _;
use crate::store::{OldFiles, OldFilesPage};

on_every_store!(
    a_version_is_old_when_its_successor_is_and_the_newest_never_is,
    no_root_is_old,
    what_is_to_be_kept_is_not_old,
    old_files_are_looked_at_page_by_page,
    old_files_are_removed_of_one_repository_and_nothing_else,
);

/// What was superseded before now, behind `after`, of so many files.
async fn old(subject: &Subject, kept: &[Sha256], after: Option<i64>, limit: u32) -> OldFilesPage {
    let kept: BTreeSet<Sha256> = kept.iter().copied().collect();
    let query = OldFiles { before: subject.clock.now(), kept: &kept, after, limit };
    subject.store.old_files(&gun("g"), &query).await.unwrap()
}

/// The same, removed.
async fn remove(subject: &Subject, limit: u32) -> OldFilesPage {
    let query = OldFiles { before: subject.clock.now(), kept: &BTreeSet::new(), after: None, limit };
    subject.store.remove_old_files(&gun("g"), &query).await.unwrap()
}

async fn there(subject: &Subject, name: &str, number: i64) -> bool {
    subject.store.by_version(&gun("g"), &role(name), version(number)).await.unwrap().is_some()
}

fn page(files: u64, bytes: usize) -> OldFilesPage {
    OldFilesPage { files, bytes: bytes as u64, next: None }
}

async fn a_version_is_old_when_its_successor_is_and_the_newest_never_is(subject: Subject) {
    commit(&subject, "g", 1, vec![file("targets", 1)]).await;
    subject.clock.advance_days(400);
    assert_eq!(old(&subject, &[], None, 10).await, page(0, 0), "however old it is");
    commit(&subject, "g", 2, vec![file("targets", 2)]).await;
    assert_eq!(old(&subject, &[], None, 10).await, page(0, 0), "its successor came just now");
    subject.clock.advance_seconds(1);
    assert_eq!(old(&subject, &[], None, 10).await, page(2, "targets 1".len() + "timestamp 1".len()));
}

async fn no_root_is_old(subject: Subject) {
    commit(&subject, "g", 1, vec![file("root", 1)]).await;
    commit(&subject, "g", 2, vec![file("root", 2)]).await;
    subject.clock.advance_days(1);
    assert_eq!(remove(&subject, 10).await.files, 1, "the timestamp");
    assert!(there(&subject, "root", 1).await && !there(&subject, "timestamp", 1).await);
}

async fn what_is_to_be_kept_is_not_old(subject: Subject) {
    commit(&subject, "g", 1, vec![file("targets", 1)]).await;
    commit(&subject, "g", 2, vec![file("targets", 2)]).await;
    subject.clock.advance_days(1);
    let kept = [Sha256::of(b"targets 1")];
    assert_eq!(old(&subject, &kept, None, 10).await, page(1, "timestamp 1".len()));
}

async fn old_files_are_looked_at_page_by_page(subject: Subject) {
    for number in 1..=3 {
        commit(&subject, "g", number, vec![file("targets", number)]).await;
    }
    subject.clock.advance_days(1);
    let (mut after, mut files, mut pages) = (None, 0, 0);
    loop {
        let page = old(&subject, &[], after, 2).await;
        (files, pages) = (files + page.files, pages + 1);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((files, pages), (4, 4), "six files in pages of two, and one that is empty");
    assert_eq!(old(&subject, &[], None, 6).await.files, 4);
    assert_eq!(old(&subject, &[], None, 7).await.next, None);
}

async fn old_files_are_removed_of_one_repository_and_nothing_else(subject: Subject) {
    for number in 1..=70 {
        commit(&subject, "g", number, vec![file("targets", number)]).await;
    }
    for number in 1..=2 {
        commit(&subject, "other", number, vec![file("targets", number)]).await;
    }
    subject.clock.advance_days(1);
    let changes = all_changes(&subject).await;
    assert_eq!(remove(&subject, 1000).await.files, 2 * 69);
    assert_eq!(remove(&subject, 1000).await.files, 0);
    assert!(there(&subject, "targets", 70).await && there(&subject, "timestamp", 70).await);
    assert!(!there(&subject, "targets", 69).await && !there(&subject, "targets", 1).await);
    let others = subject.store.files(&gun("other"), None, 10).await.unwrap();
    assert_eq!(others.len(), 4);
    assert_eq!(all_changes(&subject).await, changes);
    // the next publish goes on
    commit(&subject, "g", 71, vec![file("targets", 71)]).await;
    assert_eq!(subject.store.latest(&gun("g"), &Role::Targets).await.unwrap().unwrap().version, version(71));
}
