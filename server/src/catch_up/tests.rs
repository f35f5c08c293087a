//! What is read for an answer, and how long that is waited for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ring::rand::SystemRandom;
use tuf_schema::verify::limits::MAX_ROOT_STEPS;
use tuf_schema::{Gun, Sha256, UtcTime, Version};

use super::*;
use crate::clock::{Clock, TestClock};
use crate::links::SnapshotLinks;
use crate::read::state::Named;
use crate::signer::local::LocalSigner;
use crate::store::memory::MemoryStore;

const NOW: &str = "2026-11-21T21:05:00Z";

pub(super) fn store() -> MemoryStore {
    MemoryStore::new(TestClock::at(NOW))
}

pub(super) fn reader(store: Arc<MemoryStore>) -> Reader {
    let clock: Arc<dyn Clock> = TestClock::at(NOW);
    Reader::new(store, Arc::new(LocalSigner::new(Arc::new(SystemRandom::new()))), clock)
}

fn gun() -> Gun {
    Gun::parse("example.com/app").unwrap()
}

fn version(number: usize) -> Version {
    Version::new(i64::try_from(number).unwrap()).unwrap()
}

fn stored(number: usize, bytes: Vec<u8>) -> Stored {
    let created_at = UtcTime::parse(NOW).unwrap();
    Stored { version: version(number), sha256: Sha256::of(&bytes), bytes: bytes.into(), created_at }
}

fn listed(stored: &Stored) -> Listed {
    Listed { sha256: stored.sha256, length: stored.bytes.len() as u64 }
}

/// The versions that are sent of roots of 8 bytes each, from the second on to the last.
async fn sent(versions: impl Iterator<Item = usize>, room: usize) -> Vec<usize> {
    let store = store();
    let roots: Vec<_> = versions.map(|number| stored(number, number.to_be_bytes().to_vec())).collect();
    roots.iter().for_each(|root| store.take_over(&gun(), &Role::Root, root.clone()));
    let current = roots.last().unwrap();
    let roots = plan::Roots { first: Some(version(2)), current: current.version, listed: listed(current), room };
    let parts = read_roots(&reader(Arc::new(store)), &Access::for_tests(gun()), &roots).await.unwrap();
    parts.iter().map(|part| part.file.version.number() as usize).collect()
}

#[tokio::test]
async fn of_roots_with_one_missing_only_the_current_one_is_sent() {
    assert_eq!(sent([1, 2, 3, 4].into_iter(), 1000).await, [2, 3, 4]);
    assert_eq!(sent([1, 2, 4].into_iter(), 1000).await, [4]);
    assert_eq!(sent([1, 3, 4].into_iter(), 1000).await, [4]);
}

#[tokio::test]
async fn of_roots_without_room_for_all_only_the_current_one_is_sent() {
    assert_eq!(sent(1..=4, 16).await, [2, 3, 4]);
    assert_eq!(sent(1..=4, 15).await, [4]);
    assert_eq!(sent(1..=4, 0).await, [4]);
}

#[tokio::test]
async fn of_more_roots_than_are_followed_only_the_current_one_is_sent() {
    let last = MAX_ROOT_STEPS + 1;
    assert_eq!(sent(1..=last, 1 << 20).await, (2..=last).collect::<Vec<_>>());
    assert_eq!(sent(1..=last + 1, 1 << 20).await, [last + 1]);
}

/// So many lines of which no two are the same.
pub(super) fn lines(name: &str, count: usize) -> Vec<u8> {
    (0..count).flat_map(|n| format!("{}\n", Sha256::of(format!("{name} {n}").as_bytes())).into_bytes()).collect()
}

#[tokio::test]
async fn when_the_time_of_an_answer_is_over_its_documents_get_turns_that_are_free_at_once_alone() {
    let mut catch_up = CatchUp::new(&Limits { deltas: 1, ..Limits::default() });
    catch_up.deltas.patience = Duration::ZERO;
    let store = store();
    let mut roles = BTreeMap::new();
    let mut held = Held::default();
    for name in ["targets/a", "targets/b"] {
        let role = Role::parse(name).unwrap();
        let (before, after) = (stored(1, lines(name, 1000)), stored(2, lines(name, 1001)));
        roles.insert(role.clone(), listed(&after));
        held.documents.insert(role.clone(), before.sha256);
        [before, after].into_iter().for_each(|stored| store.take_over(&gun(), &role, stored));
    }
    let timestamp = stored(1, b"timestamp".to_vec());
    let links = Arc::new(SnapshotLinks { expires: timestamp.created_at, roles });
    let (reader, access) = (reader(Arc::new(store)), Access::for_tests(gun()));
    let made = async || {
        let named = Named { snapshot: listed(&timestamp), links: links.clone(), root: None };
        let state = State { timestamp: timestamp.clone(), named: Some(named) };
        let mut plan = catch_up.plan(state, &held, usize::MAX);
        // one for all of them
        let deadline = catch_up.deadline();
        for wanted in plan.files() {
            catch_up.find_delta(&reader, &access, wanted, deadline).await.unwrap();
        }
        plan.files.iter().map(|wanted| wanted.delta.is_some()).collect::<Vec<_>>()
    };
    let taken = catch_up.deltas.place(&Gun::parse("g").unwrap(), catch_up.deltas.deadline()).await.unwrap();
    assert_eq!(made().await, [false, false, false], "the snapshot, and two documents that are sent whole");
    drop(taken);
    assert_eq!(made().await, [false, true, true]);
}
