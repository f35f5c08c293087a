//! A publisher that talks to a running server: asks for its keys, and sends what it signed.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tuf_schema::testing::Publisher;
use tuf_schema::{Gun, KeyType, PublicKey, UtcTime};

use crate::http::{self, Answer};

/// A publisher of one repository at a server.
#[derive(Debug)]
pub struct Story {
    /// The server's port.
    pub port: u16,
    /// What it signs next.
    pub publisher: Publisher,
}

impl Story {
    /// A repository of this name that nothing was published into yet; the server holds snapshot and timestamp keys.
    pub async fn new(port: u16, gun: &str) -> anyhow::Result<Self> {
        let snapshot = server_key(port, gun, "snapshot").await?;
        let timestamp = server_key(port, gun, "timestamp").await?;
        let publisher = Publisher::new(&Gun::parse(gun)?, &snapshot, &timestamp, now());
        Ok(Self { port, publisher })
    }

    /// The same, with its first publish accepted.
    pub async fn published(port: u16, gun: &str) -> anyhow::Result<Self> {
        let mut story = Self::new(port, gun).await?;
        story.publisher.tag("first", b"the first image");
        let answer = story.send_both().await?;
        anyhow::ensure!(
            answer.status == 200,
            "the first publish was refused: {}",
            String::from_utf8_lossy(&answer.body)
        );
        Ok(story)
    }

    /// The repository's name.
    #[must_use]
    pub fn gun(&self) -> &str {
        self.publisher.gun.as_str()
    }

    /// Publishes root and targets as they stand.
    pub async fn send_both(&self) -> anyhow::Result<Answer> {
        let (root, targets) = (self.publisher.root_bytes(), self.publisher.targets_bytes());
        http::publish(self.port, self.gun(), &[("root", &root), ("targets", &targets)]).await
    }

    /// Signs one more tag and publishes targets.
    pub async fn send_tag(&mut self, name: &str) -> anyhow::Result<Answer> {
        self.publisher.next_targets();
        self.publisher.tag(name, name.as_bytes());
        let targets = self.publisher.targets_bytes();
        http::publish(self.port, self.gun(), &[("targets", &targets)]).await
    }

    /// Publishes these parts.
    pub async fn send(&self, parts: &[(&str, &[u8])]) -> anyhow::Result<Answer> {
        http::publish(self.port, self.gun(), parts).await
    }

    /// Reads a file of the repository, such as `targets.json`.
    pub async fn read(&self, file: &str) -> anyhow::Result<Answer> {
        http::get(self.port, &format!("/v2/{}/_trust/tuf/{file}", self.gun())).await
    }

    /// What stands in the repository now: the bytes of every base role, and how many changes its feed tells.
    pub async fn state(&self) -> anyhow::Result<Vec<Vec<u8>>> {
        let mut state = Vec::new();
        for role in ["root", "targets", "snapshot", "timestamp"] {
            let answer = self.read(&format!("{role}.json")).await?;
            state.push(if answer.status == 200 { answer.body } else { answer.status.to_string().into_bytes() });
        }
        let feed = http::get(self.port, &format!("/v2/{}/_trust/changefeed?records=1000", self.gun())).await?;
        state.push(feed.json()["count"].to_string().into_bytes());
        Ok(state)
    }
}

/// The public key that the server hands out for a role.
pub async fn server_key(port: u16, gun: &str, role: &str) -> anyhow::Result<PublicKey> {
    let answer = http::get(port, &format!("/v2/{gun}/_trust/tuf/{role}.key")).await?;
    public_key(&answer.json()).with_context(|| format!("status {}", answer.status))
}

/// The key in a server's answer.
pub fn public_key(answer: &Value) -> anyhow::Result<PublicKey> {
    let (kind, public) = (answer["keytype"].as_str(), answer["keyval"]["public"].as_str());
    let (kind, public) = kind.zip(public).with_context(|| format!("no key: {answer}"))?;
    Ok(PublicKey::new(KeyType::parse(kind), STANDARD.decode(public)?))
}

/// The time, for documents that a real server judges by its clock.
#[must_use]
pub fn now() -> UtcTime {
    #[expect(clippy::disallowed_methods, reason = "documents are signed for a server that reads the real clock")]
    UtcTime::from_utc(std::time::SystemTime::now().into())
}
