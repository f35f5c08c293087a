//! Old documents shown as new ones: rollback, freeze, skipped roots, and versions that leave no room.

use tuf_schema::model::FileMeta;
use tuf_schema::testing::secret_key;
use tuf_schema::verify::StaleError;
use tuf_schema::verify::chain::ChainError;
use tuf_schema::{Role, SigningKey as _, UtcTime};

use crate::world::{Reader, Repository, Server, bob, chain_error, honest, now, read_once, version};

fn rollback(error: &ChainError, role: &Role, offered: i64, trusted: i64) {
    let (offered, trusted) = (version(offered), version(trusted));
    assert_eq!(*error, ChainError::Stale(StaleError::Rollback { role: role.clone(), offered, trusted }));
}

#[tokio::test]
async fn what_is_one_version_older_than_what_was_seen_is_refused_for_each_role() {
    // Who was refused is refused again, and an honest publish afterwards is read: nothing of it was kept.
    for role in [Role::Timestamp, Role::Snapshot, Role::Targets, bob()] {
        let (mut repository, server, reader) = read_once().await;
        repository.next_targets();
        repository.publish(&server);
        reader.read(&server).await.unwrap();
        match role {
            Role::Timestamp => {
                repository.number = 1;
                repository.publish_with(&server, &|snapshot, _| snapshot.version = version(3), &honest);
            }
            Role::Snapshot => repository.publish_with(&server, &|snapshot, _| snapshot.version = version(1), &honest),
            Role::Targets => {
                repository.publisher.targets.version = version(1);
                repository.publish(&server);
            }
            _ => {
                repository.bob.version = version(1);
                repository.publish(&server);
            }
        }
        for _ in 0..2 {
            rollback(&chain_error(reader.refusal(&server).await), &role, 1, 2);
        }
        repository.number = 4;
        repository.publisher.targets.version = version(3);
        repository.bob.version = version(3);
        repository.publish(&server);
        assert_eq!(reader.read(&server).await.unwrap().timestamp().model().version, version(4));
    }
}

#[tokio::test]
async fn a_delegation_that_the_snapshot_leaves_out_is_missed() {
    let (mut repository, server, reader) = read_once().await;
    repository.publish_with(&server, &|snapshot, _| drop(snapshot.meta.remove(&bob())), &honest);
    assert_eq!(chain_error(reader.refusal(&server).await), ChainError::Unlisted(bob()));
}

#[tokio::test]
async fn what_has_expired_is_refused_for_each_role() {
    let past = UtcTime::parse("2026-11-21T23:59:59Z").unwrap();
    for role in [Role::Timestamp, Role::Snapshot, Role::Targets, Role::Root] {
        let (mut repository, server, reader) = read_once().await;
        repository.next_targets();
        match role {
            Role::Timestamp => repository.publish_with(&server, &|_, timestamp| timestamp.expires = past, &honest),
            Role::Snapshot => repository.publish_with(&server, &|snapshot, _| snapshot.expires = past, &honest),
            Role::Targets => {
                repository.publisher.targets.expires = past;
                repository.publish(&server);
            }
            _ => {
                repository.next_root();
                let far = repository.publisher.root.expires;
                repository.publisher.root.expires = past;
                let fresh = |snapshot: &mut tuf_schema::model::Snapshot,
                             timestamp: &mut tuf_schema::model::Timestamp| {
                    (snapshot.expires, timestamp.expires) = (far, far);
                };
                repository.publish_with(&server, &fresh, &honest);
            }
        }
        let expired = ChainError::Stale(StaleError::Expired { role: role.clone(), expired: past });
        assert_eq!(reader.refused(&server).await, expired);
    }
}

#[tokio::test]
async fn a_server_that_shows_the_same_for_ever_is_found_out_when_it_expires() {
    let (mut repository, server, reader) = (Repository::new(), Server::default(), Reader::new());
    let soon = now().plus_seconds(60);
    repository.publish_with(&server, &|_, timestamp| timestamp.expires = soon, &honest);
    reader.read_at(&server, soon).await.unwrap();
    let before = reader.files();
    let error = chain_error(reader.read_at(&server, soon.plus_seconds(1)).await.unwrap_err());
    assert_eq!(error, ChainError::Stale(StaleError::Expired { role: Role::Timestamp, expired: soon }));
    assert_eq!(reader.files(), before);
}

#[tokio::test]
async fn an_expired_delegation_is_neither_used_nor_kept() {
    let (mut repository, server, reader) = read_once().await;
    let bytes = || reader.files().into_iter().find(|(path, _)| path.ends_with("targets/bob.json"));
    let before = bytes();
    repository.next_targets();
    repository.bob.expires = UtcTime::parse("2026-11-21T23:59:59Z").unwrap();
    repository.publish(&server);
    let trusted = reader.read(&server).await.unwrap();
    assert!(trusted.targets(&bob()).is_none());
    assert!(matches!(&trusted.skipped()[0].why, ChainError::Stale(StaleError::Expired { role, .. }) if *role == bob()));
    assert_eq!(bytes(), before);
}

#[tokio::test]
async fn a_root_by_another_number_is_refused() {
    let (mut repository, server, reader) = read_once().await;
    repository.rotate_root();
    repository.publish(&server);
    repository.rotate_root();
    repository.publish(&server);
    let newest = server.current(&Role::Root);
    server.shown.lock().unwrap().insert("2.root.json".into(), newest);
    let error = chain_error(reader.refusal(&server).await);
    assert_eq!(error, ChainError::RootNumber { asked: version(2), found: version(3) });
}

#[tokio::test]
async fn the_highest_version_locks_out_only_until_its_key_is_changed() {
    let highest = i64::from(i32::MAX);
    let (mut repository, server, reader) = read_once().await;
    repository.number = highest;
    repository.publish(&server);
    reader.read(&server).await.unwrap();
    repository.number = 2;
    repository.publish(&server);
    rollback(&chain_error(reader.refusal(&server).await), &Role::Timestamp, 2, highest);
    repository.next_root();
    for key in [&mut repository.timestamp_key, &mut repository.snapshot_key] {
        *key = secret_key();
    }
    let root = &mut repository.publisher.root;
    for (grant, key) in
        [(&mut root.timestamp, &repository.timestamp_key), (&mut root.snapshot, &repository.snapshot_key)]
    {
        grant.key_ids = vec![key.public().id().clone()];
        root.keys.insert(key.public().id().clone(), key.public().clone());
    }
    repository.number = 2;
    repository.publish(&server);
    assert_eq!(reader.read(&server).await.unwrap().timestamp().model().version, version(2));
}

#[tokio::test]
async fn parts_of_two_publishes_do_not_make_one() {
    // The timestamp of one publish over the snapshot of another, both well signed.
    let (mut repository, server, reader) = read_once().await;
    let old = server.current(&Role::Snapshot);
    repository.next_targets();
    repository.publish(&server);
    server.exchange(&Role::Snapshot, &old);
    let error = reader.refused(&server).await;
    let StaleError::Unlisted { role: Role::Snapshot, .. } = stale(error) else {
        panic!("the snapshot is the wrong one")
    };
    // A snapshot over the targets of another publish.
    let (mut repository, server, reader) = read_once().await;
    let old = server.current(&Role::Targets);
    repository.next_targets();
    repository.publish(&server);
    server.exchange(&Role::Targets, &old);
    let StaleError::Unlisted { role: Role::Targets, .. } = stale(reader.refused(&server).await) else {
        panic!("the targets are the wrong ones")
    };
    // A timestamp that lists a snapshot of somebody else.
    let (mut repository, server, reader) = read_once().await;
    let (mut other, elsewhere) = (Repository::new(), Server::default());
    other.publish(&elsewhere);
    let foreign = elsewhere.current(&Role::Snapshot);
    repository.publish_with(&server, &|_, timestamp| timestamp.snapshot = FileMeta::of(&foreign), &honest);
    server.show(&Role::Snapshot, version(2), &foreign);
    assert!(matches!(reader.refused(&server).await, ChainError::Signature { role: Role::Snapshot, .. }));
}

#[expect(clippy::panic, reason = "a test fails where it stands")]
fn stale(error: ChainError) -> StaleError {
    match error {
        ChainError::Stale(stale) => stale,
        other => panic!("{other}"),
    }
}
