//! Signatures that do not count: of another method, by one key twice, by the keys of others, too many of them.

use std::num::NonZeroU32;

use bytes::Bytes;
use serde_json::{Value, json};
use tuf_schema::dialect::{DecodeError, Fault};
use tuf_schema::testing::{Publisher, root_key, secret_key, signed, signed_value, to_value};
use tuf_schema::verify::chain::ChainError;
use tuf_schema::verify::{FirstRootError, RootError, SignatureError};
use tuf_schema::{Gun, Role, SigningKey as _};

use crate::world::{Reader, Repository, Server, bob, chain_error, gun, now, read_once};

fn changed(bytes: &Bytes, change: impl FnOnce(&mut Value)) -> Bytes {
    let mut document: Value = serde_json::from_slice(bytes).unwrap();
    change(&mut document);
    serde_json::to_vec(&document).unwrap().into()
}

fn below(error: &ChainError, role: &Role, got: usize, need: u32) {
    let source = SignatureError::BelowThreshold { role: role.clone(), got, need };
    assert_eq!(*error, ChainError::Signature { role: role.clone(), source });
}

#[tokio::test]
async fn a_signature_whose_method_is_of_another_kind_of_key_is_none() {
    for method in ["eddsa", "rsapss", "rsapkcs1v15", "none", ""] {
        let (mut repository, server, reader) = read_once().await;
        repository.publish_with(&server, &|_, _| {}, &|_, role, bytes| {
            let forged = changed(&bytes, |document| document["signatures"][0]["method"] = json!(method));
            if *role == Role::Timestamp { forged } else { bytes }
        });
        below(&reader.refused(&server).await, &Role::Timestamp, 0, 1);
    }
}

#[tokio::test]
async fn a_document_without_signatures_is_refused_by_its_role() {
    for role in [Role::Timestamp, Role::Snapshot, Role::Targets] {
        let (mut repository, server, reader) = read_once().await;
        repository.next_targets();
        repository.publish_with(&server, &|_, _| {}, &|_, of, bytes| {
            let forged = changed(&bytes, |document| document["signatures"] = json!([]));
            if *of == role { forged } else { bytes }
        });
        let error = reader.refused(&server).await;
        assert_eq!(error.to_string(), format!("{role}: tuf: data has no signatures"));
    }
}

#[tokio::test]
async fn one_key_does_not_sign_twice_for_a_threshold_of_two() {
    let (mut repository, server, reader) = read_once().await;
    let two = NonZeroU32::new(2).unwrap();
    let second = secret_key();
    let root = &mut repository.publisher.root;
    root.keys.insert(second.public().id().clone(), second.public().clone());
    root.targets.key_ids.push(second.public().id().clone());
    root.targets.threshold = two;
    repository.next_root();
    let twice = |repository: &Repository, role: &Role, bytes: Bytes| {
        let key = &repository.publisher.targets_key;
        if *role == Role::Targets { signed(&repository.publisher.targets, &[key, key]) } else { bytes }
    };
    repository.publish_with(&server, &|_, _| {}, &twice);
    // The newer root was followed to and is kept; nothing else is.
    let before = reader.files();
    let error = chain_error(reader.read(&server).await.unwrap_err());
    below(&error, &Role::Targets, 1, 2);
    let after = reader.files();
    let differ: Vec<_> = after.iter().filter(|(path, bytes)| before.get(*path) != Some(*bytes)).collect();
    assert!(matches!(differ.as_slice(), [(path, _)] if path.ends_with("root.json")), "{differ:?}");
    below(&reader.refused(&server).await, &Role::Targets, 1, 2);
}

#[tokio::test]
async fn one_key_does_not_sign_twice_for_a_delegation_either() {
    let (mut repository, server, reader) = read_once().await;
    repository.next_targets();
    let second = secret_key();
    let delegations = &mut repository.publisher.targets.delegations;
    delegations.keys.insert(second.public().id().clone(), second.public().clone());
    delegations.roles[0].key_ids.push(second.public().id().clone());
    delegations.roles[0].threshold = NonZeroU32::new(2).unwrap();
    let twice = |repository: &Repository, role: &Role, bytes: Bytes| {
        let key = &repository.bob_key;
        if *role == bob() { signed(&repository.bob, &[key, key]) } else { bytes }
    };
    let kept = |reader: &Reader| reader.files().into_iter().find(|(path, _)| path.ends_with("targets/bob.json"));
    let before = kept(&reader);
    repository.publish_with(&server, &|_, _| {}, &twice);
    let trusted = reader.read(&server).await.unwrap();
    let [skipped] = trusted.skipped() else { panic!("{:?}", trusted.skipped()) };
    below(&skipped.why, &bob(), 1, 2);
    assert!(trusted.targets(&bob()).is_none());
    assert_eq!(kept(&reader), before, "what does not count is not kept");
}

#[tokio::test]
async fn more_signatures_than_anybody_makes_are_not_looked_at() {
    let (mut repository, server, reader) = read_once().await;
    repository.publish_with(&server, &|_, _| {}, &|_, role, bytes| {
        let forged = changed(&bytes, |document| {
            let signature = document["signatures"][0].clone();
            document["signatures"] = json!(vec![signature; 257]);
        });
        if *role == Role::Timestamp { forged } else { bytes }
    });
    let error = reader.refused(&server).await;
    let ChainError::Envelope { role: Role::Timestamp, source } = error else { panic!("{error}") };
    assert_eq!(source.to_string(), "the document has 257 signatures, more than 256");
}

#[tokio::test]
async fn a_threshold_below_one_or_none_is_refused() {
    for threshold in [json!(0), json!(-1), Value::Null] {
        let (mut repository, server, reader) = read_once().await;
        repository.next_root();
        repository.publish_with(&server, &|_, _| {}, &|repository, role, bytes| {
            let mut root = to_value(&repository.publisher.root);
            root["roles"]["targets"]["threshold"] = threshold.clone();
            let forged = signed_value(&root, &[&repository.publisher.root_key]);
            if *role == Role::Root { forged } else { bytes }
        });
        let error = reader.refused(&server).await;
        assert!(matches!(&error, ChainError::Decode(DecodeError { role: Role::Root, .. })), "{threshold}: {error}");
        // And for a delegation.
        let (mut repository, server, reader) = read_once().await;
        repository.next_targets();
        repository.publish_with(&server, &|_, _| {}, &|repository, role, bytes| {
            let mut targets = to_value(&repository.publisher.targets);
            targets["delegations"]["roles"][0]["threshold"] = threshold.clone();
            let forged = signed_value(&targets, &[&repository.publisher.targets_key]);
            if *role == Role::Targets { forged } else { bytes }
        });
        let error = reader.refused(&server).await;
        assert!(matches!(&error, ChainError::Decode(DecodeError { role: Role::Targets, .. })), "{threshold}: {error}");
    }
}

#[tokio::test]
async fn a_next_root_needs_the_signatures_of_the_one_before_and_its_own() {
    // By itself alone: the same name under other keys.
    let (_, server, reader) = read_once().await;
    let mut other = Repository::new();
    other.next_root();
    other.publish(&server);
    let error = chain_error(reader.refusal(&server).await);
    assert!(matches!(error, ChainError::Root(RootError::NotSignedByPrevious(_))), "{error}");
    // By the one before alone.
    let (mut repository, server, reader) = read_once().await;
    let new = root_key(&gun(), now());
    repository.next_root();
    let root = &mut repository.publisher.root;
    root.keys.insert(new.public().id().clone(), new.public().clone());
    root.root.key_ids = vec![new.public().id().clone()];
    // `publish` signs with the old key only.
    repository.publish(&server);
    let error = chain_error(reader.refusal(&server).await);
    let alone = RootError::Alone(FirstRootError::NotSelfSigned(SignatureError::BelowThreshold {
        role: Role::Root,
        got: 0,
        need: 1,
    }));
    assert_eq!(error, ChainError::Root(alone));
    // Nor is it believed by whoever is new.
    let error = chain_error(Reader::new().refusal(&server).await);
    assert!(matches!(error, ChainError::FirstRoot(FirstRootError::NotSelfSigned(_))), "{error}");
}

#[tokio::test]
async fn a_good_signature_for_another_role_does_not_stand_for_the_one_that_is_needed() {
    // The key of one role signs the document of another.
    for role in [Role::Timestamp, Role::Snapshot, Role::Targets] {
        let (mut repository, server, reader) = read_once().await;
        repository.next_targets();
        repository.publish_with(&server, &|_, _| {}, &|repository, of, bytes| {
            let document: Value = serde_json::from_slice(&bytes).unwrap();
            let key = if role == Role::Timestamp { &repository.snapshot_key } else { &repository.timestamp_key };
            if *of == role { signed_value(&document["signed"], &[key]) } else { bytes }
        });
        below(&reader.refused(&server).await, &role, 0, 1);
    }
}

#[tokio::test]
async fn a_document_of_one_role_does_not_stand_for_another() {
    // Whoever holds all keys of a role could have it sign what says to be of another type.
    for (role, says) in [(Role::Timestamp, "Snapshot"), (Role::Snapshot, "Targets"), (Role::Targets, "Root")] {
        let (mut repository, server, reader) = read_once().await;
        repository.next_targets();
        repository.publish_with(&server, &|_, _| {}, &|repository, of, bytes| {
            let mut document: Value = serde_json::from_slice(&bytes).unwrap();
            document["signed"]["_type"] = json!(says);
            let key = match of {
                Role::Timestamp => &repository.timestamp_key,
                Role::Snapshot => &repository.snapshot_key,
                _ => &repository.publisher.targets_key,
            };
            if *of == role { signed_value(&document["signed"], &[key]) } else { bytes }
        });
        let error = reader.refused(&server).await;
        let ChainError::Decode(DecodeError { role: refused, fault: Fault::Type { found, .. } }) = error else {
            panic!("{error}")
        };
        assert_eq!((refused, found.as_str()), (role, says));
    }
}

#[tokio::test]
async fn the_root_of_another_repository_does_not_stand_for_this_one() {
    let (other, server) = (Gun::parse("registry.test:5000/team/other").unwrap(), Server::default());
    let mut repository = Repository::new();
    let publisher = &repository.publisher;
    let (snapshot, timestamp) = (repository.snapshot_key.public(), repository.timestamp_key.public());
    let mut of_other = Publisher::new(&other, snapshot, timestamp, now());
    of_other.targets = publisher.targets.clone();
    repository.publisher = of_other;
    repository.publish(&server);
    let error = chain_error(Reader::new().refusal(&server).await);
    assert!(matches!(error, ChainError::FirstRoot(FirstRootError::NoValidCertificate(_))), "{error}");
    // Nor for whoever knows the true one.
    let (_, _, reader) = read_once().await;
    let error = chain_error(reader.refusal(&server).await);
    assert!(matches!(error, ChainError::Root(RootError::Alone(FirstRootError::NoValidCertificate(_)))), "{error}");
}
