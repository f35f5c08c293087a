//! Reads of what expired: signed anew where that can be done, served as it is stored where it cannot.

use tuf_schema::model::Timestamp;
use tuf_schema::testing::secret_key;

use super::accepted::{delegate, delegation};
use super::disturbed_store::DisturbedStore;
use super::*;
use crate::auth::Pull;
use crate::renew::Renewed;

pub(super) async fn author_published_own_snapshot(stack: &Stack, snapshot_days: i64) -> Author {
    let (author, key) = stack.author_with_snapshot_key().await;
    let (root, targets) = (root(&author), targets(&author));
    let expires = stack.clock.now().plus_seconds(snapshot_days * 24 * 3600);
    let own = part(Role::Snapshot, signed(&snapshot_of(&[&root, &targets], 1, expires), &[&key]));
    stack.publish(vec![root, targets, own]).await.unwrap();
    author
}

pub(super) fn expiry_of_timestamp(stored: &Stored) -> UtcTime {
    load::unverified::<Timestamp>(&Role::Timestamp, stored).unwrap().claims().expires
}

#[tokio::test]
async fn within_its_time_a_timestamp_is_served_as_it_is_without_the_signer() {
    let stack = Stack::new();
    stack.published().await;
    let stored = stack.latest(&Role::Timestamp).await;
    stack.signer.suffers(Trouble::Down);
    stack.clock.advance_days(13);
    assert_eq!(stack.current(&Role::Timestamp).await, stored);
    let store = Arc::new(DisturbedStore::over(&stack.store));
    let reader = Reader::new(store.clone(), stack.signer.clone(), stack.clock.clone());
    let access = Access::<Pull>::for_tests(stack.gun.clone());
    for (number, asked) in [(1, 2), (2, 3)] {
        assert_eq!(reader.current(&access, &Role::Timestamp).await.unwrap(), stored);
        // the first read looks at the snapshot, too, and no read looks again
        assert_eq!(store.questions().get("latest"), Some(&asked), "read {number}");
    }
}

#[tokio::test]
async fn an_expired_timestamp_is_signed_anew_over_the_same_snapshot() {
    let stack = Stack::new();
    stack.published().await;
    let snapshot = stack.current(&Role::Snapshot).await;
    stack.current(&Role::Timestamp).await;
    stack.clock.advance_days(15);
    let renewed = stack.current(&Role::Timestamp).await.unwrap();
    assert_eq!(renewed.version, version(2));
    assert!(expiry_of_timestamp(&renewed) > stack.clock.now());
    assert_eq!(stack.current(&Role::Snapshot).await, snapshot);
    assert_eq!(stack.changes().await.len(), 2);
    assert_eq!(stack.current(&Role::Timestamp).await, Some(renewed));
}

#[tokio::test]
async fn reads_of_root_and_targets_renew_nothing() {
    let stack = Stack::new();
    stack.published().await;
    stack.clock.advance_days(15);
    assert!(stack.current(&Role::Targets).await.is_some());
    assert!(stack.current(&Role::Root).await.is_some());
    assert_eq!(stack.latest_version(&Role::Timestamp).await, 1);
}

#[tokio::test]
async fn an_expired_snapshot_of_the_server_is_signed_anew_with_its_timestamp_in_one_record() {
    let stack = Stack::new();
    stack.published().await;
    let targets = stack.current(&Role::Targets).await;
    stack.clock.advance_days(1096);
    let renewed = stack.current(&Role::Snapshot).await.unwrap();
    assert_eq!(renewed.version, version(2));
    assert_eq!(stack.latest_version(&Role::Timestamp).await, 2);
    assert_eq!(stack.changes().await.len(), 2);
    assert_eq!(stack.current(&Role::Targets).await, targets);
}

#[tokio::test]
async fn an_expired_snapshot_of_the_author_is_served_as_it_is() {
    let stack = Stack::new();
    author_published_own_snapshot(&stack, 5).await;
    let (snapshot, timestamp) = (stack.latest(&Role::Snapshot).await, stack.latest(&Role::Timestamp).await);
    stack.clock.advance_days(6);
    assert_eq!(stack.current(&Role::Snapshot).await, snapshot);
    assert_eq!(stack.current(&Role::Timestamp).await, timestamp);
}

#[tokio::test]
async fn beside_an_expired_snapshot_of_the_author_the_timestamp_is_renewed() {
    let stack = Stack::new();
    author_published_own_snapshot(&stack, 5).await;
    let snapshot = stack.latest(&Role::Snapshot).await;
    stack.clock.advance_days(15);
    let renewed = stack.current(&Role::Timestamp).await.unwrap();
    assert_eq!(renewed.version, version(2));
    assert!(expiry_of_timestamp(&renewed) > stack.clock.now());
    assert_eq!(stack.current(&Role::Snapshot).await, snapshot);
}

/// How often reads of the timestamp ask the signer for a key.
async fn questions_of_reads(stack: &Stack, reads: u32) -> u32 {
    let before = stack.signer.questions.load(Ordering::SeqCst);
    for _ in 0..reads {
        assert!(stack.current(&Role::Timestamp).await.is_some());
    }
    stack.signer.questions.load(Ordering::SeqCst) - before
}

#[tokio::test]
async fn without_the_signer_an_expired_snapshot_is_served_beside_a_fresh_timestamp() {
    let stack = Stack::new();
    author_published_own_snapshot(&stack, 5).await;
    let (snapshot, timestamp) = (stack.latest(&Role::Snapshot).await, stack.latest(&Role::Timestamp).await);
    stack.clock.advance_days(6);
    for trouble in [Trouble::Down, Trouble::WrongPassphrase] {
        stack.signer.suffers(trouble);
        assert_eq!(stack.current(&Role::Timestamp).await, timestamp);
        assert_eq!(stack.current(&Role::Snapshot).await, snapshot);
        stack.clock.advance_days(1);
    }
}

#[tokio::test]
async fn a_signer_that_is_down_is_asked_once_a_minute_for_an_expired_snapshot() {
    let stack = Stack::new();
    author_published_own_snapshot(&stack, 5).await;
    stack.clock.advance_days(6);
    stack.signer.suffers(Trouble::Down);
    assert_eq!(questions_of_reads(&stack, 3).await, 1);
    stack.clock.advance_seconds(60);
    assert_eq!(questions_of_reads(&stack, 3).await, 1);
}

#[tokio::test]
async fn a_key_that_is_not_held_is_asked_for_once_a_minute() {
    let stack = Stack::new();
    author_published_own_snapshot(&stack, 5).await;
    stack.clock.advance_days(6);
    assert_eq!(questions_of_reads(&stack, 3).await, 1);
    stack.clock.advance_seconds(59);
    assert_eq!(questions_of_reads(&stack, 3).await, 0);
    stack.clock.advance_seconds(1);
    assert_eq!(questions_of_reads(&stack, 3).await, 1);
}

#[tokio::test]
async fn what_cannot_be_signed_anew_is_served_as_it_is_stored() {
    for trouble in [Trouble::Down, Trouble::WrongPassphrase, Trouble::Forgets, Trouble::DiesAfter(1)] {
        let stack = Stack::new();
        stack.published().await;
        let (snapshot, timestamp) = (stack.latest(&Role::Snapshot).await, stack.latest(&Role::Timestamp).await);
        stack.clock.advance_days(1096);
        stack.signer.suffers(trouble.clone());
        assert_eq!(stack.current(&Role::Timestamp).await, timestamp, "{trouble:?}");
        assert_eq!(stack.current(&Role::Snapshot).await, snapshot, "{trouble:?}");
        assert!(stack.current(&Role::Targets).await.is_some(), "{trouble:?}");
        stack.signer.suffers(Trouble::None);
        stack.clock.advance_seconds(60);
        assert_eq!(stack.current(&Role::Snapshot).await.unwrap().version, version(2), "{trouble:?}");
        assert_eq!(stack.latest_version(&Role::Timestamp).await, 2, "{trouble:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_written_is_served_as_it_is_stored() {
    let stack = Stack::new();
    stack.published().await;
    let stored = stack.latest(&Role::Timestamp).await;
    stack.clock.advance_days(15);
    let full = Arc::new(DisturbedStore { is_read_only: true, ..DisturbedStore::over(&stack.store) });
    let reader = Reader::new(full, stack.signer.clone(), stack.clock.clone());
    let access = Access::<Pull>::for_tests(stack.gun.clone());
    assert_eq!(reader.current(&access, &Role::Timestamp).await.unwrap(), stored);
}

#[tokio::test]
async fn a_version_that_an_unserved_row_holds_is_tried_once_a_minute() {
    let stack = Stack::new();
    stack.published().await;
    stack.clock.advance_days(15);
    let held = DisturbedStore { conflict: Some((Role::Timestamp, None)), ..DisturbedStore::over(&stack.store) };
    let store = Arc::new(held);
    let reader = Reader::new(store.clone(), stack.signer.clone(), stack.clock.clone());
    let access = Access::<Pull>::for_tests(stack.gun.clone());
    let stored = stack.latest(&Role::Timestamp).await;
    for (seconds, commits) in [(0, 1), (59, 1), (1, 2), (59, 2)] {
        stack.clock.advance_seconds(seconds);
        assert_eq!(reader.current(&access, &Role::Timestamp).await.unwrap(), stored);
        assert_eq!(store.questions().get("commit"), Some(&commits), "{seconds}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_of_an_expired_timestamp_renew_it_once_and_all_get_it() {
    let stack = Arc::new(Stack::new());
    stack.published().await;
    stack.clock.advance_days(15);
    let before = stack.signer.signatures.load(Ordering::SeqCst);
    for stored in read_at_once(&stack, 16).await {
        assert_eq!(stored.version, version(2));
    }
    assert_eq!(stack.signer.signatures.load(Ordering::SeqCst), before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_readers_one_asks_a_signer_that_is_down_and_all_are_answered() {
    let stack = Arc::new(Stack::new());
    stack.published().await;
    stack.clock.advance_days(15);
    stack.signer.suffers(Trouble::Down);
    let before = stack.signer.questions.load(Ordering::SeqCst);
    for stored in read_at_once(&stack, 16).await {
        assert_eq!(stored.version, version(1));
    }
    assert_eq!(stack.signer.questions.load(Ordering::SeqCst), before + 1);
}

/// So many reads of the timestamp at the same time.
async fn read_at_once(stack: &Arc<Stack>, readers: u32) -> Vec<Stored> {
    let read = |_| {
        let stack = stack.clone();
        tokio::spawn(async move { stack.current(&Role::Timestamp).await.unwrap() })
    };
    let mut read_by_each = Vec::new();
    for reader in (0..readers).map(read).collect::<Vec<_>>() {
        read_by_each.push(reader.await.unwrap());
    }
    read_by_each
}

#[tokio::test]
async fn a_signer_that_hangs_does_not_hang_reads() {
    let mut stack = Stack::new();
    stack.published().await;
    stack.clock.advance_days(15);
    stack.signer.suffers(Trouble::Hangs);
    Arc::get_mut(&mut stack.reader.renewer).unwrap().read_waits = Duration::from_millis(1);
    for _ in 0..3 {
        assert_eq!(stack.current(&Role::Timestamp).await.unwrap().version, version(1));
    }
    assert_eq!(stack.signer.questions.load(Ordering::SeqCst), 1 + QUESTIONS_OF_A_FIRST_PUBLISH);
}

/// One for each of the server's roles.
const QUESTIONS_OF_A_FIRST_PUBLISH: u32 = 2;

#[tokio::test]
async fn while_the_signer_is_down_a_read_of_another_repository_does_not_ask_it_again() {
    let mut stack = Stack::new();
    stack.published().await;
    let first = std::mem::replace(&mut stack.gun, Gun::parse("example.com/other").unwrap());
    stack.published().await;
    stack.clock.advance_days(15);
    stack.signer.suffers(Trouble::Down);
    assert_eq!(questions_of_reads(&stack, 1).await, 1);
    stack.gun = first;
    assert_eq!(questions_of_reads(&stack, 1).await, 0);
    stack.clock.advance_seconds(10);
    assert_eq!(questions_of_reads(&stack, 1).await, 1);
}

#[tokio::test]
async fn a_publish_that_comes_before_a_renewal_is_what_the_reader_gets() {
    let stack = Stack::new();
    let mut author = stack.published().await;
    stack.clock.advance_days(15);
    let seen = stack.latest(&Role::Timestamp).await.unwrap();
    author.next_targets();
    stack.publish(vec![targets(&author)]).await.unwrap();
    assert_eq!(stack.reader.renewer.renew_for_read(&stack.gun, &seen).await, Renewed::Overtaken);
    assert_eq!(stack.current(&Role::Timestamp).await.unwrap().version, version(2));
}

#[tokio::test]
async fn what_the_snapshot_does_not_list_is_not_there() {
    let stack = Stack::new();
    let (mut author, key) = stack.author_with_snapshot_key().await;
    let signers = secret_key();
    delegate(&mut author, "targets/a", Some(&signers), &[""]);
    let own = delegation("targets/a", 1, "x", author.root.expires, &signers);
    let (root, targets) = (root(&author), targets(&author));
    let listed = snapshot(&[&root, &targets, &own], 1, &author, &key);
    stack.publish(vec![root.clone(), targets.clone(), own, listed]).await.unwrap();
    assert!(stack.current(&role("targets/a")).await.is_some());
    stack.publish(vec![snapshot(&[&root, &targets], 2, &author, &key)]).await.unwrap();
    assert_eq!(stack.current(&role("targets/a")).await, None);
    assert_eq!(stack.current(&role("targets/b")).await, None);
    let other = Access::for_tests(Gun::parse("example.com/other").unwrap());
    assert_eq!(stack.reader.current(&other, &Role::Timestamp).await.unwrap(), None);
}
