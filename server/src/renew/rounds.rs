//! The background's rounds: which repositories are renewed, by which of several replicas, and what is tidied up.

use std::time::Duration;

use tuf_schema::{Gun, UtcTime};

use super::{RenewError, Renewed, Renewer};
use crate::chance::{Chance, part_of};
use crate::publish::regenerate::TIMESTAMP_LIFETIME;
use crate::store::{Aging, Lease, StoreError};

const DAY: i64 = 24 * 60 * 60;

/// How long the loop rests. What reads noted is written down after each rest.
const REST: Duration = Duration::from_secs(5 * 60);

/// By how much a rest may be longer: replicas that were started together do not stay together.
const LONGER_REST: Duration = Duration::from_secs(60);

/// After how many rests there is a round: about an hour. Half of a timestamp's life is a week, so that a signer may be
/// away for days and many rounds may fail.
const RESTS_PER_ROUND: u32 = 11;

/// How long after the start the first round may begin at the latest.
const FIRST_ROUND_WITHIN: Duration = Duration::from_secs(30);

/// How many repositories the store is told of at a time.
const BATCH: usize = 100;

/// How many repositories, and how many renewals, the store looks at at a time.
const LOOKED_AT: u32 = 1_000;

/// For how long one process may renew without a sign of life, in seconds. What one repository needs at worst, with a
/// signer that takes all the time it has for each question, is a minute.
const LEASE_SECONDS: u32 = 300;

/// How old a lease is when it is taken again, in seconds.
const LEASE_IS_OLD: i64 = 60;

/// For how long a timestamp that was made by renewal is kept after its successor came, in seconds. Nobody asks for a
/// timestamp by its hash.
const KEPT_SUPERSEDED: i64 = 30 * DAY;

/// About how many superseded timestamps are removed in one round.
const DROPS_PER_ROUND: u64 = 50_000;

/// A window that is longer than this is as long, in seconds: a hundred years.
const LONGEST_WINDOW: i64 = 36_525 * DAY;

/// What the background renews.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenewalSettings {
    /// Only repositories that were read or published within this time before now; the others wait for their next read.
    pub used_within: Duration,
}

impl RenewalSettings {
    /// Since when what is in use was read or published.
    pub(crate) fn used_since(self, now: UtcTime) -> UtcTime {
        let used_within = i64::try_from(self.used_within.as_secs()).unwrap_or(i64::MAX).min(LONGEST_WINDOW);
        now.plus_seconds(-used_within)
    }
}

impl Default for RenewalSettings {
    fn default() -> Self {
        Self { used_within: Duration::from_secs(90 * 24 * 60 * 60) }
    }
}

/// What a round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Round {
    /// Repositories that were signed anew.
    pub(crate) renewed: u64,
    /// Superseded timestamps that were removed.
    pub(crate) dropped: u64,
}

/// The right to do a round, as long as it lasts.
struct Turn<'a> {
    holder: &'a str,
    taken: UtcTime,
}

impl Renewer {
    /// Renews in the background, for ever. While it works no read has to wait for the signer.
    pub(crate) async fn run(&self, settings: RenewalSettings, chance: &dyn Chance) {
        let holder = format!("{:016x}{:016x}", chance.draw(), chance.draw());
        tokio::time::sleep(part_of(FIRST_ROUND_WITHIN, chance)).await;
        for rests in (0..RESTS_PER_ROUND).cycle() {
            if let Err(error) = self.flush_uses().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot note which repositories were read");
            }
            if rests == 0 {
                match self.round(settings, &holder).await {
                    Ok(Round { renewed: 0, dropped: 0 }) => {}
                    Ok(Round { renewed, dropped }) => {
                        tracing::info!(renewed, dropped, "signed anew what had lived half of its life");
                    }
                    Err(error) => {
                        tracing::error!(error = &error as &dyn std::error::Error, "cannot sign anew what grows old");
                    }
                }
            }
            tokio::time::sleep(REST.saturating_add(part_of(LONGER_REST, chance))).await;
        }
    }

    /// Renews everything in use that has lived half of its life, unless another process is at it.
    ///
    /// One repository that cannot be renewed does not stop the others; a signer or a store that fails does.
    pub(crate) async fn round(&self, settings: RenewalSettings, holder: &str) -> Result<Round, RenewError> {
        let mut round = Round::default();
        let mut turn = Turn { holder, taken: self.clock.now() };
        if !self.take(&mut turn).await? {
            return Ok(round);
        }
        let done = self.work(settings, &mut turn, &mut round).await;
        // The next one need not wait for its end. Whoever had it taken away gives nothing back.
        self.store.give_back_lease(Lease::Renewal, holder).await?;
        done.map(|()| round)
    }

    async fn work(&self, settings: RenewalSettings, turn: &mut Turn<'_>, round: &mut Round) -> Result<(), RenewError> {
        let now = self.clock.now();
        let mut query = Aging {
            before: now.plus_seconds(-TIMESTAMP_LIFETIME / 2),
            used_since: settings.used_since(now),
            after: None,
            limit: LOOKED_AT,
        };
        loop {
            if !self.keeps(turn).await? {
                return Ok(());
            }
            let page = self.store.aging(&query).await?;
            for gun in &page.guns {
                if !self.keeps(turn).await? {
                    return Ok(());
                }
                if self.renew_one(gun, now).await? {
                    round.renewed = round.renewed.saturating_add(1);
                }
            }
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        let before = now.plus_seconds(-KEPT_SUPERSEDED);
        let mut after = None;
        while self.keeps(turn).await? && round.dropped < DROPS_PER_ROUND {
            let dropped = self.store.drop_superseded(before, after.as_ref(), LOOKED_AT).await?;
            round.dropped = round.dropped.saturating_add(dropped.timestamps);
            after = dropped.next;
            if after.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Whether a repository was renewed.
    async fn renew_one(&self, gun: &Gun, now: UtcTime) -> Result<bool, RenewError> {
        match self.renew_at_half_life(gun, now).await {
            Ok(renewed) => Ok(renewed == Renewed::Signed),
            Err(error) if error.concerns_all() => Err(error),
            Err(error) => {
                if self.pauses.is_news(Some(gun), self.clock.now()) {
                    tracing::warn!(%gun, error = &error as &dyn std::error::Error, "cannot sign a repository anew");
                }
                Ok(false)
            }
        }
    }

    /// Takes the lease again when it grows old, and says whether this process still has it.
    async fn keeps(&self, turn: &mut Turn<'_>) -> Result<bool, StoreError> {
        let now = self.clock.now();
        if turn.taken <= now && now < turn.taken.plus_seconds(LEASE_IS_OLD) {
            return Ok(true);
        }
        self.take(turn).await
    }

    async fn take(&self, turn: &mut Turn<'_>) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let is_ours = self.store.take_lease(Lease::Renewal, turn.holder, now, LEASE_SECONDS).await?;
        turn.taken = now;
        Ok(is_ours)
    }

    /// Writes down which repositories were read.
    pub(crate) async fn flush_uses(&self) -> Result<(), StoreError> {
        loop {
            let now = self.clock.now();
            let guns = self.uses.take(BATCH);
            if guns.is_empty() {
                return Ok(());
            }
            match self.store.note_use(&guns, now).await {
                Ok(()) => self.uses.noted(guns, now),
                Err(error) => {
                    self.uses.put_back(guns);
                    return Err(error);
                }
            }
        }
    }
}
