//! Reads, publishes and key rotations at the same time, as fast as they go or at a rate, with a line of figures now and then.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::live::Live;
use crate::replay::complain;
use e2e::summary::Summary;

/// What to do, and for how long.
#[derive(Clone)]
pub(crate) struct Mixture {
    pub(crate) url: String,
    /// Of these many requests in turn, ...
    pub(crate) reads: usize,
    /// ... these and ...
    pub(crate) publishes: usize,
    /// ... these.
    pub(crate) rotations: usize,
    /// Repositories of each client, which no other writes.
    pub(crate) repositories: usize,
    pub(crate) tags: usize,
    /// Requests a second of all clients together; as fast as they go without.
    pub(crate) rate: Option<f64>,
    pub(crate) limit: Duration,
    /// How often figures are shown.
    pub(crate) sample: Duration,
}

/// Works until the time is over; `show` gets the seconds since the start and the figures since it was called last.
pub(crate) async fn work(
    clients: Vec<reqwest::Client>,
    mixture: Mixture,
    now: DateTime<Utc>,
    show: impl Fn(u64, &Summary),
) -> anyhow::Result<Summary> {
    let count = clients.len();
    let making = clients.iter().enumerate().map(|(number, client)| repositories(client, &mixture, number, now));
    let owned = futures_util::future::try_join_all(making).await?;
    let window = Arc::new(Mutex::new(Summary::empty()));
    let begun = Instant::now();
    let tasks: Vec<_> = clients
        .into_iter()
        .zip(owned)
        .enumerate()
        .map(|(number, (client, owned))| {
            let worker = Worker { mixture: mixture.clone(), number, count, begun, window: Arc::clone(&window) };
            tokio::spawn(worker.work(client, owned))
        })
        .collect();
    let mut all = Summary::empty();
    let mut take = || {
        let mut part = std::mem::take(&mut *window.lock().unwrap_or_else(PoisonError::into_inner));
        part.lasted(begun.elapsed().saturating_sub(all.elapsed()));
        part.sort();
        show(begun.elapsed().as_secs(), &part);
        let total = begun.elapsed();
        all.add(part);
        all.lasted(total);
    };
    while begun.elapsed() < mixture.limit {
        tokio::time::sleep(mixture.sample.min(mixture.limit.saturating_sub(begun.elapsed()))).await;
        take();
    }
    for task in tasks {
        task.await?;
    }
    all.sort();
    Ok(all)
}

async fn repositories(
    client: &reqwest::Client,
    mixture: &Mixture,
    owner: usize,
    now: DateTime<Utc>,
) -> anyhow::Result<Vec<Live>> {
    let mut made = Vec::with_capacity(mixture.repositories);
    for number in 0..mixture.repositories {
        // new ones, whoever else does the same on this server
        let gun = format!("bench.test/live-{}-{}-{owner}-{number}", now.timestamp(), std::process::id());
        made.push(Live::publish_first(client, &mixture.url, gun, mixture.tags, now).await?);
    }
    Ok(made)
}

struct Worker {
    mixture: Mixture,
    number: usize,
    /// Of all workers.
    count: usize,
    begun: Instant,
    window: Arc<Mutex<Summary>>,
}

impl Worker {
    async fn work(self, client: reqwest::Client, mut owned: Vec<Live>) {
        let Mixture { url, reads, publishes, rotations, limit, rate, .. } = &self.mixture;
        let round = (reads + publishes + rotations).max(1);
        let mut complained = false;
        for turn in self.number.. {
            if let Some(rate) = rate {
                // the turns of all workers are evenly apart, whatever the answers take
                let due = (self.count as f64 * (turn - self.number) as f64 + self.number as f64) / rate;
                tokio::time::sleep(Duration::from_secs_f64(due).saturating_sub(self.begun.elapsed())).await;
            }
            if self.begun.elapsed() >= *limit {
                return;
            }
            // spread over the round, so that no two kinds come in a row of their own; 7919 is prime
            let place = turn.wrapping_mul(7919) % round;
            let which = turn % owned.len().max(1);
            let Some(live) = owned.get_mut(which) else { return };
            let asked = Instant::now();
            let outcome = if place < *rotations {
                live.rotate(&client, url).await
            } else if place < rotations + publishes {
                live.publish(&client, url).await
            } else {
                live.read(&client, url).await
            };
            let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
            match outcome {
                Ok(()) => window.count(asked.elapsed()),
                Err(refusal) => {
                    window.count_error();
                    if !complained {
                        complain(&live.gun, &refusal);
                        complained = true;
                    }
                }
            }
        }
    }
}
