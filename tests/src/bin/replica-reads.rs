//! Publishes through one replica and reads through another at once: what was acknowledged is what is read, never
//! anything older. The replicas take turns at being published to.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::Parser;
use e2e::http::{BOUNDARY, multipart};
use e2e::upload::{now, public_key};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Certificate, Client};
use serde_json::Value;
use tuf_schema::testing::Publisher;
use tuf_schema::{Gun, PublicKey, Sha256};

#[derive(Debug, Parser)]
struct Arguments {
    /// PEM file with the replicas' certificate authority.
    #[arg(long)]
    ca: PathBuf,
    /// How often to publish and read, over all repositories.
    #[arg(long, default_value_t = 500)]
    rounds: usize,
    /// How many repositories are published into at the same time.
    #[arg(long, default_value_t = 4)]
    repositories: usize,
    /// `https://host:port` of each replica, two or more.
    #[arg(required = true, num_args = 2..)]
    replicas: Vec<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments = Arguments::parse();
    let ca = Certificate::from_pem(&std::fs::read(&arguments.ca)?)?;
    let client = Client::builder().no_proxy().tls_certs_only([ca]).build()?;
    let mut publishers = tokio::task::JoinSet::new();
    for number in 0..arguments.repositories {
        let replicas = Replicas { client: client.clone(), urls: arguments.replicas.clone() };
        let rounds = arguments.rounds.div_ceil(arguments.repositories);
        publishers.spawn(async move {
            let gun = format!("replicas.test/repository-{number}");
            publish_and_read(&replicas, &gun, rounds).await.with_context(|| gun)
        });
    }
    let mut read = 0_usize;
    while let Some(finished) = publishers.join_next().await {
        read += finished??;
    }
    writeln!(std::io::stdout(), "{read} publishes, each read through another replica at once")?;
    Ok(())
}

/// Answers how many publishes were read.
async fn publish_and_read(replicas: &Replicas, gun: &str, rounds: usize) -> anyhow::Result<usize> {
    let snapshot = replicas.server_key(gun, "snapshot").await?;
    let timestamp = replicas.server_key(gun, "timestamp").await?;
    let mut publisher = Publisher::new(&Gun::parse(gun)?, &snapshot, &timestamp, now());
    let (root, targets) = (publisher.root_bytes(), publisher.targets_bytes());
    replicas.publish(0, gun, &[("root", &root), ("targets", &targets)]).await?;
    let mut last = 0;
    for round in 1..=rounds {
        publisher.next_targets();
        publisher.tag(&format!("tag-{}", round % 10), &round.to_be_bytes());
        let targets = publisher.targets_bytes();
        replicas.publish(round, gun, &[("targets", &targets)]).await.with_context(|| format!("publish {round}"))?;
        let version =
            replicas.read(round + 1, gun, &targets).await.with_context(|| format!("reads of round {round}"))?;
        ensure!(version > last, "after round {round} the timestamp's version is {version}, and was {last} before");
        last = version;
    }
    Ok(rounds)
}

/// The replicas by turn.
struct Replicas {
    client: Client,
    urls: Vec<String>,
}

impl Replicas {
    fn url(&self, turn: usize, path: &str) -> anyhow::Result<String> {
        let replica = self.urls.get(turn.checked_rem(self.urls.len()).unwrap_or_default()).context("no replica")?;
        Ok(format!("{replica}/v2/{path}"))
    }

    async fn get(&self, turn: usize, path: &str) -> anyhow::Result<Bytes> {
        let url = self.url(turn, path)?;
        let answer = self.client.get(&url).send().await?;
        ensure!(answer.status() == 200, "{url} answered {}", answer.status());
        Ok(answer.bytes().await?)
    }

    async fn server_key(&self, gun: &str, role: &str) -> anyhow::Result<PublicKey> {
        public_key(&serde_json::from_slice(&self.get(0, &format!("{gun}/_trust/tuf/{role}.key")).await?)?)
    }

    async fn publish(&self, turn: usize, gun: &str, parts: &[(&str, &[u8])]) -> anyhow::Result<()> {
        let url = self.url(turn, &format!("{gun}/_trust/tuf/"))?;
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let answer = self.client.post(&url).header(CONTENT_TYPE, kind).body(multipart(parts)).send().await?;
        let status = answer.status();
        ensure!(status == 200, "{url} answered {status}: {}", answer.text().await?);
        Ok(())
    }

    /// Reads timestamp, snapshot and targets: the targets must be these, and the others lead to them. Answers the
    /// timestamp's version.
    async fn read(&self, turn: usize, gun: &str, published: &[u8]) -> anyhow::Result<u64> {
        let file = |role: &str| format!("{gun}/_trust/tuf/{role}.json");
        let timestamp: Value = serde_json::from_slice(&self.get(turn, &file("timestamp")).await?)?;
        let snapshot = self.get(turn, &file("snapshot")).await?;
        let targets = self.get(turn, &file("targets")).await?;
        ensure!(targets == published, "other targets than those just published");
        let listed: Value = serde_json::from_slice(&snapshot)?;
        ensure!(lists(&listed, "targets", &targets), "the snapshot lists other targets");
        ensure!(lists(&timestamp, "snapshot", &snapshot), "the timestamp lists another snapshot");
        timestamp["signed"]["version"].as_u64().context("a timestamp without version")
    }
}

/// Whether the document lists these bytes under the role.
fn lists(document: &Value, role: &str, bytes: &[u8]) -> bool {
    let listed = document["signed"]["meta"][role]["hashes"]["sha256"].as_str();
    listed.is_some_and(|hash| hash == STANDARD.encode(Sha256::of(bytes).as_bytes()))
}
