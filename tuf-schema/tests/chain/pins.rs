//! Pins in an update: which roots they let in, first, cached and rotated ones, and what they refuse.

use std::collections::BTreeSet;

use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PublicKeyData, SignatureAlgorithm};
use rustls_pki_types::CertificateDer;
use tuf_schema::key::x509::pem_text;
use tuf_schema::model::KeyGrant;
use tuf_schema::sign::{CertifiedKey, SecretKey};
use tuf_schema::testing::{root_key, secret_key, signed};
use tuf_schema::verify::chain::{ChainError, Reach};
use tuf_schema::verify::{Expected, Found, Pin, PinError, RootError};
use tuf_schema::{KeyId, KeyType, PublicKey, SigningKey as _, UtcTime};

use crate::world::{Repository, World, at, gun, now, published, read_once, version};

const STATED: &str = "pins.certs of bulla.json";

fn certificates(ids: &[&KeyId]) -> Pin {
    Pin::Certificates { ids: ids.iter().map(|id| (*id).clone()).collect(), stated: STATED.into() }
}

fn root_id(repository: &Repository) -> KeyId {
    repository.publisher.root_key.public().id().clone()
}

#[expect(clippy::panic, reason = "a test fails where it stands")]
fn mismatch(error: &ChainError) -> (u32, Expected, Vec<Found>) {
    let ChainError::Pin(PinError::Mismatch(mismatch)) = error else { panic!("{error}") };
    (mismatch.version.number(), mismatch.expected.clone(), mismatch.found.clone())
}

/// A repository whose root was rotated three times; the ids of its root certificates.
fn rotated() -> (Repository, World, Vec<KeyId>) {
    let (mut repository, mut world) = published();
    let mut ids = vec![root_id(&repository)];
    for _ in 0..3 {
        repository.rotate_root();
        repository.publish(&mut world);
        ids.push(root_id(&repository));
    }
    (repository, world, ids)
}

// ---- certificates

#[test]
fn a_first_root_must_bear_a_pinned_certificate() {
    let (repository, mut world) = published();
    let (ours, other) = (root_id(&repository), KeyId::from_wire(&"0".repeat(64)));
    world.pin = certificates(&[&other]);
    let error = world.refused();
    let expected = Expected::Certificates(BTreeSet::from([other.clone()]));
    assert_eq!(mismatch(&error), (1, expected, vec![Found { id: ours.clone(), why: None }]));
    assert_eq!(
        error.to_string(),
        format!(
            "could not validate the path to a trusted root: unable to match any certificates to trust_pinning config: \
             {STATED} expects the certificate {other}, version 1 of the root of {} has {ours}; ask its publisher which is \
             right: either change the pin, or do not trust this server",
            gun()
        )
    );
    assert_eq!(world.fetched, ["root.json"], "no other document is asked for");
    world.pin = certificates(&[&other, &ours]);
    assert!(world.update().unwrap().outgrown_pin().is_none());
}

#[test]
fn a_cached_root_is_held_against_the_pin() {
    let (_, mut world) = read_once();
    world.pin = certificates(&[&KeyId::from_wire(&"0".repeat(64))]);
    for down in [false, true] {
        world.down = down;
        assert_eq!(mismatch(&world.refused()).0, 1);
        assert!(world.fetched.is_empty());
    }
}

#[test]
fn a_rotated_root_is_believed_where_signatures_lead_to_it_from_a_pinned_one() {
    for pinned in 0..4 {
        let (_, mut world, ids) = rotated();
        world.pin = certificates(&[&ids[pinned]]);
        // A new reader, then one with a cache.
        for _ in 0..2 {
            let trusted = world.update().unwrap();
            assert_eq!(trusted.root().model().version, version(4));
            let outgrown = trusted.outgrown_pin().map(|found| mismatch(&Box::new(found.clone()).into()));
            let found = vec![Found { id: ids[3].clone(), why: None }];
            let expected = Expected::Certificates(BTreeSet::from([ids[pinned].clone()]));
            assert_eq!(outgrown, (pinned < 3).then_some((4, expected, found)));
        }
    }
}

#[test]
fn a_reader_whose_cached_root_is_pinned_follows_its_rotation() {
    let (mut repository, mut world) = published();
    world.pin = certificates(&[&root_id(&repository)]);
    world.update().unwrap();
    let root = repository.rotate_root();
    repository.publish(&mut world);
    let trusted = world.update().unwrap();
    assert_eq!(trusted.root().raw(), &root);
    assert!(trusted.outgrown_pin().is_some());
}

#[test]
fn a_root_to_which_the_pinned_one_does_not_lead_is_refused() {
    let (_, mut world, ids) = rotated();
    let genuine = world.clone();
    // The same name made anew under other keys, behind the genuine first root.
    let mut other = Repository::new();
    other.rotate_root();
    other.publish(&mut world);
    world.pin = certificates(&[&ids[0]]);
    world.served.insert("1.root.json".into(), genuine.served["1.root.json"].clone());
    for cached in [None, Some(world.served["root.json"].clone())] {
        world.cached.clear();
        world.cached.extend(cached.map(|root| ("root".to_owned(), root)));
        let error = world.refused();
        assert!(matches!(error, ChainError::Root(RootError::NotSignedByPrevious(_))), "{error}");
    }
    // Nor with its own first one.
    other.publisher.root.version = version(1);
    world.serve("root", 1, &other.publisher.root_bytes());
    world.cached.clear();
    assert_eq!(mismatch(&world.refused()).2, [Found { id: root_id(&other), why: None }]);
}

#[test]
fn without_a_server_a_cached_root_must_bear_the_pin_itself() {
    let (_, mut world, ids) = rotated();
    world.update().unwrap();
    world.down = true;
    world.pin = certificates(&[&ids[0]]);
    assert_eq!(mismatch(&world.refused()).0, 4);
    world.pin = certificates(&[&ids[3]]);
    assert_eq!(world.update().unwrap().reach(), Reach::CacheOnly);
}

#[test]
fn a_root_by_another_number_is_no_step_from_a_pinned_one() {
    let (_, mut world, ids) = rotated();
    world.pin = certificates(&[&ids[0]]);
    world.served.insert("1.root.json".into(), world.served["2.root.json"].clone());
    assert_eq!(world.refused(), ChainError::RootNumber { asked: version(1), found: version(2) });
}

#[test]
fn roots_that_the_server_lacks_below_the_pinned_one_are_passed_over() {
    let (_, mut world, ids) = rotated();
    world.served.remove("1.root.json");
    world.pin = certificates(&[&ids[1]]);
    assert!(world.update().is_ok());
    world.cached.clear();
    world.pin = certificates(&[&ids[0]]);
    assert_eq!(mismatch(&world.refused()).0, 4);
}

#[test]
fn a_pinned_certificate_that_is_listed_and_did_not_sign_vouches_for_nothing() {
    let (mut repository, mut world) = (Repository::new(), World::default());
    let (pinned, foreign) = (root_id(&repository), root_key(&gun(), now()));
    let root = &mut repository.publisher.root;
    root.keys.insert(foreign.public().id().clone(), foreign.public().clone());
    root.root.key_ids.push(foreign.public().id().clone());
    repository.root = Some((root.version, signed(root, &[&foreign])));
    repository.publish(&mut world);
    world.update().expect("one of the two keys is enough");
    world.cached.clear();
    world.pin = certificates(&[&pinned]);
    let found = mismatch(&world.refused()).2;
    let unsigned = Found { id: pinned, why: Some("it is pinned, and did not sign enough".into()) };
    assert_eq!(found, [unsigned, Found { id: foreign.public().id().clone(), why: None }]);
}

// ---- first use

#[test]
fn without_first_use_a_first_root_is_refused_and_a_kept_one_stays() {
    let (_, mut world) = published();
    world.pin = Pin::NoFirstUse;
    let error = world.refused();
    assert_eq!(error, ChainError::Pin(PinError::FirstUseOff(gun())));
    assert!(error.to_string().contains("bulla pin show registry.test:5000/team/app"), "{error}");
    assert_eq!(world.fetched, ["root.json"]);
    world.pin = Pin::FirstUse;
    world.update().unwrap();
    world.pin = Pin::NoFirstUse;
    world.update().unwrap();
    // Who makes a repository must learn that there is none yet.
    world = World { pin: Pin::NoFirstUse, ..World::default() };
    assert_eq!(world.refused(), ChainError::NoTrustData(gun()));
}

// ---- authorities

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

/// The public half of a P-256 key.
struct Point(Vec<u8>);

impl PublicKeyData for Point {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

fn params(name: &str, is_ca: IsCa, until: i32) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = is_ca;
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 12, 31);
    params
}

impl Authority {
    fn new() -> Self {
        let (params, key) =
            (params("authority", IsCa::Ca(BasicConstraints::Unconstrained), 2060), KeyPair::generate().unwrap());
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// A certificate for a key, to the end of a year.
    fn certify(&self, key: SecretKey, until: i32) -> CertifiedKey<SecretKey> {
        let spki = key.public().public_bytes();
        let point = Point(spki[spki.len() - 65..].to_vec());
        let leaf = params(gun().as_str(), IsCa::ExplicitNoCa, until).signed_by(&point, &self.issuer).unwrap();
        let public = PublicKey::new(KeyType::EcdsaX509, pem_text(&[leaf.der().as_ref()]));
        CertifiedKey::new(key, public).unwrap()
    }

    fn pin(&self) -> Pin {
        Pin::Authorities { certificates: vec![self.certificate.clone()], stated: "pins.ca of bulla.json".into() }
    }
}

/// A repository whose root has a certificate of the authority until the end of 2027, and its reader.
fn certified() -> (Authority, Repository, World) {
    let (authority, mut repository, mut world) = (Authority::new(), Repository::new(), World::default());
    let key = authority.certify(secret_key(), 2027);
    let root = &mut repository.publisher.root;
    root.keys.insert(key.public().id().clone(), key.public().clone());
    root.root = KeyGrant::single(key.public().id().clone());
    repository.publisher.root_key = key;
    repository.publish(&mut world);
    world.pin = authority.pin();
    world.update().unwrap();
    (authority, repository, world)
}

/// After the end of the first certificate and before that of all other documents.
fn later() -> UtcTime {
    at("2028-03-01T00:00:00Z")
}

#[test]
fn a_root_that_the_pinned_authority_did_not_certify_is_refused_first_and_cached() {
    let (_, mut world) = published();
    world.pin = Authority::new().pin();
    let (_, expected, found) = mismatch(&world.refused());
    assert_eq!(expected, Expected::Authority);
    assert!(found[0].why.as_ref().unwrap().contains("does not chain to a pinned certificate authority"), "{found:?}");
    let (_, mut world) = read_once();
    world.pin = Authority::new().pin();
    for down in [false, true] {
        world.down = down;
        assert_eq!(mismatch(&world.refused()).1, Expected::Authority);
    }
}

#[test]
fn a_rotated_root_must_be_certified_by_the_pinned_authority_too() {
    let (_, mut repository, mut world) = certified();
    repository.rotate_root();
    repository.publish(&mut world);
    let (number, expected, _) = mismatch(&world.refused());
    assert_eq!((number, expected), (2, Expected::Authority));
    let (authority, mut repository, mut world) = certified();
    let root = repository.rotate_root_to(authority.certify(secret_key(), 2029));
    repository.publish(&mut world);
    assert_eq!(world.update().unwrap().root().raw(), &root);
}

#[test]
fn a_root_on_the_way_that_the_pinned_authority_did_not_certify_is_not_kept() {
    let (authority, mut repository, mut world) = certified();
    repository.rotate_root();
    repository.publish(&mut world);
    repository.rotate_root();
    repository.publish(&mut world);
    assert_eq!(mismatch(&world.refused()).0, 3);
    // It may introduce one that is certified.
    let root = repository.rotate_root_to(authority.certify(secret_key(), 2029));
    repository.publish(&mut world);
    assert_eq!(world.update().unwrap().root().raw(), &root);
}

#[test]
fn whoever_renews_may_do_so_under_a_pinned_authoritys_certificate_that_has_ended() {
    let (_, _, mut world) = certified();
    assert!(world.update_at(&gun(), later()).is_err());
    assert!(world.renew_at(later()).is_ok());
    world.pin = Authority::new().pin();
    assert_eq!(mismatch(&world.renew_at(later()).unwrap_err()).1, Expected::Authority);
    world.pin = certificates(&[&KeyId::from_wire(&"0".repeat(64))]);
    assert_eq!(mismatch(&world.renew_at(later()).unwrap_err()).0, 1);
}

#[test]
fn a_renewed_certificate_of_a_pinned_authority_is_followed_without_a_hand() {
    let (authority, mut repository, mut world) = certified();
    let error = world.update_at(&gun(), later()).unwrap_err();
    let (_, _, found) = mismatch(&error);
    assert!(found[0].why.as_ref().unwrap().contains("CertExpired"), "{found:?}");
    // The owner has the same kind of certificate made for the next key; no snapshot need tell of it.
    let root = repository.rotate_root_to(authority.certify(secret_key(), 2029));
    repository.publish(&mut world);
    let trusted = world.update_at(&gun(), later()).unwrap();
    assert_eq!(trusted.root().raw(), &root);
    assert_eq!(world.cached["root"], root);
    assert_eq!(world.fetched[0], "root.json", "the ended certificate is what a newer root is looked for");
}

#[test]
fn an_authority_that_replaces_the_pinned_one_is_followed_to_by_signatures_only() {
    let (_, mut repository, mut world) = certified();
    let successor = Authority::new();
    world.pin = successor.pin();
    assert_eq!(mismatch(&world.refused()).1, Expected::Authority);
    // A root by the new authority that the keys before did not sign.
    let mut foreign = Repository::new();
    let key = successor.certify(secret_key(), 2029);
    foreign.rotate_root_to(key);
    let mut broken = world.clone();
    foreign.publish(&mut broken);
    let error = broken.refused();
    assert!(matches!(error, ChainError::Root(RootError::NotSignedByPrevious(_))), "{error}");
    let root: Bytes = repository.rotate_root_to(successor.certify(secret_key(), 2029));
    repository.publish(&mut world);
    assert_eq!(world.update().unwrap().root().raw(), &root);
}
