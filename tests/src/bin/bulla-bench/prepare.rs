//! Signs ahead of the clock: for each repository a first upload and its updates, one file a body.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::documents::{self, Keys, Signer};
use e2e::summary::Summary;

/// How much to prepare.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) repositories: usize,
    /// Tags in the first upload of each repository.
    pub(crate) tags: usize,
    /// Updates for each repository, each with one tag more.
    pub(crate) updates: usize,
}

/// The name of repository `number`; `bench/read.lua` reads the same names.
pub(crate) fn repository(number: usize) -> String {
    format!("bench.test/repo-{number:03}")
}

/// The file of upload `number` of a repository; 0 is the first publish.
pub(crate) fn upload_file(directory: &Path, repository: usize, number: usize) -> PathBuf {
    directory.join(format!("{repository:03}")).join(format!("{number:04}.body"))
}

/// Writes every body below `directory`. The server makes the snapshot and timestamp keys that the roots name; how long
/// it takes for both is what is returned.
pub(crate) async fn prepare(
    client: &reqwest::Client,
    url: &str,
    directory: &Path,
    plan: Plan,
    now: DateTime<Utc>,
) -> anyhow::Result<Summary> {
    let mut summary = Summary::empty();
    let mut waited = Duration::ZERO;
    for number in 0..plan.repositories {
        let gun = repository(number);
        let first = upload_file(directory, number, 0);
        std::fs::create_dir_all(first.parent().context("an upload stands in a directory")?)?;

        let root_key = Signer::generate_with_certificate(&gun, now)?;
        let targets_key = Signer::generate()?;
        let asked = Instant::now();
        let snapshot = server_key(client, url, &gun, "snapshot").await?;
        let timestamp = server_key(client, url, &gun, "timestamp").await?;
        summary.count(asked.elapsed());
        waited += asked.elapsed();
        let keys =
            Keys { root: &root_key.object, targets: &targets_key.object, snapshot: &snapshot, timestamp: &timestamp };

        let root = root_key.sign(&documents::root(&keys, 1, now))?;
        let targets = targets_key.sign(&documents::targets(plan.tags, 1, now))?;
        std::fs::write(first, documents::multipart(&[("root", &root), ("targets", &targets)]))?;
        for update in 1..=plan.updates {
            let targets = targets_key.sign(&documents::targets(plan.tags + update, 1 + update, now))?;
            std::fs::write(upload_file(directory, number, update), documents::multipart(&[("targets", &targets)]))?;
        }
    }
    summary.lasted(waited);
    summary.sort();
    Ok(summary)
}

/// The public key that the server makes, or has made, for a role.
pub(crate) async fn server_key(client: &reqwest::Client, url: &str, gun: &str, role: &str) -> anyhow::Result<Value> {
    let address = format!("{url}/v2/{gun}/_trust/tuf/{role}.key");
    let answer = client.get(&address).send().await?.error_for_status()?.text().await?;
    documents::key_of_answer(&serde_json::from_str(&answer)?)
}
