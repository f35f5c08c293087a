//! Reads of what expired: signed anew where the key is held, served as it is where only the author can.

use tuf_schema::model::Timestamp;

use super::*;
use crate::read::ReadError;

async fn author_published_own_snapshot(stack: &Stack, snapshot_days: i64) -> Author {
    let (author, key) = stack.author_with_snapshot_key().await;
    let (root, targets) = (root(&author), targets(&author));
    let expires = stack.clock.now().plus_seconds(snapshot_days * 24 * 3600);
    let own = part(Role::Snapshot, signed(&snapshot_of(&[&root, &targets], 1, expires), &[&key]));
    stack.publish(vec![root, targets, own]).await.unwrap();
    author
}

fn expiry_of_timestamp(stored: &Stored) -> UtcTime {
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
    assert_eq!(stack.current(&Role::Timestamp).await, stored, "the second read takes the short way");
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
async fn without_the_signer_an_expired_timestamp_is_an_error_and_not_a_missing_file() {
    let stack = Stack::new();
    stack.published().await;
    stack.clock.advance_days(15);
    stack.signer.suffers(Trouble::Down);
    let read = stack.reader.current(&Access::for_tests(stack.gun.clone()), &Role::Timestamp).await;
    assert!(matches!(read, Err(ReadError::Signer(SignerError::Unavailable(_)))), "{read:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_of_an_expired_timestamp_renew_it_once_and_all_get_it() {
    let stack = Stack::new();
    stack.published().await;
    stack.clock.advance_days(15);
    let stack = Arc::new(stack);
    let readers: Vec<_> = (0..16)
        .map(|_| {
            let stack = stack.clone();
            tokio::spawn(async move { stack.current(&Role::Timestamp).await.unwrap().version })
        })
        .collect();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), version(2));
    }
}

#[tokio::test]
async fn what_the_snapshot_does_not_list_is_not_there() {
    let stack = Stack::new();
    stack.published().await;
    assert_eq!(stack.current(&role("targets/a")).await, None);
    let other = Access::for_tests(Gun::parse("example.com/other").unwrap());
    assert_eq!(stack.reader.current(&other, &Role::Timestamp).await.unwrap(), None);
}

#[tokio::test]
async fn the_background_renews_at_half_life_and_not_before() {
    let stack = Stack::new();
    stack.published().await;
    stack.clock.advance_days(6);
    assert_eq!(stack.reader.renewer.renew_aging().await.unwrap(), 0);
    stack.clock.advance_days(2);
    assert_eq!(stack.reader.renewer.renew_aging().await.unwrap(), 1);
    assert_eq!(stack.reader.renewer.renew_aging().await.unwrap(), 0);
    assert_eq!(stack.latest_version(&Role::Timestamp).await, 2);
    assert_eq!(stack.latest_version(&Role::Snapshot).await, 1);
    let renewed = stack.latest(&Role::Timestamp).await.unwrap();
    assert_eq!(expiry_of_timestamp(&renewed), stack.clock.now().plus_seconds(14 * 24 * 3600));
}

#[tokio::test]
async fn the_background_renews_the_servers_snapshot_at_half_life_too() {
    let stack = Stack::new();
    stack.published().await;
    stack.clock.advance_days(550);
    assert_eq!(stack.reader.renewer.renew_aging().await.unwrap(), 1);
    assert_eq!(stack.latest_version(&Role::Snapshot).await, 2);
    assert!(stack.current(&Role::Targets).await.is_some());
}

#[tokio::test]
async fn the_background_leaves_the_authors_snapshot_alone() {
    let stack = Stack::new();
    author_published_own_snapshot(&stack, 100).await;
    stack.clock.advance_days(8);
    assert_eq!(stack.reader.renewer.renew_aging().await.unwrap(), 1);
    assert_eq!(stack.latest_version(&Role::Snapshot).await, 1);
    assert_eq!(stack.latest_version(&Role::Timestamp).await, 2);
}

#[tokio::test]
async fn after_an_outage_of_the_signer_the_background_goes_on() {
    let stack = Stack::new();
    stack.published().await;
    stack.clock.advance_days(8);
    stack.signer.suffers(Trouble::Down);
    assert!(stack.reader.renewer.renew_aging().await.is_err());
    // An outage of the signer is none of pulls: the timestamp is still valid.
    assert!(stack.current(&Role::Timestamp).await.is_some());
    stack.signer.suffers(Trouble::None);
    assert_eq!(stack.reader.renewer.renew_aging().await.unwrap(), 1);
}
