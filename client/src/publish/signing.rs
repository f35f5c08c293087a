//! From edited documents to an upload: each signed with the keys at hand and held against its own authority.

use bytes::Bytes;
use tuf_schema::dialect::Document;
use tuf_schema::key::x509::Expiry;
use tuf_schema::model::{FileMeta, Root, Snapshot};
use tuf_schema::verify::{Authority, Verified};
use tuf_schema::{BaseRole, Dialect, Draft, Envelope, PublicKey, Role, SigningKey as _};

use super::working::{Origin, ROOT_LIFETIME_SECONDS, TARGETS_LIFETIME_SECONDS};
use super::{PublishError, Publisher, Working};
use crate::keys::StoredKey;
use crate::remote::Part;

impl Publisher<'_> {
    /// Signs what was touched. Nothing touched makes no part at all, except where a root waits to be sent.
    pub(super) fn sign_touched(&mut self, working: &Working) -> Result<Vec<Part>, PublishError> {
        let mut parts = Vec::new();
        match &working.origin {
            _ if working.touched().contains(&Role::Root) => parts.push(self.sign_root(working)?),
            // Never another root: whoever makes a server answer 404 would else choose when an anchor is replaced.
            Origin::Begun(root) => parts.push(Part { role: Role::Root, bytes: root.raw().to_vec() }),
            Origin::Published(_) | Origin::New => {}
        }
        let expires = working.now().plus_seconds(TARGETS_LIFETIME_SECONDS);
        for role in working.touched() {
            let Some(document) = working.targets(role) else { continue };
            let mut next = document.clone();
            (next.version, next.expires) = (working.next_version(role)?, expires);
            parts.push(self.sign_with(&next, &working.authority(role)?, working)?);
        }
        let snapshot = working.authority(&Role::Snapshot)?;
        let has_news = !parts.is_empty() || working.touched().contains(&Role::Snapshot);
        if has_news && working.keys.holds_any(&snapshot) {
            let mut meta = working.snapshot.as_ref().map(|snapshot| snapshot.meta.clone()).unwrap_or_default();
            meta.retain(|role, _| !working.removed().contains(role));
            meta.extend(parts.iter().map(|part| (part.role.clone(), FileMeta::of(&part.bytes))));
            let next = Snapshot { version: working.next_version(&Role::Snapshot)?, expires, meta };
            parts.push(self.sign_with(&next, &snapshot, working)?);
        }
        Ok(parts)
    }

    /// The next root, signed by the keys of the one before, so that readers follow, and by its own.
    pub(super) fn sign_root(&mut self, working: &Working) -> Result<Part, PublishError> {
        let mut root = working.root().clone();
        root.version = working.next_version(&Role::Root)?;
        root.expires = working.now().plus_seconds(ROOT_LIFETIME_SECONDS);
        let own = Authority::of_base(&root, BaseRole::Root);
        let before = match &working.origin {
            Origin::Published(root) | Origin::Begun(root) => Some(root),
            Origin::New => None,
        };
        let part = match before {
            None => self.sign_with(&root, &own, working)?,
            Some(before) => {
                self.check_ours(before, working)?;
                let before = Authority::of_base(before.model(), BaseRole::Root);
                self.sign_for(&root, &[own, before], &working.older_roots, working)?
            }
        };
        self.check_pin(&part, before.is_none())?;
        Ok(part)
    }

    /// That readers for whom the same is pinned will believe the root: the maker is one of them.
    fn check_pin(&self, root: &Part, first: bool) -> Result<(), PublishError> {
        let pin = self.cache.pin();
        if first || !pin.is_anchor() {
            let document = Envelope::parse(Dialect::Notary, root.bytes.clone().into())?.decode::<Root>(Role::Root)?;
            pin.check(&document, self.gun, self.now, Expiry::Checked)?;
        }
        Ok(())
    }

    /// That the keys here signed the root that is to be followed.
    ///
    /// They sign nothing that follows a root of others. A root key is the root of many repositories, and whoever makes
    /// a root may name it there beside keys of his own: signed by ours, such a root would follow the true one.
    fn check_ours(&self, root: &Verified<Root>, working: &Working) -> Result<(), PublishError> {
        let authority = Authority::of_base(root.model(), BaseRole::Root);
        if !working.keys.holds_any(&authority) {
            return Err(working.keys.none_for(&authority));
        }
        let ours = authority.restricted(|key| working.keys.held(&Role::Root, key).is_some());
        let signed = Envelope::parse(Dialect::Notary, root.raw().clone())?.decode::<Root>(Role::Root)?;
        signed.check_signed_by(&ours).map_err(PublishError::ForeignRoot)
    }

    /// Signs `document` with every key of `authority` that is here.
    pub(super) fn sign_with<M: Document>(
        &mut self,
        document: &M,
        authority: &Authority,
        working: &Working,
    ) -> Result<Part, PublishError> {
        self.sign_for(document, std::slice::from_ref(authority), &[], working)
    }

    /// Signs `document` so that each of `authorities` is satisfied, and with what is here of `others`.
    fn sign_for<M: Document>(
        &mut self,
        document: &M,
        authorities: &[Authority],
        others: &[Authority],
        working: &Working,
    ) -> Result<Part, PublishError> {
        let draft = Draft::new(Dialect::Notary, document)?;
        let mut signers: Vec<(&PublicKey, &StoredKey)> = Vec::new();
        let mut role = Role::Root;
        for authority in authorities {
            role = authority.role().clone();
            let ours: Vec<_> = working.keys.held_of(authority).collect();
            if ours.is_empty() {
                return Err(working.keys.none_for(authority));
            }
            signers.extend(ours);
        }
        signers.extend(others.iter().flat_map(|authority| working.keys.held_of(authority)));
        signers.sort_by(|(a, _), (b, _)| a.id().cmp(b.id()));
        signers.dedup_by(|(a, _), (b, _)| a.id() == b.id());
        let mut signatures = Vec::new();
        for (key, stored) in signers {
            let secret = self.keys.open(stored)?;
            signatures.push(secret.with_certificate(key.clone())?.signature(draft.message(), self.rng)?);
        }
        let bytes: Bytes = draft.finish(&signatures);
        // What nobody could verify must not be sent.
        let read_back = Envelope::parse(Dialect::Notary, bytes.clone())?.decode::<M>(role.clone())?;
        for authority in authorities {
            read_back.check_signed_by(authority).map_err(PublishError::Threshold)?;
        }
        Ok(Part { role, bytes: bytes.to_vec() })
    }
}
