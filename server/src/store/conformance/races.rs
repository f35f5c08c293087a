//! Several at once: every loser is told, and nothing is half there.

use std::collections::BTreeSet;

use tuf_schema::Role;

use super::subject::Subject;
use super::{all_changes, commit, file, file_with, gun, role, update_on, version};
use crate::clock::Clock as _;
use crate::store::{Lease, StoreError};

on_every_store!(
    one_of_eight_racing_writers_wins,
    writers_of_different_guns_do_not_disturb_each_other,
    writers_of_different_roles_all_get_through,
    a_deletion_against_a_publish_leaves_all_or_nothing,
    a_deletion_against_a_first_publish_leaves_all_or_nothing,
    one_of_eight_holders_gets_a_free_lease,
);

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

async fn writers_of_different_roles_all_get_through(subject: Subject) {
    commit(&subject, "g", 1, vec![file("root", 1), file("targets", 1)]).await;
    let writers: Vec<_> = (0..6)
        .map(|writer| {
            let store = subject.store.clone();
            tokio::spawn(async move {
                let mut lost = 0_u32;
                loop {
                    let newest = store.latest(&gun("g"), &Role::Timestamp).await.unwrap().unwrap().version.number();
                    let role = format!("targets/{writer}");
                    let update = update_on(newest.into(), "g", i64::from(newest) + 1, vec![file(&role, 1)]);
                    match store.commit(&update).await {
                        Ok(()) => return lost,
                        Err(StoreError::Conflict { role: Role::Timestamp, .. }) => lost += 1,
                        Err(other) => panic!("{other:?}"),
                    }
                    assert!(lost < 100);
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    for writer in 0..6 {
        let role = role(&format!("targets/{writer}"));
        assert!(subject.store.by_version(&gun("g"), &role, version(1)).await.unwrap().is_some(), "{role}");
    }
    let recorded: Vec<u32> = all_changes(&subject).await.iter().map(|change| change.version).collect();
    assert_eq!(recorded, [1, 2, 3, 4, 5, 6, 7]);
}

async fn a_deletion_against_a_publish_leaves_all_or_nothing(subject: Subject) {
    for round in 0..8 {
        let name = format!("g/{round}");
        commit(&subject, &name, 1, vec![file("root", 1), file("targets", 1)]).await;
        let update = update_on(1, &name, 2, vec![file("targets", 2)]);
        let (store, deleted) = (subject.store.clone(), gun(&name));
        let publisher = tokio::spawn(async move { store.commit(&update).await });
        let store = subject.store.clone();
        let deletion = tokio::spawn(async move { store.delete(&deleted).await });
        match publisher.await.unwrap() {
            Ok(()) | Err(StoreError::Conflict { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
        assert!(deletion.await.unwrap().unwrap());
        let roles = BTreeSet::from([Role::Root, Role::Targets, Role::Timestamp]);
        assert!(subject.store.newest_of(&gun(&name), &roles).await.unwrap().is_empty(), "round {round}");
    }
}

async fn a_deletion_against_a_first_publish_leaves_all_or_nothing(subject: Subject) {
    for round in 0..8 {
        let name = format!("g/{round}");
        let update = update_on(0, &name, 1, vec![file("root", 1), file("targets", 1)]);
        let (store, deleted) = (subject.store.clone(), gun(&name));
        let publisher = tokio::spawn(async move { store.commit(&update).await });
        let store = subject.store.clone();
        let deletion = tokio::spawn(async move { store.delete(&deleted).await });
        publisher.await.unwrap().unwrap();
        let was_there = deletion.await.unwrap().unwrap();
        let roles = BTreeSet::from([Role::Root, Role::Targets, Role::Timestamp]);
        let left = subject.store.newest_of(&gun(&name), &roles).await.unwrap().len();
        assert_eq!(left, if was_there { 0 } else { 3 }, "round {round}");
    }
}

async fn one_of_eight_holders_gets_a_free_lease(subject: Subject) {
    let now = subject.clock.now();
    let holders: Vec<_> = (0..8)
        .map(|holder| {
            let store = subject.store.clone();
            tokio::spawn(async move { store.take_lease(Lease::Renewal, &format!("holder {holder}"), now, 60).await })
        })
        .collect();
    let mut taken = 0;
    for holder in holders {
        taken += u32::from(holder.await.unwrap().unwrap());
    }
    assert_eq!(taken, 1);
}
