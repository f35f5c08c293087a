//! Delivering the events of one webhook: in the order of the change feed, each until it is taken, by one process at a time.
//!
//! How far a webhook has got is in the database, and moves on only when the receiver has taken an event. So whatever
//! happens in between, an event is sent again and not left out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tuf_schema::{Gun, UtcTime};

use super::event::{self, Event, EventKind};
use super::history;
use super::name::WebhookName;
use super::near_expiry::NearExpiries;
use super::post::{Post, PostError};
use super::tally::Tally;
use crate::chance::{Chance, part_of};
use crate::clock::Clock;
use crate::config::Subscription;
use crate::expiry::survey::Survey;
use crate::store::{Change, ChangeCategory, ChangeQuery, MetadataStore, StoreError};

/// For how long one process delivers without a sign of life, in seconds. It takes the lease again when it is
/// [`LEASE_IS_OLD`], an attempt takes ten seconds at most, and clocks of replicas are at most ten seconds apart.
const LEASE_SECONDS: u32 = 30;

/// How old a lease is when it is taken again, in seconds.
const LEASE_IS_OLD: i64 = 10;

/// How many records of the feed are read at a time.
const RECORDS: i64 = 100;

/// How long a process rests that found nothing to deliver.
const REST: Duration = Duration::from_secs(2);

/// How long a process rests for which another one delivers, or that waits to try again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// The pause after the first attempt that failed, and the longest. Each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(180);

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Something was delivered or read: there may be more.
    Moved,
    /// There is nothing to deliver.
    Idle,
    /// Another process delivers.
    Elsewhere,
    /// An event was not taken, and is tried again after a while.
    Waiting,
}

/// The right to deliver, as long as it lasts.
struct Turn {
    taken: UtcTime,
    /// The place in the database.
    place: i64,
}

/// Events that are told of together, and the record that is behind the webhook when all of them were taken.
struct Load {
    events: VecDeque<Event>,
    record: Option<i64>,
}

/// What is in hand while the turn lasts.
#[derive(Default)]
struct Hand {
    loads: VecDeque<Load>,
    /// Records that were read and are to be looked at.
    records: VecDeque<Change>,
    /// The last record that was looked at and needs no delivery any more.
    reached: i64,
}

/// Delivers for one webhook.
pub(super) struct Courier {
    pub(super) name: WebhookName,
    subscription: Subscription,
    store: Arc<dyn MetadataStore>,
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
    post: Box<dyn Post>,
    tally: Arc<Tally>,
    pub(super) holder: String,
    /// The webhook has a place in the database.
    is_known: bool,
    turn: Option<Turn>,
    hand: Hand,
    near_expiries: NearExpiries,
    failures: u32,
    /// By the clock's uptime.
    next_attempt: Duration,
}

/// What a courier works with.
pub(super) struct Tools {
    pub(super) store: Arc<dyn MetadataStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) chance: Arc<dyn Chance>,
    pub(super) post: Box<dyn Post>,
}

impl Courier {
    pub(super) fn new(name: WebhookName, subscription: Subscription, tally: Arc<Tally>, tools: Tools) -> Self {
        let Tools { store, clock, chance, post } = tools;
        let holder = format!("{:016x}{:016x}", chance.draw(), chance.draw());
        Self {
            name,
            subscription,
            store,
            clock,
            chance,
            post,
            tally,
            holder,
            is_known: false,
            turn: None,
            hand: Hand::default(),
            near_expiries: NearExpiries::default(),
            failures: 0,
            next_attempt: Duration::ZERO,
        }
    }

    /// Delivers for ever. `survey` knows what ends soon.
    pub(super) async fn run(&mut self, survey: &Survey) {
        loop {
            let rest = match self.step(survey).await {
                Ok(Step::Moved) => continue,
                Ok(Step::Idle) => REST,
                Ok(Step::Elsewhere) => LOOK_AGAIN,
                Ok(Step::Waiting) => self.next_attempt.saturating_sub(self.clock.uptime()).min(LOOK_AGAIN),
                Err(error) => {
                    let error: &(dyn std::error::Error + 'static) = &error;
                    tracing::warn!(webhook = %self.name, error, "cannot read what is to be delivered");
                    LOOK_AGAIN
                }
            };
            tokio::time::sleep(rest.saturating_add(part_of(rest / 4, &*self.chance))).await;
        }
    }

    /// Does the next thing that there is to do, at most one attempt. The turn is looked at before each.
    pub(super) async fn step(&mut self, survey: &Survey) -> Result<Step, StoreError> {
        if !self.has_turn().await? {
            return Ok(Step::Elsewhere);
        }
        if let Some(load) = self.hand.loads.front_mut() {
            return match load.events.front() {
                Some(event) if self.clock.uptime() < self.next_attempt => {
                    self.tally.pending_since(Some(event.since));
                    Ok(Step::Waiting)
                }
                Some(event) => {
                    let event = event.clone();
                    self.attempt(event).await
                }
                None => self.loaded_off().await,
            };
        }
        if let Some(change) = self.hand.records.pop_front() {
            self.take_up(change).await?;
            return Ok(Step::Moved);
        }
        self.read_on(survey).await
    }

    /// Whether this process delivers. A turn that begins anew begins at the place in the database.
    async fn has_turn(&mut self) -> Result<bool, StoreError> {
        let now = self.clock.now();
        if self.turn.as_ref().is_some_and(|turn| turn.taken <= now && now < turn.taken.plus_seconds(LEASE_IS_OLD)) {
            return Ok(true);
        }
        if !self.is_known {
            self.store.begin_webhook(&self.name).await?;
            self.is_known = true;
        }
        let Some(place) = self.store.take_webhook(&self.name, &self.holder, now, LEASE_SECONDS).await? else {
            self.lose_turn();
            return Ok(false);
        };
        if self.turn.as_ref().is_none_or(|turn| turn.place != place) {
            self.lose_turn();
            let place = self.within_feed(place).await?;
            self.hand.reached = place;
            self.turn = Some(Turn { taken: now, place });
        } else if let Some(turn) = &mut self.turn {
            turn.taken = now;
        }
        Ok(true)
    }

    fn lose_turn(&mut self) {
        self.turn = None;
        self.hand = Hand::default();
        // What was in hand may not have been told.
        self.near_expiries = NearExpiries::default();
        self.tally.pending_since(None);
    }

    /// The place, or the end of the feed where the place lies behind it: the database was put back from a backup without
    /// this table, and its numbers are given out again.
    async fn within_feed(&self, place: i64) -> Result<i64, StoreError> {
        let newest = ChangeQuery { gun: None, change_id: 0, records: -1 };
        let end = self.store.changes(&newest).await?.pop().map_or(0, |change| change.id);
        if place <= end {
            return Ok(place);
        }
        tracing::error!(
            webhook = %self.name, place, end,
            "the change feed ends before the place of a webhook, as after the database was put back: going on from its end"
        );
        self.store.move_webhook(&self.name, &self.holder, place, end).await?;
        Ok(end)
    }

    async fn attempt(&mut self, event: Event) -> Result<Step, StoreError> {
        self.tally.pending_since(Some(event.since));
        match self.post.post(&event, self.clock.now().unix_seconds()).await {
            Ok(()) => {
                if std::mem::take(&mut self.failures) > 0 {
                    tracing::info!(webhook = %self.name, event = event.id, "the receiver takes events again");
                }
                self.tally.delivered();
                if let Some(load) = self.hand.loads.front_mut() {
                    load.events.pop_front();
                }
                if self.hand.loads.front().is_some_and(|load| load.events.is_empty()) {
                    return self.loaded_off().await;
                }
                Ok(Step::Moved)
            }
            Err(error) => {
                self.failed(&event, &error);
                Ok(Step::Waiting)
            }
        }
    }

    fn failed(&mut self, event: &Event, error: &PostError) {
        self.tally.failed();
        let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.failures.min(16))).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        // Between half and all of it, so that the replicas and servers of one outage do not come back together.
        let pause = (doubled / 2).saturating_add(part_of(doubled / 2, &*self.chance));
        self.next_attempt = self.clock.uptime().saturating_add(pause);
        tracing::warn!(
            webhook = %self.name, event = event.id, attempts = self.failures, again_in_seconds = pause.as_secs(), reason = %error,
            "an event was not taken, and is sent again"
        );
    }

    /// All events of the first load were taken: the place moves on.
    async fn loaded_off(&mut self) -> Result<Step, StoreError> {
        match self.hand.loads.front().and_then(|load| load.record) {
            Some(record) if !self.move_to(record).await? => return Ok(Step::Elsewhere),
            _ => {}
        }
        self.hand.loads.pop_front();
        Ok(Step::Moved)
    }

    async fn move_to(&mut self, record: i64) -> Result<bool, StoreError> {
        let Some(turn) = &mut self.turn else { return Ok(false) };
        if self.store.move_webhook(&self.name, &self.holder, turn.place, record).await? {
            turn.place = record;
            return Ok(true);
        }
        // Another one went on; it is looked at again.
        self.lose_turn();
        Ok(false)
    }

    /// Makes the events of a record.
    async fn take_up(&mut self, change: Change) -> Result<(), StoreError> {
        let events = match self.events(&change).await {
            Ok(events) => events,
            Err(error) => {
                self.hand.records.push_front(change);
                return Err(error);
            }
        };
        self.hand.reached = change.id;
        if !events.is_empty() {
            self.hand.loads.push_back(Load { events: events.into(), record: Some(change.id) });
        }
        Ok(())
    }

    async fn events(&self, change: &Change) -> Result<Vec<Event>, StoreError> {
        let is_wanted = |kind| self.subscription.is_for(kind);
        if !self.subscription.is_about(&change.gun) {
            return Ok(Vec::new());
        }
        let mut events = Vec::new();
        match change.category {
            ChangeCategory::Deletion if is_wanted(EventKind::Delete) => events.push(event::delete(change)),
            ChangeCategory::Update if is_wanted(EventKind::Publish) || is_wanted(EventKind::KeyChange) => {
                // The reference may have stored what is no name of ours.
                let changed = match Gun::parse(&change.gun) {
                    Ok(gun) => Some(history::changed(&*self.store, &gun, change).await?),
                    Err(_) => None,
                };
                if is_wanted(EventKind::Publish) {
                    events.push(event::publish(change, changed.as_ref()));
                }
                if is_wanted(EventKind::KeyChange) {
                    events.extend(changed.and_then(|changed| event::key_change(change, &changed)));
                }
            }
            ChangeCategory::Deletion | ChangeCategory::Update => {}
        }
        Ok(events)
    }

    /// Reads the next records, and where there are none what ends soon.
    async fn read_on(&mut self, survey: &Survey) -> Result<Step, StoreError> {
        let query = ChangeQuery { gun: None, change_id: self.hand.reached, records: RECORDS };
        self.hand.records = self.store.changes(&query).await?.into();
        if !self.hand.records.is_empty() {
            return Ok(Step::Moved);
        }
        // Records that nobody wants to be told of.
        let reached = self.hand.reached;
        if self.turn.as_ref().is_some_and(|turn| turn.place < reached) && !self.move_to(reached).await? {
            return Ok(Step::Elsewhere);
        }
        self.tally.pending_since(None);
        if self.subscription.is_for(EventKind::NearExpiry) {
            let events = self.near_expiries.due(&self.subscription, &*self.store, survey, self.clock.now()).await?;
            if !events.is_empty() {
                self.hand.loads.push_back(Load { events: events.into(), record: None });
                return Ok(Step::Moved);
            }
        }
        Ok(Step::Idle)
    }
}
