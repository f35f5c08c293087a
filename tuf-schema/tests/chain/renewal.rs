//! The update for renewal: dates do not count, everything else does; and what is kept of delegations that do not count.

use ring::rand::SystemRandom;
use tuf_schema::model::KeyGrant;
use tuf_schema::sign::self_signed_root_certificate;
use tuf_schema::testing::{secret_key, signed};
use tuf_schema::verify::chain::{Answer, Chain, ChainError, Lapsed, PassedOver, Renewable, Request};
use tuf_schema::verify::{RootError, SignatureError, StaleError};
use tuf_schema::{Role, Sha256, SigningKey as _, UtcTime};

use crate::delegations::{delegate, delegated_targets};
use crate::world::{Repository, World, at, gun, now, published, read_once, version};

/// Ten years and a day after `now()`: everything has expired, root certificates too.
fn much_later() -> UtcTime {
    now().plus_seconds((3650 + 1) * 24 * 3600)
}

impl World {
    pub(crate) fn renew_at(&mut self, now: UtcTime) -> Result<Renewable, ChainError> {
        let mut chain = Chain::for_renewal(gun(), now).pinned(self.pin.clone());
        while let Some(request) = chain.request() {
            let answer = match &request {
                Request::Cached(role) => self.cached.get(role.as_str()).cloned(),
                Request::Fetch { name, .. } => self.served.get(&name.to_string()).cloned(),
            };
            chain.feed(answer.map_or(Answer::Absent, Answer::Bytes))?;
            assert!(chain.newer_root().is_none(), "nothing whose dates were not checked is kept");
        }
        Ok(chain.finish_renewal().expect("a complete update has a result"))
    }
}

fn document(role: Role, expired: UtcTime) -> Lapsed {
    Lapsed::Document { role, expired }
}

#[test]
fn dates_do_not_count_and_everything_expired_is_named() {
    for (_, mut world) in [published(), read_once()] {
        let refused = world.update_at(&gun(), much_later()).unwrap_err();
        let why = matches!(refused, ChainError::FirstRoot(_) | ChainError::Stale(StaleError::Expired { .. }));
        assert!(why, "{refused}");
        let renewable = world.renew_at(much_later()).unwrap();
        let expires = now().plus_seconds(3650 * 24 * 3600);
        let key = renewable.root().model().root.key_ids[0].clone();
        assert_eq!(
            renewable.lapsed(),
            [
                document(Role::Root, expires),
                Lapsed::RootCertificate { key, expired: expires },
                document(Role::Timestamp, expires),
                document(Role::Snapshot, expires),
                document(Role::Targets, expires),
            ]
        );
    }
}

#[test]
fn what_has_not_expired_is_not_named() {
    let (_, mut world) = published();
    assert_eq!(world.renew_at(now()).unwrap().lapsed(), []);
    // On its date a document still holds (the reference's rule); a second later it does not.
    let last = now().plus_seconds(3650 * 24 * 3600);
    assert_eq!(world.renew_at(last).unwrap().lapsed(), []);
    assert_eq!(world.renew_at(last.plus_seconds(1)).unwrap().lapsed().len(), 5);
}

#[test]
fn an_update_for_renewal_gives_nothing_that_may_be_used_and_an_ordinary_one_nothing_to_renew() {
    let finished = |mut chain: Chain| {
        let (_, world) = published();
        while let Some(request) = chain.request() {
            let answer = match &request {
                Request::Cached(_) => None,
                Request::Fetch { name, .. } => world.served.get(&name.to_string()).cloned(),
            };
            chain.feed(answer.map_or(Answer::Absent, Answer::Bytes)).unwrap();
        }
        chain
    };
    // Even when nothing has expired.
    assert!(finished(Chain::for_renewal(gun(), now())).finish().is_none());
    assert!(finished(Chain::new(gun(), now())).finish_renewal().is_none());
}

#[test]
fn an_expired_document_with_a_foreign_signature_is_not_renewed() {
    for role in [Role::Timestamp, Role::Snapshot, Role::Targets] {
        let (mut repository, mut world) = (Repository::new(), World::default());
        match role {
            Role::Timestamp => repository.timestamp_key = secret_key(),
            Role::Snapshot => repository.snapshot_key = secret_key(),
            _ => repository.publisher.targets_key = secret_key(),
        }
        repository.publish(&mut world);
        let error = world.renew_at(much_later()).unwrap_err();
        let ChainError::Signature { role: refused, source: SignatureError::BelowThreshold { got: 0, need: 1, .. } } =
            error
        else {
            panic!("{error}")
        };
        assert_eq!(refused, role);
    }
}

#[test]
fn an_expired_root_of_others_is_not_renewed() {
    let (_, mut world) = read_once();
    Repository::new().publish(&mut world);
    let error = world.renew_at(much_later()).unwrap_err();
    assert!(matches!(error, ChainError::Root(RootError::NotSignedByPrevious(_))), "{error}");
}

#[test]
fn an_older_document_is_a_rollback_for_renewal_too() {
    let (mut repository, mut world) = published();
    let old = world.served["timestamp.json"].clone();
    repository.publish(&mut world);
    world.update().unwrap();
    world.served.insert("timestamp.json".into(), old);
    let error = world.renew_at(much_later()).unwrap_err();
    let expected = StaleError::Rollback { role: Role::Timestamp, offered: version(1), trusted: version(2) };
    assert_eq!(error, ChainError::Stale(expected));
}

#[test]
fn another_document_than_the_listed_one_is_not_renewed() {
    let (mut repository, mut world) = published();
    let digest = Sha256::of(&world.served["targets.json"]);
    repository.publisher.next_targets();
    world.served.insert(format!("targets.{digest}.json"), repository.publisher.targets_bytes());
    let error = world.renew_at(much_later()).unwrap_err();
    assert!(matches!(error, ChainError::Stale(StaleError::Unlisted { role: Role::Targets, .. })), "{error}");
}

#[test]
fn a_root_that_somebody_signed_anew_already_is_the_one_that_is_found() {
    let (mut repository, mut world) = read_once();
    repository.publisher.root.expires = much_later().plus_seconds(60);
    repository.rotate_root();
    repository.publish(&mut world);
    let renewable = world.renew_at(much_later()).unwrap();
    assert_eq!(renewable.root().model().version, version(2));
    assert!(!renewable.lapsed().iter().any(|l| matches!(l, Lapsed::Document { role: Role::Root, .. })));
}

#[test]
fn a_reader_follows_from_a_root_with_an_expired_certificate_over_another_one_to_a_new_certificate() {
    let (mut repository, mut world) = read_once();
    let second = repository.rotate_root();
    // The same key under a certificate of that later day, signed by both: the next root.
    let old = repository.publisher.root_key.public().clone();
    let renewed = {
        let key = repository.publisher.root_key.key();
        self_signed_root_certificate(key, &gun(), much_later(), &SystemRandom::new()).unwrap()
    };
    let root = &mut repository.publisher.root;
    root.version = version(3);
    root.expires = much_later().plus_seconds(3600);
    root.keys.insert(renewed.id().clone(), renewed.clone());
    root.root = KeyGrant::single(renewed.id().clone());
    let key = repository.publisher.root_key.key();
    let third = signed(root, &[&key.with_certificate(renewed).unwrap(), &key.with_certificate(old).unwrap()]);
    repository.root = Some((version(3), third.clone()));
    repository.publisher.targets.expires = much_later().plus_seconds(3600);
    repository.publish(&mut world);
    world.served.insert("2.root.json".into(), second);
    let trusted = world.update_at(&gun(), much_later()).unwrap();
    assert_eq!(trusted.root().raw(), &third);
    // And whoever comes new believes it by itself.
    world.cached.clear();
    assert_eq!(world.update_at(&gun(), much_later()).unwrap().root().raw(), &third);
}

#[test]
fn an_expired_delegation_is_kept_with_its_signatures_checked() {
    let (mut repository, mut world, key) = (Repository::new(), World::default(), secret_key());
    let role = delegate(&mut repository, "targets/expired", &key, &[""]);
    let late = delegated_targets(&repository, "1", &key, at("2026-11-01T00:00:00Z"));
    repository.publish_with(&mut world, &[(role.clone(), late.clone())], |_, _| {});
    let trusted = world.update().unwrap();
    assert!(trusted.targets(&role).is_none());
    let Some(PassedOver::Expired(document)) = trusted.passed_over(&role) else { panic!("{trusted:?}") };
    assert_eq!(document.raw(), &late);
    let renewable = world.renew_at(now()).unwrap();
    assert_eq!(renewable.targets(&role).unwrap().raw(), &late);
    assert_eq!(renewable.lapsed(), [document_of(&role)]);
}

fn document_of(role: &Role) -> Lapsed {
    document(role.clone(), at("2026-11-01T00:00:00Z"))
}

#[test]
fn an_under_signed_delegation_is_kept_as_unsigned_and_never_among_what_may_be_renewed() {
    let (mut repository, mut world) = (Repository::new(), World::default());
    let (key, stranger) = (secret_key(), secret_key());
    let role = delegate(&mut repository, "targets/foreign", &key, &[""]);
    let forged = delegated_targets(&repository, "1", &stranger, now().plus_seconds(60));
    repository.publish_with(&mut world, &[(role.clone(), forged.clone())], |_, _| {});
    let trusted = world.update().unwrap();
    let Some(PassedOver::UnderSigned(document)) = trusted.passed_over(&role) else { panic!("{trusted:?}") };
    assert_eq!((document.raw(), document.claims().targets.len()), (&forged, 1));
    let renewable = world.renew_at(much_later()).unwrap();
    assert!(renewable.targets(&role).is_none());
    assert_eq!(renewable.skipped().len(), 1);
    assert!(matches!(renewable.passed_over(&role), Some(PassedOver::UnderSigned(_))));
}

#[test]
fn an_under_signed_delegation_that_is_not_the_listed_one_is_not_kept() {
    let (mut repository, mut world) = (Repository::new(), World::default());
    let (key, stranger) = (secret_key(), secret_key());
    let role = delegate(&mut repository, "targets/a", &key, &[""]);
    let listed = delegated_targets(&repository, "1", &key, now().plus_seconds(60));
    repository.publish_with(&mut world, &[(role.clone(), listed.clone())], |_, _| {});
    let other = delegated_targets(&repository, "1", &stranger, now().plus_seconds(60));
    world.served.insert(format!("targets/a.{}.json", Sha256::of(&listed)), other);
    let trusted = world.update().unwrap();
    assert_eq!(trusted.skipped().len(), 1);
    assert!(trusted.passed_over(&role).is_none());
}
