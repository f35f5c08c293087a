//! A first publish that was begun here and never reached the server: docker and notary keep its root before they send.

use bytes::Bytes;
use tuf_schema::dialect::Document;
use tuf_schema::model::{Root, Snapshot, Targets};
use tuf_schema::verify::{Authority, Verified};
use tuf_schema::{BaseRole, Dialect, Envelope, Role};

use super::founding::never_sent;
use super::working::Origin;
use super::{PublishError, Publisher, Working};
use crate::trust::UpdateError;

impl Publisher<'_> {
    /// What was begun: the kept root, byte for byte, and the targets that were kept with it.
    ///
    /// Never a root that was public before; a server that lost it would serve it with versions that its readers must
    /// refuse.
    pub(crate) fn resume(&mut self, anchor: &Verified<Root>) -> Result<Working, PublishError> {
        let keys = self.keys_at_hand()?;
        let authority = |role| Authority::of_base(anchor.model(), role);
        if !keys.holds_any(&authority(BaseRole::Root)) {
            return Err(keys.none_for(&authority(BaseRole::Root)));
        }
        let begun: Option<Verified<Targets>> = self.kept(&authority(BaseRole::Targets))?;
        let delegates = begun.as_ref().is_some_and(|targets| !targets.model().delegations.roles.is_empty());
        // Only a server gives a timestamp, and only what is published has delegations.
        if delegates || self.cache.read(&Role::Timestamp).map_err(UpdateError::from)?.is_some() {
            return Err(PublishError::Vanished { gun: self.gun.clone(), metadata: self.cache.place() });
        }
        let targets = begun.map_or_else(|| never_sent(self.now), |begun| begun.model().clone());
        let snapshot = self.kept::<Snapshot>(&authority(BaseRole::Snapshot))?;
        let origin = Origin::Begun(anchor.clone());
        let mut working = Working::first(origin, anchor.model().clone(), targets, self.gun.clone(), keys, self.now);
        working.snapshot = snapshot.map(|snapshot| snapshot.model().clone());
        Ok(working)
    }

    /// The cached document of a role, if the role's keys signed it; what cannot be read counts as absent.
    fn kept<M: Document>(&self, authority: &Authority) -> Result<Option<Verified<M>>, PublishError> {
        let role = authority.role();
        let Some(bytes) = self.cache.read(role).map_err(UpdateError::from)? else { return Ok(None) };
        let read = Envelope::parse(Dialect::Notary, Bytes::from(bytes)).ok();
        Ok(read.and_then(|envelope| envelope.decode(role.clone()).ok()).and_then(|d| d.verify(authority).ok()))
    }
}
