//! Documents whose members are not of the form that the reference writes.

use serde_json::json;
use tuf_schema::testing::root_key;

use super::*;

const HASH: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

/// Targets refused for their form, with these words.
async fn formless(words: &str, break_it: impl Fn(&mut Value)) {
    let message = format!("targets type metadata invalid: {words}");
    refused_first("ErrBadTargets", &message, |author| with_targets(author, &break_it)).await;
}

#[tokio::test]
async fn members_of_the_wrong_type_are_refused_and_named() {
    formless("invalid type: sequence, expected a map", |targets| targets["targets"] = json!([])).await;
    formless("invalid type: string \"1\", expected u64", |targets| {
        targets["targets"]["a"] = json!({"hashes": {"sha256": HASH}, "length": "1"});
    })
    .await;
    formless("invalid type: null, expected an object", |targets| {
        targets["delegations"]["roles"] = json!([null]);
    })
    .await;
    formless("invalid type: sequence, expected an object", |targets| {
        targets["targets"]["a"] = json!([null, {"sha256": HASH}, 1]);
    })
    .await;
}

#[tokio::test]
async fn members_that_say_nothing_are_refused() {
    formless("invalid type: null, expected an object", |targets| targets["targets"]["a"] = Value::Null).await;
    formless("invalid type: null, expected an object", |targets| targets["delegations"] = Value::Null).await;
    formless("missing field `length`", |targets| targets["targets"]["a"] = json!({"hashes": {"sha256": HASH}})).await;
    formless("invalid value: integer `-1`, expected u64", |targets| {
        targets["targets"]["a"] = json!({"hashes": {"sha256": HASH}, "length": -1});
    })
    .await;
    formless("delegation role targets/a declared twice", |targets| {
        let role = json!({"keyids": null, "name": "targets/a", "paths": [""], "threshold": 1});
        targets["delegations"]["roles"] = json!([role, role]);
    })
    .await;
}

#[tokio::test]
async fn a_root_key_under_an_id_that_is_not_its_own_signs_nothing() {
    let message = "could not validate the path to a trusted root: failed to validate integrity of roots";
    refused_first("ErrBadRoot", message, |author| {
        let key = root_key(&author.gun, UtcTime::parse("2026-11-21T21:05:00Z").unwrap());
        let other = KeyId::from_wire(&"a".repeat(64));
        author.root.keys.insert(other.clone(), key.public().clone());
        author.root.root.key_ids = vec![other];
        vec![part(Role::Root, signed(&author.root, &[&key])), targets(author)]
    })
    .await;
}

#[tokio::test]
async fn a_delegation_below_one_that_was_never_uploaded_is_undeclared() {
    let message = "tuf: invalid role targets/a/b. delegation does not exist";
    refused_update("ErrBadTargets", message, |author| {
        vec![part(role("targets/a/b"), signed(&author.targets, &[&author.targets_key]))]
    })
    .await;
}
