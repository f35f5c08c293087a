//! The first documents of a repository that the trust server does not know.

use std::collections::BTreeMap;

use tuf_schema::model::{Delegations, KeyGrant, Root, Target, Targets};
use tuf_schema::sign::self_signed_root_certificate;
use tuf_schema::verify::Authority;
use tuf_schema::version::Version;
use tuf_schema::{BaseRole, SigningKey as _};

use super::draft::{ROOT_LIFETIME_SECONDS, TARGETS_LIFETIME_SECONDS};
use super::{Part, PublishError, Publisher};
use crate::image::Tag;
use crate::keys::KeyRole;

impl Publisher<'_> {
    /// Root and targets of a new repository, as docker makes them: the root key at hand or a new one, a certificate for
    /// this repository, a new targets key; snapshot and timestamp are the server's to sign.
    pub(super) async fn first(&mut self, tag: &Tag, target: &Target) -> Result<Vec<Part>, PublishError> {
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
        let targets_key = self.keys.create(KeyRole::Targets, Some(self.gun), self.rng)?;
        let targets_public = self.keys.open(&targets_key)?.public().clone();

        let listed = [&certificate, &targets_public, &snapshot, &timestamp];
        let root = Root {
            version: Version::FIRST,
            expires: self.now.plus_seconds(ROOT_LIFETIME_SECONDS),
            consistent_snapshot: false,
            keys: listed.into_iter().map(|key| (key.id().clone(), key.clone())).collect(),
            root: KeyGrant::single(certificate.id().clone()),
            targets: KeyGrant::single(targets_public.id().clone()),
            snapshot: KeyGrant::single(snapshot.id().clone()),
            timestamp: KeyGrant::single(timestamp.id().clone()),
        };
        let targets = Targets {
            // Docker's first targets are version 2: its version 1 is the empty one that it never sends.
            version: Version::FIRST.next().unwrap_or(Version::FIRST),
            expires: self.now.plus_seconds(TARGETS_LIFETIME_SECONDS),
            targets: BTreeMap::from([(tag.as_str().to_owned(), target.clone())]),
            delegations: Delegations::default(),
        };
        let stored = [root_key, targets_key];
        let root_part = self.sign_with(&root, &Authority::of_base(&root, BaseRole::Root), &stored)?;
        let targets_part = self.sign_with(&targets, &Authority::of_base(&root, BaseRole::Targets), &stored)?;
        Ok(vec![root_part, targets_part])
    }
}
