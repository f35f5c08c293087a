//! One of the two servers: what it is asked, what it says, and what is known of a repository there.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::http::{self, Answer};
use serde_json::Value;
use tuf_schema::{KeyType, PublicKey};

use crate::keys::ServerRole;
use crate::upload::{Ask, Sent};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server, as one worker reaches it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Side {
    pub(crate) port: u16,
    /// Where a second publisher goes. The reference's processes are not safe under concurrent reads.
    pub(crate) other_port: u16,
}

/// What is known of a repository on one side.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    /// The newest document of each role.
    pub(crate) stored: BTreeMap<String, Vec<u8>>,
    pub(crate) server_keys: BTreeMap<(ServerRole, u32), PublicKey>,
}

impl Place {
    /// The version of the newest document of `role`; 0 when there is none.
    pub(crate) fn version(&self, role: &str) -> i64 {
        self.stored.get(role).map_or(0, |bytes| version_of(bytes))
    }

    /// Which of the keys that were handed out before this one is, if it is one of them.
    pub(crate) fn earlier(&self, role: ServerRole, key: &PublicKey) -> Option<u32> {
        self.server_keys.iter().find(|((of, _), known)| *of == role && *known == key).map(|((_, number), _)| *number)
    }
}

/// The version that a document claims; 0 when it claims none.
pub(crate) fn version_of(bytes: &[u8]) -> i64 {
    let document: Value = serde_json::from_slice(bytes).unwrap_or_default();
    document["signed"]["version"].as_i64().unwrap_or_default()
}

impl Side {
    /// Publishes; none when the connection was closed without an answer.
    pub(crate) async fn publish(&self, port: u16, sent: &Sent) -> anyhow::Result<Option<Answer>> {
        let mut head = format!("POST /v2/{}/_trust/tuf/ HTTP/1.1\r\nContent-Length: {}", sent.gun, sent.length);
        if let Some(content_type) = &sent.content_type {
            head.push_str(&format!("\r\nContent-Type: {content_type}"));
        }
        match tokio::time::timeout(PATIENCE, http::send(port, &head, &sent.body)).await {
            Ok(Ok(answer)) => Ok(Some(answer)),
            Ok(Err(_)) => {
                // Gone silent, or gone altogether?
                self.get("/v2/").await.context("the server does not answer any more")?;
                Ok(None)
            }
            Err(_) => anyhow::bail!("no answer to an upload within {} s", PATIENCE.as_secs()),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        // HTTP/1.0, so that nobody answers in chunks.
        let head = format!("GET {path} HTTP/1.0");
        tokio::time::timeout(PATIENCE, http::send(self.port, &head, b""))
            .await
            .with_context(|| format!("GET {path}"))?
    }

    pub(crate) async fn delete(&self, gun: &str) -> anyhow::Result<Answer> {
        let head = format!("DELETE /v2/{gun}/_trust/tuf/ HTTP/1.1");
        tokio::time::timeout(PATIENCE, http::send(self.port, &head, b"")).await.context("DELETE")?
    }

    /// Asks for a key of the server's.
    pub(crate) async fn key(&self, gun: &str, role: ServerRole, ask: Ask) -> anyhow::Result<PublicKey> {
        let method = match ask {
            Ask::Current => "GET",
            Ask::Next => "POST",
        };
        let head = format!("{method} /v2/{gun}/_trust/tuf/{}.key HTTP/1.1\r\nContent-Length: 0", role.name());
        let answer = tokio::time::timeout(PATIENCE, http::send(self.port, &head, b"")).await.context("key")??;
        let key = answer.json();
        let (kind, public) = (key["keytype"].as_str(), key["keyval"]["public"].as_str());
        let (kind, public) = kind.zip(public).with_context(|| format!("no key: {} {key}", answer.status))?;
        Ok(PublicKey::new(KeyType::parse(kind), STANDARD.decode(public)?))
    }
}
