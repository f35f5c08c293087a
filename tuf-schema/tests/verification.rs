//! The rules of verification, each broken once.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use ring::rand::SystemRandom;
use tuf_schema::dialect::{Fault, MAX_KEYS};
use tuf_schema::digest::Digests;
use tuf_schema::envelope::{EnvelopeError, MAX_SIGNATURES};
use tuf_schema::key::x509::Expiry;
use tuf_schema::model::{Root, Target, Targets};
use tuf_schema::testing::{Publisher, root_key, secret_key, signed, signed_value, to_value};
use tuf_schema::verify::{
    Authority, FirstRootError, Floor, RootError, SignatureError, StaleError, follow, trust_first,
};
use tuf_schema::{
    BaseRole, Dialect, Draft, Envelope, Gun, KeyType, PublicKey, ReadBackError, Role, SigningKey, Unverified, UtcTime,
    Version,
};

fn now() -> UtcTime {
    UtcTime::parse("2026-11-21T12:00:00Z").unwrap()
}

fn publisher() -> Publisher {
    let gun = Gun::parse("example.com/app").unwrap();
    Publisher::new(&gun, secret_key().public(), secret_key().public(), now())
}

fn root(bytes: bytes::Bytes) -> Unverified<Root> {
    Envelope::parse(Dialect::Notary, bytes).unwrap().decode(Role::Root).unwrap()
}

fn targets(bytes: bytes::Bytes) -> Unverified<Targets> {
    Envelope::parse(Dialect::Notary, bytes).unwrap().decode(Role::Targets).unwrap()
}

fn first(publisher: &Publisher) -> tuf_schema::verify::Verified<Root> {
    trust_first(root(publisher.root_bytes()), &publisher.gun, now(), Expiry::Checked).unwrap()
}

fn below(got: usize, need: u32) -> SignatureError {
    SignatureError::BelowThreshold { role: Role::Targets, got, need }
}

#[test]
fn what_is_read_back_is_what_was_finished_and_not_what_was_drafted() {
    let p = publisher();
    let draft = |from: u32, many: u32| {
        let mut model = p.targets.clone();
        model.version = Version::new(i64::from(from)).unwrap();
        let target =
            |at: u32| (format!("{at:08}"), Target { length: 7, digests: Digests::of(b"content"), custom: None });
        model.targets = (from..from + many).map(target).collect();
        (Draft::new(Dialect::Notary, &model).unwrap(), model)
    };
    // Two at once from some size on.
    for many in [1, 2000] {
        let ((drafted, _), (other, model)) = (draft(1, many), draft(2, many));
        let finished = other.finish(&[p.targets_key.signature(other.message(), &SystemRandom::new()).unwrap()]);
        let read: Unverified<Targets> = drafted.read_back(&Role::Targets, finished.clone()).unwrap();
        assert_eq!((read.claims().version, &read.claims().targets), (model.version, &model.targets));
        assert_eq!(read.message(), other.message());
        let authority = Authority::of_base(&p.root, BaseRole::Targets);
        assert_eq!(read.check_signed_by(&authority), Ok(()));
        let cut = finished.slice(..finished.len() - 1);
        let refusal = other.read_back::<Targets>(&Role::Targets, cut).unwrap_err();
        assert!(matches!(refusal, ReadBackError::Envelope(EnvelopeError::Json(_))), "{refusal}");
        let refusal = other.read_back::<Root>(&Role::Root, finished).unwrap_err();
        assert!(matches!(refusal, ReadBackError::Decode(_)), "{refusal}");
    }
}

#[test]
fn two_signatures_by_one_key_count_once() {
    let mut p = publisher();
    p.root.targets.threshold = 2.try_into().unwrap();
    let authority = Authority::of_base(&p.root, BaseRole::Targets);
    let twice = targets(signed(&p.targets, &[&p.targets_key, &p.targets_key]));
    assert_eq!(twice.verify(&authority).unwrap_err(), below(1, 2));
}

#[test]
fn one_key_under_two_ids_counts_once() {
    let mut p = publisher();
    let certified = root_key(&p.gun, now());
    let bare = certified.public().bare().unwrap();
    for key in [certified.public(), &bare] {
        p.root.keys.insert(key.id().clone(), key.clone());
    }
    p.root.targets.key_ids = vec![certified.public().id().clone(), bare.id().clone()];
    p.root.targets.threshold = 2.try_into().unwrap();
    let authority = Authority::of_base(&p.root, BaseRole::Targets);
    let both: [&dyn SigningKey; 2] = [&certified, certified.key()];
    assert_eq!(targets(signed(&p.targets, &both)).verify(&authority).unwrap_err(), below(1, 2));
    assert_eq!(p.root.unreachable_threshold(), Some((BaseRole::Targets, 1)));
}

#[test]
fn every_key_of_the_role_that_signed_is_known_and_no_other() {
    let mut p = publisher();
    let (certified, absent) = (root_key(&p.gun, now()), secret_key());
    for key in [certified.public(), absent.public()] {
        p.root.keys.insert(key.id().clone(), key.clone());
        p.root.targets.key_ids.push(key.id().clone());
    }
    let authority = Authority::of_base(&p.root, BaseRole::Targets);
    // The threshold is 1; the last one is a stranger.
    let document = targets(signed(&p.targets, &[&p.targets_key as &dyn SigningKey, &certified, &secret_key()]));
    let verified = document.verify(&authority).unwrap();
    let bare = certified.public().bare().unwrap();
    let expected = [p.targets_key.public().id().clone(), bare.id().clone()];
    assert_eq!(*verified.signed_by(), expected.into_iter().collect());
}

#[test]
fn a_key_that_the_role_does_not_name_does_not_count() {
    let p = publisher();
    let authority = Authority::of_base(&p.root, BaseRole::Targets);
    let foreign = targets(signed(&p.targets, &[&secret_key()]));
    assert_eq!(foreign.verify(&authority).unwrap_err(), below(0, 1));
}

#[test]
fn a_document_without_signatures_is_unsigned() {
    let p = publisher();
    let authority = Authority::of_base(&p.root, BaseRole::Targets);
    assert_eq!(targets(signed(&p.targets, &[])).verify(&authority).unwrap_err(), SignatureError::Unsigned);
}

#[test]
fn a_key_listed_under_a_foreign_id_is_fatal_when_it_signs() {
    let mut p = publisher();
    let id = p.targets_key.public().id().clone();
    let other = secret_key();
    p.root.keys.insert(id.clone(), other.public().clone());
    let authority = Authority::of_base(&p.root, BaseRole::Targets);
    let document = targets(p.targets_bytes());
    assert_eq!(document.verify(&authority).unwrap_err(), SignatureError::KeyIdMismatch(id));
}

#[test]
fn a_changed_byte_of_the_signed_part_breaks_the_signature() {
    let mut p = publisher();
    p.tag("latest", b"image");
    let authority = Authority::of_base(&p.root, BaseRole::Targets);
    let text = String::from_utf8(p.targets_bytes().to_vec()).unwrap();
    let changed = text.replace("\"length\":5", "\"length\":6");
    assert_ne!(text, changed);
    assert_eq!(targets(changed.into()).verify(&authority).unwrap_err(), below(0, 1));
}

#[test]
fn unknown_members_are_covered_by_the_signature_and_are_not_the_references_encoding() {
    let p = publisher();
    let mut value = to_value(&p.targets);
    value["extra"] = serde_json::json!({"b": 1, "a": "<"});
    let bytes = signed_value(&value, &[&p.targets_key]);
    let envelope = Envelope::parse(Dialect::Notary, bytes).unwrap();
    assert!(!envelope.is_reference_encoding::<Targets>());
    let authority = Authority::of_base(&p.root, BaseRole::Targets);
    assert!(envelope.decode::<Targets>(Role::Targets).unwrap().verify(&authority).is_ok());
}

#[test]
fn white_space_and_member_order_are_not_the_references_encoding() {
    let p = publisher();
    let text = String::from_utf8(p.targets_bytes().to_vec()).unwrap();
    let is_reference =
        |t: String| Envelope::parse(Dialect::Notary, t.into()).unwrap().is_reference_encoding::<Targets>();
    assert!(is_reference(text.clone()));
    assert!(!is_reference(text.replacen("{\"signed\":", "{ \"signed\":", 1)));
    assert!(!is_reference(text.replace("\"method\":\"ecdsa\"", "\"method\":\"ECDSA\"")));
    let (signed, signatures) = text.split_once(",\"signatures\":").unwrap();
    let signatures = signatures.strip_suffix('}').unwrap();
    let signed = signed.strip_prefix('{').unwrap();
    assert!(!is_reference(format!("{{\"signatures\":{signatures},{signed}}}")));
}

#[test]
fn an_expired_document_is_not_current_and_the_instant_of_expiry_still_is() {
    let p = publisher();
    let authority = Authority::of_base(&p.root, BaseRole::Targets);
    let verified = targets(p.targets_bytes()).verify(&authority).unwrap();
    let date = p.targets.expires;
    assert!(verified.clone().current(Floor::default(), date).is_ok());
    let late = verified.current(Floor::default(), date.plus_seconds(1)).unwrap_err();
    assert_eq!(late, StaleError::Expired { role: Role::Targets, expired: date });
}

#[test]
fn an_older_version_is_a_rollback_and_the_same_is_not() {
    let mut p = publisher();
    p.next_targets();
    let authority = Authority::of_base(&p.root, BaseRole::Targets);
    let verified = targets(p.targets_bytes()).verify(&authority).unwrap();
    let floor = |n| Floor { version: Some(Version::new(n).unwrap()), listed: None };
    assert!(verified.check_listed(floor(2)).is_ok());
    let refusal = verified.check_listed(floor(3)).unwrap_err();
    let [offered, trusted] = [2, 3].map(|n| Version::new(n).unwrap());
    assert_eq!(refusal, StaleError::Rollback { role: Role::Targets, offered, trusted });
}

#[test]
fn a_root_for_another_repository_is_not_believed() {
    let p = publisher();
    let gun = Gun::parse("example.com/other").unwrap();
    let refusal = trust_first(root(p.root_bytes()), &gun, now(), Expiry::Checked).unwrap_err();
    assert!(matches!(refusal, FirstRootError::NoValidCertificate(Some(_))), "{refusal:?}");
}

#[test]
fn a_root_that_its_own_key_did_not_sign_is_not_believed() {
    let p = publisher();
    let forged = root(signed(&p.root, &[&root_key(&p.gun, now())]));
    let refusal = trust_first(forged, &p.gun, now(), Expiry::Checked).unwrap_err();
    assert!(matches!(refusal, FirstRootError::NotSelfSigned(SignatureError::BelowThreshold { got: 0, .. })));
}

#[test]
fn a_successor_needs_the_signatures_of_both_roots() {
    let mut p = publisher();
    let trusted = first(&p);
    let fresh = root_key(&p.gun, now());
    p.root.version = Version::new(2).unwrap();
    p.root.keys.insert(fresh.public().id().clone(), fresh.public().clone());
    p.root.root.key_ids = vec![fresh.public().id().clone()];
    let only_new = root(signed(&p.root, &[&fresh]));
    let refusal = follow(&trusted, only_new, &p.gun, now()).unwrap_err();
    assert!(matches!(refusal, RootError::NotSignedByPrevious(_)), "{refusal:?}");
    let only_old = root(signed(&p.root, &[&p.root_key]));
    let refusal = follow(&trusted, only_old, &p.gun, now()).unwrap_err();
    assert!(matches!(refusal, RootError::Alone(FirstRootError::NotSelfSigned(_))), "{refusal:?}");
    let both = root(signed(&p.root, &[&fresh, &p.root_key]));
    assert!(follow(&trusted, both, &p.gun, now()).is_ok());
}

#[test]
fn an_older_root_is_no_successor() {
    let mut p = publisher();
    p.root.version = Version::new(3).unwrap();
    let trusted = first(&p);
    p.root.version = Version::new(2).unwrap();
    let refusal = follow(&trusted, root(p.root_bytes()), &p.gun, now()).unwrap_err();
    assert!(matches!(refusal, RootError::Rollback(_)), "{refusal:?}");
}

#[test]
fn a_good_signature_behind_four_bad_ones_of_its_key_is_not_tried() {
    let p = publisher();
    let authority = Authority::of_base(&p.root, BaseRole::Targets);
    let good = String::from_utf8(p.targets_bytes().to_vec()).unwrap();
    let behind = |bad: usize| {
        let (head, signature) = good.split_once("\"signatures\":[").unwrap();
        let signature = signature.strip_suffix("]}").unwrap();
        let broken = signature.split_once("\"sig\":\"").unwrap().0.to_owned() + "\"sig\":\"AAAA\"},";
        targets(format!("{head}\"signatures\":[{}{signature}]}}", broken.repeat(bad)).into())
    };
    assert!(behind(3).verify(&authority).is_ok());
    assert_eq!(behind(4).verify(&authority).unwrap_err(), below(0, 1));
}

#[test]
fn a_thousand_keys_may_be_listed_and_not_one_more() {
    let mut p = publisher();
    let decode = |p: &Publisher| {
        let bytes = signed(&p.targets, &[&p.targets_key]);
        Envelope::parse(Dialect::Notary, bytes).unwrap().decode::<Targets>(Role::Targets).map(|_| ())
    };
    let key = |n: usize| PublicKey::new(KeyType::Ed25519, n.to_be_bytes().repeat(4));
    p.targets.delegations.keys = (0..MAX_KEYS).map(|n| (key(n).id().clone(), key(n))).collect();
    assert_eq!(decode(&p), Ok(()));
    p.targets.delegations.keys.insert(key(MAX_KEYS).id().clone(), key(MAX_KEYS));
    let refusal = decode(&p).unwrap_err();
    assert_eq!(refusal.fault, Fault::TooManyKeys(MAX_KEYS + 1));
}

#[test]
fn a_document_bears_at_most_256_signatures() {
    let p = publisher();
    let one = signed(&p.targets, &[&p.targets_key]);
    let text = std::str::from_utf8(&one).unwrap();
    let (head, signature) = text.split_once("\"signatures\":[").unwrap();
    let signature = signature.strip_suffix("]}").unwrap();
    let bearing = |count: usize| {
        let signatures = vec![signature; count].join(",");
        Envelope::parse(Dialect::Notary, format!("{head}\"signatures\":[{signatures}]}}").into()).map(|_| ())
    };
    assert_eq!(bearing(MAX_SIGNATURES), Ok(()));
    assert_eq!(bearing(MAX_SIGNATURES + 1), Err(EnvelopeError::TooManySignatures(257)));
}
