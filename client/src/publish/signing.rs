//! From edited documents to an upload: each signed with the keys at hand and held against its own authority.

use bytes::Bytes;
use tuf_schema::dialect::Document;
use tuf_schema::key::x509::Expiry;
use tuf_schema::model::Root;
use tuf_schema::sign::CertifiedKey;
use tuf_schema::verify::{Authority, SignatureError, Verified};
use tuf_schema::{BaseRole, Dialect, Draft, Envelope, PublicKey, Role, SigningKey as _, Unverified};

use super::working::Origin;
use super::{PublishError, Publisher, Shortage, TooFewKeys, Working};
use crate::keys::StoredKey;
use crate::remote::Part;

impl Publisher<'_> {
    /// Signs what was touched, and takes it out: documents may be large. Nothing touched makes no part at all, except
    /// where a root waits to be sent.
    pub(super) fn sign_touched(&mut self, working: &mut Working) -> Result<Vec<Part>, PublishError> {
        let mut parts = Vec::new();
        match &working.origin {
            _ if working.touched().contains(&Role::Root) => parts.push(self.sign_root(working)?),
            // Never another root: whoever makes a server answer 404 would else choose when an anchor is replaced.
            Origin::Begun(root) => parts.push(Part { role: Role::Root, bytes: root.raw().to_vec() }),
            Origin::Published(_) | Origin::New => {}
        }
        let listing = working.touched().iter().filter(|role| working.targets(role).is_some());
        let authorities = listing.map(|role| working.authority(role)).collect::<Result<Vec<_>, _>>()?;
        for authority in authorities {
            if let Some(next) = working.take_next_targets(authority.role())? {
                parts.push(self.sign_with(&next, &authority, working)?);
            }
        }
        if !parts.is_empty() || working.touched().contains(&Role::Snapshot) {
            self.sign_snapshot(&mut parts, working)?;
        }
        Ok(parts)
    }

    /// Adds the snapshot that lists `parts`, where it is signed here.
    pub(crate) fn sign_snapshot(&mut self, parts: &mut Vec<Part>, working: &Working) -> Result<(), PublishError> {
        let snapshot = working.authority(&Role::Snapshot)?;
        if working.keys.holds_any(&snapshot) {
            parts.push(self.sign_with(&working.next_snapshot(parts)?, &snapshot, working)?);
        }
        Ok(())
    }

    /// The next root, signed by the keys of the one before, so that readers follow, and by its own.
    pub(super) fn sign_root(&mut self, working: &Working) -> Result<Part, PublishError> {
        let root = working.next_root()?;
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
        let document = Envelope::parse(Dialect::Notary, part.bytes.clone().into())?.decode::<Root>(Role::Root)?;
        self.check_pin(&document, before.is_none())?;
        Ok(part)
    }

    /// That readers for whom the same is pinned will believe the root: the maker is one of them.
    pub(crate) fn check_pin(&self, root: &Unverified<Root>, first: bool) -> Result<(), PublishError> {
        let pin = self.cache.pin();
        if first || !pin.is_anchor() {
            pin.check(root, self.gun, self.now, Expiry::Checked)?;
        }
        Ok(())
    }

    /// That the keys here signed the root that is to be followed.
    ///
    /// They sign nothing that follows a root of others. A root key is the root of many repositories, and whoever makes
    /// a root may name it there beside keys of his own: signed by ours, such a root would follow the true one.
    pub(crate) fn check_ours(&self, root: &Verified<Root>, working: &Working) -> Result<(), PublishError> {
        let authority = Authority::of_base(root.model(), BaseRole::Root);
        if !working.keys.holds_any(&authority) {
            return Err(working.keys.none_for(&authority));
        }
        let need = authority.threshold();
        let ours = authority.restricted(|key| working.keys.held(&Role::Root, key).is_some());
        let signed = Envelope::parse(Dialect::Notary, root.raw().clone())?.decode::<Root>(Role::Root)?;
        // One of them is enough: of several that must sign, the others may be other people's.
        if signed.signers(&ours).is_empty() {
            let none = SignatureError::BelowThreshold { role: Role::Root, got: 0, need };
            return Err(PublishError::ForeignRoot(none));
        }
        Ok(())
    }

    /// Signs `document` with every key of `authority` that is here.
    pub(super) fn sign_with<M: Document + Send>(
        &mut self,
        document: &M,
        authority: &Authority,
        working: &Working,
    ) -> Result<Part, PublishError> {
        self.sign_for(document, std::slice::from_ref(authority), &[], working)
    }

    /// Signs `document` so that each of `authorities` is satisfied, and with what is here of `others`.
    fn sign_for<M: Document + Send>(
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
            if let Some(few) = TooFewKeys::of(authority) {
                return Err(PublishError::TooFewKeys { gun: self.gun.clone(), few });
            }
            let ours: Vec<_> = working.keys.held_of(authority).collect();
            if ours.is_empty() {
                return Err(working.keys.none_for(authority));
            }
            // Before any passphrase is asked for.
            if !working.keys.holds_enough(authority) {
                return Err(Shortage::of(authority, working).into());
            }
            signers.extend(ours);
        }
        signers.extend(others.iter().flat_map(|authority| working.keys.held_of(authority)));
        signers.sort_by(|(a, _), (b, _)| a.id().cmp(b.id()));
        signers.dedup_by(|(a, _), (b, _)| a.id() == b.id());
        let mut signatures = Vec::new();
        for (key, stored) in signers {
            let held = CertifiedKey::new(self.keys.open(stored)?, key.clone())?;
            signatures.push(held.signature(draft.message(), self.rng)?);
        }
        let bytes: Bytes = draft.finish(&signatures);
        // What nobody could verify must not be sent.
        let read_back = draft.read_back::<M>(&role, bytes.clone())?;
        for authority in authorities {
            read_back.check_signed_by(authority).map_err(|e| PublishError::ReadBack(e.into()))?;
        }
        // Else the bytes would be copied.
        drop(read_back);
        Ok(Part { role, bytes: bytes.into() })
    }
}
