//! Refused roots.

use tuf_schema::BaseRole;
use tuf_schema::model::KeyGrant;
use tuf_schema::sign::SigningKey;
use tuf_schema::testing::root_key;

use super::*;

#[tokio::test]
async fn the_first_upload_needs_a_root() {
    let message = "no pre-existing root and no root provided in update.";
    refused_first("ErrValidation", message, |_| Vec::new()).await;
    refused_first("ErrValidation", message, |author| vec![targets(author)]).await;
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
