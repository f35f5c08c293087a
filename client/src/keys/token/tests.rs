//! A keyring whose keys are on a token in SoftHSM: kinds of keys, PINs, keys and tokens that are gone.

use std::fs;

use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::session::Session;
use ring::rand::SystemRandom;
use tuf_schema::key::x509::{Expiry, leaf_for};
use tuf_schema::key::{Curve, KeyShape};
use tuf_schema::sign::self_signed_root_certificate;
use tuf_schema::{Gun, SigningKey as _, UtcTime};

use super::scratch::{PIN, ScratchToken};
use super::*;
use crate::keys::{HeldKey, Kept, KeyRole, Keyring, KeyringError};

const P256: KeyShape = KeyShape::Ecdsa(Curve::P256);
const SHAPES: [KeyShape; 4] = [P256, KeyShape::Ecdsa(Curve::P384), KeyShape::Ed25519, KeyShape::Rsa { bits: 2048 }];

fn made(keys: &mut Keyring, scratch: &ScratchToken, shape: KeyShape, role: &str) -> Kept {
    let role = KeyRole::parse(role);
    keys.create_on_token(Some(&scratch.label), shape, role, None, &SystemRandom::new()).unwrap()
}

fn token_error(error: KeyringError) -> TokenError {
    match error {
        KeyringError::Token(error) => *error,
        other => panic!("{other:?}"),
    }
}

fn object(kept: &Kept) -> ObjectId {
    kept.key.token().unwrap().id.clone()
}

/// Makes two keys, and has the file of the first name the object of the other.
fn two_of_which_the_first_is_told_to_be_the_other(scratch: &ScratchToken) -> (Kept, Kept) {
    let (mut keys, _) = scratch.keyring(PIN);
    let (one, other) = (made(&mut keys, scratch, P256, "alice"), made(&mut keys, scratch, P256, "bob"));
    let text = fs::read_to_string(one.key.path()).unwrap();
    fs::write(one.key.path(), text.replace(&object(&one).to_string(), &object(&other).to_string())).unwrap();
    (one, other)
}

/// Makes a key pair on P-256 as somebody else's tool would: its private half is what it is told to be.
fn pair(session: &Session, place: &TokenObject, of_private: &[Attribute]) {
    let both = [Attribute::Token(true), Attribute::Id(place.id.bytes().to_vec())];
    let public = [both.as_slice(), &[Attribute::EcParams(keys::P256.to_vec()), Attribute::Private(false)]].concat();
    let private = [both.as_slice(), of_private, &[Attribute::Sign(true)]].concat();
    session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private).unwrap();
}

#[test]
fn keys_of_each_kind_are_made_and_sign_in_another_run_with_one_question_for_the_pin() {
    let Some(scratch) = ScratchToken::new("kinds") else { return };
    let (mut keys, typist) = scratch.keyring(PIN);
    for shape in SHAPES {
        let kept = made(&mut keys, &scratch, shape, "alice");
        assert_eq!((kept.public.shape(), kept.stays), (Some(shape), true));
        assert_eq!(kept.key.id, *kept.public.id());
    }
    let token = keys.list().unwrap()[0].token().unwrap().token.clone();
    assert_eq!(*typist.1.lock().unwrap(), [format!("Enter PIN of {token}: ")]);
    drop(keys);
    let (mut again, _) = scratch.keyring(PIN);
    let stored = again.list().unwrap();
    assert_eq!(stored.len(), SHAPES.len());
    for key in stored {
        let held = again.open(&key).unwrap();
        assert!(matches!(held, HeldKey::Token(_)));
        let signature = held.signature(b"message", &SystemRandom::new()).unwrap();
        assert!(held.public().verifies(b"message", &signature));
    }
}

#[test]
fn a_root_certificate_is_signed_on_the_token_by_every_kind_that_may_be_root() {
    let Some(scratch) = ScratchToken::new("roots") else { return };
    let (mut keys, _) = scratch.keyring(PIN);
    let (gun, now) = (Gun::parse("a.test/b").unwrap(), UtcTime::parse("2026-11-22T00:00:00Z").unwrap());
    for shape in [P256, KeyShape::Ecdsa(Curve::P384), KeyShape::Rsa { bits: 2048 }] {
        let kept = made(&mut keys, &scratch, shape, "root");
        let held = keys.open(&kept.key).unwrap();
        let certificate = self_signed_root_certificate(held, &gun, now, &SystemRandom::new()).unwrap();
        assert_eq!(certificate.bare().as_ref(), Some(&kept.public), "{shape:?}");
        assert!(leaf_for(&certificate, &gun, now, Expiry::Checked).is_ok(), "{shape:?}");
    }
    let role = KeyRole::Root;
    let refused = keys.create_on_token(Some(&scratch.label), KeyShape::Ed25519, role, None, &SystemRandom::new());
    assert!(matches!(token_error(refused.unwrap_err()), TokenError::Unfit { .. }));
    let shown = keys.tokens().unwrap().into_iter().find(|token| token.name.label == scratch.label).unwrap();
    assert_eq!(shown.keys.len(), 3, "the refused one was left behind");
}

#[test]
fn a_wrong_pin_is_tried_once_in_a_run() {
    let Some(scratch) = ScratchToken::new("pin") else { return };
    let (mut keys, _) = scratch.keyring(PIN);
    let key = made(&mut keys, &scratch, P256, "alice").key;
    drop(keys);
    let (mut keys, typist) = scratch.keyring("4321");
    let first = token_error(keys.open(&key).unwrap_err());
    assert!(matches!(first, TokenError::PinWrong { .. }), "{first:?}");
    let second = token_error(keys.open(&key).unwrap_err());
    assert!(matches!(second, TokenError::PinRefusedBefore(_)), "{second:?}");
    assert_eq!(typist.1.lock().unwrap().len(), 1);
}

#[test]
fn what_is_not_there_is_told_apart() {
    let Some(scratch) = ScratchToken::new("gone") else { return };
    let (mut keys, typist) = scratch.keyring(PIN);
    let key = made(&mut keys, &scratch, P256, "alice").key;
    let no_module = |error| matches!(token_error(error), TokenError::NoModule);
    let (bare, _) = scratch.keyring(PIN);
    assert!(no_module(bare.with_module(None).open(&key).unwrap_err()));
    let (bare, _) = scratch.keyring(PIN);
    let unloadable = bare.with_module(Some(Module::OfEnvironment("/etc/passwd".into()))).open(&key).unwrap_err();
    assert!(matches!(token_error(unloadable), TokenError::Module { .. }));
    let unknown = keys.create_on_token(Some("no such token"), P256, KeyRole::Root, None, &SystemRandom::new());
    assert!(matches!(token_error(unknown.unwrap_err()), TokenError::NoneNamed(_)));
    assert_eq!(keys.absent_tokens().unwrap(), []);

    // Of another serial number: another token of that label.
    let text = fs::read_to_string(key.path()).unwrap();
    let token = key.token().unwrap().token.clone();
    fs::write(key.path(), text.replace(&token.serial, "0000")).unwrap();
    let (mut again, _) = scratch.keyring(PIN);
    let moved = again.find(&key.id).unwrap();
    assert!(matches!(token_error(again.open(&moved).unwrap_err()), TokenError::Away(_)));
    let absent = again.absent_tokens().unwrap();
    assert_eq!(absent.iter().map(|absent| absent.keys.clone()).collect::<Vec<_>>(), [vec![key.id.clone()]]);
    fs::write(key.path(), text).unwrap();
    assert_eq!(typist.1.lock().unwrap().len(), 1);
}

#[test]
fn a_destroyed_key_is_gone_from_token_and_directory_and_a_removed_one_stays_on_the_token() {
    let Some(scratch) = ScratchToken::new("destroyed") else { return };
    let (mut keys, _) = scratch.keyring(PIN);
    let kept = made(&mut keys, &scratch, P256, "alice");
    keys.remove(&kept.key).unwrap();
    assert_eq!(keys.list().unwrap(), []);
    let rng = SystemRandom::new();
    let role = || KeyRole::parse("alice");
    let again = keys.take_from_token(Some(&scratch.label), object(&kept), role(), None, &rng).unwrap();
    assert_eq!(again.key, kept.key);
    keys.destroy(&again.key).unwrap();
    assert_eq!(keys.list().unwrap(), []);
    let refused = keys.take_from_token(Some(&scratch.label), object(&kept), role(), None, &rng).unwrap_err();
    assert!(matches!(token_error(refused), TokenError::NoObject { .. }));
}

#[test]
fn a_key_that_is_taken_in_again_signs_again_and_is_not_said_to_stay_where_it_does_not() {
    let Some(scratch) = ScratchToken::new("again") else { return };
    let (session, place) = (scratch.writing(), scratch.place("0b"));
    pair(&session, &place, &[Attribute::Sensitive(false), Attribute::Extractable(true)]);
    let (mut keys, _) = scratch.keyring(PIN);
    let (role, rng) = (|| KeyRole::parse("alice"), SystemRandom::new());
    let label = Some(scratch.label.as_str());
    let first = keys.take_from_token(label, place.id.clone(), role(), None, &rng).unwrap();
    assert!(!first.stays);
    assert_eq!(keys.take_from_token(label, place.id.clone(), role(), None, &rng).unwrap(), first);
    let private = session.find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY)]).unwrap();
    private.into_iter().for_each(|half| session.destroy_object(half).unwrap());
    let refused = keys.take_from_token(label, place.id, role(), None, &rng).unwrap_err();
    assert!(matches!(token_error(refused), TokenError::NoObject { .. }));
}

#[test]
fn a_key_that_wants_its_pin_at_every_signature_is_refused_where_it_is_taken_in() {
    let Some(scratch) = ScratchToken::new("always") else { return };
    let place = scratch.place("02");
    pair(&scratch.writing(), &place, &[Attribute::AlwaysAuthenticate(true)]);
    let (mut keys, _) = scratch.keyring(PIN);
    let (role, rng) = (KeyRole::parse("alice"), SystemRandom::new());
    let refused = token_error(keys.take_from_token(Some(&scratch.label), place.id, role, None, &rng).unwrap_err());
    let is_it = |fact: &str| fact.starts_with("the token asks for its PIN at every signature");
    assert!(matches!(&refused, TokenError::Unfit { fact, .. } if is_it(fact)), "{refused}");
    assert_eq!(keys.list().unwrap(), []);
}

#[test]
fn what_the_object_of_another_key_signs_is_not_used() {
    let Some(scratch) = ScratchToken::new("swapped") else { return };
    let (one, _) = two_of_which_the_first_is_told_to_be_the_other(&scratch);
    let (mut keys, _) = scratch.keyring(PIN);
    let key = keys.find(&one.key.id).unwrap();
    let held = keys.open(&key).unwrap();
    let refused = held.sign(b"message", &SystemRandom::new()).unwrap_err().to_string();
    assert!(refused.contains("does not sign for the public key that it should belong to"), "{refused}");
    let (gun, now) = (Gun::parse("a.test/b").unwrap(), UtcTime::parse("2026-11-22T00:00:00Z").unwrap());
    assert!(self_signed_root_certificate(held, &gun, now, &SystemRandom::new()).is_err());
}

#[test]
fn a_key_of_another_kind_than_its_file_says_is_not_asked_to_sign() {
    let Some(scratch) = ScratchToken::new("kind") else { return };
    let (mut keys, _) = scratch.keyring(PIN);
    let made = SHAPES.map(|shape| made(&mut keys, &scratch, shape, "alice"));
    for told in &made {
        for there in made.iter().filter(|there| there.key != told.key) {
            let text = fs::read_to_string(told.key.path()).unwrap();
            fs::write(told.key.path(), text.replace(&object(told).to_string(), &object(there).to_string())).unwrap();
            let (mut keys, _) = scratch.keyring(PIN);
            let key = keys.find(&told.key.id).unwrap();
            let refused = token_error(keys.open(&key).unwrap_err());
            assert!(matches!(refused, TokenError::OtherKey { .. }), "{refused}");
            fs::write(told.key.path(), text).unwrap();
        }
    }
}

#[test]
fn a_key_is_destroyed_only_where_it_signs_once_more() {
    let Some(scratch) = ScratchToken::new("other") else { return };
    let (one, other) = two_of_which_the_first_is_told_to_be_the_other(&scratch);
    let (mut keys, _) = scratch.keyring(PIN);
    let key = keys.find(&one.key.id).unwrap();
    assert!(matches!(token_error(keys.destroy(&key).unwrap_err()), TokenError::OtherKey { .. }));
    let held = keys.open(&other.key).unwrap();
    held.sign(b"message", &SystemRandom::new()).unwrap();
    assert!(key.path().exists());
}

#[test]
fn of_two_keys_with_one_id_none_is_guessed_at_and_none_destroyed() {
    let Some(scratch) = ScratchToken::new("twins") else { return };
    let (mut keys, _) = scratch.keyring(PIN);
    let kept = made(&mut keys, &scratch, P256, "alice");
    let place = kept.key.token().unwrap();
    let twin = make(&scratch.writing(), place, P256, "twin").unwrap();
    let objects = || scratch.keyring(PIN).0.tokens().unwrap().into_iter().find(|token| token.name == place.token);
    let several = |error: KeyringError| match token_error(error) {
        TokenError::Unfit { fact, .. } => assert!(fact.starts_with("several "), "{fact}"),
        other => panic!("{other}"),
    };
    let (mut keys, _) = scratch.keyring(PIN);
    several(keys.open(&kept.key).unwrap_err());
    several(keys.destroy(&kept.key).unwrap_err());
    let refused = destroy(&scratch.writing(), place).unwrap_err();
    several(refused.into());
    keys.remove(&kept.key).unwrap();
    let (role, rng) = (KeyRole::parse("alice"), SystemRandom::new());
    several(keys.take_from_token(Some(&scratch.label), object(&kept), role, None, &rng).unwrap_err());
    let publics = objects().unwrap().keys.into_iter().filter_map(|key| key.public).collect::<Vec<_>>();
    assert!(publics.len() == 2 && publics.contains(&twin) && publics.contains(&kept.public));
}

#[test]
fn a_key_that_is_here_in_a_file_is_not_said_to_be_used_from_a_token() {
    let Some(scratch) = ScratchToken::new("here") else { return };
    let (mut keys, _) = scratch.keyring(PIN);
    let kept = made(&mut keys, &scratch, P256, "alice");
    let elsewhere = kept.key.token().unwrap().id.to_string();
    let text = fs::read_to_string(kept.key.path()).unwrap();
    fs::write(kept.key.path(), text.replace(&elsewhere, "0a")).unwrap();
    let (mut keys, _) = scratch.keyring(PIN);
    let (role, rng) = (KeyRole::parse("alice"), SystemRandom::new());
    let refused = keys.take_from_token(Some(&scratch.label), object(&kept), role, None, &rng).unwrap_err();
    assert!(matches!(&refused, KeyringError::HereAlready { key, .. } if *key == kept.key.id), "{refused}");
}

#[test]
fn a_token_that_goes_while_a_key_is_open_signs_no_more_and_is_named() {
    let Some(scratch) = ScratchToken::new("midway") else { return };
    let (mut keys, _) = scratch.keyring(PIN);
    let key = made(&mut keys, &scratch, P256, "alice").key;
    keys.open(&key).unwrap().sign(b"message", &SystemRandom::new()).unwrap();
    scratch.lose();
    let refused = keys.open(&key).unwrap().sign(b"message", &SystemRandom::new()).unwrap_err().to_string();
    assert!(refused.contains(&scratch.label), "{refused}");
}

#[test]
fn a_key_of_a_token_is_neither_exported_shared_nor_sealed_anew() {
    let Some(scratch) = ScratchToken::new("refused") else { return };
    let (mut keys, _) = scratch.keyring(PIN);
    let key = made(&mut keys, &scratch, P256, "alice").key;
    let before = fs::read(key.path()).unwrap();
    let exported = keys.exported(&key).map(|_| ());
    let changed = keys.change_passphrase(&key, &SystemRandom::new());
    let shared = keys.taken_out(&key).map(|_| ());
    let found = keys.is_what_it_says(&key).map(|_| ());
    for refused in [exported, changed, shared, found] {
        assert!(matches!(refused.unwrap_err(), KeyringError::OnToken { .. }));
    }
    assert_eq!(fs::read(key.path()).unwrap(), before);
}

#[test]
fn a_damaged_file_of_a_token_key_is_told_and_not_taken_for_none() {
    let Some(scratch) = ScratchToken::new("damaged") else { return };
    let (mut keys, _) = scratch.keyring(PIN);
    let key = made(&mut keys, &scratch, P256, "alice").key;
    fs::write(key.path(), "{").unwrap();
    let (keys, _) = scratch.keyring(PIN);
    assert!(matches!(keys.find(&key.id), Err(KeyringError::NotAKey(path)) if path == key.path()));
    assert_eq!(keys.damaged().unwrap(), [key.path()]);
}
