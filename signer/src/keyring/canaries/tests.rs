//! Which keys are tried, and what is told of them.

use std::sync::Arc;

use super::*;
use crate::clock::{Clock as _, SystemClock};
use crate::keyring::tests::{software, watched::Watched};
use crate::seal::{KeyWrap, SealedKey};
use crate::store::{Algorithm, Purpose};

const NOBODYS: Purpose = Purpose { gun: None, role: None };

fn time(seconds: i64) -> UtcTime {
    UtcTime::from_unix_seconds(seconds).unwrap()
}

/// A key that is stored and that no process holds open.
async fn stored(store: &Watched, algorithm: Algorithm) -> KeyRecord {
    let record = software("right").generate(algorithm, &NOBODYS).await.unwrap();
    store.insert(&record, SystemClock.now()).await.unwrap();
    record
}

/// So many keys, in the order in which they were stored.
async fn keys(store: &Watched, count: usize) -> Vec<KeyId> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(stored(store, Algorithm::Ed25519).await.key.id().clone());
    }
    ids
}

/// Puts other bytes in the place of a key's sealed half; gives back what was there.
async fn damage(store: &Watched, record: &KeyRecord, sealed: &str) -> KeyRecord {
    let sealed = SealedKey::from_row(KeyWrap::Passphrase, sealed.to_owned());
    let stored = store.find(record.key.id()).await.unwrap().unwrap();
    let other = crate::store::wrapped::Replacement { alias: stored.alias.clone(), sealed };
    assert!(store.rewrap(&stored, &other, time(1)).await.unwrap());
    stored
}

async fn round(canaries: &mut Canaries, store: &Watched, passphrase: &str, at_once: u32, now: i64) -> Vec<Told> {
    let backend = software(passphrase);
    let asked = Asked { store, wrapped: store, backend: &backend };
    canaries.round(&asked, at_once, time(now)).await.unwrap()
}

async fn chosen(canaries: &mut Canaries, store: &Watched, at_once: u32) -> Vec<KeyId> {
    let backend = software("right");
    canaries.choose(&Asked { store, wrapped: store, backend: &backend }, at_once).await.unwrap()
}

fn told(algorithm: &'static str, is_sound: bool, last_success: Option<i64>) -> Told {
    Told { kind: Kind { algorithm, alias: "k1".to_owned() }, is_sound, last_success: last_success.map(time) }
}

#[tokio::test]
async fn keys_of_each_algorithm_are_told_apart_and_when_they_signed() {
    let store = Watched::default();
    stored(&store, Algorithm::Ed25519).await;
    stored(&store, Algorithm::Ecdsa).await;
    let mut canaries = Canaries::new(None);
    let sound = [told("ecdsa", true, Some(100)), told("ed25519", true, Some(100))];
    assert_eq!(round(&mut canaries, &store, "right", 4, 100).await, sound);
}

#[tokio::test]
async fn a_damaged_key_is_told_until_it_is_mended() {
    let store = Watched::default();
    let [bad, _] = [stored(&store, Algorithm::Ecdsa).await, stored(&store, Algorithm::Ed25519).await];
    let whole = damage(&store, &bad, "x").await;
    let mut canaries = Canaries::new(None);
    for now in [100, 200] {
        let expected = [told("ecdsa", false, None), told("ed25519", true, Some(now))];
        assert_eq!(round(&mut canaries, &store, "right", 4, now).await, expected);
    }
    damage(&store, &bad, whole.sealed.as_str()).await;
    let expected = [told("ecdsa", true, Some(300)), told("ed25519", true, Some(300))];
    assert_eq!(round(&mut canaries, &store, "right", 4, 300).await, expected);
}

#[tokio::test]
async fn a_key_that_fails_is_not_forgotten_while_the_walk_is_elsewhere() {
    let store = Watched::default();
    let bad = stored(&store, Algorithm::Ed25519).await;
    damage(&store, &bad, "x").await;
    let mut canaries = Canaries::new(None);
    round(&mut canaries, &store, "right", 4, 1).await;
    keys(&store, 20).await;
    for now in 2..30 {
        assert_eq!(round(&mut canaries, &store, "right", 4, now).await, [told("ed25519", false, Some(now))]);
    }
}

#[tokio::test]
async fn a_wrong_passphrase_is_told_and_a_key_that_is_deleted_or_retired_is_not() {
    let store = Watched::default();
    let [first, second] = [stored(&store, Algorithm::Ecdsa).await, stored(&store, Algorithm::Ed25519).await];
    let mut canaries = Canaries::new(None);
    let failing = [told("ecdsa", false, None), told("ed25519", false, None)];
    assert_eq!(round(&mut canaries, &store, "wrong", 8, 1).await, failing);
    store.delete(first.key.id(), time(2)).await.unwrap();
    assert_eq!(round(&mut canaries, &store, "wrong", 8, 2).await, [told("ed25519", false, None)]);
    store.delete(second.key.id(), time(3)).await.unwrap();
    let retired = software("right").generate(Algorithm::Ed25519, &NOBODYS).await.unwrap();
    store.insert(&KeyRecord { retired: Some(time(1)), ..retired }, time(1)).await.unwrap();
    assert_eq!(round(&mut canaries, &store, "wrong", 8, 3).await, []);
}

#[tokio::test]
async fn no_more_keys_are_tried_than_is_said_and_the_newest_are_among_them() {
    let store = Watched::default();
    let ids = keys(&store, 40).await;
    let mut canaries = Canaries::new(None);
    for at_once in [4_u32, 5, 8, 32] {
        let chosen = chosen(&mut canaries, &store, at_once).await;
        let quarter = usize::try_from(at_once / 4).unwrap();
        assert!(chosen.len() <= usize::try_from(at_once).unwrap(), "{at_once}: {}", chosen.len());
        assert!(ids.iter().rev().take(quarter).all(|newest| chosen.contains(newest)), "{at_once}");
    }
}

#[tokio::test]
async fn every_key_has_its_turn_and_then_the_walk_begins_anew() {
    let store = Watched::default();
    let mut ids: BTreeSet<_> = keys(&store, 10).await.into_iter().collect();
    let mut canaries = Canaries::new(None);
    for _ in 0..10 {
        for id in chosen(&mut canaries, &store, 4).await {
            ids.remove(&id);
        }
    }
    assert_eq!(ids.len(), 0);
    assert!(!chosen(&mut canaries, &store, 4).await.is_empty());
}

#[tokio::test]
async fn a_walk_begins_behind_the_place_it_is_given() {
    let store = Watched::default();
    let ids: BTreeSet<_> = keys(&store, 6).await.into_iter().collect();
    let ids: Vec<_> = ids.into_iter().collect();
    let mut canaries = Canaries::new(Some(ids[2].clone()));
    let page = chosen(&mut canaries, &store, 4).await;
    assert!(page.contains(&ids[3]) || page.contains(&ids[4]), "{page:?}");
    assert!(canaries.walked.is_none_or(|walked| walked > ids[2]));
}

#[tokio::test]
async fn a_rare_alias_is_met_in_the_first_round() {
    let store = Watched::default();
    let rare = software("right").generate(Algorithm::Ed25519, &NOBODYS).await.unwrap();
    let rare = KeyRecord { alias: Alias::parse("old").unwrap(), ..rare };
    store.insert(&rare, time(1)).await.unwrap();
    keys(&store, 40).await;
    let mut canaries = Canaries::new(Some(KeyId::from_wire("ffff")));
    let told = round(&mut canaries, &store, "right", 8, 5).await;
    let of_rare = told.iter().find(|told| told.kind.alias == "old").unwrap();
    assert!(!of_rare.is_sound, "its passphrase is not there");
}

#[tokio::test]
async fn a_store_that_fails_tells_nothing_of_keys() {
    let store = Watched::default();
    keys(&store, 1).await;
    let mut canaries = Canaries::new(None);
    let sound = round(&mut canaries, &store, "right", 4, 1).await;
    store.failing.store(true, std::sync::atomic::Ordering::SeqCst);
    let backend = software("right");
    let asked = Asked { store: &store, wrapped: &store, backend: &backend };
    assert!(matches!(canaries.round(&asked, 4, time(2)).await, Err(StoreError::Unavailable(_))));
    assert_eq!(canaries.ledger.told(), sound);
}

#[tokio::test]
async fn a_key_that_is_tried_has_not_been_used() {
    let store = Arc::new(Watched::default());
    let keyring = crate::keyring::tests::keyring(&store, "right");
    let record = stored(&store, Algorithm::Ed25519).await;
    assert_eq!(keyring.try_keys(4).await.unwrap().len(), 1);
    assert_eq!(store.find(record.key.id()).await.unwrap().unwrap().last_used, None);
}

#[test]
fn sixty_four_kinds_are_told_apart_and_all_further_ones_are_one() {
    let mut ledger = Ledger::default();
    let id = |number: usize| KeyId::from_wire(&number.to_string());
    for number in 0..66 {
        let kind = Kind { algorithm: "ecdsa", alias: number.to_string() };
        ledger.note(kind, &id(number), None, time(1));
    }
    let told = ledger.told();
    assert_eq!(told.len(), 65);
    assert_eq!(told.iter().filter(|told| told.kind.alias == "other").count(), 1);
}

#[test]
fn eight_failing_keys_of_a_kind_are_named_and_one_more_is_not() {
    let mut ledger = Ledger::default();
    let kind = Kind { algorithm: "ecdsa", alias: "k1".to_owned() };
    for number in 0..8 {
        let noted = ledger.note(kind.clone(), &KeyId::from_wire(&number.to_string()), Some("why"), time(number));
        assert_eq!(noted, Noted::Fails);
    }
    assert_eq!(ledger.note(kind.clone(), &KeyId::from_wire("8"), Some("why"), time(9)), Noted::NothingNew);
    assert_eq!(ledger.failing().len(), 8);
    // the one that was not tried for the longest comes first
    assert_eq!(ledger.note(kind.clone(), &KeyId::from_wire("0"), Some("why"), time(9)), Noted::NothingNew);
    assert_eq!(ledger.failing().first(), Some(&KeyId::from_wire("1")));
    assert_eq!(ledger.note(kind.clone(), &KeyId::from_wire("1"), Some("another reason"), time(9)), Noted::Fails);
    assert_eq!(ledger.note(kind, &KeyId::from_wire("1"), None, time(9)), Noted::SignsAgain);
}
