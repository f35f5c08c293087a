//! What an update asks for, and what it may be answered.

use std::fmt;

use bytes::Bytes;

use crate::digest::Sha256;
use crate::role::Role;
use crate::version::Version;

/// What an update wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The document of a role that an earlier update kept.
    Cached(Role),
    /// A document from the server.
    Fetch {
        /// Which document.
        name: DocumentName,
        /// The most bytes it may have.
        cap: u64,
    },
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The document's bytes.
    Bytes(Bytes),
    /// There is no such document.
    Absent,
    /// Nobody could be asked. Never to be said of a server that answered, nor of one whose TLS certificate failed.
    Unreachable,
}

/// One document on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentName {
    /// Whose document.
    pub role: Role,
    /// Which of them.
    pub which: Which,
}

/// Which of a role's documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one in force: `ROLE.json`.
    Current,
    /// The one with this digest: `ROLE.SHA256.json`.
    Digest(Sha256),
    /// The one with this version: `N.ROLE.json`.
    Version(Version),
}

impl DocumentName {
    /// The document of `role` that is in force.
    #[must_use]
    pub fn current(role: Role) -> Self {
        Self { role, which: Which::Current }
    }
}

impl fmt::Display for DocumentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.which {
            Which::Current => write!(f, "{}.json", self.role),
            Which::Digest(digest) => write!(f, "{}.{digest}.json", self.role),
            Which::Version(version) => write!(f, "{version}.{}.json", self.role),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_named_as_servers_route_them() {
        let name = |role, which| DocumentName { role: Role::parse(role).unwrap(), which }.to_string();
        let digest = Sha256::of(b"");
        assert_eq!(name("targets/releases", Which::Current), "targets/releases.json");
        assert_eq!(name("snapshot", Which::Digest(digest)), format!("snapshot.{digest}.json"));
        assert_eq!(name("root", Which::Version(Version::FIRST)), "1.root.json");
    }
}
