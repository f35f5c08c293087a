//! Delegations in an update: which are visited, passed over or missed.

use bytes::Bytes;
use tuf_schema::model::{DelegatedRole, Delegations};
use tuf_schema::sign::SecretKey;
use tuf_schema::testing::{secret_key, signed};
use tuf_schema::verify::chain::{ChainError, DocumentName};
use tuf_schema::verify::{SignatureError, StaleError};
use tuf_schema::{DelegationName, Role, Sha256, SigningKey as _, UtcTime};

use crate::world::{Repository, World, at, now};

pub(crate) fn delegate(repository: &mut Repository, name: &str, key: &SecretKey, paths: &[&str]) -> Role {
    let name = DelegationName::parse(name).unwrap();
    let delegations = &mut repository.publisher.targets.delegations;
    delegations.keys.insert(key.public().id().clone(), key.public().clone());
    delegations.roles.push(DelegatedRole {
        name: name.clone(),
        key_ids: vec![key.public().id().clone()],
        threshold: std::num::NonZeroU32::MIN,
        paths: paths.iter().map(|p| (*p).to_owned()).collect(),
    });
    Role::Delegation(name)
}

pub(crate) fn delegated_targets(repository: &Repository, tag: &str, key: &SecretKey, expires: UtcTime) -> Bytes {
    let mut targets = repository.publisher.targets.clone();
    targets.delegations = Delegations::default();
    let one = targets.targets.remove("1").unwrap();
    targets.targets.insert(tag.to_owned(), one);
    targets.expires = expires;
    signed(&targets, &[key])
}

#[test]
fn a_delegation_may_list_only_what_its_paths_allow() {
    let (mut repository, mut world, key) = (Repository::new(), World::default(), secret_key());
    let role = delegate(&mut repository, "targets/qa", &key, &["qa/"]);
    let bytes = delegated_targets(&repository, "prod", &key, now().plus_seconds(60));
    repository.publish_with(&mut world, &[(role.clone(), bytes)], |_, _| {});
    let trusted = world.update().unwrap();
    let walk = trusted.walk();
    let qa = walk.iter().find(|v| v.role == &role).unwrap();
    assert_eq!((qa.target("prod"), qa.targets().count()), (None, 0));
}

#[test]
fn a_delegation_that_was_never_published_is_no_difficulty() {
    let (mut repository, mut world, key) = (Repository::new(), World::default(), secret_key());
    let role = delegate(&mut repository, "targets/new", &key, &[""]);
    repository.publish(&mut world);
    let trusted = world.update().unwrap();
    assert!(trusted.targets(&role).is_none() && trusted.skipped().is_empty());
}

#[test]
fn a_delegation_that_was_there_and_is_still_delegated_cannot_be_left_out() {
    let (mut repository, mut world, key) = (Repository::new(), World::default(), secret_key());
    let role = delegate(&mut repository, "targets/releases", &key, &[""]);
    let bytes = delegated_targets(&repository, "1", &key, now().plus_seconds(60));
    repository.publish_with(&mut world, &[(role.clone(), bytes)], |_, _| {});
    world.update().unwrap();
    let before = world.cached.clone();
    repository.publish_with(&mut world, &[], |snapshot, _| drop(snapshot.meta.remove(&role)));
    // Again and again: what leaves it out is not kept.
    for _ in 0..2 {
        assert_eq!(world.update().unwrap_err(), ChainError::Unlisted(role.clone()));
        assert_eq!(world.cached, before);
    }
}

#[test]
fn a_delegation_that_was_taken_away_or_given_to_others_may_be_left_out() {
    for successor in [None, Some(secret_key())] {
        let (mut repository, mut world, key) = (Repository::new(), World::default(), secret_key());
        let role = delegate(&mut repository, "targets/releases", &key, &[""]);
        let bytes = delegated_targets(&repository, "1", &key, now().plus_seconds(60));
        repository.publish_with(&mut world, &[(role.clone(), bytes)], |_, _| {});
        world.update().unwrap();
        repository.publisher.targets.delegations = Delegations::default();
        if let Some(key) = &successor {
            delegate(&mut repository, "targets/releases", key, &[""]);
        }
        repository.publisher.next_targets();
        repository.publish_with(&mut world, &[], |snapshot, _| drop(snapshot.meta.remove(&role)));
        assert!(world.update().unwrap().targets(&role).is_none());
    }
}

#[test]
fn an_expired_or_foreign_delegation_is_passed_over_and_named() {
    let (mut repository, mut world) = (Repository::new(), World::default());
    let (key, stranger) = (secret_key(), secret_key());
    let expired = delegate(&mut repository, "targets/expired", &key, &[""]);
    let foreign = delegate(&mut repository, "targets/foreign", &key, &[""]);
    let late = delegated_targets(&repository, "1", &key, at("2026-11-01T00:00:00Z"));
    let forged = delegated_targets(&repository, "1", &stranger, now().plus_seconds(60));
    repository.publish_with(&mut world, &[(expired.clone(), late), (foreign.clone(), forged)], |_, _| {});
    for _ in 0..2 {
        let trusted = world.update().unwrap();
        let skipped: Vec<_> = trusted.skipped().iter().map(|s| s.role.clone()).collect();
        assert_eq!(skipped, [expired.clone(), foreign.clone()]);
        assert!(matches!(trusted.skipped()[0].why, ChainError::Stale(StaleError::Expired { .. })));
        assert!(matches!(
            trusted.skipped()[1].why,
            ChainError::Signature { source: SignatureError::BelowThreshold { got: 0, .. }, .. }
        ));
        assert_eq!(trusted.walk().len(), 1);
    }
}

#[test]
fn a_tampered_delegation_ends_the_update() {
    let (mut repository, mut world, key) = (Repository::new(), World::default(), secret_key());
    let role = delegate(&mut repository, "targets/a", &key, &[""]);
    let bytes = delegated_targets(&repository, "1", &key, now().plus_seconds(60));
    repository.publish_with(&mut world, &[(role.clone(), bytes.clone())], |_, _| {});
    let other = delegated_targets(&repository, "2", &key, now().plus_seconds(60));
    world.served.insert(format!("targets/a.{}.json", Sha256::of(&bytes)), other);
    let error = world.update().unwrap_err();
    assert!(matches!(error, ChainError::Stale(StaleError::Unlisted { .. })), "{error}");
    world.served.remove(&format!("targets/a.{}.json", Sha256::of(&bytes)));
    assert!(matches!(world.update().unwrap_err(), ChainError::Missing(DocumentName { role: r, .. }) if r == role));
}
