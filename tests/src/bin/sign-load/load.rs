//! The load itself: questions for signatures on several connections, timed from one start.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use e2e::summary::Summary;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;
use tonic::transport::Channel;

use crate::Target;
use crate::connection::connect;
use crate::keys::Key;
use crate::processor::Watched;
use crate::proto::signer_client::SignerClient;
use crate::proto::{KeyId, SignatureRequest};

/// How much is asked, and for how long.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Connections.
    pub(crate) connections: usize,
    /// Questions under way at once on each.
    pub(crate) in_flight: usize,
    /// What is not counted at the beginning.
    pub(crate) warm_up: Duration,
    /// What is counted.
    pub(crate) limit: Duration,
    /// Questions a second, or as many as are answered.
    pub(crate) rate: Option<u32>,
    /// Of how many signatures one is verified.
    pub(crate) verify_every: u64,
    /// Whose processor time is told.
    pub(crate) processes: Vec<Watched>,
}

/// What came of it. Displays as a line `RESULT` and the figures of a [`Summary`], a line `CPU NAME` for each process
/// with the microseconds for each answer, and a line `REFUSED NUMBER WHAT` for each kind of failure.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    summary: Summary,
    processor: Vec<(String, f64)>,
    failures: BTreeMap<String, u64>,
}

/// What all who ask share.
struct Shared {
    keys: Vec<Key>,
    next: AtomicU64,
    stopped: AtomicBool,
    start: Instant,
    plan: Plan,
}

/// Asks until the time is over or a signal comes.
pub(crate) async fn run(target: &Target, keys: Vec<Key>, plan: Plan) -> anyhow::Result<Outcome> {
    let mut channels = Vec::with_capacity(plan.connections);
    for _ in 0..plan.connections {
        channels.push(connect(target).await?);
    }
    if !plan.warm_up.is_zero() {
        open(&channels, &keys).await?;
    }
    let in_flight = plan.in_flight;
    let next = AtomicU64::new(0);
    let shared =
        Arc::new(Shared { keys, next, stopped: AtomicBool::new(false), start: Instant::now() + plan.warm_up, plan });
    let asking: Vec<_> = channels
        .iter()
        .flat_map(|channel| std::iter::repeat_n(channel, in_flight))
        .map(|channel| tokio::spawn(ask(channel.clone(), Arc::clone(&shared))))
        .collect();

    let mut watched = vec![Watched::own("client")];
    watched.extend(shared.plan.processes.iter().cloned());
    let used = || watched.iter().map(Watched::used).collect::<anyhow::Result<Vec<f64>>>();
    tokio::time::sleep_until(shared.start).await;
    let before = used()?;
    wait_for_the_end(shared.start + shared.plan.limit).await?;
    shared.stopped.store(true, Ordering::Relaxed);
    let after = used()?;
    let lasted = shared.start.elapsed();

    let mut outcome = Outcome::default();
    for one in asking {
        let one = one.await.context("a client was given up")?;
        outcome.summary.add(one.summary);
        for (failure, number) in one.failures {
            *outcome.failures.entry(failure).or_default() += number;
        }
    }
    outcome.summary.sort();
    outcome.summary.lasted(lasted);
    let calls = (outcome.summary.answered() + outcome.summary.errors()).max(1) as f64;
    let spent = before.iter().zip(&after).map(|(before, after)| (after - before) / calls);
    outcome.processor = watched.into_iter().map(|process| process.name).zip(spent).collect();
    Ok(outcome)
}

/// Has every key sign once, as a signer opens a key at its first signature, which costs it milliseconds.
async fn open(channels: &[Channel], keys: &[Key]) -> anyhow::Result<()> {
    let opening = channels.iter().enumerate().map(|(share, channel)| async move {
        let mut signer = SignerClient::new(channel.clone());
        for number in (share..keys.len()).step_by(channels.len()) {
            question(&mut signer, keys, number as u64, true).await.map_err(anyhow::Error::msg)?;
        }
        anyhow::Ok(())
    });
    futures_util::future::try_join_all(opening).await.map(|_| ()).context("a key does not sign")
}

async fn wait_for_the_end(end: Instant) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        () = tokio::time::sleep_until(end) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// One of those who ask, each with one question at a time.
async fn ask(channel: Channel, shared: Arc<Shared>) -> Outcome {
    let mut signer = SignerClient::new(channel);
    let mut outcome = Outcome::default();
    loop {
        let number = shared.next.fetch_add(1, Ordering::Relaxed);
        let due = shared.plan.rate.map(|rate| {
            // the warm-up is at the same rate
            let begun = shared.start - shared.plan.warm_up;
            begun + Duration::from_secs_f64(number as f64 / f64::from(rate))
        });
        if let Some(due) = due {
            tokio::time::sleep_until(due).await;
        }
        if shared.stopped.load(Ordering::Relaxed) {
            return outcome;
        }
        let sent = due.unwrap_or_else(Instant::now);
        let is_verified = number.is_multiple_of(shared.plan.verify_every);
        let answer = question(&mut signer, &shared.keys, number, is_verified).await;
        // what was under way at either end of the time is not counted; a failure always is
        let is_counted = sent >= shared.start && !shared.stopped.load(Ordering::Relaxed);
        match answer {
            Ok(()) if is_counted => outcome.summary.count(sent.elapsed()),
            Ok(()) => {}
            Err(failure) => {
                outcome.summary.count_error();
                *outcome.failures.entry(failure).or_default() += 1;
            }
        }
    }
}

/// One question and its answer, or in words what was wrong with it.
async fn question(
    signer: &mut SignerClient<Channel>,
    keys: &[Key],
    number: u64,
    is_verified: bool,
) -> Result<(), String> {
    let index = usize::try_from(number).unwrap_or(0) % keys.len().max(1);
    let key = keys.get(index).ok_or("no keys")?;
    let document = key.next_document();
    let kept = if is_verified { document.clone() } else { Vec::new() };
    let request = SignatureRequest { key_id: Some(KeyId { id: key.id.clone() }), content: document };
    let answer = signer.sign(request).await.map_err(|status| format!("{:?}: {}", status.code(), status.message()))?;
    let answer = answer.into_inner();
    if is_verified {
        let method = answer.algorithm.map(|algorithm| algorithm.algorithm).unwrap_or_default();
        if !key.verifies(&kept, &method, answer.content) {
            return Err("a signature that the key did not make".to_owned());
        }
    }
    Ok(())
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "RESULT {}", self.summary)?;
        for (name, microseconds) in &self.processor {
            writeln!(f, "CPU {name} {microseconds:.1}")?;
        }
        for (failure, number) in &self.failures {
            writeln!(f, "REFUSED {number} {failure}")?;
        }
        Ok(())
    }
}
