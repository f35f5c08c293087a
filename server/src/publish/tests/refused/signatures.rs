//! Signatures that do not count.

use tuf_schema::PublicKey;
use tuf_schema::model::KeyGrant;
use tuf_schema::sign::{SecretKind, SigningKey};
use tuf_schema::testing::{root_key, secret_key};

use super::super::accepted::{delegate, delegation};
use super::*;

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
async fn the_keys_of_the_role_above_do_not_sign_for_a_delegation() {
    let message = "valid signatures did not meet threshold for targets/a";
    refused_first("ErrBadTargets", message, |author| {
        delegate(author, "targets/a", Some(&secret_key()), &[""]);
        let own = delegation("targets/a", 1, "x", author.root.expires, &author.targets_key);
        vec![root(author), targets(author), own]
    })
    .await;
}
