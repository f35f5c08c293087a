//! Signing anew what the server signed: in the background at half of its life, as the last resort of a read, and on
//! demand where what is stored does not fit together.

use std::sync::Arc;
use std::time::Duration;

use tuf_schema::dialect::EncodeError;
use tuf_schema::model::{Snapshot, Timestamp};
use tuf_schema::{Gun, Role, Sha256, UtcTime};

use self::pauses::Pauses;
use self::uses::Uses;
use crate::clock::Clock;
use crate::gun_turns::GunTurns;
use crate::publish::load::unverified;
use crate::publish::regenerate::{MakeError, Maker, SNAPSHOT_LIFETIME, TIMESTAMP_LIFETIME};
use crate::publish::roots::TrustedRoots;
use crate::publish::{ValidatedUpdate, listing};
use crate::signer::{RoleSigner, ServerRole, SignerError};
use crate::store::{MetadataStore, StoreError, Stored};

mod advance;
mod pauses;
mod repair;
mod rounds;
mod uses;

pub use advance::Advanced;
pub use repair::Repaired;
pub use rounds::RenewalSettings;
#[cfg(test)]
pub(crate) use rounds::Round;

/// How long a read waits for a renewal. One takes milliseconds; a signer that hangs must not hang pulls.
const READ_WAITS: Duration = Duration::from_secs(2);

/// Renews timestamps, and snapshots whose key the signer holds.
pub(crate) struct Renewer {
    store: Arc<dyn MetadataStore>,
    signer: Arc<dyn RoleSigner>,
    clock: Arc<dyn Clock>,
    turns: GunTurns,
    roots: TrustedRoots,
    pauses: Pauses,
    uses: Uses,
    /// [`READ_WAITS`], but in tests.
    pub(crate) read_waits: Duration,
}

/// How a renewal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewed {
    /// This hand signed anew.
    Signed,
    /// Another hand was first: look again.
    Overtaken,
    /// What is stored is the best there is: nothing is due, or only a snapshot whose key is the publisher's.
    Unneeded,
}

/// Why nothing is signed anew.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The signer failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The role's key is not held, or its versions are used up.
    #[error("the {role} cannot be signed anew: {reason}", role = .role.as_str())]
    NotRenewable {
        /// The role.
        role: ServerRole,
        /// Why.
        reason: String,
    },
    /// What the server makes cannot be written.
    #[error("the server's own document cannot be written")]
    Unwritable(#[from] EncodeError),
    /// The version that comes next is taken, and nothing newer is served: a row that is marked deleted, or a writer that
    /// has not come to its end.
    #[error("another row or writer holds the version that comes next")]
    Held,
    /// Others published each time it was tried.
    #[error("the repository changed each time its files were signed anew")]
    Overtaken,
}

/// What expires before these times is due.
#[derive(Debug, Clone, Copy)]
struct Horizon {
    timestamp: UtcTime,
    snapshot: UtcTime,
}

impl Horizon {
    /// What is expired is due.
    fn expired(now: UtcTime) -> Self {
        Self { timestamp: now, snapshot: now }
    }

    /// What has less than half of its life left is due.
    fn half_life(now: UtcTime) -> Self {
        Self { timestamp: now.plus_seconds(TIMESTAMP_LIFETIME / 2), snapshot: now.plus_seconds(SNAPSHOT_LIFETIME / 2) }
    }
}

impl Renewer {
    pub(crate) fn new(store: Arc<dyn MetadataStore>, signer: Arc<dyn RoleSigner>, clock: Arc<dyn Clock>) -> Self {
        let (pauses, uses) = (Pauses::new(), Uses::new());
        let (turns, roots) = (GunTurns::default(), TrustedRoots::new());
        Self { store, signer, clock, turns, roots, pauses, uses, read_waits: READ_WAITS }
    }

    /// Notes that a repository was read, which decides whether the background goes on renewing it.
    pub(crate) fn note_use(&self, gun: &Gun) {
        self.uses.note(gun, self.clock.now());
    }

    /// Renews what is expired of a repository whose newest timestamp a reader found to be `timestamp`.
    ///
    /// What cannot be renewed is no error of the read: it is served as stored, and the client judges. It is tried again
    /// after a while and not at each read, of which one at a time asks the signer.
    pub(crate) async fn renew_for_read(self: &Arc<Self>, gun: &Gun, timestamp: &Stored) -> Renewed {
        let seen = timestamp.sha256;
        if self.pauses.is_settled(&seen, self.clock.now()) {
            return Renewed::Unneeded;
        }
        // On its own, so that it comes to an end also when the reader has no patience.
        let renewal = tokio::spawn({
            let (renewer, gun) = (Arc::clone(self), gun.clone());
            async move { renewer.renew_expired(&gun, &seen).await }
        });
        if let Ok(Ok(renewed)) = tokio::time::timeout(self.read_waits, renewal).await {
            return renewed;
        }
        self.pauses.settle(&seen, self.clock.now());
        Renewed::Unneeded
    }

    /// Renews what is expired, or says why it stays as it is and is left alone for a while.
    async fn renew_expired(&self, gun: &Gun, seen: &Sha256) -> Renewed {
        let _turn = self.turns.take(gun).await;
        let now = self.clock.now();
        // Whoever had the turn before may have tried in vain.
        if self.pauses.is_settled(seen, now) {
            return Renewed::Unneeded;
        }
        match self.renew(gun, Some(seen), Horizon::expired(now)).await {
            // Nobody was first: to look again and sign again would come to the same.
            Ok(Renewed::Overtaken) if self.is_newest(gun, seen).await => self.tell(gun, &RenewError::Held, now),
            Ok(renewed @ (Renewed::Signed | Renewed::Overtaken)) => return renewed,
            Ok(Renewed::Unneeded) => {}
            Err(error) => self.tell(gun, &error, now),
        }
        self.pauses.settle(seen, now);
        Renewed::Unneeded
    }

    /// Whether the timestamp that a reader has `seen` is still the newest.
    async fn is_newest(&self, gun: &Gun, seen: &Sha256) -> bool {
        let newest = self.store.latest(gun, &Role::Timestamp).await;
        newest.is_ok_and(|newest| newest.is_some_and(|timestamp| timestamp.sha256 == *seen))
    }

    /// Writes to the log why something stays as it is, once and not each time.
    fn tell(&self, gun: &Gun, error: &RenewError, now: UtcTime) {
        let error_chain = error as &dyn std::error::Error;
        if error.is_of_the_signer() {
            self.pauses.signer_failed(now);
        }
        if error.concerns_all() {
            if self.pauses.is_news(None, now) {
                tracing::error!(error = error_chain, "cannot sign anew; what is stored is served as it is");
            }
        } else if self.pauses.is_news(Some(gun), now) {
            tracing::warn!(%gun, error = error_chain, "cannot sign a repository anew; it is served as it is stored");
        }
    }

    async fn renew_at_half_life(&self, gun: &Gun, now: UtcTime) -> Result<Renewed, RenewError> {
        let _turn = self.turns.take(gun).await;
        self.renew(gun, None, Horizon::half_life(now)).await
    }

    /// Renews what is due, if the newest timestamp is still the one that was `seen`.
    async fn renew(&self, gun: &Gun, seen: Option<&Sha256>, horizon: Horizon) -> Result<Renewed, RenewError> {
        let newest = self.store.newest(gun).await?;
        let (Some(root), Some(snapshot), Some(timestamp)) = (&newest.root, &newest.snapshot, &newest.timestamp) else {
            // Deleted, or never whole.
            return Ok(if seen.is_some() && newest.timestamp.is_none() {
                Renewed::Overtaken
            } else {
                Renewed::Unneeded
            });
        };
        if seen.is_some_and(|seen| *seen != timestamp.sha256) {
            return Ok(Renewed::Overtaken);
        }
        let timestamp_is_due =
            unverified::<Timestamp>(&Role::Timestamp, timestamp)?.claims().expires < horizon.timestamp;
        // A snapshot that its author wrote in a way that we do not read keeps no timestamp from being renewed.
        let old = unverified::<Snapshot>(&Role::Snapshot, snapshot).ok();
        let snapshot_is_due = old.as_ref().is_some_and(|old| old.claims().expires < horizon.snapshot);
        if !timestamp_is_due && !snapshot_is_due {
            return Ok(Renewed::Unneeded);
        }
        let now = self.clock.now();
        let root = self.roots.believe(gun, root, now)?;
        let maker = Maker { gun, root: root.model(), signer: &*self.signer, newest: &newest, now };
        if let Some(old) = old.filter(|_| snapshot_is_due) {
            match self.new_snapshot(&maker, old.claims()).await {
                Ok(update) => return self.store_renewal(&update).await,
                // The timestamp may still be ours to renew.
                Err(error) if timestamp_is_due && !error.concerns_all() => {}
                // The publisher's own: only a publish can renew it.
                Err(RenewError::NotRenewable { role: ServerRole::Snapshot, .. }) => return Ok(Renewed::Unneeded),
                Err(error) => return Err(error),
            }
        }
        let update = maker.renewed_timestamp(&snapshot.bytes).await?;
        self.store_renewal(&update).await
    }

    /// A snapshot of what is stored, and its timestamp.
    async fn new_snapshot(&self, maker: &Maker<'_>, old: &Snapshot) -> Result<ValidatedUpdate, RenewError> {
        let listed = listing::delegations(&old.meta);
        let found = listing::find(&*self.store, maker.gun, &listed).await?;
        let meta = listing::carried(&*self.store, maker.gun, maker.newest, &old.meta, &old.meta, &found).await?;
        Ok(maker.renewed_snapshot(meta).await?)
    }

    async fn store_renewal(&self, update: &ValidatedUpdate) -> Result<Renewed, RenewError> {
        match self.store.commit(update).await {
            Ok(()) => Ok(Renewed::Signed),
            // A publish was first, and made a newer timestamp anyway.
            Err(StoreError::Conflict { .. }) => Ok(Renewed::Overtaken),
            Err(error) => Err(error.into()),
        }
    }
}

impl RenewError {
    /// Whether the next repository would meet the same error.
    fn concerns_all(&self) -> bool {
        matches!(self, Self::Store(StoreError::Unavailable(_))) || self.is_of_the_signer()
    }

    /// Whether the signer cannot be reached at all.
    fn is_of_the_signer(&self) -> bool {
        matches!(self, Self::Signer(SignerError::Unavailable(_) | SignerError::Deadline(_) | SignerError::Busy { .. }))
    }
}

impl From<MakeError> for RenewError {
    fn from(error: MakeError) -> Self {
        match error {
            MakeError::Signer(error) => Self::Signer(error),
            MakeError::Unwritable(error) => Self::Unwritable(error),
            MakeError::NotHeld(role, _) | MakeError::Unusable(role, _) | MakeError::NoVersionsLeft(role) => {
                Self::NotRenewable { role, reason: error.to_string() }
            }
        }
    }
}
