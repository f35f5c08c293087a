//! A first publish that was begun here and never reached the server: docker and notary keep its root before they send.

use std::collections::BTreeMap;

use bytes::Bytes;
use tuf_schema::dialect::Document;
use tuf_schema::model::{Delegations, FileMeta, Root, Snapshot, Target, Targets};
use tuf_schema::verify::{Authority, Verified};
use tuf_schema::version::Version;
use tuf_schema::{BaseRole, Dialect, Envelope, Role};

use super::draft::TARGETS_LIFETIME_SECONDS;
use super::edit::next_version;
use super::{Part, PublishError, Publisher};
use crate::image::Tag;
use crate::trust::UpdateError;

impl Publisher<'_> {
    /// The kept root, byte for byte, with targets signed by the keys that it names.
    ///
    /// Never another root: whoever makes a server answer 404 would else choose when an anchor is replaced. Nor is one
    /// sent that was public before; a server that lost it would serve it with versions that its readers must refuse.
    pub(super) fn resume(
        &mut self,
        anchor: &Verified<Root>,
        tag: &Tag,
        target: &Target,
    ) -> Result<Vec<Part>, PublishError> {
        let stored = self.keys.list()?;
        let authority = |role| Authority::of_base(anchor.model(), role);
        if !self.holds_any(&stored, &authority(BaseRole::Root)) {
            return Err(self.no_key(&stored, &authority(BaseRole::Root)));
        }
        let begun: Option<Verified<Targets>> = self.kept(&authority(BaseRole::Targets))?;
        let delegates = begun.as_ref().is_some_and(|targets| !targets.model().delegations.roles.is_empty());
        // Only a server gives a timestamp, and only what is published has delegations.
        if delegates || self.cache.read(&Role::Timestamp).map_err(UpdateError::from)?.is_some() {
            return Err(PublishError::Vanished { gun: self.gun.clone(), metadata: self.cache.place() });
        }
        let expires = self.now.plus_seconds(TARGETS_LIFETIME_SECONDS);
        let mut targets = match begun {
            Some(begun) => begun.model().clone(),
            // What docker keeps at this point, too: an empty version 1.
            None => Targets {
                version: Version::FIRST,
                expires,
                targets: BTreeMap::new(),
                delegations: Delegations::default(),
            },
        };
        targets.version = next_version(targets.version, &Role::Targets)?;
        targets.expires = expires;
        targets.targets.insert(tag.as_str().to_owned(), target.clone());

        let root = Part { role: Role::Root, bytes: anchor.raw().to_vec() };
        let mut parts = vec![root, self.sign_with(&targets, &authority(BaseRole::Targets), &stored)?];
        let snapshot = authority(BaseRole::Snapshot);
        if self.holds_any(&stored, &snapshot) {
            let version = match self.kept::<Snapshot>(&snapshot)? {
                Some(begun) => next_version(begun.model().version, &Role::Snapshot)?,
                None => Version::FIRST,
            };
            let meta = parts.iter().map(|part| (part.role.clone(), FileMeta::of(&part.bytes))).collect();
            parts.push(self.sign_with(&Snapshot { version, expires, meta }, &snapshot, &stored)?);
        }
        Ok(parts)
    }

    /// The cached document of a role, if the role's keys signed it; what cannot be read counts as absent.
    fn kept<M: Document>(&self, authority: &Authority) -> Result<Option<Verified<M>>, PublishError> {
        let role = authority.role();
        let Some(bytes) = self.cache.read(role).map_err(UpdateError::from)? else { return Ok(None) };
        let read = Envelope::parse(Dialect::Notary, Bytes::from(bytes)).ok();
        Ok(read.and_then(|envelope| envelope.decode(role.clone()).ok()).and_then(|d| d.verify(authority).ok()))
    }
}
