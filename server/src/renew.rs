//! Signing anew what the server signed: in the background at half of its life, and as the last resort of a read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tuf_schema::model::{Snapshot, Timestamp};
use tuf_schema::{Gun, KeyId, Role, Sha256, UtcTime};

use crate::bounded::BoundedMap;
use crate::clock::Clock;
use crate::gun_turns::GunTurns;
use crate::publish::load::unverified;
use crate::publish::regenerate::{MakeError, Maker, SNAPSHOT_LIFETIME, TIMESTAMP_LIFETIME};
use crate::publish::roots::TrustedRoots;
use crate::read::ReadError;
use crate::signer::{RoleSigner, ServerRole, SignerError};
use crate::store::{Aging, MetadataStore, StoreError, Stored};

/// How often the background looks for what has lived half of its life.
const PERIOD: Duration = Duration::from_secs(60 * 60);

/// How many repositories the background asks the store for at a time.
const PAGE: u32 = 100;

/// How long after its last use a repository is renewed in the background, in seconds.
const USE_WINDOW: i64 = 90 * 24 * 60 * 60;

/// For how many seconds the signer is not asked again for a key that it does not hold, nor to sign a snapshot that it
/// could not sign while the timestamp is valid.
const NOT_ASKED_SECONDS: i64 = 60;

/// Of how many roles it is remembered that the signer could not sign them.
const REMEMBERED: usize = 4096;

/// What the signer could not sign under the root of this digest: since when, and the key that it does not hold.
type Unsigned = BoundedMap<(Sha256, ServerRole), (UtcTime, Option<KeyId>)>;

/// Renews timestamps, and snapshots whose key the signer holds.
pub(crate) struct Renewer {
    store: Arc<dyn MetadataStore>,
    signer: Arc<dyn RoleSigner>,
    clock: Arc<dyn Clock>,
    turns: GunTurns,
    roots: TrustedRoots,
    unsigned: Mutex<Unsigned>,
}

/// How a renewal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewed {
    /// There are newer files now, by this or by another hand: look again.
    Changed,
    /// What is stored is the best there is: nothing is due, or only a snapshot whose key is the publisher's.
    Unneeded,
}

/// What expires before these times is due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Horizon {
    timestamp: UtcTime,
    snapshot: UtcTime,
}

impl Horizon {
    /// What is expired is due.
    pub(crate) fn expired(now: UtcTime) -> Self {
        Self { timestamp: now, snapshot: now }
    }

    /// What has less than half of its life left is due.
    fn half_life(now: UtcTime) -> Self {
        Self { timestamp: now.plus_seconds(TIMESTAMP_LIFETIME / 2), snapshot: now.plus_seconds(SNAPSHOT_LIFETIME / 2) }
    }
}

impl Renewer {
    pub(crate) fn new(store: Arc<dyn MetadataStore>, signer: Arc<dyn RoleSigner>, clock: Arc<dyn Clock>) -> Self {
        let unsigned = Mutex::new(BoundedMap::new(REMEMBERED));
        Self { store, signer, clock, turns: GunTurns::default(), roots: TrustedRoots::new(), unsigned }
    }

    /// Renews in the background, for ever. While it works no read has to wait for the signer.
    pub(crate) async fn run(&self) {
        let mut rounds = tokio::time::interval(PERIOD);
        loop {
            rounds.tick().await;
            match self.renew_aging().await {
                Ok(0) => {}
                Ok(renewed) => tracing::info!(renewed, "signed timestamps anew that had lived half of their life"),
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "cannot sign anew what grows old");
                }
            }
        }
    }

    /// Renews everything that has lived half of its life and says for how many repositories.
    ///
    /// One repository that cannot be renewed does not stop the others; a signer or a store that fails does.
    pub(crate) async fn renew_aging(&self) -> Result<u64, ReadError> {
        let now = self.clock.now();
        let before = now.plus_seconds(-TIMESTAMP_LIFETIME / 2);
        let used_since = now.plus_seconds(-USE_WINDOW);
        let (mut renewed, mut after) = (0_u64, None);
        loop {
            let page = self.store.aging(&Aging { before, used_since, after, limit: PAGE }).await?;
            for gun in &page {
                match self.renew_at_half_life(gun, now).await {
                    Ok(Renewed::Changed) => renewed = renewed.saturating_add(1),
                    Ok(Renewed::Unneeded) => {}
                    Err(error) if concerns_all(&error) => return Err(error),
                    Err(error) => {
                        tracing::warn!(%gun, error = &error as &dyn std::error::Error, "cannot sign a repository anew");
                    }
                }
            }
            after = page.last().cloned();
            if after.is_none() {
                return Ok(renewed);
            }
        }
    }

    async fn renew_at_half_life(&self, gun: &Gun, now: UtcTime) -> Result<Renewed, ReadError> {
        let Some(timestamp) = self.store.latest(gun, &Role::Timestamp).await? else { return Ok(Renewed::Unneeded) };
        let document = unverified::<Timestamp>(&Role::Timestamp, &timestamp)?;
        let Some(sha256) = document.claims().snapshot.digests.sha256() else { return Ok(Renewed::Unneeded) };
        match self.store.by_sha256(gun, &Role::Snapshot, &sha256).await? {
            Some(snapshot) => self.renew(gun, &timestamp, &snapshot, Horizon::half_life(now)).await,
            None => Ok(Renewed::Unneeded),
        }
    }

    /// Renews what is due of a timestamp and of the snapshot it names.
    pub(crate) async fn renew(
        &self,
        gun: &Gun,
        timestamp: &Stored,
        snapshot: &Stored,
        horizon: Horizon,
    ) -> Result<Renewed, ReadError> {
        let _turn = self.turns.take(gun).await;
        let newest = self.store.newest(gun).await?;
        if newest.timestamp.as_ref().is_none_or(|newest| newest.sha256 != timestamp.sha256) {
            return Ok(Renewed::Changed);
        }
        let old = unverified::<Snapshot>(&Role::Snapshot, snapshot)?;
        let timestamp_is_due =
            unverified::<Timestamp>(&Role::Timestamp, timestamp)?.claims().expires < horizon.timestamp;
        let snapshot_is_due = old.claims().expires < horizon.snapshot;
        if !timestamp_is_due && !snapshot_is_due {
            return Ok(Renewed::Unneeded);
        }
        let now = self.clock.now();
        let Some(stored_root) = newest.root else { return Ok(Renewed::Unneeded) };
        if let Some(key) = self.known_unsigned(&stored_root, ServerRole::Timestamp, now) {
            return Err(read_error(MakeError::NotHeld(ServerRole::Timestamp, key)));
        }
        let root = self.roots.believe(gun, &stored_root, now)?;
        let mut versions = BTreeMap::from([(Role::Timestamp, timestamp.version)]);
        versions.extend(newest.snapshot.map(|stored| (Role::Snapshot, stored.version)));
        let base = Some(timestamp.sha256);
        let maker = Maker { gun, root: root.model(), signer: &*self.signer, base, newest: &versions, now };
        let is_asked = snapshot_is_due && self.known_unsigned(&stored_root, ServerRole::Snapshot, now).is_none();
        let made = if is_asked { Some(maker.renewed_snapshot(old.claims()).await) } else { None };
        let made = match made {
            // The publisher's own: only a publish can renew it. The timestamp may still be ours to renew.
            Some(Err(MakeError::NotHeld(ServerRole::Snapshot, key))) => {
                self.remember_unsigned(&stored_root, ServerRole::Snapshot, now, key);
                None
            }
            Some(Err(MakeError::Signer(error))) if !timestamp_is_due => {
                self.remember_unsigned(&stored_root, ServerRole::Snapshot, now, None);
                return Err(error.into());
            }
            made => made,
        };
        let made = match made {
            Some(made) => made,
            None if !timestamp_is_due => return Ok(Renewed::Unneeded),
            None => maker.renewed_timestamp(&snapshot.bytes).await,
        };
        if let Err(MakeError::NotHeld(role, key)) = &made {
            self.remember_unsigned(&stored_root, *role, now, key.clone());
        }
        match self.store.commit(&made.map_err(read_error)?).await {
            Ok(()) | Err(StoreError::Conflict { .. }) => Ok(Renewed::Changed),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the signer could not sign a role a moment ago, and the key that it does not hold.
    fn known_unsigned(&self, root: &Stored, role: ServerRole, now: UtcTime) -> Option<Option<KeyId>> {
        let unsigned = self.unsigned.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, key) = unsigned.get(&(root.sha256, role))?;
        (now < since.plus_seconds(NOT_ASKED_SECONDS)).then(|| key.clone())
    }

    fn remember_unsigned(&self, root: &Stored, role: ServerRole, now: UtcTime, key: Option<KeyId>) {
        let mut unsigned = self.unsigned.lock().unwrap_or_else(PoisonError::into_inner);
        unsigned.insert((root.sha256, role), (now, key));
    }
}

/// Whether the next repository would meet the same error.
fn concerns_all(error: &ReadError) -> bool {
    match error {
        ReadError::Store(StoreError::Unavailable(_)) => true,
        ReadError::Signer(error) => match error {
            SignerError::Unavailable(_) | SignerError::Deadline(_) => true,
            SignerError::NotHeld(_)
            | SignerError::WrongPassphrase { .. }
            | SignerError::Refused { .. }
            | SignerError::BadAnswer(_) => false,
        },
        ReadError::Store(StoreError::Conflict { .. } | StoreError::Corrupt { .. } | StoreError::DoesNotFit { .. })
        | ReadError::NotRenewable { .. }
        | ReadError::Unwritable(_) => false,
    }
}

fn read_error(error: MakeError) -> ReadError {
    match error {
        MakeError::Signer(error) => ReadError::Signer(error),
        MakeError::Unwritable(error) => ReadError::Unwritable(error),
        MakeError::NotHeld(role, _) | MakeError::Unusable(role, _) | MakeError::NoVersionsLeft(role) => {
            ReadError::NotRenewable { role, reason: error.to_string() }
        }
    }
}
