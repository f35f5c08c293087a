//! All clients into one repository: each offers the next prepared update, and who is overtaken offers a later one.
//!
//! A client whose upload was overtaken would fetch what is there and sign anew; here a later version is signed already. So
//! a change is counted when it is in, with all the tries that it took, and an overtaken try is no error.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::replay::{Repository, complain, load, offer, publish, serves};
use e2e::summary::Summary;

/// Publishes until `limit` is over or nothing is left; the figures, and how many tries were overtaken. With
/// `updating_too` an answer UPDATING says so, as well, which the reference gives with status 500 to some of them.
pub(crate) async fn race(
    clients: Vec<reqwest::Client>,
    url: &str,
    directory: &Path,
    limit: Duration,
    updating_too: bool,
) -> anyhow::Result<(Summary, usize)> {
    let repository = Arc::new(load(directory)?.into_iter().next().context("a repository is needed")?);
    let first = repository.bodies.first().context("a repository has a first upload")?;
    let reader = clients.first().context("at least one client is needed")?.clone();
    publish(&reader, url, &repository.gun, first).await?;
    let next = Arc::new(AtomicUsize::new(1));
    let tasks: Vec<_> = clients
        .into_iter()
        .map(|client| {
            let (url, repository, next) = (url.to_owned(), Arc::clone(&repository), Arc::clone(&next));
            tokio::spawn(one_client(client, url, repository, next, limit, updating_too))
        })
        .collect();
    let (mut summary, mut overtaken, mut newest) = (Summary::empty(), 0_usize, 0);
    for task in tasks {
        let part = task.await??;
        summary.add(part.summary);
        overtaken += part.overtaken;
        newest = newest.max(part.newest);
    }
    summary.sort();
    let accepted = repository.bodies.get(newest).context("what was accepted was prepared")?;
    serves(&reader, url, &repository.gun, accepted).await?;
    Ok((summary, overtaken))
}

struct Part {
    summary: Summary,
    overtaken: usize,
    /// The highest update that the server took.
    newest: usize,
}

async fn one_client(
    client: reqwest::Client,
    url: String,
    repository: Arc<Repository>,
    next: Arc<AtomicUsize>,
    limit: Duration,
    updating_too: bool,
) -> anyhow::Result<Part> {
    let mut part = Part { summary: Summary::empty(), overtaken: 0, newest: 0 };
    let begun = Instant::now();
    let mut wanted = begun;
    while begun.elapsed() < limit {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(body) = repository.bodies.get(number) else { break };
        let (status, text) = offer(&client, &url, &repository.gun, body).await?;
        if status == reqwest::StatusCode::OK {
            part.summary.count(wanted.elapsed());
            part.newest = number;
            wanted = Instant::now();
        } else if text.contains("\"VERSION\"") || (updating_too && text.contains("\"UPDATING\"")) {
            part.overtaken += 1;
        } else {
            if !part.summary.has_errors() {
                complain(&repository.gun, &anyhow::anyhow!("{status}: {text}"));
            }
            part.summary.count_error();
        }
    }
    part.summary.lasted(begun.elapsed());
    Ok(part)
}
