//! The trust server as the client sees it: documents are fetched, keys are asked for, updates are published.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Url;
use tuf_schema::update_answer::Held;
use tuf_schema::verify::chain::DocumentName;
use tuf_schema::{BaseRole, PublicKey, Role};

mod at_once;
pub(crate) mod auth;
pub(crate) mod failure;
pub(crate) mod http;
mod packed;
pub(crate) mod patience;

pub use auth::Action;
pub use http::HttpRemote;

/// The address of a trust server: an https URL, perhaps with a path before `/v2/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustServer {
    text: String,
    authority: String,
}

/// A part of an update: the bytes of one role's new document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Whose document.
    pub role: Role,
    /// The signed document.
    pub bytes: Vec<u8>,
}

/// Why the trust server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// No connection came up: the one case that counts as being offline.
    #[error("cannot reach {server}: {why}")]
    Unreachable {
        /// Host and port.
        server: String,
        /// What the network said.
        why: String,
    },
    /// The server could not prove who it is, or the connection broke. Never counts as being offline.
    #[error("the connection to {server} failed: {why}")]
    Connection {
        /// Host and port.
        server: String,
        /// What went wrong.
        why: String,
    },
    /// The answer was 401 (docker's words).
    #[error("you are not authorized to perform this operation: server returned 401.")]
    Unauthorized,
    /// The token service gave no token.
    #[error("no token from {realm}: {why}")]
    Token {
        /// The token service.
        realm: String,
        /// What went wrong.
        why: String,
    },
    /// The answer was "later", as often as is bearable, or for longer than is.
    #[error("{server} is busy ({status}): it was asked {sent} times, and says to come back after {} seconds", pause.as_secs())]
    Busy {
        /// Host and port.
        server: String,
        /// 429 or 503.
        status: u16,
        /// How often it was asked.
        sent: usize,
        /// For how long it says to wait.
        pause: Duration,
    },
    /// The answer was 400 and its code is VERSION: someone else published first.
    #[error("trust server rejected operation: a newer version of the metadata is already there")]
    VersionConflict,
    /// The answer was 400.
    #[error("trust server rejected operation: {0}")]
    Rejected(String),
    /// Any other status (docker's words).
    #[error("unable to reach trust server at this time: {0}.")]
    Status(u16),
    /// More bytes than may come (docker's words, and the fact).
    #[error("trust server returned a bad response. It has more than {most} bytes")]
    TooLong {
        /// How many may come.
        most: u64,
    },
    /// Bytes that cannot be understood (docker's words).
    #[error("trust server returned a bad response.")]
    BadResponse,
}

/// A trust server.
#[async_trait]
pub trait Remote: Send + Sync {
    /// The document's bytes, at most `cap` of them; `None` when the server has no such document.
    async fn fetch(&self, name: &DocumentName, cap: u64) -> Result<Option<Vec<u8>>, RemoteError>;

    /// The public key of a role that the server shall sign: snapshot or timestamp.
    async fn server_key(&self, role: BaseRole) -> Result<PublicKey, RemoteError>;

    /// Publishes all parts or none.
    async fn publish(&self, parts: Vec<Part>) -> Result<(), RemoteError>;

    /// Has the server make a new key for a role that it signs, to be named by the next root; until that is published
    /// nothing changes, and asking again gives the same key. Needs [`Action::Admin`].
    async fn rotate_server_key(&self, role: BaseRole) -> Result<PublicKey, RemoteError>;

    /// Deletes everything that the server has of the repository; that it has nothing is no failure. Needs
    /// [`Action::Admin`].
    async fn delete_all(&self) -> Result<(), RemoteError>;

    /// Whether the server says that it answers an update [in one](Self::lacking), and has not failed to yet.
    fn answers_at_once(&self) -> bool {
        false
    }

    /// All that a reader lacks who holds so much, in the form of [`tuf_schema::update_answer`] and of at most `cap` bytes;
    /// `None` when no such answer came. Nothing of it is to be believed for having come.
    async fn lacking(&self, _held: &Held, _cap: u64) -> Option<Bytes> {
        None
    }
}

impl TrustServer {
    /// Reads an https URL; `None` if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // What the URL parser would take out or turn round: the text must name one host to everybody.
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return None;
        }
        let url = Url::parse(text).ok().filter(|url| url.scheme() == "https" && url.has_host())?;
        url.host_str().filter(|host| !host.is_empty())?;
        // The authority as written names the directory of TLS material, so the default port must not be dropped.
        let rest = text.split_once("://").map(|(_, rest)| rest)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        let authority = authority.rsplit('@').next().unwrap_or(authority).to_owned();
        // It is also the name of a directory.
        if matches!(authority.as_str(), "" | "." | "..") {
            return None;
        }
        Some(Self { text: text.trim_end_matches('/').to_owned(), authority })
    }

    /// A server of a test, which may speak plain http.
    #[cfg(test)]
    pub(crate) fn of_test(text: &str) -> Self {
        let authority = text.split_once("://").map_or(text, |(_, rest)| rest).to_owned();
        Self { text: text.to_owned(), authority }
    }

    /// Host and port, as written.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

impl fmt::Display for TrustServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_keeps_the_port_as_written() {
        let authority = |text| TrustServer::parse(text).map(|s| s.authority().to_owned());
        assert_eq!(authority("https://n.test:443/x").as_deref(), Some("n.test:443"));
        assert_eq!(authority("https://n.test").as_deref(), Some("n.test"));
        assert_eq!(authority("https://user@n.test:4443").as_deref(), Some("n.test:4443"));
        assert_eq!(authority("http://n.test"), None);
        for text in
            ["https://n.test\\@evil.test", "https://n.\ttest", "https:\\\\n.test", "https://..", " https://n.test"]
        {
            assert_eq!(authority(text), None, "{text:?}");
        }
    }
}
