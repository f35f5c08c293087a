//! The background's rounds: what is renewed at half of its life, by which replica, and for whom.

use std::time::Duration;

use super::disturbed_store::{DisturbedStore, NoWait};
use super::renewal::{author_published_own_snapshot, expiry_of_timestamp};
use super::*;
use crate::read::{RenewError, RenewalSettings};
use crate::renew::Round;
use crate::store::Lease;

impl Stack {
    /// A round of the process with this name.
    async fn round(&self, holder: &str) -> Result<Round, RenewError> {
        self.reader.renewer.round(RenewalSettings::default(), holder).await
    }

    /// How many repositories a round renews.
    async fn renewed(&self) -> u64 {
        self.round("a").await.unwrap().renewed
    }

    /// Another replica on the same store.
    fn replica(&self) -> Reader {
        Reader::new(self.store.clone(), self.signer.clone(), self.clock.clone())
    }

    /// A repository of this name, published.
    async fn published_as(&mut self, name: &str) -> Author {
        self.gun = Gun::parse(name).unwrap();
        self.published().await
    }
}

#[tokio::test]
async fn the_background_renews_at_half_life_and_not_before() {
    let stack = Stack::new();
    stack.published().await;
    stack.clock.advance_days(6);
    assert_eq!(stack.renewed().await, 0);
    stack.clock.advance_days(2);
    assert_eq!(stack.renewed().await, 1);
    assert_eq!(stack.renewed().await, 0);
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
    stack.store.note_use(std::slice::from_ref(&stack.gun), stack.clock.now()).await.unwrap();
    assert_eq!(stack.renewed().await, 1);
    assert_eq!(stack.latest_version(&Role::Snapshot).await, 2);
    assert!(stack.current(&Role::Targets).await.is_some());
}

#[tokio::test]
async fn the_background_leaves_the_authors_snapshot_alone() {
    let stack = Stack::new();
    author_published_own_snapshot(&stack, 100).await;
    stack.clock.advance_days(8);
    assert_eq!(stack.renewed().await, 1);
    assert_eq!(stack.latest_version(&Role::Snapshot).await, 1);
    assert_eq!(stack.latest_version(&Role::Timestamp).await, 2);
}

#[tokio::test]
async fn after_an_outage_of_the_signer_the_background_goes_on() {
    let stack = Stack::new();
    stack.published().await;
    stack.clock.advance_days(8);
    stack.signer.suffers(Trouble::Down);
    assert!(stack.round("a").await.is_err());
    // An outage of the signer is none of pulls: the timestamp is still valid.
    assert!(stack.current(&Role::Timestamp).await.is_some());
    stack.signer.suffers(Trouble::None);
    assert_eq!(stack.renewed().await, 1);
}

/// So many repositories of so many authors. What costs is to make their keys and certificates.
async fn many_repositories(stack: &mut Stack, count: usize) {
    let mut making = Vec::new();
    for number in 0..count {
        let gun = Gun::parse(&format!("example.com/{number}")).unwrap();
        let key = |role| stack.signer.create_key(&gun, role, KeyAlgorithm::Ed25519);
        let (snapshot, timestamp) =
            (key(ServerRole::Snapshot).await.unwrap(), key(ServerRole::Timestamp).await.unwrap());
        let now = stack.clock.now();
        making.push(tokio::task::spawn_blocking(move || Author::new(&gun, &snapshot, &timestamp, now)));
    }
    for author in making {
        let author = author.await.unwrap();
        stack.gun = author.gun.clone();
        stack.publish(vec![root(&author), targets(&author)]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_replicas_renew_a_thousand_repositories_once_each() {
    let mut stack = Stack::new();
    many_repositories(&mut stack, 1_000).await;
    stack.clock.advance_days(8);
    let before = stack.signer.signatures.load(Ordering::SeqCst);
    let rounds = |name: &'static str| {
        let replica = stack.replica();
        tokio::spawn(async move {
            let mut renewed = 0;
            for _ in 0..20 {
                renewed += replica.renewer.round(RenewalSettings::default(), name).await.unwrap().renewed;
                tokio::task::yield_now().await;
            }
            renewed
        })
    };
    let (one, other) = (rounds("one"), rounds("other"));
    assert_eq!(one.await.unwrap() + other.await.unwrap(), 1_000);
    assert_eq!(stack.signer.signatures.load(Ordering::SeqCst) - before, 1_000);
    let query = ChangeQuery { gun: None, change_id: 0, records: 10_000 };
    assert_eq!(stack.store.changes(&query).await.unwrap().len(), 2_000);
    assert_eq!(stack.latest_version(&Role::Timestamp).await, 2);
}

#[tokio::test]
async fn while_one_replica_has_the_lease_another_does_nothing() {
    let stack = Stack::new();
    stack.published().await;
    stack.clock.advance_days(8);
    let now = stack.clock.now();
    assert!(stack.store.take_lease(Lease::Renewal, "other", now, 300).await.unwrap());
    assert_eq!(stack.round("a").await.unwrap(), Round::default());
    // The other died with its lease.
    stack.clock.advance_seconds(300);
    assert_eq!(stack.round("a").await.unwrap(), Round { renewed: 1, dropped: 0 });
    assert!(stack.store.take_lease(Lease::Renewal, "other", stack.clock.now(), 300).await.unwrap(), "given back");
}

#[tokio::test]
async fn a_lease_that_is_lost_stops_the_round() {
    let mut stack = Stack::new();
    for name in ["a", "b", "c"] {
        stack.published_as(name).await;
    }
    stack.clock.advance_days(8);
    // Each signature takes a minute, after which the lease has to be taken again; the second time somebody has it.
    stack.signer.suffers(Trouble::IsSlow);
    let store = Arc::new(DisturbedStore { leases: 2, ..DisturbedStore::over(&stack.store) });
    let reader = Reader::new(store, stack.signer.clone(), stack.clock.clone());
    let round = reader.renewer.round(RenewalSettings::default(), "a").await.unwrap();
    assert_eq!(round, Round { renewed: 2, dropped: 0 });
}

#[tokio::test]
async fn what_nobody_used_for_the_window_waits_for_its_next_read() {
    let stack = Stack::new();
    stack.published().await;
    stack.clock.advance_days(91);
    assert_eq!(stack.renewed().await, 0);
    assert_eq!(stack.current(&Role::Timestamp).await.unwrap().version, version(2));
    stack.reader.renewer.flush_uses().await.unwrap();
    stack.clock.advance_days(8);
    assert_eq!(stack.renewed().await, 1);
}

#[tokio::test]
async fn the_window_is_as_long_as_it_is_set() {
    let stack = Stack::new();
    stack.published().await;
    stack.clock.advance_days(91);
    let settings = RenewalSettings { used_within: Duration::from_secs(92 * 24 * 3600) };
    assert_eq!(stack.reader.renewer.round(settings, "a").await.unwrap().renewed, 1);
    let stack = Stack::new();
    stack.published().await;
    stack.clock.advance_days(91);
    let settings = RenewalSettings { used_within: Duration::MAX };
    assert_eq!(stack.reader.renewer.round(settings, "a").await.unwrap().renewed, 1);
}

#[tokio::test]
async fn every_kind_of_read_counts_as_use_and_is_written_down_once_a_day() {
    let stack = Stack::new();
    let author = stack.published().await;
    let store = Arc::new(DisturbedStore::over(&stack.store));
    let reader = Reader::new(store.clone(), stack.signer.clone(), stack.clock.clone());
    let access = Access::for_tests(stack.gun.clone());
    let sha256 = tuf_schema::Sha256::of(&stack.latest(&Role::Root).await.unwrap().bytes);
    for day in 0..3 {
        match day {
            0 => assert!(reader.current(&access, &Role::Timestamp).await.unwrap().is_some()),
            1 => assert!(reader.by_version(&access, &Role::Root, author.root.version).await.unwrap().is_some()),
            _ => assert!(reader.by_sha256(&access, &Role::Root, &sha256).await.unwrap().is_some()),
        }
        for _ in 0..2 {
            reader.renewer.flush_uses().await.unwrap();
            assert_eq!(store.questions()["note_use"], day + 1);
            assert!(reader.current(&access, &Role::Root).await.unwrap().is_some());
        }
        reader.renewer.flush_uses().await.unwrap();
        stack.clock.advance_days(1);
    }
}

#[tokio::test]
async fn a_name_that_is_not_there_is_not_written_down() {
    let stack = Stack::new();
    let store = Arc::new(DisturbedStore::over(&stack.store));
    let reader = Reader::new(store.clone(), stack.signer.clone(), stack.clock.clone());
    let access = Access::for_tests(stack.gun.clone());
    assert_eq!(reader.current(&access, &Role::Timestamp).await.unwrap(), None);
    reader.renewer.flush_uses().await.unwrap();
    assert!(!store.questions().contains_key("note_use"));
}

#[tokio::test]
async fn uses_that_could_not_be_written_down_are_written_down_later() {
    let stack = Stack::new();
    stack.published().await;
    let store = Arc::new(DisturbedStore { is_read_only: true, ..DisturbedStore::over(&stack.store) });
    let reader = Reader::new(store.clone(), stack.signer.clone(), stack.clock.clone());
    let access = Access::for_tests(stack.gun.clone());
    assert!(reader.current(&access, &Role::Timestamp).await.unwrap().is_some());
    for attempt in 1..3 {
        assert!(reader.renewer.flush_uses().await.is_err());
        assert_eq!(store.questions()["note_use"], attempt);
    }
}

#[tokio::test]
async fn superseded_renewals_go_after_30_days_and_publishes_stay() {
    let stack = Stack::new();
    stack.published().await;
    for number in 2..=4 {
        stack.clock.advance_days(8);
        assert_eq!(stack.round("a").await.unwrap(), Round { renewed: 1, dropped: 0 }, "{number}");
    }
    stack.publish(Vec::new()).await.unwrap();
    stack.clock.advance_days(31);
    // Timestamps 2, 3 and 4 were made by renewal, 1 and 5 by a publish; 6 is made by this round.
    assert_eq!(stack.round("a").await.unwrap(), Round { renewed: 1, dropped: 3 });
    let mut there = Vec::new();
    for number in 1..=6 {
        let stored = stack.store.by_version(&stack.gun, &Role::Timestamp, version(number)).await.unwrap();
        there.extend(stored.map(|_| number));
    }
    assert_eq!(there, [1, 5, 6]);
    assert_eq!(stack.round("a").await.unwrap(), Round::default());
}

#[tokio::test]
async fn a_repository_that_cannot_be_renewed_does_not_stop_the_others() {
    let mut stack = Stack::new();
    stack.published_as("a").await;
    stack.published_as("b").await;
    stack.published_as("c").await;
    stack.clock.advance_days(8);
    let first = stack.store.latest(&Gun::parse("a").unwrap(), &Role::Root).await.unwrap().unwrap();
    let root = load::unverified::<tuf_schema::model::Root>(&Role::Root, &first).unwrap();
    let lost = root.claims().timestamp.key_ids.first().unwrap().clone();
    stack.signer.suffers(Trouble::Lacks(lost));
    assert_eq!(stack.renewed().await, 2);
}

#[tokio::test]
async fn a_renewal_yields_to_a_publish() {
    let stack = Stack::new();
    stack.published().await;
    stack.clock.advance_days(8);
    let conflict = Some((Role::Timestamp, Some(version(2))));
    let store = Arc::new(DisturbedStore { conflict, ..DisturbedStore::over(&stack.store) });
    let reader = Reader::new(store.clone(), stack.signer.clone(), stack.clock.clone());
    let round = reader.renewer.round(RenewalSettings::default(), "a").await.unwrap();
    assert_eq!((round, store.questions()["commit"]), (Round::default(), 1));
}

#[tokio::test]
async fn a_renewal_asks_the_store_for_what_is_newest_and_hands_it_the_timestamp() {
    let stack = Stack::new();
    stack.published().await;
    stack.clock.advance_days(8);
    let store = Arc::new(DisturbedStore::over(&stack.store));
    let reader = Reader::new(store.clone(), stack.signer.clone(), stack.clock.clone());
    reader.renewer.round(RenewalSettings::default(), "a").await.unwrap();
    let expected =
        [("newest", 1), ("commit", 1), ("aging", 1), ("drop_superseded", 1), ("take_lease", 1), ("give_back_lease", 1)];
    assert_eq!(store.questions(), BTreeMap::from(expected));
}

#[tokio::test]
async fn the_background_begins_with_a_round_soon_after_the_start() {
    let stack = Stack::new();
    stack.published().await;
    stack.clock.advance_days(8);
    let replica = stack.replica();
    let background = tokio::spawn(async move {
        replica.renew_in_background(RenewalSettings::default(), &NoWait).await;
    });
    let renewed = async {
        while stack.latest_version(&Role::Timestamp).await < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), renewed).await.unwrap();
    background.abort();
}
