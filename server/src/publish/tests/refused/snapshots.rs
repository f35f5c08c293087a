//! Refused snapshots of the author's.

use tuf_schema::testing::secret_key;

use super::super::accepted::{delegate, delegation};
use super::*;

#[tokio::test]
async fn an_uploaded_snapshot_is_at_most_4_mib_long() {
    let limit = 4 * 1024 * 1024;
    let message = format!("the snapshot is {} bytes long and at most {limit} are allowed", limit + 1);
    refused_first("ErrBadSnapshot", &message, |author| {
        vec![root(author), targets(author), part(Role::Snapshot, vec![b' '; limit + 1])]
    })
    .await;
}

#[tokio::test]
async fn an_uploaded_snapshot_lists_at_most_4000_roles() {
    let message = "the snapshot would list 4001 roles and at most 4000 are allowed";
    refused_first("ErrBadSnapshot", message, |author| {
        let mut many = snapshot_of(&[], 1, author.root.expires);
        let names = (2..4_001).map(|number| role(&format!("targets/{number}"))).chain([Role::Root, Role::Targets]);
        many.meta = names.map(|role| (role, FileMeta::of(b"content"))).collect();
        vec![root(author), targets(author), part(Role::Snapshot, signed(&many, &[&author.targets_key]))]
    })
    .await;
}

/// A first upload with a snapshot of the author's, in which something is broken.
async fn refused_snapshot(message: &str, break_it: impl Fn(&mut Author, &SecretKey, [UploadPart; 2]) -> UploadPart) {
    let stack = Stack::new();
    let (mut author, key) = stack.author_with_snapshot_key().await;
    let parts = [root(&author), targets(&author)];
    let broken = break_it(&mut author, &key, parts.clone());
    let error = stack.refusal([parts.to_vec(), vec![broken]].concat()).await;
    assert_told(&error, "ErrBadSnapshot", message);
    let sound = snapshot(&[&parts[0], &parts[1]], 1, &author, &key);
    stack.publish([parts.to_vec(), vec![sound]].concat()).await.unwrap();
}

#[tokio::test]
async fn a_snapshot_lists_what_is_uploaded_beside_it() {
    let stack = Stack::new();
    let (author, key) = stack.author_with_snapshot_key().await;
    let (root, targets) = (root(&author), targets(&author));
    let other = part(Role::Targets, "other");
    let own = snapshot(&[&root, &other], 1, &author, &key);
    let error = stack.refusal(vec![root, targets, own]).await;
    let expected = hex::encode(tuf_schema::Sha256::of(b"other").as_bytes());
    assert_told(&error, "ErrBadSnapshot", &format!("sha256 checksum for targets did not match: expected {expected}"));
}

#[tokio::test]
async fn a_snapshot_lists_root_and_targets() {
    for (missing, kept) in [("root", 1), ("targets", 0)] {
        let message = format!("snapshot type metadata invalid: missing {missing} sha256 checksum information");
        refused_snapshot(&message, |author, key, parts| snapshot(&[&parts[kept]], 1, author, key)).await;
    }
}

#[tokio::test]
async fn an_expired_snapshot_is_refused() {
    refused_snapshot("snapshot expired at Fri Nov 20 20:51:20 UTC 2026", |_, key, parts| {
        let expired = UtcTime::parse("2026-11-20T20:51:20Z").unwrap();
        part(Role::Snapshot, signed(&snapshot_of(&[&parts[0], &parts[1]], 1, expired), &[key]))
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_is_signed_by_the_key_that_root_names() {
    refused_snapshot("valid signatures did not meet threshold for snapshot", |author, _, parts| {
        snapshot(&[&parts[0], &parts[1]], 1, author, &secret_key())
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_cannot_list_what_was_never_uploaded() {
    refused_snapshot("the snapshot lists a targets/a that was never uploaded", |author, key, parts| {
        snapshot(&[&parts[0], &parts[1], &part(role("targets/a"), "never sent")], 1, author, key)
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_alone_cannot_list_targets_that_were_never_uploaded() {
    let stack = Stack::new();
    let (author, key) = stack.author_with_snapshot_key().await;
    let (root, targets) = (root(&author), targets(&author));
    let own = snapshot(&[&root, &targets], 1, &author, &key);
    stack.publish(vec![root.clone(), targets.clone(), own]).await.unwrap();
    let unknown = snapshot(&[&root, &part(Role::Targets, "never sent")], 2, &author, &key);
    let error = stack.refusal(vec![unknown]).await;
    assert_told(&error, "ErrBadSnapshot", "the snapshot lists a targets that was never uploaded");
    stack.publish(vec![snapshot(&[&root, &targets], 2, &author, &key)]).await.unwrap();
}

#[tokio::test]
async fn a_snapshot_lists_the_right_length() {
    let stack = Stack::new();
    let (author, key) = stack.author_with_snapshot_key().await;
    let (root, targets) = (root(&author), targets(&author));
    let mut model = snapshot_of(&[&root, &targets], 1, author.root.expires);
    model.meta.get_mut(&Role::Targets).unwrap().length = 1;
    let own = part(Role::Snapshot, signed(&model, &[&key]));
    let found = targets.bytes.len();
    let error = stack.refusal(vec![root, targets, own]).await;
    let message = format!("targets: length did not match: expected 1 bytes, found {found}");
    assert_told(&error, "ErrBadSnapshot", &message);
}

#[tokio::test]
async fn a_delegation_that_is_uploaded_must_be_listed() {
    let stack = Stack::new();
    let (mut author, key) = stack.author_with_snapshot_key().await;
    let a = secret_key();
    delegate(&mut author, "targets/a", Some(&a), &[""]);
    let (root, targets) = (root(&author), targets(&author));
    let own = delegation("targets/a", 1, "x", author.root.expires, &a);
    let forgetful = snapshot(&[&root, &targets], 1, &author, &key);
    let error = stack.refusal(vec![root.clone(), targets.clone(), own.clone(), forgetful]).await;
    assert_told(&error, "ErrBadSnapshot", "the snapshot does not list targets/a");
    let complete = snapshot(&[&root, &targets, &own], 1, &author, &key);
    stack.publish(vec![root, targets, own, complete]).await.unwrap();
}

#[tokio::test]
async fn a_snapshot_is_always_in_the_references_encoding() {
    let message = "snapshot is not encoded as Notary encodes it (white space, order of members, unknown members or \
                   form of expires)";
    refused_snapshot(message, |author, key, parts| {
        let mut value = to_value(&snapshot_of(&[&parts[0], &parts[1]], 1, author.root.expires));
        value["x-extra"] = 1.into();
        part(Role::Snapshot, signed_value(&value, &[key]))
    })
    .await;
}

#[tokio::test]
async fn a_snapshots_version_may_rise_by_10000_and_no_further() {
    refused_snapshot("snapshot version 10001 is more than 10000 above 0", |author, key, parts| {
        snapshot(&[&parts[0], &parts[1]], 10_001, author, key)
    })
    .await;
}
