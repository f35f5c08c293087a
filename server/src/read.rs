//! Reading what was stored.

use std::sync::Arc;

use tuf_schema::dialect::EncodeError;
use tuf_schema::{Gun, Role, Sha256, UtcTime, Version};

use crate::auth::{Access, Pull};
use crate::clock::Clock;
use crate::links::{Links, TimestampLink};
use crate::renew::{Horizon, Renewed, Renewer};
use crate::signer::{RoleSigner, ServerRole, SignerError};
use crate::store::{MetadataStore, StoreError, Stored};

/// How often an expired file is looked for again after a renewal, by this reader or by another one.
const MAX_ATTEMPTS: u32 = 5;

/// Answers reads.
pub struct Reader {
    store: Arc<dyn MetadataStore>,
    clock: Arc<dyn Clock>,
    links: Links,
    pub(crate) renewer: Renewer,
}

/// Why nothing can be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is stored had to be signed anew, and the signer failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// What is stored is expired and cannot be signed anew: its key is not held, or its versions are used up.
    #[error("the expired {role} cannot be signed anew: {reason}", role = .role.as_str())]
    NotRenewable {
        /// The expired role.
        role: ServerRole,
        /// Why.
        reason: String,
    },
    /// What the server makes cannot be written.
    #[error("the server's own document cannot be written")]
    Unwritable(#[from] EncodeError),
}

/// A timestamp and the snapshot it names.
struct Head {
    timestamp: Stored,
    snapshot: Option<Stored>,
    timestamp_is_fresh: bool,
    /// The timestamp and the snapshot.
    is_fresh: bool,
}

impl Reader {
    /// Reads from `store`; what expired is renewed through `signer`.
    #[must_use]
    pub fn new(store: Arc<dyn MetadataStore>, signer: Arc<dyn RoleSigner>, clock: Arc<dyn Clock>) -> Self {
        let renewer = Renewer::new(store.clone(), signer, clock.clone());
        Self { store, clock, links: Links::new(), renewer }
    }

    /// Signs anew in the background what has lived half of its life, so that reads need no signer. Never returns.
    pub async fn renew_in_background(&self) {
        self.renewer.run().await;
    }

    /// The file that is current: the newest timestamp, the snapshot it names, and what that snapshot names.
    ///
    /// An expired timestamp or snapshot that is asked for is first signed anew, where its key is held. An expired
    /// snapshot that cannot be is served as it is while the timestamp is valid.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn current(&self, access: &Access<Pull>, role: &Role) -> Result<Option<Stored>, ReadError> {
        let gun = access.gun();
        match role {
            Role::Timestamp => match self.fresh_timestamp(gun).await? {
                Some(timestamp) => Ok(Some(timestamp)),
                None => Ok(self.fresh_head(gun).await?.map(|head| head.timestamp)),
            },
            Role::Snapshot => Ok(self.fresh_head(gun).await?.and_then(|head| head.snapshot)),
            Role::Root | Role::Targets | Role::Delegation(_) => match self.listed(gun, role).await? {
                Some(sha256) => Ok(self.store.by_sha256(gun, role, &sha256).await?),
                None => Ok(None),
            },
        }
    }

    /// One version of a role.
    ///
    /// # Errors
    /// [`ReadError::Store`].
    pub async fn by_version(
        &self,
        access: &Access<Pull>,
        role: &Role,
        version: Version,
    ) -> Result<Option<Stored>, ReadError> {
        Ok(self.store.by_version(access.gun(), role, version).await?)
    }

    /// The file of a role with this digest.
    ///
    /// # Errors
    /// [`ReadError::Store`].
    pub async fn by_sha256(
        &self,
        access: &Access<Pull>,
        role: &Role,
        sha256: &Sha256,
    ) -> Result<Option<Stored>, ReadError> {
        Ok(self.store.by_sha256(access.gun(), role, sha256).await?)
    }

    /// The digest that the current snapshot lists for a role.
    async fn listed(&self, gun: &Gun, role: &Role) -> Result<Option<Sha256>, ReadError> {
        let Some(timestamp) = self.store.latest(gun, &Role::Timestamp).await? else { return Ok(None) };
        let Some(sha256) = self.links.timestamp(&timestamp)?.snapshot else { return Ok(None) };
        if let Some(links) = self.links.remembered_snapshot(&sha256) {
            return Ok(links.roles.get(role).copied());
        }
        let Some(snapshot) = self.store.by_sha256(gun, &Role::Snapshot, &sha256).await? else { return Ok(None) };
        Ok(self.links.snapshot(&snapshot)?.roles.get(role).copied())
    }

    async fn head(&self, gun: &Gun) -> Result<Option<Head>, ReadError> {
        let Some(timestamp) = self.store.latest(gun, &Role::Timestamp).await? else { return Ok(None) };
        let link = self.links.timestamp(&timestamp)?;
        let snapshot = match link.snapshot {
            Some(sha256) => self.store.by_sha256(gun, &Role::Snapshot, &sha256).await?,
            None => None,
        };
        let snapshot_expires = match &snapshot {
            Some(stored) => Some(self.links.snapshot(stored)?.expires),
            None => None,
        };
        let (timestamp_is_fresh, is_fresh) = (self.is_fresh(link, None), self.is_fresh(link, snapshot_expires));
        Ok(Some(Head { timestamp, snapshot, timestamp_is_fresh, is_fresh }))
    }

    fn is_fresh(&self, timestamp: TimestampLink, snapshot_expires: Option<UtcTime>) -> bool {
        let now = self.clock.now();
        timestamp.expires >= now && snapshot_expires.is_none_or(|expires| expires >= now)
    }

    /// The newest timestamp, when it is known without looking at the snapshot that nothing is expired.
    async fn fresh_timestamp(&self, gun: &Gun) -> Result<Option<Stored>, ReadError> {
        let Some(timestamp) = self.store.latest(gun, &Role::Timestamp).await? else { return Ok(None) };
        let link = self.links.timestamp(&timestamp)?;
        let snapshot = link.snapshot.and_then(|sha256| self.links.remembered_snapshot(&sha256));
        let is_fresh = snapshot.is_some_and(|snapshot| self.is_fresh(link, Some(snapshot.expires)));
        Ok(is_fresh.then_some(timestamp))
    }

    /// The head, signed anew if it is expired.
    async fn fresh_head(&self, gun: &Gun) -> Result<Option<Head>, ReadError> {
        for _ in 0..MAX_ATTEMPTS {
            let Some(head) = self.head(gun).await? else { return Ok(None) };
            let (false, Some(snapshot)) = (head.is_fresh, &head.snapshot) else { return Ok(Some(head)) };
            let horizon = Horizon::expired(self.clock.now());
            match self.renewer.renew(gun, &head.timestamp, snapshot, horizon).await {
                Ok(Renewed::Changed) => {}
                Ok(Renewed::Unneeded) => return Ok(Some(head)),
                // Only the snapshot is expired: the reader can say so, and an outage of the signer is none of pulls.
                Err(error @ (ReadError::Signer(_) | ReadError::NotRenewable { .. })) if head.timestamp_is_fresh => {
                    tracing::debug!(%gun, error = &error as &dyn std::error::Error, "an expired snapshot stays as it is");
                    return Ok(Some(head));
                }
                Err(error) => return Err(error),
            }
        }
        self.head(gun).await
    }
}
