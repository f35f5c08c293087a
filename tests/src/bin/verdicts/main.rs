//! Gives the reference and ours the same generated uploads and compares what they say and what can be read afterwards.

mod breaks;
mod chance;
mod changes;
mod deck;
mod deviations;
mod dump;
mod keys;
mod reading;
mod repository;
mod rows;
mod side;
mod story;
mod tally;
mod upload;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use clap::Parser;
use tokio::sync::Mutex;

use crate::deck::Card;
use crate::keys::Pool;
use crate::side::Side;
use crate::story::{Run, Story};
use crate::tally::Tally;

/// How many of a hundred uploads the reference must accept at least.
const ACCEPTED_PERCENT: u64 = 40;

/// From how many uploads on every kind of them is dealt, and every row must be met.
const WHOLE_ROUND: usize = 500;

/// From how many uploads on every listed deviation must be met.
const FULL: usize = 5_000;

#[derive(Parser)]
#[command(about = "Compares the verdicts of the reference's server and ours on generated uploads")]
struct Arguments {
    /// Ports of the reference's server processes, all on one database; one for each worker and one more for races.
    #[arg(long, value_delimiter = ',', required = true)]
    reference: Vec<u16>,
    /// Port of our server.
    #[arg(long)]
    ours: u16,
    /// Where what differs is kept.
    #[arg(long)]
    dumps: PathBuf,
    /// Decides every upload.
    #[arg(long, env = "VERDICTS_SEED")]
    seed: u64,
    /// How many uploads are generated.
    #[arg(long, env = "VERDICTS_COUNT", default_value_t = 500)]
    count: usize,
    /// Only this sequence.
    #[arg(long, env = "VERDICTS_ONLY")]
    only: Option<usize>,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let tally = run(&arguments).await?;
    std::fs::create_dir_all(&arguments.dumps)?;
    std::fs::write(arguments.dumps.join("uploads.txt"), tally.log.join("\n"))?;
    Ok(if report(&arguments, &tally) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn run(arguments: &Arguments) -> anyhow::Result<Tally> {
    let (racer, workers) = arguments.reference.split_last().context("no reference server")?;
    let run = Arc::new(Run {
        seed: arguments.seed,
        pool: Arc::new(Pool::new(arguments.seed)?),
        dumps: arguments.dumps.clone(),
        race: Mutex::new(()),
    });
    let hands: Arc<Vec<Vec<Card>>> = Arc::new(deck::deal(arguments.seed, arguments.count));
    let next = Arc::new(AtomicUsize::new(arguments.only.unwrap_or(0)));
    let end = arguments.only.map_or(hands.len(), |only| only + 1);
    let mut tasks = tokio::task::JoinSet::new();
    for port in workers {
        let reference = Side { port: *port, other_port: *racer };
        let ours = Side { port: arguments.ours, other_port: arguments.ours };
        let (run, hands, next) = (run.clone(), hands.clone(), next.clone());
        tasks.spawn(async move {
            let mut tally = Tally::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(hand) = hands.get(number).filter(|_| number < end) else { break };
                let mut story = Story::new(&run, number, reference, ours)?;
                story.play(hand).await.with_context(|| format!("sequence {number}"))?;
                tally.add(story.tally);
            }
            anyhow::Ok(tally)
        });
    }
    let mut total = Tally::default();
    while let Some(done) = tasks.join_next().await {
        total.add(done??);
    }
    Ok(total)
}

/// Prints what was seen as TAP; whether it is as it must be.
#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
fn report(arguments: &Arguments, tally: &Tally) -> bool {
    let whole = arguments.only.is_none() && arguments.count >= WHOLE_ROUND;
    println!("# seed {}, {} uploads: the reference accepted {}", arguments.seed, tally.uploads, tally.accepted);
    println!("# besides, {} uploads before and after; {} files read on each side", tally.others, tally.reads);
    println!("# rows of the protocol, and how many uploads met each:");
    for (name, count) in tally.coverage.table() {
        println!("#   {count:6}  {name}");
    }
    println!("# deviations, and how often each was met:");
    for deviation in deviations::DEVIATIONS {
        let met = tally.deviations.get(deviation.name).copied().unwrap_or_default();
        println!("#   {:6}  {}: {} (row \"{}\")", met.times, deviation.name, deviation.reason, deviation.row);
        if met.unreadable > 0 {
            println!("#           {} of them could not be read again at the reference", met.unreadable);
        }
    }
    for difference in &tally.differences {
        println!("# {}", difference.text().replace('\n', "\n# "));
    }
    let rows_unmet = tally.coverage.table().filter(|(_, count)| *count == 0).count();
    let unmet = tally.unmet();
    let checks = [
        ("every verdict and reading is the reference's or differs as listed", tally.differences.is_empty()),
        ("the reference accepted at least 40 %", !whole || tally.accepted * 100 >= tally.uploads * ACCEPTED_PERCENT),
        ("every accepted upload was read back and followed by a publish", tally.followed >= tally.accepted),
        ("every row was met", !whole || rows_unmet == 0),
        ("every listed deviation was met", arguments.only.is_some() || arguments.count < FULL || unmet.is_empty()),
    ];
    println!("1..{}", checks.len());
    for (number, (what, holds)) in checks.iter().enumerate() {
        println!("{}ok {} - {what}", if *holds { "" } else { "not " }, number + 1);
    }
    checks.iter().all(|(_, holds)| *holds)
}
