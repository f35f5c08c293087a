//! Reading what was stored.

use std::sync::Arc;

use tuf_schema::{Gun, Role, Sha256, UtcTime, Version};

use crate::auth::{Access, Pull};
use crate::chance::Chance;
use crate::clock::Clock;
use crate::links::{Links, Listed, TimestampLink};
use crate::renew::{Renewed, Renewer};
use crate::signer::RoleSigner;
use crate::store::{Floors, MetadataStore, StoreError, Stored};

pub(crate) mod state;

pub use crate::renew::{Advanced, RenewError, RenewalSettings, Repaired};

/// How often an expired file is looked for again after a renewal, by this reader or by another one.
const MAX_ATTEMPTS: u32 = 5;

/// Answers reads.
pub struct Reader {
    store: Arc<dyn MetadataStore>,
    clock: Arc<dyn Clock>,
    links: Links,
    pub(crate) renewer: Arc<Renewer>,
}

/// A timestamp and the snapshot it names.
struct Head {
    timestamp: Stored,
    snapshot: Option<Stored>,
    /// Neither of them is expired.
    is_fresh: bool,
}

impl Reader {
    /// Reads from `store`; what expired is renewed through `signer`.
    #[must_use]
    pub fn new(store: Arc<dyn MetadataStore>, signer: Arc<dyn RoleSigner>, clock: Arc<dyn Clock>) -> Self {
        let renewer = Arc::new(Renewer::new(store.clone(), signer, clock.clone()));
        Self { store, clock, links: Links::new(), renewer }
    }

    /// Signs anew in the background what has lived half of its life, so that reads need no signer. Never returns.
    ///
    /// `chance` keeps several replicas apart and names this one.
    pub async fn renew_in_background(&self, settings: RenewalSettings, chance: &dyn Chance) {
        self.renewer.run(settings, chance).await;
    }

    /// Compares the newest snapshot and timestamp of a repository with the stored bytes, and signs anew what differs: an
    /// ordinary commit with its change record. Nobody's access is asked for: this is for administration.
    ///
    /// # Errors
    /// [`RenewError`]. Where it is [`RenewError::NotRenewable`], only a publish by the snapshot's author mends it.
    pub async fn repair(&self, gun: &Gun) -> Result<Repaired, RenewError> {
        self.renewer.repair(gun).await
    }

    /// Signs snapshot and timestamp anew with versions that are `by` above the stored ones, and above those that clients
    /// have `seen`: an ordinary commit with its change record. `None` when there is no such repository, or one without
    /// root or snapshot. Nobody's access is asked for: this is for administration.
    ///
    /// # Errors
    /// [`RenewError`].
    pub async fn advance(&self, gun: &Gun, by: u32, seen: Floors) -> Result<Option<Advanced>, RenewError> {
        self.renewer.advance(gun, by, seen).await
    }

    /// The file that is current: the newest timestamp, the snapshot it names, and what that snapshot names.
    ///
    /// An expired timestamp or snapshot that is asked for is first signed anew, where that can be done. Where it cannot,
    /// for whatever reason, it is served as it is stored: the client sees that it is expired, and judges.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn current(&self, access: &Access<Pull>, role: &Role) -> Result<Option<Stored>, StoreError> {
        let gun = access.gun();
        let found = match role {
            Role::Timestamp => match self.fresh_timestamp(gun).await? {
                Some(timestamp) => Some(timestamp),
                None => self.fresh_head(gun).await?.map(|head| head.timestamp),
            },
            Role::Snapshot => self.fresh_head(gun).await?.and_then(|head| head.snapshot),
            Role::Root | Role::Targets | Role::Delegation(_) => match self.listed(gun, role).await? {
                Some(sha256) => self.store.listed(gun, role, &sha256).await?,
                None => None,
            },
        };
        Ok(self.noted(gun, found))
    }

    /// One version of a role.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn by_version(
        &self,
        access: &Access<Pull>,
        role: &Role,
        version: Version,
    ) -> Result<Option<Stored>, StoreError> {
        let found = self.store.by_version(access.gun(), role, version).await?;
        Ok(self.noted(access.gun(), found))
    }

    /// The file of a role with this digest.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn by_sha256(
        &self,
        access: &Access<Pull>,
        role: &Role,
        sha256: &Sha256,
    ) -> Result<Option<Stored>, StoreError> {
        let gun = access.gun();
        let found = match self.is_current(gun, role, sha256).await? {
            true => self.store.listed(gun, role, sha256).await?,
            false => self.store.by_sha256(gun, role, sha256).await?,
        };
        Ok(self.noted(gun, found))
    }

    /// Passes on what was found. A repository that is read goes on being renewed.
    fn noted(&self, gun: &Gun, found: Option<Stored>) -> Option<Stored> {
        if found.is_some() {
            self.renewer.note_use(gun);
        }
        found
    }

    /// Whether a document is of the current state. That is one question for all who ask at the same time, whatever they ask
    /// for; so it is asked for what was current when the repository was last read. What was not, or is not remembered,
    /// is asked for by its digest.
    async fn is_current(&self, gun: &Gun, role: &Role, sha256: &Sha256) -> Result<bool, StoreError> {
        let leads_to_it = |snapshot| self.links.leads_to(&snapshot, role, sha256);
        if !self.links.last_snapshot(gun).is_some_and(leads_to_it) {
            return Ok(false);
        }
        match self.newest(gun).await {
            Ok(newest) => {
                Ok(newest.and_then(|(_, link)| link.snapshot).is_some_and(|listed| leads_to_it(listed.sha256)))
            }
            // what a timestamp says that we do not read does not matter to who has the digest
            Err(StoreError::Corrupt { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The newest timestamp and what it says.
    async fn newest(&self, gun: &Gun) -> Result<Option<(Stored, TimestampLink)>, StoreError> {
        let Some(timestamp) = self.store.latest(gun, &Role::Timestamp).await? else { return Ok(None) };
        let link = self.links.newest_timestamp(gun, &timestamp)?;
        Ok(Some((timestamp, link)))
    }

    /// The digest that the current snapshot lists for a role.
    async fn listed(&self, gun: &Gun, role: &Role) -> Result<Option<Sha256>, StoreError> {
        let Some((_, link)) = self.newest(gun).await? else { return Ok(None) };
        let Some(Listed { sha256, .. }) = link.snapshot else { return Ok(None) };
        if let Some(links) = self.links.remembered_snapshot(&sha256) {
            return Ok(links.roles.get(role).map(|listed| listed.sha256));
        }
        let Some(snapshot) = self.store.listed(gun, &Role::Snapshot, &sha256).await? else { return Ok(None) };
        Ok(self.links.snapshot(&snapshot)?.roles.get(role).map(|listed| listed.sha256))
    }

    async fn head(&self, gun: &Gun) -> Result<Option<Head>, StoreError> {
        let Some((timestamp, link)) = self.newest(gun).await? else { return Ok(None) };
        let snapshot = match link.snapshot {
            Some(listed) => self.store.listed(gun, &Role::Snapshot, &listed.sha256).await?,
            None => None,
        };
        let snapshot_expires = match &snapshot {
            Some(stored) => match self.links.snapshot(stored) {
                Ok(links) => Some(links.expires),
                // What its author wrote in a way that we do not read is for the client to judge.
                Err(StoreError::Corrupt { .. }) => None,
                Err(error) => return Err(error),
            },
            None => None,
        };
        let is_fresh = self.is_fresh(link, snapshot_expires);
        Ok(Some(Head { timestamp, snapshot, is_fresh }))
    }

    fn is_fresh(&self, timestamp: TimestampLink, snapshot_expires: Option<UtcTime>) -> bool {
        let now = self.clock.now();
        timestamp.expires >= now && snapshot_expires.is_none_or(|expires| expires >= now)
    }

    /// The newest timestamp, when it is known without looking at the snapshot that nothing is expired.
    async fn fresh_timestamp(&self, gun: &Gun) -> Result<Option<Stored>, StoreError> {
        let Some((timestamp, link)) = self.newest(gun).await? else { return Ok(None) };
        let snapshot = link.snapshot.and_then(|listed| self.links.remembered_snapshot(&listed.sha256));
        let is_fresh = snapshot.is_some_and(|snapshot| self.is_fresh(link, Some(snapshot.expires)));
        Ok(is_fresh.then_some(timestamp))
    }

    /// The head, signed anew if it is expired and can be.
    async fn fresh_head(&self, gun: &Gun) -> Result<Option<Head>, StoreError> {
        for _ in 0..MAX_ATTEMPTS {
            let Some(head) = self.head(gun).await? else { return Ok(None) };
            if head.is_fresh {
                return Ok(Some(head));
            }
            match self.renewer.renew_for_read(gun, &head.timestamp).await {
                Renewed::Signed | Renewed::Overtaken => {}
                Renewed::Unneeded => return Ok(Some(head)),
            }
        }
        self.head(gun).await
    }
}
