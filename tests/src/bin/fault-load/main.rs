//! Publishes and reads at a steady rate while somebody else breaks things, and says what became of every publish.
//!
//! Told by lines on standard input how the fault goes: `fault` (it begins), `healed` (it has ended), `stop`.

mod ledger;
mod phase;
mod reader;
mod verify;
mod writer;

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Parser;
use e2e::upload::Story;
use ledger::Ledger;
use phase::{Clock, Phase};
use tokio::task::JoinSet;

/// How many repositories are published for the first time at once.
const BEGUN_AT_ONCE: usize = 8;

#[derive(Debug, Parser)]
struct Arguments {
    /// How many repositories are published into, each by one publisher.
    #[arg(long, default_value_t = 50)]
    repositories: u32,
    /// Publishes a second, over all repositories.
    #[arg(long, default_value_t = 50)]
    rate: u32,
    /// Readers, each of which makes ten whole reads a second.
    #[arg(long, default_value_t = 4)]
    readers: u32,
    /// The ports of the replicas on loopback, plain HTTP. Who gets no answer from one asks the next.
    #[arg(required = true)]
    ports: Vec<u16>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let clock = Arc::new(Clock::start());
    let mut writers = JoinSet::new();
    let mut ledgers = Vec::new();
    let period = Duration::from_secs(1) * arguments.repositories / arguments.rate.max(1);
    let first = *arguments.ports.first().context("no port")?;
    let mut stories = JoinSet::new();
    let mut numbers = 0..arguments.repositories;
    loop {
        // a few at a time: each makes two keys and five signatures
        for number in numbers.by_ref().take(BEGUN_AT_ONCE.saturating_sub(stories.len())) {
            stories.spawn(async move { Story::published(first, &format!("faults.test/repository-{number}")).await });
        }
        let Some(story) = stories.join_next().await else { break };
        let (story, number) = (story??, ledgers.len());
        let ledger = Arc::new(Ledger::new(&story));
        ledgers.push(ledger.clone());
        writers.spawn(writer::run(story, ledger, arguments.ports.clone(), clock.clone(), period, number));
    }
    let ledgers: Arc<[Arc<Ledger>]> = ledgers.into();
    let mut readers = JoinSet::new();
    for number in 0..arguments.readers {
        readers.spawn(reader::run(ledgers.clone(), arguments.ports.clone(), clock.clone(), number));
    }
    say("ready")?;
    let orders = clock.clone();
    tokio::task::spawn_blocking(move || follow_orders(&orders)).await??;

    let mut writes = writer::Figures::default();
    while let Some(done) = writers.join_next().await {
        writes.add(done??);
    }
    let mut reads = reader::Figures::default();
    while let Some(done) = readers.join_next().await {
        reads.add(&done??);
    }
    let found = verify::all(&ledgers, &arguments.ports, clock.now()).await?;
    say(&format!("publishes: {writes}"))?;
    say(&format!("reads: {reads}"))?;
    say(&format!("afterwards: {found}"))?;
    ensure!(found.lost == 0, "{} acknowledged publishes are lost", found.lost);
    ensure!(found.unreadable == 0, "{} repositories cannot be read", found.unreadable);
    ensure!(writes.blamed == 0, "{} publishes were called invalid though nothing was wrong with them", writes.blamed);
    ensure!(reads.older == 0, "{} reads gave something older than what was acknowledged before", reads.older);
    ensure!(writes.recovered(arguments.repositories), "not every repository was published into after the fault");
    Ok(())
}

/// Reads the orders until the last.
fn follow_orders(clock: &Clock) -> anyhow::Result<()> {
    for order in std::io::stdin().lines() {
        match order?.as_str() {
            "fault" => clock.enter(Phase::Fault),
            "healed" => clock.enter(Phase::Healed),
            "stop" => break,
            other => anyhow::bail!("{other:?} is no order"),
        }
    }
    clock.enter(Phase::Over);
    Ok(())
}

fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}")?;
    Ok(std::io::stdout().flush()?)
}
