//! Replays prepared uploads: the first publish of every repository untimed, then the updates against the clock; or the
//! first publishes themselves.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::Barrier;

use crate::documents::BOUNDARY;
use crate::prepare::{repository, upload_file};
use e2e::summary::Summary;

/// A repository's name and its bodies in order.
pub(crate) struct Repository {
    pub(crate) gun: String,
    pub(crate) bodies: Vec<bytes::Bytes>,
}

/// Each client takes an equal share of the repositories and goes round them, one update after the other, until `limit`
/// is over or nothing is left; so no two uploads ever race for a version.
pub(crate) async fn replay(
    clients: Vec<reqwest::Client>,
    url: &str,
    directory: &Path,
    limit: Duration,
    first_only: bool,
) -> anyhow::Result<Summary> {
    let mut shares: Vec<Vec<Repository>> = clients.iter().map(|_| Vec::new()).collect();
    for (number, loaded) in load(directory)?.into_iter().enumerate() {
        let share = number % shares.len();
        shares.get_mut(share).context("at least one client is needed")?.push(loaded);
    }
    let start = Arc::new(Barrier::new(clients.len()));
    let tasks: Vec<_> = clients
        .into_iter()
        .zip(shares)
        .map(|(client, share)| {
            let (url, start) = (url.to_owned(), Arc::clone(&start));
            tokio::spawn(async move {
                if first_only {
                    return first_publishes(client, url, share, limit, start).await;
                }
                one_client(client, url, share, limit, start).await
            })
        })
        .collect();
    let mut summary = Summary::empty();
    for task in tasks {
        summary.add(task.await??);
    }
    summary.sort();
    Ok(summary)
}

async fn one_client(
    client: reqwest::Client,
    url: String,
    share: Vec<Repository>,
    limit: Duration,
    start: Arc<Barrier>,
) -> anyhow::Result<Summary> {
    for Repository { gun, bodies } in &share {
        let first = bodies.first().with_context(|| format!("no upload was prepared for {gun}"))?;
        publish(&client, &url, gun, first).await.with_context(|| format!("the first publish of {gun}"))?;
    }
    start.wait().await;
    let mut summary = Summary::empty();
    let begun = Instant::now();
    let updates = share.iter().map(|repository| repository.bodies.len()).max().unwrap_or(0);
    let mut accepted: Vec<&bytes::Bytes> = share.iter().filter_map(|repository| repository.bodies.first()).collect();
    'clock: for update in 1..updates {
        for (Repository { gun, bodies }, accepted) in share.iter().zip(&mut accepted) {
            let Some(body) = bodies.get(update) else {
                continue;
            };
            let sent = Instant::now();
            if sent.duration_since(begun) >= limit {
                break 'clock;
            }
            match publish(&client, &url, gun, body).await {
                Ok(()) => {
                    summary.count(sent.elapsed());
                    *accepted = body;
                }
                Err(refusal) => {
                    if !summary.has_errors() {
                        complain(gun, &refusal);
                    }
                    summary.count_error();
                }
            }
        }
    }
    summary.lasted(begun.elapsed());
    for (Repository { gun, .. }, accepted) in share.iter().zip(accepted) {
        serves(&client, &url, gun, accepted).await?;
    }
    Ok(summary)
}

/// Only what is published first, so that each is of a repository that was not there.
async fn first_publishes(
    client: reqwest::Client,
    url: String,
    share: Vec<Repository>,
    limit: Duration,
    start: Arc<Barrier>,
) -> anyhow::Result<Summary> {
    // a connection that is open, as those of the other measures are
    let _any_answer = client.get(format!("{url}/v2/")).send().await?.bytes().await?;
    start.wait().await;
    let mut summary = Summary::empty();
    let begun = Instant::now();
    let mut accepted = Vec::with_capacity(share.len());
    for Repository { gun, bodies } in &share {
        let first = bodies.first().with_context(|| format!("no upload was prepared for {gun}"))?;
        let sent = Instant::now();
        if sent.duration_since(begun) >= limit {
            break;
        }
        publish(&client, &url, gun, first).await.with_context(|| format!("the first publish of {gun}"))?;
        summary.count(sent.elapsed());
        accepted.push((gun, first));
    }
    summary.lasted(begun.elapsed());
    for (gun, first) in accepted {
        serves(&client, &url, gun, first).await?;
    }
    Ok(summary)
}

/// A publish counts only if it can be read: the server has to serve the targets of the last body it accepted.
pub(crate) async fn serves(client: &reqwest::Client, url: &str, gun: &str, accepted: &[u8]) -> anyhow::Result<()> {
    let answer = client.get(format!("{url}/v2/{gun}/_trust/tuf/targets.json")).send().await?;
    let served = answer.error_for_status()?.bytes().await?;
    let found = accepted.windows(served.len().max(1)).any(|window| window == served.as_ref());
    anyhow::ensure!(found, "{gun} does not serve the targets it accepted last");
    Ok(())
}

/// Publishes a body; anything but success is an error.
pub(crate) async fn publish(client: &reqwest::Client, url: &str, gun: &str, body: &bytes::Bytes) -> anyhow::Result<()> {
    match offer(client, url, gun, body).await? {
        (reqwest::StatusCode::OK, _) => Ok(()),
        (status, text) => Err(anyhow::anyhow!("{status}: {text}")),
    }
}

/// What the server answers to a body.
pub(crate) async fn offer(
    client: &reqwest::Client,
    url: &str,
    gun: &str,
    body: &bytes::Bytes,
) -> anyhow::Result<(reqwest::StatusCode, String)> {
    let answer = client
        .post(format!("{url}/v2/{gun}/_trust/tuf/"))
        .header("Content-Type", format!("multipart/form-data; boundary={BOUNDARY}"))
        .body(body.clone())
        .send()
        .await?;
    let status = answer.status();
    // the body is read to its end, or the connection could not be kept
    Ok((status, answer.text().await?))
}

/// Everything is read before the clock starts.
pub(crate) fn load(directory: &Path) -> anyhow::Result<Vec<Repository>> {
    let mut repositories = Vec::new();
    while upload_file(directory, repositories.len(), 0).exists() {
        let number = repositories.len();
        let mut bodies = Vec::new();
        while let Ok(body) = std::fs::read(upload_file(directory, number, bodies.len())) {
            bodies.push(body.into());
        }
        repositories.push(Repository { gun: repository(number), bodies });
    }
    anyhow::ensure!(!repositories.is_empty(), "nothing was prepared in {}", directory.display());
    Ok(repositories)
}

#[expect(clippy::print_stderr, reason = "a refused upload of a benchmark must be seen")]
pub(crate) fn complain(gun: &str, refusal: &anyhow::Error) {
    eprintln!("{gun}: {refusal:#}");
}
