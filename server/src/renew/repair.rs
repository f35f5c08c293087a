//! Making snapshot and timestamp anew from what is stored, where what is stored does not fit together.

use std::collections::BTreeMap;

use tuf_schema::model::{FileMeta, Snapshot, Timestamp};
use tuf_schema::{Gun, Role, Version};

use super::{RenewError, Renewed, Renewer};
use crate::publish::load::{newest_targets, unverified};
use crate::publish::regenerate::Maker;
use crate::publish::{NewFile, listing};
use crate::store::{Newest, StoreError};

/// How often a repair is tried when others publish at the same time.
const MAX_ATTEMPTS: u32 = 5;

/// What a repair did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repaired {
    /// There is no such repository, or one without root, targets or snapshot: nothing can be made of it.
    NotThere,
    /// Every listed file is there and is what is listed; nothing was signed.
    Sound,
    /// The snapshot was sound, and a new timestamp names it.
    Timestamp {
        /// The version of the new timestamp.
        version: Version,
        /// The version of the snapshot that it lists.
        snapshot: Version,
    },
    /// A new snapshot lists what is stored, and a new timestamp names it.
    Snapshot {
        /// The version of the new snapshot.
        version: Version,
        /// Targets, and the delegations whose entries are others than before, with the versions that are listed now.
        listed: Vec<(Role, Version)>,
        /// Roles that were listed and of which nothing is stored: they are not listed any more.
        dropped: Vec<Role>,
    },
}

impl Renewer {
    /// As [`crate::read::Reader::repair`].
    pub(crate) async fn repair(&self, gun: &Gun) -> Result<Repaired, RenewError> {
        let _turn = self.turns.take(gun).await;
        for _ in 0..MAX_ATTEMPTS {
            let newest = self.store.newest(gun).await?;
            let (Renewed::Signed | Renewed::Unneeded, repaired) = self.repair_once(gun, &newest).await? else {
                continue;
            };
            return Ok(repaired);
        }
        Err(RenewError::Overtaken)
    }

    async fn repair_once(&self, gun: &Gun, newest: &Newest) -> Result<(Renewed, Repaired), RenewError> {
        let (Some(root), Some(targets), Some(snapshot)) = (&newest.root, &newest.targets, &newest.snapshot) else {
            return Ok((Renewed::Unneeded, Repaired::NotThere));
        };
        let now = self.clock.now();
        let root = self.roots.believe(gun, root, now)?;
        let old = unverified::<Snapshot>(&Role::Snapshot, snapshot)?;
        let listed = &old.claims().meta;
        let maker = Maker { gun, root: root.model(), signer: &*self.signer, newest, now };
        if !self.is_there(gun, newest, listed).await? {
            let found = listing::find(&*self.store, gun, &listing::delegations(listed)).await?;
            // Nothing that the old snapshot says is believed.
            let meta = listing::carried(&*self.store, gun, newest, listed, &BTreeMap::new(), &found).await?;
            let dropped = listed.keys().filter(|role| !meta.contains_key(*role)).cloned().collect();
            let is_other = |role: &Role| meta.get(role).is_some_and(|entry| listed.get(role) != Some(entry));
            let others = found.iter().filter(|(role, _)| is_other(role));
            let others = others.map(|(role, (version, _))| (role.clone(), *version));
            let relisted = std::iter::once((Role::Targets, targets.version)).chain(others).collect();
            let update = maker.renewed_snapshot(meta).await?;
            let version = update.files().next().map_or(Version::FIRST, NewFile::version);
            return Ok((self.store_renewal(&update).await?, Repaired::Snapshot { version, listed: relisted, dropped }));
        }
        let named = match &newest.timestamp {
            Some(stored) => {
                unverified::<Timestamp>(&Role::Timestamp, stored).ok().map(|it| it.claims().snapshot.clone())
            }
            None => None,
        };
        if named == Some(FileMeta::of(&snapshot.bytes)) {
            return Ok((Renewed::Unneeded, Repaired::Sound));
        }
        let update = maker.renewed_timestamp(&snapshot.bytes).await?;
        let version = update.timestamp().version();
        Ok((self.store_renewal(&update).await?, Repaired::Timestamp { version, snapshot: snapshot.version }))
    }

    /// Whether every listed file is stored and is what is listed.
    async fn is_there(
        &self,
        gun: &Gun,
        newest: &Newest,
        listed: &BTreeMap<Role, FileMeta>,
    ) -> Result<bool, StoreError> {
        for (role, file) in listed {
            // A snapshot that lists these leads nobody anywhere.
            if matches!(role, Role::Snapshot | Role::Timestamp) {
                continue;
            }
            let Some(sha256) = file.digests.sha256() else { return Ok(false) };
            // Not by the digest where it is at hand: a row may lack it.
            let root = newest.root.as_ref().filter(|stored| *role == Role::Root && stored.sha256 == sha256);
            let stored = if let Some(root) = root {
                Some(root.clone())
            } else if *role == Role::Targets && newest.targets.is_some_and(|edition| edition.sha256 == sha256) {
                newest_targets(&*self.store, gun, newest).await?
            } else {
                self.store.by_sha256(gun, role, &sha256).await?
            };
            if stored.is_none_or(|stored| file.check(&stored.bytes).is_err()) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
