//! Updates that tell how often their repository had been written to when they were prepared: what a store need not look at
//! again holds as if it had.

use tuf_schema::{Role, Sha256};

use super::subject::Subject;
use super::{all_changes, assert_conflict, commit, file, file_with, gun, role, update_on, version};
use crate::clock::Clock as _;
use crate::publish::ValidatedUpdate;
use crate::store::{Aging, Change, ChangeCategory, StoreError};

on_every_store!(
    an_update_of_a_repository_as_it_was_read_is_stored_whole,
    each_publish_renewal_and_deletion_is_counted,
    an_update_of_a_repository_that_was_written_to_since_is_a_conflict,
    an_update_of_a_repository_that_was_deleted_since_is_a_conflict,
    a_first_update_of_a_repository_that_came_and_went_since_is_a_conflict,
    a_version_that_is_not_newer_is_a_conflict_also_where_nothing_was_written_since,
    one_of_eight_who_read_the_same_wins,
    a_renewal_of_what_was_read_is_remembered_and_is_no_use,
);

async fn writes(subject: &Subject, name: &str) -> Option<i64> {
    subject.store.newest(&gun(name)).await.unwrap().writes
}

async fn an_update_of_a_repository_as_it_was_read_is_stored_whole(subject: Subject) {
    commit(&subject, "g", 1, vec![file("root", 1), file("targets", 1)]).await;
    commit(&subject, "h", 1, vec![file("root", 1)]).await;
    let known = writes(&subject, "g").await;
    let others = vec![file("targets", 2), file("targets/a", 1), file("snapshot", 1)];
    subject.store.commit(&update_on(1, "g", 2, others).after_writes(known)).await.unwrap();
    for (name, number) in [("root", 1), ("targets", 2), ("targets/a", 1), ("snapshot", 1), ("timestamp", 2)] {
        let stored = subject.store.latest(&gun("g"), &role(name)).await.unwrap().unwrap();
        let content = format!("{name} {number}");
        assert_eq!((stored.version, &*stored.bytes), (version(number), content.as_bytes()));
        assert_eq!(stored.sha256, Sha256::of(content.as_bytes()));
        assert_eq!(stored.created_at, subject.kept(subject.clock.now()));
    }
    assert_eq!(subject.store.latest(&gun("h"), &Role::Targets).await.unwrap(), None);
    let expected = Change {
        id: 3,
        created_at: subject.kept(subject.clock.now()),
        gun: "g".to_owned(),
        version: 2,
        sha256: Sha256::of(b"timestamp 2").to_hex(),
        category: ChangeCategory::Update,
    };
    assert_eq!(all_changes(&subject).await.last(), Some(&expected));
}

async fn each_publish_renewal_and_deletion_is_counted(subject: Subject) {
    let mut seen = vec![writes(&subject, "g").await];
    assert_eq!(seen, [None]);
    commit(&subject, "g", 1, vec![file("targets", 1)]).await;
    if writes(&subject, "g").await.is_none() {
        // A store need not count.
        return;
    }
    seen.push(writes(&subject, "g").await);
    commit(&subject, "g", 2, vec![file("targets", 2)]).await;
    seen.push(writes(&subject, "g").await);
    subject.store.commit(&update_on(2, "g", 3, Vec::new())).await.unwrap();
    seen.push(writes(&subject, "g").await);
    subject.store.delete(&gun("g")).await.unwrap();
    seen.push(writes(&subject, "g").await);
    assert_eq!(seen, [None, Some(1), Some(2), Some(3), Some(4)]);
    commit(&subject, "other", 1, Vec::new()).await;
    subject.store.note_use(&[gun("g")], subject.clock.now()).await.unwrap();
    assert_eq!(writes(&subject, "g").await, Some(4), "nothing of it was written");
}

async fn an_update_of_a_repository_that_was_written_to_since_is_a_conflict(subject: Subject) {
    commit(&subject, "g", 1, vec![file("root", 1), file("targets", 1)]).await;
    let known = writes(&subject, "g").await;
    commit(&subject, "g", 2, vec![file("targets", 2)]).await;
    let before = all_changes(&subject).await;
    let late = |others| update_on(1, "g", 3, others).after_writes(known);
    assert_conflict(subject.store.commit(&late(vec![file("targets", 2)])).await, Role::Targets, 2);
    assert_conflict(subject.store.commit(&late(vec![file("targets/a", 1)])).await, Role::Timestamp, 2);
    // Of the count that is there now, on a timestamp that is not the newest.
    let wrong = update_on(1, "g", 3, vec![file("targets/a", 1)]).after_writes(writes(&subject, "g").await);
    assert_conflict(subject.store.commit(&wrong).await, Role::Timestamp, 2);
    assert_eq!(subject.store.latest(&gun("g"), &role("targets/a")).await.unwrap(), None);
    assert_eq!(all_changes(&subject).await, before);
    // A count that nobody is at says nothing.
    let unknown = update_on(2, "g", 3, vec![file("targets", 3)]).after_writes(Some(7));
    subject.store.commit(&unknown).await.unwrap();
}

async fn an_update_of_a_repository_that_was_deleted_since_is_a_conflict(subject: Subject) {
    commit(&subject, "g", 1, vec![file("root", 1), file("targets", 1)]).await;
    let late = update_on(1, "g", 2, vec![file("targets", 2)]).after_writes(writes(&subject, "g").await);
    subject.store.delete(&gun("g")).await.unwrap();
    for _ in 0..2 {
        let refused = subject.store.commit(&late).await;
        assert!(matches!(refused, Err(StoreError::Conflict { role: Role::Timestamp, current: None })), "{refused:?}");
    }
    assert_eq!(subject.store.latest(&gun("g"), &Role::Targets).await.unwrap(), None);
    // Nor is a count of then taken for one of now.
    commit(&subject, "g", 1, vec![file("root", 1), file("targets", 1)]).await;
    assert_ne!(writes(&subject, "g").await, late.writes().or(Some(0)));
}

/// What it lists has versions that clients may have seen with other content.
async fn a_first_update_of_a_repository_that_came_and_went_since_is_a_conflict(subject: Subject) {
    for known in [writes(&subject, "g").await, None] {
        let late = update_on(0, "g", 1, vec![file_with("targets", 1, "late")]).after_writes(known);
        commit(&subject, "g", 1, vec![file("targets", 1)]).await;
        if writes(&subject, "g").await.is_none() {
            // A store need not count.
            return;
        }
        subject.store.delete(&gun("g")).await.unwrap();
        let refused = subject.store.commit(&late).await;
        assert!(matches!(refused, Err(StoreError::Conflict { role: Role::Timestamp, current: None })), "{refused:?}");
        assert_eq!(subject.store.latest(&gun("g"), &Role::Targets).await.unwrap(), None);
    }
    let known = writes(&subject, "g").await;
    subject.store.commit(&update_on(0, "g", 2, vec![file("targets", 2)]).after_writes(known)).await.unwrap();
}

async fn a_version_that_is_not_newer_is_a_conflict_also_where_nothing_was_written_since(subject: Subject) {
    commit(&subject, "g", 1, vec![file("targets", 2)]).await;
    let known = writes(&subject, "g").await;
    let others = vec![file("snapshot", 1), file_with("targets", 2, "other")];
    let again = update_on(1, "g", 2, others).after_writes(known);
    assert_conflict(subject.store.commit(&again).await, Role::Targets, 2);
    assert_eq!(subject.store.latest(&gun("g"), &Role::Snapshot).await.unwrap(), None);
    assert_eq!(subject.store.latest(&gun("g"), &Role::Timestamp).await.unwrap().unwrap().version, version(1));
    assert_eq!(all_changes(&subject).await.len(), 1);
    assert_eq!(writes(&subject, "g").await, known);
}

async fn one_of_eight_who_read_the_same_wins(subject: Subject) {
    commit(&subject, "g", 1, vec![file("root", 1), file("targets", 1)]).await;
    let known = writes(&subject, "g").await;
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let store = subject.store.clone();
            let others = vec![file_with("targets", 2, &format!("writer {writer}"))];
            let update = update_on(1, "g", 2, others).after_writes(known);
            let other = update_on(1, "g", 2, vec![file(&format!("targets/{writer}"), 1)]).after_writes(known);
            tokio::spawn(async move { store.commit(if writer % 2 == 0 { &update } else { &other }).await })
        })
        .collect();
    let mut won = 0;
    for writer in writers {
        match writer.await.unwrap() {
            Ok(()) => won += 1,
            Err(StoreError::Conflict { role: Role::Targets | Role::Timestamp, current }) => {
                assert_eq!(current, Some(version(2)));
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(all_changes(&subject).await.len(), 2);
}

async fn a_renewal_of_what_was_read_is_remembered_and_is_no_use(subject: Subject) {
    commit(&subject, "g", 1, vec![file("targets", 1)]).await;
    let used = subject.clock.now();
    subject.clock.advance_days(1);
    let (known, base) = (writes(&subject, "g").await, Some(Sha256::of(b"timestamp 1")));
    let renewal = ValidatedUpdate::renewal_for_store_tests(&gun("g"), base, file("timestamp", 2)).after_writes(known);
    subject.store.commit(&renewal).await.unwrap();
    subject.clock.advance_days(1);
    let now = subject.clock.now();
    let aging = async |used_since| {
        let query = Aging { before: now, used_since, after: None, limit: 10 };
        subject.store.aging(&query).await.unwrap().guns
    };
    assert_eq!(aging(used).await, [gun("g")]);
    assert!(aging(used.plus_seconds(1)).await.is_empty(), "renewed is not used");
    commit(&subject, "g", 3, vec![file("targets", 2)]).await;
    assert_eq!(subject.store.drop_superseded(now.plus_seconds(1), None, 10).await.unwrap().timestamps, 1);
    assert_eq!(subject.store.by_version(&gun("g"), &Role::Timestamp, version(2)).await.unwrap(), None);
}
