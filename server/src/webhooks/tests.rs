//! Delivery without a network: what is posted when, and what moves on.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::Value;
use tuf_schema::model::{KeyGrant, Snapshot};
use tuf_schema::testing::{Publisher as Author, secret_key, signed};
use tuf_schema::{Gun, Role, Sha256, SigningKey as _, UtcTime, Version};

use super::courier::{Courier, Step, Tools};
use super::event::{Event, EventKind};
use super::post::{Post, PostError};
use super::{Tally, WebhookName};
use crate::chance::Chance;
use crate::clock::{Clock as _, TestClock};
use crate::config::Subscription;
use crate::expiry::survey::Survey;
use crate::store::memory::MemoryStore;
use crate::store::{Change, ChangeCategory, MetadataStore, Stored, WebhookPlaces as _};

const DAY: i64 = 24 * 60 * 60;

/// What the receiver was sent, and what it does with what comes next; it takes what comes after that.
#[derive(Default)]
struct Receiver {
    posted: Mutex<Vec<(String, Value)>>,
    refuses: Mutex<VecDeque<hyper::StatusCode>>,
}

struct ToReceiver(Arc<Receiver>);

#[async_trait]
impl Post for ToReceiver {
    async fn post(&self, event: &Event, _now: i64) -> Result<(), PostError> {
        self.0.posted.lock().unwrap().push((event.id.clone(), serde_json::from_slice(&event.body).unwrap()));
        match self.0.refuses.lock().unwrap().pop_front() {
            Some(status) => Err(PostError::Refused(status)),
            None => Ok(()),
        }
    }
}

struct Always(u64);

impl Chance for Always {
    fn draw(&self) -> u64 {
        self.0
    }
}

struct Stack {
    clock: Arc<TestClock>,
    store: Arc<MemoryStore>,
    survey: Survey,
    receiver: Arc<Receiver>,
    tally: Arc<Tally>,
    courier: Courier,
}

impl Stack {
    fn told_of(subscription: Subscription) -> Self {
        let clock = TestClock::at("2026-11-21T21:05:00Z");
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let (receiver, tally) = (Arc::new(Receiver::default()), Arc::new(Tally::new(name())));
        let survey = Survey::new(store.clone(), clock.clone());
        let courier = courier(&store, &clock, &receiver, &tally, subscription, 0);
        Self { clock, store, survey, receiver, tally, courier }
    }

    fn new() -> Self {
        Self::told_of(everything())
    }

    /// Another process, which draws another name.
    fn another(&self, number: u64) -> Courier {
        courier(&self.store, &self.clock, &self.receiver, &self.tally, everything(), number)
    }

    /// A record of a publish of which nothing is stored, or of a deletion.
    fn record(&self, id: i64, gun: &str, category: ChangeCategory) {
        let sha256 = Sha256::of(gun.as_bytes()).to_hex();
        let change = Change { id, created_at: self.clock.now(), gun: gun.to_owned(), version: 1, sha256, category };
        self.store.take_over_change(change);
    }

    async fn step(&mut self) -> Step {
        self.courier.step(&self.survey).await.unwrap()
    }

    /// Steps until there is nothing to do now.
    async fn settle(&mut self) -> Step {
        loop {
            match self.step().await {
                Step::Moved => {}
                done => return done,
            }
        }
    }

    /// Kinds and repositories of what was posted.
    fn posted(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let posted = self.receiver.posted.lock().unwrap();
        posted.iter().map(|(_, body)| (text(&body["type"]), text(&body["gun"]))).collect()
    }

    fn refuses(&self, times: usize) {
        self.receiver.refuses.lock().unwrap().extend(vec![hyper::StatusCode::GONE; times]);
    }

    async fn place(&self) -> Option<i64> {
        let now = self.clock.now().plus_seconds(3600);
        self.store.take_webhook(&name(), "who asks", now, 30).await.unwrap()
    }
}

fn name() -> WebhookName {
    WebhookName::parse("builds").unwrap()
}

fn everything() -> Subscription {
    Subscription { kinds: EventKind::ALL.into(), below: None }
}

fn only(kinds: &[EventKind]) -> Subscription {
    Subscription { kinds: kinds.iter().copied().collect(), below: None }
}

fn courier(
    store: &Arc<MemoryStore>,
    clock: &Arc<TestClock>,
    receiver: &Arc<Receiver>,
    tally: &Arc<Tally>,
    subscription: Subscription,
    number: u64,
) -> Courier {
    let tools = Tools {
        store: store.clone(),
        clock: clock.clone(),
        chance: Arc::new(Always(number)),
        post: Box::new(ToReceiver(receiver.clone())),
    };
    Courier::new(name(), subscription, tally.clone(), tools)
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(kind, gun)| ((*kind).to_owned(), (*gun).to_owned())).collect()
}

const PUBLISH: &[EventKind] = &[EventKind::Publish, EventKind::Delete];

#[tokio::test]
async fn what_happened_before_a_webhook_began_is_not_told() {
    let mut stack = Stack::told_of(only(PUBLISH));
    stack.record(0, "before", ChangeCategory::Update);
    assert_eq!(stack.settle().await, Step::Idle);
    stack.record(1, "after", ChangeCategory::Update);
    stack.settle().await;
    assert_eq!(stack.posted(), pairs(&[("publish", "after")]));
}

#[tokio::test]
async fn events_are_posted_in_the_order_of_the_feed_and_the_place_follows() {
    let mut stack = Stack::told_of(only(PUBLISH));
    stack.settle().await;
    for (id, gun, category) in
        [(1, "a", ChangeCategory::Update), (2, "b", ChangeCategory::Update), (4, "a", ChangeCategory::Deletion)]
    {
        stack.record(id, gun, category);
    }
    assert_eq!(stack.settle().await, Step::Idle);
    assert_eq!(stack.posted(), pairs(&[("publish", "a"), ("publish", "b"), ("delete", "a")]));
    assert_eq!((stack.tally.count_delivered(), stack.tally.count_failed()), (3, 0));
    assert_eq!(stack.place().await, Some(4));
}

#[tokio::test]
async fn an_event_that_is_refused_is_posted_again_with_the_same_id_and_nothing_comes_before_it() {
    let mut stack = Stack::told_of(only(PUBLISH));
    stack.settle().await;
    stack.record(1, "a", ChangeCategory::Update);
    stack.record(2, "b", ChangeCategory::Update);
    stack.refuses(3);
    assert_eq!(stack.settle().await, Step::Waiting);
    for _ in 0..10 {
        stack.clock.advance_seconds(10);
        stack.settle().await;
    }
    assert_eq!(
        stack.posted(),
        pairs(&[("publish", "a"), ("publish", "a"), ("publish", "a"), ("publish", "a"), ("publish", "b")])
    );
    let posted = stack.receiver.posted.lock().unwrap().clone();
    assert!(posted[..4].iter().all(|event| *event == posted[0]), "{posted:?}");
    assert_eq!((stack.tally.count_delivered(), stack.tally.count_failed()), (2, 3));
}

#[tokio::test]
async fn pauses_grow_to_three_minutes_and_no_further() {
    let mut stack = Stack::told_of(only(PUBLISH));
    stack.settle().await;
    stack.record(1, "a", ChangeCategory::Update);
    stack.refuses(usize::from(u8::MAX));
    stack.settle().await;
    let mut pauses = Vec::new();
    for _ in 0..10 {
        let (attempts, began) = (stack.posted().len(), stack.clock.now().unix_seconds());
        while stack.posted().len() == attempts {
            stack.clock.advance_seconds(1);
            stack.settle().await;
        }
        pauses.push(stack.clock.now().unix_seconds() - began);
    }
    // Half of each, as chance draws nothing, in whole seconds.
    assert_eq!(pauses, [1, 1, 2, 4, 8, 16, 32, 64, 90, 90]);
}

#[tokio::test]
async fn the_place_stays_until_the_event_was_taken_and_the_age_of_what_waits_is_told() {
    let mut stack = Stack::told_of(only(PUBLISH));
    stack.settle().await;
    stack.record(1, "a", ChangeCategory::Update);
    stack.clock.advance_seconds(7);
    stack.refuses(1);
    assert_eq!(stack.settle().await, Step::Waiting);
    assert_eq!(stack.tally.oldest_seconds(stack.clock.now()), 7);
    assert_eq!(stack.place().await, Some(0));
    // "Who asks" has it for a while.
    stack.clock.advance_seconds(3600 + 31);
    assert_eq!(stack.settle().await, Step::Idle);
    assert_eq!(stack.tally.oldest_seconds(stack.clock.now()), 0);
    assert_eq!(stack.place().await, Some(1));
}

#[tokio::test]
async fn another_process_goes_on_when_the_first_gives_no_sign_of_life() {
    let mut stack = Stack::told_of(only(PUBLISH));
    stack.settle().await;
    let mut other = stack.another(1);
    stack.record(1, "a", ChangeCategory::Update);
    stack.clock.advance_seconds(29);
    assert_eq!(other.step(&stack.survey).await.unwrap(), Step::Elsewhere);
    stack.clock.advance_seconds(1);
    while other.step(&stack.survey).await.unwrap() == Step::Moved {}
    assert_eq!(stack.posted().len(), 2, "publish and change of keys that cannot be known");
    assert_eq!(stack.settle().await, Step::Elsewhere);
    assert_eq!(stack.posted().len(), 2);
}

#[tokio::test]
async fn who_was_overtaken_during_an_attempt_moves_nothing_and_begins_at_the_place_of_the_other() {
    let mut stack = Stack::told_of(only(PUBLISH));
    stack.settle().await;
    stack.record(1, "a", ChangeCategory::Update);
    stack.refuses(1);
    stack.settle().await;
    stack.clock.advance_seconds(5);
    // As if the attempt had taken minutes: the clock of the other one is ahead.
    let later = stack.clock.now().plus_seconds(30);
    assert_eq!(stack.store.take_webhook(&name(), "other", later, 30).await.unwrap(), Some(0));
    assert!(stack.store.move_webhook(&name(), "other", 0, 1).await.unwrap());
    assert_eq!(stack.settle().await, Step::Elsewhere);
    stack.store.give_back_webhook(&name(), "other").await.unwrap();
    assert_eq!(stack.settle().await, Step::Idle);
    assert_eq!(stack.posted().len(), 2, "{:?}", stack.posted());
    assert_eq!(stack.place().await, Some(1));
}

#[tokio::test]
async fn what_nobody_wants_moves_the_place_and_is_not_posted() {
    let below = Subscription { kinds: EventKind::ALL.into(), below: Some(Gun::parse("team").unwrap()) };
    let mut stack = Stack::told_of(Subscription { kinds: PUBLISH.iter().copied().collect(), ..below });
    stack.settle().await;
    for (id, gun) in [(1, "other"), (2, "team/app"), (3, "teams/app")] {
        stack.record(id, gun, ChangeCategory::Update);
    }
    stack.settle().await;
    assert_eq!(stack.posted(), pairs(&[("publish", "team/app")]));
    assert_eq!(stack.place().await, Some(3));
}

#[tokio::test]
async fn a_place_behind_the_end_of_the_feed_goes_back_to_the_end() {
    let mut stack = Stack::told_of(only(PUBLISH));
    stack.store.begin_webhook(&name()).await.unwrap();
    stack.store.take_webhook(&name(), "before", stack.clock.now(), 30).await.unwrap();
    stack.store.move_webhook(&name(), "before", 0, 100).await.unwrap();
    stack.store.give_back_webhook(&name(), "before").await.unwrap();
    stack.record(7, "restored", ChangeCategory::Update);
    assert_eq!(stack.settle().await, Step::Idle);
    stack.record(8, "new", ChangeCategory::Update);
    stack.settle().await;
    assert_eq!(stack.posted(), pairs(&[("publish", "new")]));
    assert_eq!(stack.place().await, Some(8));
}

/// Stores a repository's files and their record; the snapshot lists root and targets.
fn keep(stack: &Stack, author: &Author, number: i64, id: i64) {
    let gun = &author.gun;
    let version = Version::new(number).unwrap();
    let kept = |role: Role, bytes: bytes::Bytes| {
        let stored =
            Stored { version, sha256: Sha256::of(&bytes), bytes: bytes.clone(), created_at: stack.clock.now() };
        stack.store.take_over(gun, &role, stored);
        bytes
    };
    let root = kept(Role::Root, author.root_bytes());
    let targets = kept(Role::Targets, author.targets_bytes());
    let listed: Vec<(Role, &[u8])> = vec![(Role::Root, &root), (Role::Targets, &targets)];
    let key = secret_key();
    let snapshot: Snapshot = author.snapshot(version, &listed);
    let snapshot = kept(Role::Snapshot, signed(&snapshot, &[&key]));
    let timestamp = kept(Role::Timestamp, signed(&author.timestamp(version, &snapshot), &[&key]));
    stack.store.take_over_change(Change {
        id,
        created_at: stack.clock.now(),
        gun: gun.to_string(),
        version: version.number(),
        sha256: Sha256::of(&timestamp).to_hex(),
        category: ChangeCategory::Update,
    });
}

fn author(stack: &Stack) -> Author {
    let (snapshot, timestamp) = (secret_key(), secret_key());
    Author::new(&Gun::parse("example.com/app").unwrap(), snapshot.public(), timestamp.public(), stack.clock.now())
}

#[tokio::test]
async fn a_change_of_keys_is_told_with_the_keys_before_and_after_and_a_first_publish_is_none() {
    let mut stack = Stack::new();
    stack.settle().await;
    let mut author = author(&stack);
    keep(&stack, &author, 1, 1);
    let before = author.root.targets.key_ids[0].to_string();
    let new = secret_key();
    author.root.keys.insert(new.public().id().clone(), new.public().clone());
    author.root.targets = KeyGrant::single(new.public().id().clone());
    keep(&stack, &author, 2, 2);
    stack.settle().await;
    let kinds: Vec<String> = stack.posted().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["publish", "publish", "key_change"]);
    let posted = stack.receiver.posted.lock().unwrap().clone();
    let after = new.public().id().to_string();
    let expected = serde_json::json!([{
        "role": "targets", "before": {"key_ids": [before], "threshold": 1}, "after": {"key_ids": [after], "threshold": 1},
    }]);
    assert_eq!(posted[2].1["roles"], expected);
    assert_eq!(posted[0].1["changed"], serde_json::json!(["root", "targets"]));
}

#[tokio::test]
async fn where_the_files_of_the_record_before_are_gone_a_change_of_keys_is_told_as_unknown() {
    let mut stack = Stack::new();
    stack.settle().await;
    stack.record(1, "example.com/app", ChangeCategory::Update);
    keep(&stack, &author(&stack), 2, 2);
    stack.settle().await;
    let posted = stack.receiver.posted.lock().unwrap().clone();
    let of_second: Vec<&Value> = posted.iter().map(|(_, body)| body).filter(|body| body["change_id"] == 2).collect();
    assert_eq!((&of_second[0]["type"], &of_second[0]["changed"]), (&"publish".into(), &Value::Null));
    assert_eq!((&of_second[1]["type"], &of_second[1]["roles"]), (&"key_change".into(), &Value::Null));
}

#[tokio::test]
async fn what_went_with_its_repository_is_no_change_of_keys() {
    let mut stack = Stack::new();
    stack.settle().await;
    let author = author(&stack);
    keep(&stack, &author, 1, 1);
    keep(&stack, &author, 2, 2);
    assert!(stack.store.delete(&author.gun).await.unwrap());
    stack.settle().await;
    let kinds: Vec<String> = stack.posted().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["publish", "publish", "delete"]);
}

#[tokio::test]
async fn what_ends_soon_is_told_at_thirty_seven_and_one_days_once_each() {
    let mut stack = Stack::told_of(only(&[EventKind::NearExpiry]));
    let mut author = author(&stack);
    author.root.expires = stack.clock.now().plus_seconds(31 * DAY);
    author.targets.expires = stack.clock.now().plus_seconds(5000 * DAY);
    keep(&stack, &author, 1, 1);
    let mut told = Vec::new();
    for day in 0..33 {
        stack.survey.look_at_all().await;
        stack.settle().await;
        told.extend(stack.receiver.posted.lock().unwrap().drain(..).map(|(_, body)| {
            assert_eq!(body["version"], 1);
            (day, body["role"].as_str().unwrap().to_owned(), body["days"].as_i64().unwrap())
        }));
        stack.clock.advance_days(1);
    }
    let root: Vec<(i64, i64)> =
        told.iter().filter(|(_, role, _)| role == "root").map(|told| (told.0, told.2)).collect();
    assert_eq!(root, [(1, 30), (24, 7), (30, 1)]);
}

#[test]
fn a_tally_has_no_age_before_the_first_event_and_none_below_zero() {
    let (tally, now) = (Tally::new(name()), UtcTime::parse("2026-11-21T21:05:00Z").unwrap());
    assert_eq!(tally.oldest_seconds(now), 0);
    tally.pending_since(Some(now.plus_seconds(60)));
    assert_eq!(tally.oldest_seconds(now), 0, "by the clock of another server");
}

#[tokio::test]
async fn a_hundred_documents_that_end_soon_are_asked_after_at_a_time_and_the_others_are_told_next() {
    let mut stack = Stack::told_of(only(&[EventKind::NearExpiry]));
    for number in 0..101 {
        let mut author = author(&stack);
        author.gun = Gun::parse(&format!("g{number:03}")).unwrap();
        author.root.expires = stack.clock.now().plus_seconds(5 * DAY);
        author.targets.expires = stack.clock.now().plus_seconds(5000 * DAY);
        keep(&stack, &author, 1, number);
    }
    stack.survey.look_at_all().await;
    stack.settle().await;
    let posted: Vec<(String, Value)> = stack.receiver.posted.lock().unwrap().drain(..).collect();
    let ids: BTreeSet<&String> = posted.iter().map(|(id, _)| id).collect();
    assert_eq!((posted.len(), ids.len()), (303, 303), "root, snapshot and timestamp of each, once");
    stack.clock.advance_seconds(120);
    stack.settle().await;
    assert!(stack.receiver.posted.lock().unwrap().is_empty());
}
