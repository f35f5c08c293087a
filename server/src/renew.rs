//! Signing anew what expired: the last resort of a read by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use tuf_schema::model::{Snapshot, Timestamp};
use tuf_schema::{Gun, Role};

use crate::clock::Clock;
use crate::gun_turns::GunTurns;
use crate::publish::load::{stored_root, unverified};
use crate::publish::regenerate::{MakeError, Maker};
use crate::read::ReadError;
use crate::signer::{RoleSigner, ServerRole};
use crate::store::{MetadataStore, StoreError, Stored};

/// Renews timestamps, and snapshots whose key the signer holds.
pub(crate) struct Renewer {
    store: Arc<dyn MetadataStore>,
    signer: Arc<dyn RoleSigner>,
    clock: Arc<dyn Clock>,
    turns: GunTurns,
}

/// How a renewal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewed {
    /// There are newer files now, by this or by another hand: look again.
    Changed,
    /// What is stored is the best there is: only the snapshot is expired, and its key is the publisher's.
    Unneeded,
}

impl Renewer {
    pub(crate) fn new(store: Arc<dyn MetadataStore>, signer: Arc<dyn RoleSigner>, clock: Arc<dyn Clock>) -> Self {
        Self { store, signer, clock, turns: GunTurns::default() }
    }

    /// Renews what `expired` says of a timestamp and the snapshot it names.
    pub(crate) async fn renew(
        &self,
        gun: &Gun,
        expired: ServerRole,
        timestamp: &Stored,
        snapshot: &Stored,
    ) -> Result<Renewed, ReadError> {
        let _turn = self.turns.take(gun).await;
        let newest = self.store.latest(gun, &Role::Timestamp).await?;
        if newest.is_none_or(|newest| newest.version != timestamp.version) {
            return Ok(Renewed::Changed);
        }
        let now = self.clock.now();
        let Some(root) = stored_root(&*self.store, gun, now).await? else { return Ok(Renewed::Unneeded) };
        let mut versions = BTreeMap::from([(Role::Timestamp, timestamp.version)]);
        if let Some(stored) = self.store.latest(gun, &Role::Snapshot).await? {
            versions.insert(Role::Snapshot, stored.version);
        }
        let maker = Maker { gun, root: root.model(), signer: &*self.signer, newest: &versions, now };
        let made = match expired {
            ServerRole::Timestamp => maker.renewed_timestamp(&snapshot.bytes).await,
            ServerRole::Snapshot => {
                let old = unverified::<Snapshot>(&Role::Snapshot, snapshot)?;
                match maker.renewed_snapshot(old.claims()).await {
                    // The publisher's own: only a publish can renew it. The timestamp may still be ours to renew.
                    Err(MakeError::NotHeld(ServerRole::Snapshot, _)) => {
                        let expires = unverified::<Timestamp>(&Role::Timestamp, timestamp)?.claims().expires;
                        if expires >= now {
                            return Ok(Renewed::Unneeded);
                        }
                        maker.renewed_timestamp(&snapshot.bytes).await
                    }
                    made => made,
                }
            }
        };
        match self.store.commit(&made.map_err(read_error)?).await {
            Ok(()) => {
                tracing::info!(%gun, role = expired.as_str(), "signed anew what was expired");
                Ok(Renewed::Changed)
            }
            Err(StoreError::Conflict { .. }) => Ok(Renewed::Changed),
            Err(error) => Err(error.into()),
        }
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
