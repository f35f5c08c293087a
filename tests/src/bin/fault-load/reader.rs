//! A reader: takes one repository after the other, and walks from the timestamp to the targets as docker does.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use e2e::http;
use serde_json::Value;
use tokio::time::MissedTickBehavior;

use crate::ledger::Ledger;
use crate::phase::{Clock, Phase};

/// One read in this time.
const PERIOD: Duration = Duration::from_millis(100);

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// How the reads went.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    good: u64,
    good_during_fault: u64,
    failed_during_fault: u64,
    failed_otherwise: u64,
    /// Reads that gave something older than what was acknowledged before they began.
    pub(crate) older: u64,
}

pub(crate) async fn run(
    ledgers: Arc<[Arc<Ledger>]>,
    ports: Vec<u16>,
    clock: Arc<Clock>,
    number: u32,
) -> anyhow::Result<Figures> {
    let mut figures = Figures::default();
    let mut turn = number as usize;
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for ledger in ledgers.iter().cycle() {
        if clock.phase() == Phase::Over {
            break;
        }
        ticks.tick().await;
        let (acknowledged, phase) = (ledger.newest(), clock.phase());
        let mut read = None;
        // who gets no answer from one replica asks the next
        for _ in &ports {
            let port = ports.get(turn.checked_rem(ports.len()).unwrap_or_default()).copied().unwrap_or_default();
            read = tokio::time::timeout(PATIENCE, walk(port, &ledger.gun)).await.ok().and_then(Result::ok);
            turn = turn.wrapping_add(1);
            if read.is_some() {
                break;
            }
        }
        match read {
            Some(version) => {
                figures.good += 1;
                figures.good_during_fault += u64::from(phase == Phase::Fault);
                figures.older += u64::from(version < u64::from(acknowledged));
            }
            None if phase == Phase::Fault => figures.failed_during_fault += 1,
            None => figures.failed_otherwise += 1,
        }
    }
    Ok(figures)
}

/// The version of the targets that the timestamp leads to.
async fn walk(port: u16, gun: &str) -> anyhow::Result<u64> {
    let timestamp = get(port, gun, "timestamp").await?;
    let snapshot = get(port, gun, &format!("snapshot.{}", listed(&timestamp, "snapshot")?)).await?;
    let targets = get(port, gun, &format!("targets.{}", listed(&snapshot, "targets")?)).await?;
    targets["signed"]["version"].as_u64().ok_or_else(|| anyhow::anyhow!("targets without a version"))
}

async fn get(port: u16, gun: &str, file: &str) -> anyhow::Result<Value> {
    let answer = http::get(port, &format!("/v2/{gun}/_trust/tuf/{file}.json")).await?;
    anyhow::ensure!(answer.status == 200, "{file} was answered {}", answer.status);
    Ok(answer.json())
}

/// The digest that a document lists for a role, as it stands in URLs.
fn listed(document: &Value, role: &str) -> anyhow::Result<String> {
    use base64::Engine as _;
    let digest = document["signed"]["meta"][role]["hashes"]["sha256"].as_str();
    let digest = digest.ok_or_else(|| anyhow::anyhow!("{role} is not listed"))?;
    Ok(hex::encode(base64::engine::general_purpose::STANDARD.decode(digest)?))
}

impl Figures {
    pub(crate) fn add(&mut self, other: &Self) {
        self.good += other.good;
        self.good_during_fault += other.good_during_fault;
        self.failed_during_fault += other.failed_during_fault;
        self.failed_otherwise += other.failed_otherwise;
        self.older += other.older;
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { good, good_during_fault, failed_during_fault, failed_otherwise, older } = self;
        write!(
            f,
            "{good} good, of these {good_during_fault} during the fault, {failed_during_fault} failed during it, "
        )?;
        write!(f, "{failed_otherwise} failed before or after, {older} older than what was acknowledged")
    }
}
