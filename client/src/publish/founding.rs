//! The first documents of a repository that the trust server does not know.

use std::collections::BTreeMap;

use tuf_schema::model::{Delegations, KeyGrant, Root, Targets};
use tuf_schema::sign::self_signed_root_certificate;
use tuf_schema::version::Version;
use tuf_schema::{BaseRole, PublicKey, SigningKey as _, UtcTime};

use super::working::{Origin, ROOT_LIFETIME_SECONDS};
use super::{PublishError, Publisher, Working};
use crate::keys::KeyRole;

impl Publisher<'_> {
    /// A new repository, as docker makes them: the root key at hand or a new one, a certificate for this repository, a
    /// new targets key; snapshot and timestamp are the server's to sign.
    pub(super) async fn found(&mut self) -> Result<Working, PublishError> {
        // Asked for before any key is made, so that a server that refuses leaves no key behind.
        let timestamp = self.remote.server_key(BaseRole::Timestamp).await?;
        let snapshot = self.remote.server_key(BaseRole::Snapshot).await?;
        // The list is sorted by id: docker, too, takes the first root key.
        let existing = self.keys.list()?.into_iter().find(|key| key.role == KeyRole::Root);
        let root_key = match existing {
            Some(key) => key,
            None => self.keys.create(KeyRole::Root, None, self.rng)?,
        };
        let certificate = self_signed_root_certificate(self.keys.open(&root_key)?, self.gun, self.now, self.rng)?;
        let targets_key = self.keys.for_new_repository(KeyRole::Targets, self.gun, self.rng)?;
        let targets = self.keys.open(&targets_key)?.public().clone();

        let root = first_root(self.now, &certificate, &targets, &snapshot, &timestamp);
        let keys = self.keys_at_hand()?;
        Ok(Working::first(Origin::New, root, never_sent(self.now), self.gun.clone(), keys, self.now))
    }
}

/// The first root: one key for each role.
pub(super) fn first_root(
    now: UtcTime,
    certificate: &PublicKey,
    targets: &PublicKey,
    snapshot: &PublicKey,
    timestamp: &PublicKey,
) -> Root {
    let listed = [certificate, targets, snapshot, timestamp];
    Root {
        version: Version::FIRST,
        expires: now.plus_seconds(ROOT_LIFETIME_SECONDS),
        consistent_snapshot: false,
        keys: listed.into_iter().map(|key| (key.id().clone(), key.clone())).collect(),
        root: KeyGrant::single(certificate.id().clone()),
        targets: KeyGrant::single(targets.id().clone()),
        snapshot: KeyGrant::single(snapshot.id().clone()),
        timestamp: KeyGrant::single(timestamp.id().clone()),
    }
}

/// The empty targets of version 1 that docker makes and never sends.
pub(super) fn never_sent(now: UtcTime) -> Targets {
    Targets { version: Version::FIRST, expires: now, targets: BTreeMap::new(), delegations: Delegations::default() }
}
