//! What real clients send must be accepted, and be readable afterwards.

use tuf_schema::dialect::Dialect;
use tuf_schema::model::{DelegatedRole, Targets, Timestamp};
use tuf_schema::testing::{signed_value, to_value};
use tuf_schema::verify::Authority;
use tuf_schema::{BaseRole, DelegationName, Envelope};

use super::*;

/// Walks from the timestamp to every listed file and checks every digest and both of the server's signatures.
pub(super) async fn assert_readable(stack: &Stack, root: &tuf_schema::model::Root) {
    let timestamp = stack.current(&Role::Timestamp).await.unwrap();
    let document = Envelope::parse(Dialect::Notary, timestamp.bytes).unwrap();
    let document = document.decode::<Timestamp>(Role::Timestamp).unwrap();
    let document = document.verify(&Authority::of_base(root, BaseRole::Timestamp)).unwrap();
    assert_eq!(document.model().expires, stack.clock.now().plus_seconds(14 * 24 * 3600));
    let stored = stack.current(&Role::Snapshot).await.unwrap();
    document.model().snapshot.check(&stored.bytes).unwrap();
    let snapshot = Envelope::parse(Dialect::Notary, stored.bytes).unwrap();
    let snapshot = snapshot.decode::<Snapshot>(Role::Snapshot).unwrap();
    let snapshot = snapshot.verify(&Authority::of_base(root, BaseRole::Snapshot)).unwrap();
    for (role, listed) in &snapshot.model().meta {
        listed.check(&stack.current(role).await.unwrap().bytes).unwrap();
    }
}

pub(super) fn delegate(author: &mut Author, name: &str, key: Option<&SecretKey>, paths: &[&str]) {
    let role = DelegatedRole {
        name: DelegationName::parse(name).unwrap(),
        key_ids: key.iter().map(|key| key.public().id().clone()).collect(),
        threshold: std::num::NonZeroU32::MIN,
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
    };
    let keys = key.iter().map(|key| (key.public().id().clone(), key.public().clone()));
    author.targets.delegations.keys.extend(keys);
    author.targets.delegations.roles.retain(|known| known.name != role.name);
    author.targets.delegations.roles.push(role);
}

/// The document of a delegation with one target.
pub(super) fn delegation(name: &str, number: i64, target: &str, expires: UtcTime, key: &SecretKey) -> UploadPart {
    let mut author = Author::new(&Gun::parse("g").unwrap(), key.public(), key.public(), expires);
    author.tag(target, b"content");
    let document = Targets { version: version(number), expires, ..author.targets };
    part(role(name), signed(&document, &[key]))
}

#[tokio::test]
async fn a_first_publish_gets_snapshot_1_and_timestamp_1() {
    let stack = Stack::new();
    let mut author = stack.author().await;
    author.tag("latest", b"manifest");
    let sent = [root(&author), targets(&author)];
    stack.publish(sent.to_vec()).await.unwrap();
    assert_readable(&stack, &author.root).await;
    assert_eq!(stack.latest_version(&Role::Snapshot).await, 1);
    assert_eq!(stack.latest_version(&Role::Timestamp).await, 1);
    assert_eq!(stack.current(&Role::Targets).await.unwrap().bytes, sent[1].bytes, "bytes are stored as they came");
    assert_eq!(stack.changes().await.len(), 1);
}

#[tokio::test]
async fn the_servers_snapshot_lives_1095_days() {
    let stack = Stack::new();
    stack.published().await;
    let stored = stack.latest(&Role::Snapshot).await.unwrap();
    let snapshot = load::unverified::<Snapshot>(&Role::Snapshot, &stored).unwrap();
    assert_eq!(snapshot.claims().expires, stack.clock.now().plus_seconds(1095 * 24 * 3600));
}

#[tokio::test]
async fn what_the_server_makes_is_in_the_references_encoding() {
    let stack = Stack::new();
    stack.published().await;
    let snapshot = Envelope::parse(Dialect::Notary, stack.latest(&Role::Snapshot).await.unwrap().bytes).unwrap();
    assert!(snapshot.is_reference_encoding::<Snapshot>());
    let timestamp = Envelope::parse(Dialect::Notary, stack.latest(&Role::Timestamp).await.unwrap().bytes).unwrap();
    assert!(timestamp.is_reference_encoding::<Timestamp>());
}

#[tokio::test]
async fn a_first_root_may_be_version_2() {
    let stack = Stack::new();
    let mut author = stack.author().await;
    author.root.version = version(2);
    stack.publish(vec![root(&author), targets(&author)]).await.unwrap();
    assert_readable(&stack, &author.root).await;
}

#[tokio::test]
async fn a_first_targets_2_may_come_with_a_snapshot_1_or_2() {
    for number in [1, 2] {
        let stack = Stack::new();
        let (mut author, key) = stack.author_with_snapshot_key().await;
        author.next_targets();
        let (root, targets) = (root(&author), targets(&author));
        let snapshot = snapshot(&[&root, &targets], number, &author, &key);
        stack.publish(vec![snapshot, targets, root]).await.unwrap();
        assert_readable(&stack, &author.root).await;
        assert_eq!(i64::from(stack.latest_version(&Role::Snapshot).await), number);
    }
}

#[tokio::test]
async fn an_upload_without_parts_makes_a_new_snapshot_and_timestamp() {
    let stack = Stack::new();
    let author = stack.published().await;
    stack.publish(Vec::new()).await.unwrap();
    assert_readable(&stack, &author.root).await;
    assert_eq!(stack.latest_version(&Role::Snapshot).await, 2);
    assert_eq!(stack.latest_version(&Role::Timestamp).await, 2);
    assert_eq!(stack.changes().await.len(), 2);
}

#[tokio::test]
async fn a_root_alone_can_rotate_the_timestamp_key() {
    let stack = Stack::new();
    let mut author = stack.published().await;
    let key = stack.key(ServerRole::Timestamp).await;
    author.root.version = version(2);
    author.root.keys.insert(key.id().clone(), key.clone());
    author.root.timestamp = tuf_schema::model::KeyGrant::single(key.id().clone());
    stack.publish(vec![root(&author)]).await.unwrap();
    assert_readable(&stack, &author.root).await;
    let timestamp = stack.current(&Role::Timestamp).await.unwrap();
    let document = load::unverified::<Timestamp>(&Role::Timestamp, &timestamp).unwrap();
    assert_eq!(document.signatures().first().unwrap().key_id, *key.id());
}

#[tokio::test]
async fn an_update_needs_only_what_changed_and_versions_may_skip() {
    let stack = Stack::new();
    let mut author = stack.published().await;
    author.tag("v2", b"manifest");
    author.targets.version = version(10_001);
    stack.publish(vec![targets(&author)]).await.unwrap();
    assert_readable(&stack, &author.root).await;
}

#[tokio::test]
async fn a_first_targets_may_be_version_10000() {
    let stack = Stack::new();
    let mut author = stack.author().await;
    author.targets.version = version(10_000);
    stack.publish(vec![root(&author), targets(&author)]).await.unwrap();
}

#[tokio::test]
async fn null_key_ids_too_few_keys_and_null_roles_are_sound_delegations() {
    let stack = Stack::new();
    let mut author = stack.author().await;
    delegate(&mut author, "targets/a", None, &[""]);
    let mut without_keys = to_value(&author.targets);
    without_keys["delegations"]["roles"][0]["keyids"] = serde_json::Value::Null;
    let mut too_few = to_value(&author.targets);
    too_few["delegations"]["roles"][0]["threshold"] = 5.into();
    too_few["version"] = 2.into();
    let mut without_roles = to_value(&author.targets);
    without_roles["delegations"]["roles"] = serde_json::Value::Null;
    without_roles["version"] = 3.into();
    let mut sent = vec![root(&author)];
    for value in [without_keys, too_few, without_roles] {
        sent.push(part(Role::Targets, signed_value(&value, &[&author.targets_key])));
        stack.publish(std::mem::take(&mut sent)).await.unwrap();
        assert_readable(&stack, &author.root).await;
    }
}

#[tokio::test]
async fn delegations_come_with_their_parent_or_later() {
    let stack = Stack::new();
    let mut author = stack.author().await;
    let (a, expires) = (testing::secret_key(), author.root.expires);
    delegate(&mut author, "targets/a", Some(&a), &["a/"]);
    let first = delegation("targets/a", 1, "a/1", expires, &a);
    stack.publish(vec![first, targets(&author), root(&author)]).await.unwrap();
    assert_readable(&stack, &author.root).await;
    stack.publish(vec![delegation("targets/a", 2, "a/1", expires, &a)]).await.unwrap();
    assert_readable(&stack, &author.root).await;
}

#[tokio::test]
async fn an_expired_parent_still_vouches_for_a_delegation() {
    let stack = Stack::new();
    let mut author = stack.author().await;
    let (a, expires) = (testing::secret_key(), author.root.expires);
    delegate(&mut author, "targets/a", Some(&a), &[""]);
    author.targets.expires = stack.clock.now().plus_seconds(24 * 3600);
    stack.publish(vec![targets(&author), root(&author)]).await.unwrap();
    stack.clock.advance_days(2);
    stack.publish(vec![delegation("targets/a", 1, "x", expires, &a)]).await.unwrap();
}

#[tokio::test]
async fn a_delegation_may_list_targets_outside_its_narrowed_paths() {
    let stack = Stack::new();
    let mut author = stack.author().await;
    let (a, expires) = (testing::secret_key(), author.root.expires);
    delegate(&mut author, "targets/a", Some(&a), &["prod/"]);
    stack.publish(vec![root(&author), targets(&author)]).await.unwrap();
    stack.publish(vec![delegation("targets/a", 1, "test/1", expires, &a)]).await.unwrap();
    assert_readable(&stack, &author.root).await;
}

#[test]
fn targets_outside_the_paths_are_counted_with_an_example() {
    let gun = Gun::parse("example.com/app").unwrap();
    let now = UtcTime::parse("2026-11-21T21:05:00Z").unwrap();
    let key = testing::secret_key();
    let mut author = Author::new(&gun, key.public(), key.public(), now);
    delegate(&mut author, "targets/a", Some(&key), &["prod/"]);
    let parts = vec![root(&author), targets(&author), delegation("targets/a", 1, "test/1", author.root.expires, &key)];
    let known = load::Known::default();
    let parts = Parts::parse(&Upload { parts }).unwrap();
    let accepted = validate::validate(&gun, parts, &known, now, PublishLimits::default()).unwrap();
    let role = DelegationName::parse("targets/a").unwrap();
    assert_eq!(accepted.outside_paths, [OutsidePaths { role, count: 1, example: "test/1".to_owned() }]);
}

#[tokio::test]
async fn more_paths_than_can_be_compared_do_not_hold_up_a_publish() {
    let stack = Stack::new();
    let mut author = stack.author().await;
    let (a, b) = (testing::secret_key(), testing::secret_key());
    let paths: Vec<String> = (0..2_000).map(|number| format!("{number}/")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    delegate(&mut author, "targets/a", Some(&a), &paths);
    let mut child = Author::new(&stack.gun, a.public(), a.public(), author.root.expires);
    delegate(&mut child, "targets/a/b", Some(&b), &paths);
    let child = part(role("targets/a"), signed(&child.targets, &[&a]));
    let grandchild = delegation("targets/a/b", 1, "x", author.root.expires, &b);
    stack.publish(vec![root(&author), targets(&author), child, grandchild]).await.unwrap();
    assert!(stack.current(&role("targets/a/b")).await.is_some());
}

#[tokio::test]
async fn a_large_upload_is_judged_like_a_small_one() {
    let stack = Stack::new();
    let mut author = stack.author().await;
    for number in 0..3_000 {
        author.tag(&format!("tag-{number}"), b"manifest");
    }
    let parts = vec![root(&author), targets(&author)];
    assert!(parts.iter().map(|part| part.bytes.len()).sum::<usize>() > SMALL_UPLOAD_BYTES);
    stack.publish(parts).await.unwrap();
    let large = vec![UploadPart { role: Role::Targets, bytes: vec![b'['; SMALL_UPLOAD_BYTES + 1].into() }];
    assert!(matches!(stack.refusal(large).await, PublishError::MalformedJson { .. }));
}

#[tokio::test]
async fn an_uploaded_timestamp_is_dropped() {
    let stack = Stack::new();
    let author = stack.author().await;
    let own = signed(&author.timestamp(version(40), b"snapshot"), &[&author.targets_key]);
    stack.publish(vec![root(&author), targets(&author), part(Role::Timestamp, own)]).await.unwrap();
    assert_eq!(stack.latest_version(&Role::Timestamp).await, 1);
}

#[tokio::test]
async fn any_encoding_is_taken_under_a_snapshot_of_the_client() {
    let stack = Stack::new();
    let (author, key) = stack.author_with_snapshot_key().await;
    let mut value = to_value(&author.targets);
    value["x-extra"] = 1.into();
    let targets = part(Role::Targets, signed_value(&value, &[&author.targets_key]));
    let root = root(&author);
    let snapshot = snapshot(&[&root, &targets], 1, &author, &key);
    stack.publish(vec![root, targets, snapshot]).await.unwrap();
    assert_readable(&stack, &author.root).await;
}

#[tokio::test]
async fn the_snapshot_key_can_be_handed_to_the_server_and_back() {
    let stack = Stack::new();
    let (mut author, key) = stack.author_with_snapshot_key().await;
    let (root1, targets1) = (root(&author), targets(&author));
    let own = snapshot(&[&root1, &targets1], 1, &author, &key);
    stack.publish(vec![root1, targets1.clone(), own]).await.unwrap();

    let server = stack.key(ServerRole::Snapshot).await;
    author.root.version = version(2);
    author.root.keys.insert(server.id().clone(), server.clone());
    author.root.snapshot = tuf_schema::model::KeyGrant::single(server.id().clone());
    stack.publish(vec![root(&author)]).await.unwrap();
    assert_readable(&stack, &author.root).await;
    assert_eq!(stack.latest_version(&Role::Snapshot).await, 2);

    author.root.version = version(3);
    author.root.snapshot = tuf_schema::model::KeyGrant::single(key.public().id().clone());
    let root3 = root(&author);
    let own = snapshot(&[&root3, &targets1], 3, &author, &key);
    stack.publish(vec![root3, own]).await.unwrap();
    assert_readable(&stack, &author.root).await;
}

#[tokio::test]
async fn after_a_deletion_the_servers_next_files_are_above_the_deleted_ones() {
    let stack = Stack::new();
    let author = stack.published().await;
    for deleted in [3, 5] {
        while stack.latest_version(&Role::Timestamp).await < deleted {
            stack.publish(Vec::new()).await.unwrap();
        }
        stack.store.delete(&stack.gun).await.unwrap();
        stack.publish(vec![root(&author), targets(&author)]).await.unwrap();
        assert_readable(&stack, &author.root).await;
        assert_eq!(stack.latest_version(&Role::Timestamp).await, deleted + 1);
        assert_eq!(stack.latest_version(&Role::Snapshot).await, deleted + 1);
        assert_eq!(stack.latest_version(&Role::Targets).await, 1);
    }
}

#[tokio::test]
async fn after_a_deletion_the_authors_snapshot_may_start_again_and_the_servers_follows_on_both() {
    let stack = Stack::new();
    stack.published().await;
    stack.publish(Vec::new()).await.unwrap();
    stack.store.delete(&stack.gun).await.unwrap();
    let (mut author, key) = stack.author_with_snapshot_key().await;
    let (root1, targets1) = (root(&author), targets(&author));
    let own = snapshot(&[&root1, &targets1], 1, &author, &key);
    stack.publish(vec![root1, targets1, own]).await.unwrap();
    assert_eq!(stack.latest_version(&Role::Snapshot).await, 1);
    assert_eq!(stack.latest_version(&Role::Timestamp).await, 3);

    let server = stack.key(ServerRole::Snapshot).await;
    author.root.version = version(2);
    author.root.keys.insert(server.id().clone(), server.clone());
    author.root.snapshot = tuf_schema::model::KeyGrant::single(server.id().clone());
    stack.publish(vec![root(&author)]).await.unwrap();
    assert_readable(&stack, &author.root).await;
    assert_eq!(stack.latest_version(&Role::Snapshot).await, 3);
}

#[tokio::test]
async fn a_deletion_is_the_way_out_when_the_servers_versions_are_used_up() {
    let stack = Stack::new();
    let (author, key) = stack.author_with_snapshot_key().await;
    let (root1, targets1) = (root(&author), targets(&author));
    let last = snapshot(&[&root1, &targets1], i64::from(i32::MAX), &author, &key);
    let files = [&root1, &targets1, &last].map(|part| {
        let number = if part.role == Role::Snapshot { i64::from(i32::MAX) } else { 1 };
        NewFile::new(part.role.clone(), version(number), part.bytes.clone())
    });
    let timestamp = NewFile::new(Role::Timestamp, version(1), Bytes::from_static(b"timestamp"));
    let update = ValidatedUpdate::for_store_tests(&stack.gun, None, timestamp, files.to_vec());
    stack.store.commit(&update).await.unwrap();
    stack.store.delete(&stack.gun).await.unwrap();
    stack.published().await;
    assert_eq!(stack.latest_version(&Role::Snapshot).await, 1);
}

#[tokio::test]
async fn a_publish_asks_for_one_signature_of_each_of_the_servers_roles() {
    let stack = Stack::new();
    stack.published().await;
    assert_eq!(stack.signer.signatures.load(Ordering::SeqCst), 2);
}
