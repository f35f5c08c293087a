//! The state of a repository at one moment: its newest timestamp, and what that leads to.

use std::sync::Arc;

use tuf_schema::{Role, Sha256, Version};

use super::Reader;
use crate::auth::{Access, Pull};
use crate::links::{Listed, SnapshotLinks};
use crate::store::{StoreError, Stored};

/// What one timestamp leads to. Only the timestamp is asked for anew: all else is named by digests, from it on.
pub(crate) struct State {
    /// The newest timestamp, signed anew if it was expired and could be.
    pub(crate) timestamp: Stored,
    /// What it names, and `None` where that cannot be found or read.
    pub(crate) named: Option<Named>,
}

/// The snapshot that a timestamp names, and what that lists.
pub(crate) struct Named {
    /// The snapshot itself.
    pub(crate) snapshot: Listed,
    /// What it lists.
    pub(crate) links: Arc<SnapshotLinks>,
    /// The version of the root that it lists.
    pub(crate) root: Option<Version>,
}

impl Reader {
    /// The state that is current now; `None` if there is no such repository.
    pub(crate) async fn state(&self, access: &Access<Pull>) -> Result<Option<State>, StoreError> {
        let Some(timestamp) = self.current(access, &Role::Timestamp).await? else { return Ok(None) };
        let named = match self.links.timestamp(&timestamp)?.snapshot {
            Some(snapshot) => self.named(access, snapshot).await?,
            None => None,
        };
        Ok(Some(State { timestamp, named }))
    }

    /// A file that a state lists.
    pub(crate) async fn file_of_state(
        &self,
        access: &Access<Pull>,
        role: &Role,
        listed: Listed,
    ) -> Result<Option<Stored>, StoreError> {
        self.store.listed(access.gun(), role, &listed.sha256).await
    }

    async fn named(&self, access: &Access<Pull>, snapshot: Listed) -> Result<Option<Named>, StoreError> {
        let links = match self.links.remembered_snapshot(&snapshot.sha256) {
            Some(links) => links,
            None => match self.store.listed(access.gun(), &Role::Snapshot, &snapshot.sha256).await? {
                Some(stored) => match self.links.snapshot(&stored) {
                    Ok(links) => links,
                    // as on the ordinary routes: what its author wrote in a way that we do not read is the client's
                    Err(StoreError::Corrupt { .. }) => return Ok(None),
                    Err(error) => return Err(error),
                },
                None => return Ok(None),
            },
        };
        let root = match links.roles.get(&Role::Root) {
            Some(listed) => self.root_version(access, &listed.sha256).await?,
            None => None,
        };
        Ok(Some(Named { snapshot, links, root }))
    }

    async fn root_version(&self, access: &Access<Pull>, sha256: &Sha256) -> Result<Option<Version>, StoreError> {
        if let Some(version) = self.links.remembered_root(sha256) {
            return Ok(Some(version));
        }
        let root = self.store.listed(access.gun(), &Role::Root, sha256).await?;
        Ok(root.map(|root| {
            self.links.remember_root(&root);
            root.version
        }))
    }
}
