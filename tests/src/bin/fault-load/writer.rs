//! One publisher of one repository: signs a tag at each tick, and sends it until it knows what became of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use e2e::http::{self, Answer};
use e2e::upload::Story;
use tokio::time::MissedTickBehavior;

use crate::ledger::Ledger;
use crate::phase::{Clock, Phase};

/// How long an answer is waited for: longer than the server waits for its database or its signer.
const PATIENCE: Duration = Duration::from_secs(45);

/// How often something is sent that got no good answer.
const AGAIN: Duration = Duration::from_millis(500);

/// What became of the publishes.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    tried: u64,
    acknowledged: u64,
    /// No good answer came, and it was stored all the same.
    found_stored: u64,
    during_fault: u64,
    /// Answers other than 200, by status and code.
    refusals: BTreeMap<String, u64>,
    /// Answers that lay the blame on the upload.
    pub(crate) blamed: u64,
    /// From the end of the fault to the first acknowledgement, for each repository.
    recoveries: Vec<Duration>,
}

pub(crate) async fn run(
    mut story: Story,
    ledger: Arc<Ledger>,
    ports: Vec<u16>,
    clock: Arc<Clock>,
    period: Duration,
    number: usize,
) -> anyhow::Result<Figures> {
    let mut figures = Figures::default();
    let mut turn = number;
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut round = 0_u32;
    while clock.phase() != Phase::Over {
        ticks.tick().await;
        round = round.saturating_add(1);
        story.publisher.next_targets();
        story.publisher.tag(&format!("tag-{}", round % 10), &round.to_be_bytes());
        let (version, bytes) = (story.publisher.targets.version.number(), story.publisher.targets_bytes());
        figures.tried += 1;
        publish(&story, &bytes, &ports, &mut turn, &mut figures).await?;
        ledger.acknowledge(version, &bytes);
        match clock.phase() {
            Phase::Fault => figures.during_fault += 1,
            Phase::Healed if figures.recoveries.is_empty() => figures.recoveries.extend(clock.since_healed()),
            Phase::Before | Phase::Healed | Phase::Over => {}
        }
    }
    Ok(figures)
}

/// Sends one upload until it is known to be stored.
async fn publish(
    story: &Story,
    bytes: &Bytes,
    ports: &[u16],
    turn: &mut usize,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let mut again = tokio::time::interval(AGAIN);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        again.tick().await;
        let port = ports.get(turn.checked_rem(ports.len()).unwrap_or_default()).copied().unwrap_or_default();
        let parts: [(&str, &[u8]); 1] = [("targets", bytes)];
        let sent = http::publish(port, story.gun(), &parts);
        let outcome = match tokio::time::timeout(PATIENCE, sent).await {
            Ok(Ok(answer)) if answer.status == 200 => {
                figures.acknowledged += 1;
                return Ok(());
            }
            Ok(Ok(answer)) => refusal(&answer),
            Ok(Err(_)) => "no answer".to_owned(),
            Err(_) => "no answer in time".to_owned(),
        };
        *turn = turn.wrapping_add(1);
        if outcome == "400 VERSION" {
            let current = http::get(port, &format!("/v2/{}/_trust/tuf/targets.json", story.gun())).await;
            if current.is_ok_and(|answer| answer.status == 200 && answer.body == *bytes) {
                figures.found_stored += 1;
                return Ok(());
            }
        }
        if outcome.starts_with('4') && outcome != "400 VERSION" {
            figures.blamed += 1;
        }
        *figures.refusals.entry(outcome).or_default() += 1;
    }
}

fn refusal(answer: &Answer) -> String {
    format!("{} {}", answer.status, answer.code())
}

impl Figures {
    pub(crate) fn add(&mut self, other: Self) {
        self.tried += other.tried;
        self.acknowledged += other.acknowledged;
        self.found_stored += other.found_stored;
        self.during_fault += other.during_fault;
        self.blamed += other.blamed;
        self.recoveries.extend(other.recoveries);
        for (outcome, times) in other.refusals {
            *self.refusals.entry(outcome).or_default() += times;
        }
    }

    /// Whether every repository was published into after the fault.
    pub(crate) fn recovered(&self, repositories: u32) -> bool {
        self.recoveries.len() == repositories as usize
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tried, acknowledged, found_stored, during_fault, .. } = self;
        write!(f, "{tried} tried, {acknowledged} acknowledged, {found_stored} stored without an answer, ")?;
        write!(f, "{during_fault} during the fault")?;
        for (outcome, times) in &self.refusals {
            write!(f, ", {times} times {outcome}")?;
        }
        let seconds = |time: Option<&Duration>| time.copied().unwrap_or_default().as_secs_f64();
        let (first, last) = (seconds(self.recoveries.iter().min()), seconds(self.recoveries.iter().max()));
        write!(f, ", first again after {first:.1} s, all {} after {last:.1} s", self.recoveries.len())
    }
}
