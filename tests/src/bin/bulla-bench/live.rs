//! Repositories whose uploads are signed while the clock runs: for key rotations, where the server's new key has to be
//! known before a root can name it, and for hours of load, whose uploads would fill a disk.

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::documents::{self, Keys, Signer};
use crate::prepare::server_key;
use crate::replay::publish;

/// A repository with the keys of its owner.
pub(crate) struct Live {
    pub(crate) gun: String,
    root_key: Signer,
    targets_key: Signer,
    snapshot: Value,
    timestamp: Value,
    root_version: usize,
    targets_version: usize,
    tags: usize,
    now: DateTime<Utc>,
}

impl Live {
    /// A new repository, published with `tags` tags.
    pub(crate) async fn publish_first(
        client: &reqwest::Client,
        url: &str,
        gun: String,
        tags: usize,
        now: DateTime<Utc>,
    ) -> anyhow::Result<Self> {
        let root_key = Signer::generate_with_certificate(&gun, now)?;
        let targets_key = Signer::generate()?;
        let snapshot = server_key(client, url, &gun, "snapshot").await?;
        let timestamp = server_key(client, url, &gun, "timestamp").await?;
        let live =
            Self { gun, root_key, targets_key, snapshot, timestamp, root_version: 1, targets_version: 1, tags, now };
        let (root, targets) = (live.root(1, &live.snapshot)?, live.targets(1)?);
        let body = documents::multipart(&[("root", &root), ("targets", &targets)]);
        publish(client, url, &live.gun, &body.into())
            .await
            .with_context(|| format!("the first publish of {}", live.gun))?;
        Ok(live)
    }

    /// The same tags with a version more: the document stays as long as it is.
    pub(crate) async fn publish(&mut self, client: &reqwest::Client, url: &str) -> anyhow::Result<()> {
        let version = self.targets_version + 1;
        let body = documents::multipart(&[("targets", &self.targets(version)?)]);
        publish(client, url, &self.gun, &body.into()).await?;
        self.targets_version = version;
        Ok(())
    }

    /// A new snapshot key of the server's, and the root that names it.
    pub(crate) async fn rotate(&mut self, client: &reqwest::Client, url: &str) -> anyhow::Result<()> {
        let address = format!("{url}/v2/{}/_trust/tuf/snapshot.key", self.gun);
        let answer = client.post(&address).send().await?.error_for_status()?.text().await?;
        let snapshot = documents::key_of_answer(&serde_json::from_str(&answer)?)?;
        anyhow::ensure!(snapshot != self.snapshot, "{} has the snapshot key that it had", self.gun);
        let version = self.root_version + 1;
        let body = documents::multipart(&[("root", &self.root(version, &snapshot)?)]);
        publish(client, url, &self.gun, &body.into()).await?;
        self.root_version = version;
        self.snapshot = snapshot;
        Ok(())
    }

    /// Its timestamp by name.
    pub(crate) async fn read(&self, client: &reqwest::Client, url: &str) -> anyhow::Result<()> {
        let address = format!("{url}/v2/{}/_trust/tuf/timestamp.json", self.gun);
        let answer = client.get(&address).send().await?.error_for_status()?.bytes().await?;
        anyhow::ensure!(answer.ends_with(b"}"), "the timestamp of {} is not whole", self.gun);
        Ok(())
    }

    fn root(&self, version: usize, snapshot: &Value) -> anyhow::Result<String> {
        let (root, targets) = (&self.root_key.object, &self.targets_key.object);
        let keys = Keys { root, targets, snapshot, timestamp: &self.timestamp };
        self.root_key.sign(&documents::root(&keys, version, self.now))
    }

    fn targets(&self, version: usize) -> anyhow::Result<String> {
        self.targets_key.sign(&documents::targets(self.tags, version, self.now))
    }
}
