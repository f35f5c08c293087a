//! One thing broken in each: the exact refusal, nothing stored, and the next good publish works.

use serde_json::Value;
use tuf_schema::model::KeyGrant;
use tuf_schema::sign::{SecretKind, SigningKey};
use tuf_schema::testing::{root_key, secret_key, signed_value, to_value};
use tuf_schema::{BaseRole, PublicKey};

use super::accepted::{delegate, delegation};
use super::*;

/// A first upload with something broken in it, refused; then the sound one, accepted.
async fn refused_first(name: &str, message: &str, break_it: impl Fn(&mut Author) -> Vec<UploadPart>) {
    let stack = Stack::new();
    let mut broken = stack.author().await;
    let parts = break_it(&mut broken);
    assert_told(&stack.refusal(parts).await, name, message);
    stack.published().await;
}

/// Likewise for an update of a repository that is there.
async fn refused_update(name: &str, message: &str, break_it: impl Fn(&mut Author) -> Vec<UploadPart>) {
    let stack = Stack::new();
    let mut author = stack.published().await;
    let sound = { (author.targets.clone(), author.root.clone()) };
    let parts = break_it(&mut author);
    assert_told(&stack.refusal(parts).await, name, message);
    (author.targets, author.root) = sound;
    author.next_targets();
    stack.publish(vec![targets(&author)]).await.unwrap();
}

/// A first upload whose targets are this JSON, well signed.
fn with_targets(author: &Author, edit: impl Fn(&mut Value)) -> Vec<UploadPart> {
    let mut value = to_value(&author.targets);
    edit(&mut value);
    vec![root(author), part(Role::Targets, signed_value(&value, &[&author.targets_key]))]
}

fn with_root(author: &Author, edit: impl Fn(&mut Value)) -> Vec<UploadPart> {
    let mut value = to_value(&author.root);
    edit(&mut value);
    vec![part(Role::Root, signed_value(&value, &[&author.root_key])), targets(author)]
}

#[tokio::test]
async fn the_first_upload_needs_a_root() {
    let message = "no pre-existing root and no root provided in update.";
    refused_first("ErrValidation", message, |_| Vec::new()).await;
    refused_first("ErrValidation", message, |author| vec![targets(author)]).await;
}

#[tokio::test]
async fn the_servers_first_snapshot_needs_targets() {
    refused_first("ErrValidation", "targets must be loaded first", |author| vec![root(author)]).await;
}

#[tokio::test]
async fn a_first_root_is_version_1_or_2() {
    for number in [-1, 0, 3] {
        let message = format!("Root modifications must increment the version. Current 1, new {number}");
        refused_first("ErrBadRoot", &message, |author| with_root(author, |root| root["version"] = number.into())).await;
    }
}

#[tokio::test]
async fn a_root_cannot_skip_a_version() {
    let message = "Root modifications must increment the version. Current 1, new 3";
    refused_update("ErrBadRoot", message, |author| {
        author.root.version = version(3);
        vec![root(author)]
    })
    .await;
}

#[tokio::test]
async fn another_root_of_the_stored_version_is_not_newer() {
    let stack = Stack::new();
    let author = stack.published().await;
    let error = stack.refusal(vec![root(&author)]).await;
    assert!(matches!(error, PublishError::VersionConflict { role: Role::Root, current: Some(Version::FIRST) }));
}

#[tokio::test]
async fn a_root_must_be_signed_by_the_keys_before_it() {
    let message =
        "could not rotate trust to a new trusted root: failed to validate data with current trusted certificates";
    refused_update("ErrBadRoot", message, |author| {
        let key = root_key(&author.gun, UtcTime::parse("2026-11-21T21:05:00Z").unwrap());
        author.root.version = version(2);
        author.root.keys.insert(key.public().id().clone(), key.public().clone());
        author.root.root = KeyGrant::single(key.public().id().clone());
        vec![part(Role::Root, signed(&author.root, &[&key]))]
    })
    .await;
}

#[tokio::test]
async fn a_root_must_be_signed_by_itself() {
    let message = "could not validate the path to a trusted root: failed to validate integrity of roots";
    refused_first("ErrBadRoot", message, |author| {
        let other = root_key(&author.gun, UtcTime::parse("2026-11-21T21:05:00Z").unwrap());
        vec![part(Role::Root, signed(&author.root, &[&other])), targets(author)]
    })
    .await;
}

#[tokio::test]
async fn a_root_that_could_not_be_believed_again_is_refused() {
    let message = "could not validate the path to a trusted root: failed to validate integrity of roots";
    refused_first("ErrBadRoot", message, |author| {
        // Expired, so that it does not count today, and listed under an id that is not its own.
        let expired = root_key(&author.gun, UtcTime::parse("2010-11-21T21:05:00Z").unwrap());
        let id = "a".repeat(64);
        author.root.keys.insert(KeyId::from_wire(&id), expired.public().clone());
        author.root.root.key_ids.push(KeyId::from_wire(&id));
        let mut document: Value = serde_json::from_slice(&author.root_bytes()).unwrap();
        let mut signature = document["signatures"][0].clone();
        signature["keyid"] = id.into();
        document["signatures"].as_array_mut().unwrap().push(signature);
        let root = format!("{{\"signed\":{},\"signatures\":{}}}", document["signed"], document["signatures"]);
        vec![part(Role::Root, root), targets(author)]
    })
    .await;
}

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

#[tokio::test]
async fn a_root_certificate_is_for_this_gun() {
    let message = "could not validate the path to a trusted root: unable to retrieve valid leaf certificates";
    refused_first("ErrBadRoot", message, |author| {
        let now = UtcTime::parse("2026-11-21T21:05:00Z").unwrap();
        let key = root_key(&Gun::parse("example.com/other").unwrap(), now);
        author.root.keys.insert(key.public().id().clone(), key.public().clone());
        author.root.root = KeyGrant::single(key.public().id().clone());
        vec![part(Role::Root, signed(&author.root, &[&key])), targets(author)]
    })
    .await;
}

#[tokio::test]
async fn an_expired_root_is_refused() {
    refused_first("ErrBadRoot", "root expired at Fri Nov 20 20:51:20 UTC 2026", |author| {
        author.root.expires = UtcTime::parse("2026-11-20T20:51:20Z").unwrap();
        vec![root(author), targets(author)]
    })
    .await;
}

#[tokio::test]
async fn a_root_names_itself_root() {
    let message = "root type metadata invalid: expected type Root, not root";
    refused_first("ErrBadRoot", message, |author| with_root(author, |root| root["_type"] = "root".into())).await;
}

#[tokio::test]
async fn a_root_specifies_all_four_roles() {
    let message = "root type metadata invalid: missing snapshot role specification";
    refused_first("ErrBadRoot", message, |author| {
        with_root(author, |root| {
            root["roles"].as_object_mut().unwrap().remove("snapshot");
        })
    })
    .await;
}

#[tokio::test]
async fn a_threshold_of_0_is_refused_for_every_role_of_root() {
    for name in BaseRole::ALL.map(Role::from) {
        let message = format!("root type metadata invalid: invalid threshold specified for {name}: 0 ");
        let name = name.as_str().to_owned();
        refused_first("ErrBadRoot", &message, |author| {
            with_root(author, |root| root["roles"][&name]["threshold"] = 0.into())
        })
        .await;
    }
}

#[tokio::test]
async fn a_threshold_of_0_is_refused_for_a_delegation() {
    let message = "targets type metadata invalid: invalid threshold specified for targets/a: 0 ";
    refused_first("ErrBadTargets", message, |author| {
        delegate(author, "targets/a", Some(&secret_key()), &[""]);
        with_targets(author, |targets| targets["delegations"]["roles"][0]["threshold"] = 0.into())
    })
    .await;
}

#[tokio::test]
async fn root_cannot_ask_for_more_signatures_than_a_role_has_keys() {
    for name in ["snapshot", "targets", "timestamp"] {
        let message = format!("root type metadata invalid: {name} needs 2 signatures and has 1 distinct keys");
        refused_update("ErrBadRoot", &message, |author| {
            author.root.version = version(2);
            let parts = with_root(author, |root| root["roles"][name]["threshold"] = 2.into());
            parts.into_iter().take(1).collect()
        })
        .await;
    }
    // Of its own keys root has too few signatures first.
    let message = "could not validate the path to a trusted root: failed to validate integrity of roots";
    refused_first("ErrBadRoot", message, |author| {
        with_root(author, |root| root["roles"]["root"]["threshold"] = 2.into())
    })
    .await;
}

#[tokio::test]
async fn a_key_id_needs_its_key() {
    let message = "root type metadata invalid: key ID aa specified in targets without corresponding key";
    refused_first("ErrBadRoot", message, |author| {
        with_root(author, |root| root["roles"]["targets"]["keyids"] = serde_json::json!(["aa"]))
    })
    .await;
}

#[tokio::test]
async fn targets_signed_by_another_key_miss_the_threshold() {
    refused_first("ErrBadTargets", "valid signatures did not meet threshold for targets", |author| {
        vec![root(author), part(Role::Targets, signed(&author.targets, &[&secret_key()]))]
    })
    .await;
}

/// Root with a second targets key and a threshold of two.
fn ask_for_two(author: &mut Author, second: &PublicKey, id: &KeyId) {
    author.root.keys.insert(id.clone(), second.clone());
    author.root.targets.key_ids.push(id.clone());
    author.root.targets.threshold = std::num::NonZeroU32::new(2).unwrap();
}

#[tokio::test]
async fn one_key_that_signs_twice_counts_once() {
    refused_first("ErrBadTargets", "valid signatures did not meet threshold for targets", |author| {
        let second = secret_key();
        ask_for_two(author, second.public(), second.public().id());
        let twice = signed(&author.targets, &[&author.targets_key, &author.targets_key]);
        vec![root(author), part(Role::Targets, twice)]
    })
    .await;
}

#[tokio::test]
async fn one_key_under_two_ids_is_one_key() {
    let message = "root type metadata invalid: targets needs 2 signatures and has 1 distinct keys";
    refused_update("ErrBadRoot", message, |author| {
        let again = author.targets_key.public().clone();
        ask_for_two(author, &again, &KeyId::from_wire("aa"));
        author.root.version = version(2);
        vec![root(author)]
    })
    .await;
    // Nor does it sign for two: its certificate is listed as a second key beside it.
    refused_first("ErrBadTargets", "valid signatures did not meet threshold for targets", |author| {
        let now = UtcTime::parse("2026-11-21T21:05:00Z").unwrap();
        let key = root_key(&author.gun, now);
        author.targets_key = secret_key();
        author.root.keys.insert(key.key().public().id().clone(), key.key().public().clone());
        author.root.targets = KeyGrant::single(key.key().public().id().clone());
        ask_for_two(author, key.public(), key.public().id());
        vec![root(author), part(Role::Targets, signed(&author.targets, &[&key, key.key()]))]
    })
    .await;
}

#[tokio::test]
async fn a_signature_by_a_key_under_a_foreign_id_is_fatal() {
    refused_first("ErrBadTargets", "key ID is not valid for key content", |author| {
        let (id, key) = (KeyId::from_wire("aa"), author.targets_key.public().clone());
        author.root.keys.insert(id.clone(), key);
        author.root.targets = KeyGrant::single(id);
        let bytes = String::from_utf8(author.targets_bytes().to_vec()).unwrap();
        let bytes = bytes.replace(author.targets_key.public().id().as_str(), "aa");
        vec![root(author), part(Role::Targets, bytes)]
    })
    .await;
}

#[tokio::test]
async fn a_method_that_does_not_fit_the_key_is_no_signature() {
    for method in ["rsapss", "rsapkcs1v15", "eddsa", "pycrypto-pkcs#1 pss", "unheard of"] {
        refused_first("ErrBadTargets", "valid signatures did not meet threshold for targets", |author| {
            let bytes = String::from_utf8(author.targets_bytes().to_vec()).unwrap();
            let bytes = bytes.replace("\"method\":\"ecdsa\"", &format!("\"method\":\"{method}\""));
            vec![root(author), part(Role::Targets, bytes)]
        })
        .await;
    }
    refused_first("ErrBadTargets", "valid signatures did not meet threshold for targets", |author| {
        let key = SecretKey::generate(SecretKind::Ed25519, &SystemRandom::new()).unwrap();
        author.root.keys.insert(key.public().id().clone(), key.public().clone());
        author.root.targets = KeyGrant::single(key.public().id().clone());
        let bytes = String::from_utf8(signed(&author.targets, &[&key]).to_vec()).unwrap();
        vec![root(author), part(Role::Targets, bytes.replace("\"method\":\"eddsa\"", "\"method\":\"ecdsa\""))]
    })
    .await;
}

#[tokio::test]
async fn targets_without_a_signature_are_refused() {
    refused_first("ErrBadTargets", "tuf: data has no signatures", |author| {
        vec![root(author), part(Role::Targets, signed(&author.targets, &[]))]
    })
    .await;
}

#[tokio::test]
async fn expired_targets_are_refused() {
    refused_first("ErrBadTargets", "targets expired at Fri Nov 20 20:51:20 UTC 2026", |author| {
        author.targets.expires = UtcTime::parse("2026-11-20T20:51:20Z").unwrap();
        vec![root(author), targets(author)]
    })
    .await;
}

#[tokio::test]
async fn targets_name_themselves_targets() {
    let message = "targets type metadata invalid: expected type Targets, not Snapshot";
    let edit = |targets: &mut Value| targets["_type"] = "Snapshot".into();
    refused_first("ErrBadTargets", message, |author| with_targets(author, edit)).await;
}

#[tokio::test]
async fn versions_below_1_and_above_the_databases_range_are_refused() {
    let below = "targets type metadata invalid: version cannot be less than one";
    let above = "targets type metadata invalid: version 2147483648 is above 2147483647";
    let step = "targets version 2147483647 is more than 10000 above 0";
    for (number, message) in [(-1, below), (0, below), (1_i64 << 31, above), ((1_i64 << 31) - 1, step)] {
        let edit = |targets: &mut Value| targets["version"] = number.into();
        refused_first("ErrBadTargets", message, |author| with_targets(author, edit)).await;
    }
}

#[tokio::test]
async fn what_is_no_strict_json_is_malformed() {
    let stack = Stack::new();
    let author = stack.author().await;
    let bytes = String::from_utf8(author.targets_bytes().to_vec()).unwrap();
    let version = |text: &str| bytes.replace("\"version\":1", &format!("\"version\":{text}"));
    let cases = [
        ("a version in quotes", version("\"1\"")),
        ("a version with a fraction", version("1.0")),
        ("a version of 2^63", version("9223372036854775808")),
        ("no version", bytes.replace(",\"version\":1", "")),
        ("a duplicate member", version("1,\"version\":1")),
        ("an unknown member of the envelope", bytes.replacen('{', "{\"extra\":1,", 1)),
        ("not an object", "[]".to_owned()),
        ("null", "null".to_owned()),
        ("cut off", bytes[..bytes.len() - 1].to_owned()),
        ("nothing", String::new()),
    ];
    for (what, bytes) in cases {
        let error = stack.refusal(vec![root(&author), part(Role::Targets, bytes)]).await;
        assert!(matches!(error, PublishError::MalformedJson { role: Role::Targets, .. }), "{what}: {error}");
    }
    let error = stack.refusal(vec![root(&author), targets(&author), part(Role::Timestamp, "{")]).await;
    assert!(matches!(error, PublishError::MalformedJson { role: Role::Timestamp, .. }), "{error}");
    stack.published().await;
}

#[tokio::test]
async fn nothing_may_follow_a_document() {
    for follower in [' ', '\n', 'x', '{'] {
        let message = format!("invalid character {follower:?} after top-level value");
        refused_first("ErrBadTargets", &message, |author| {
            let bytes = [&author.targets_bytes()[..], &[follower as u8]].concat();
            vec![root(author), part(Role::Targets, bytes)]
        })
        .await;
    }
}

#[tokio::test]
async fn a_version_may_rise_by_10000_and_no_further() {
    refused_update("ErrBadTargets", "targets version 10002 is more than 10000 above 1", |author| {
        author.targets.version = version(10_002);
        vec![targets(author)]
    })
    .await;
    refused_first("ErrBadTargets", "targets version 10001 is more than 10000 above 0", |author| {
        author.targets.version = version(10_001);
        vec![root(author), targets(author)]
    })
    .await;
}

#[tokio::test]
async fn targets_that_are_not_newer_are_a_version_conflict() {
    let stack = Stack::new();
    let mut author = stack.published().await;
    author.targets.version = version(5);
    stack.publish(vec![targets(&author)]).await.unwrap();
    for number in [4, 5] {
        author.targets.version = version(number);
        let error = stack.refusal(vec![targets(&author)]).await;
        let PublishError::VersionConflict { role: Role::Targets, current } = error else { panic!("{error}") };
        assert_eq!(current, Some(version(5)));
    }
}

#[tokio::test]
async fn a_delegation_must_be_declared() {
    let message = "tuf: invalid role targets/a. delegation does not exist";
    refused_update("ErrBadTargets", message, |author| {
        vec![delegation("targets/a", 1, "x", author.root.expires, &secret_key())]
    })
    .await;
    let message = "tuf: invalid role targets/a/b. delegation does not exist";
    refused_update("ErrBadTargets", message, |author| {
        vec![delegation("targets/a/b", 1, "x", author.root.expires, &secret_key())]
    })
    .await;
}

#[tokio::test]
async fn a_delegation_is_a_child_of_the_role_that_declares_it() {
    let message = "targets type metadata invalid: delegation role targets/a/b invalid";
    refused_first("ErrBadTargets", message, |author| {
        delegate(author, "targets/a/b", None, &[""]);
        vec![root(author), targets(author)]
    })
    .await;
}

#[tokio::test]
async fn a_delegation_is_signed_by_the_keys_it_was_given() {
    let message = "valid signatures did not meet threshold for targets/a";
    refused_first("ErrBadTargets", message, |author| {
        delegate(author, "targets/a", Some(&secret_key()), &[""]);
        let own = delegation("targets/a", 1, "x", author.root.expires, &secret_key());
        vec![root(author), targets(author), own]
    })
    .await;
}

#[tokio::test]
async fn under_the_servers_snapshot_only_the_references_encoding_is_taken() {
    let words = |role| {
        format!(
            "{role} is not encoded as Notary encodes it (white space, order of members, unknown members or form of \
             expires)"
        )
    };
    refused_first("ErrBadTargets", &words("targets"), |author| {
        with_targets(author, |targets| targets["x-extra"] = 1.into())
    })
    .await;
    refused_first("ErrBadTargets", &words("targets"), |author| {
        with_targets(author, |targets| targets["expires"] = "2027-01-01T00:00:00.500Z".into())
    })
    .await;
    refused_first("ErrBadTargets", &words("targets"), |author| {
        let bytes = String::from_utf8(author.targets_bytes().to_vec()).unwrap();
        vec![root(author), part(Role::Targets, bytes.replacen(':', ": ", 1))]
    })
    .await;
    refused_first("ErrBadRoot", &words("root"), |author| with_root(author, |root| root["x-extra"] = 1.into())).await;
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

#[tokio::test]
async fn a_timestamp_key_that_nobody_holds_is_refused_in_the_words_of_the_signers_custody() {
    for custody in [Custody::Remote, Custody::Local] {
        let stack = Stack::with_custody(custody);
        let (mut author, key) = stack.author_with_snapshot_key().await;
        let foreign = secret_key();
        author.root.keys.insert(foreign.public().id().clone(), foreign.public().clone());
        author.root.timestamp = KeyGrant::single(foreign.public().id().clone());
        let (root, targets) = (root(&author), targets(&author));
        let own = snapshot(&[&root, &targets], 1, &author, &key);
        let error = stack.refusal(vec![root, targets, own]).await;
        match custody {
            Custody::Remote => assert_told(&error, "ErrValidation", &not_found(foreign.public())),
            Custody::Local => assert_told(&error, "ErrBadRoot", "no  timestamp keys exist on the server"),
        }
    }
}

#[tokio::test]
async fn without_a_snapshot_the_server_must_hold_its_key() {
    let message = "no snapshot was included in update and server does not hold current snapshot key for repository";
    for custody in [Custody::Remote, Custody::Local] {
        let stack = Stack::with_custody(custody);
        let (author, key) = stack.author_with_snapshot_key().await;
        let error = stack.refusal(vec![root(&author), targets(&author)]).await;
        match custody {
            Custody::Remote => assert_told(&error, "ErrValidation", &not_found(key.public())),
            Custody::Local => {
                assert_told(&error, "ErrBadHierarchy", message);
                assert!(matches!(error, PublishError::BadHierarchy { missing: Role::Snapshot, .. }));
            }
        }
    }
}

fn not_found(key: &PublicKey) -> String {
    format!("rpc error: code = NotFound desc = key {} not found", key.id())
}

#[tokio::test]
async fn a_server_key_that_root_describes_falsely_signs_nothing_worth_storing() {
    let stack = Stack::new();
    let mut author = stack.author().await;
    let id = author.root.timestamp.key_ids.first().unwrap().clone();
    author.root.keys.insert(id, secret_key().public().clone());
    let error = stack.refusal(vec![root(&author), targets(&author)]).await;
    assert_told(&error, "ErrBadRoot", "key ID is not valid for key content");
}
