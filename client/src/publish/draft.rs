//! One document, signed with the keys at hand and held against its own authority before it goes out.

use bytes::Bytes;
use tuf_schema::dialect::Document;
use tuf_schema::verify::Authority;
use tuf_schema::{Dialect, Draft, Envelope, Gun, PublicKey, Role, SigningKey as _};

use super::{Part, PublishError, Publisher};
use crate::keys::{KeyRole, StoredKey};

/// How long a signed targets role or snapshot lasts: the reference's three years, in seconds.
pub(super) const TARGETS_LIFETIME_SECONDS: i64 = 1095 * 24 * 60 * 60;
/// How long a root lasts: the reference's ten years, in seconds.
pub(super) const ROOT_LIFETIME_SECONDS: i64 = 3650 * 24 * 60 * 60;

impl Publisher<'_> {
    /// Signs `document` with every key of `authority` that is here.
    pub(super) fn sign_with<M: Document>(
        &mut self,
        document: &M,
        authority: &Authority,
        stored: &[StoredKey],
    ) -> Result<Part, PublishError> {
        let role = authority.role().clone();
        let draft = Draft::new(Dialect::Notary, document)?;
        let mut signatures = Vec::new();
        for (_, key) in authority.keys() {
            let Some(stored) = self.held(stored, &role, key) else { continue };
            let secret = self.keys.open(stored)?;
            signatures.push(secret.with_certificate(key.clone())?.signature(draft.message(), self.rng)?);
        }
        if signatures.is_empty() {
            return Err(self.no_key(stored, authority));
        }
        let bytes: Bytes = draft.finish(&signatures);
        // What nobody could verify must not be sent.
        let read_back = Envelope::parse(Dialect::Notary, bytes.clone())?.decode::<M>(role.clone())?;
        read_back.verify(authority).map_err(PublishError::Threshold)?;
        Ok(Part { role, bytes: bytes.to_vec() })
    }

    /// The private key on disk that belongs to `key`, which may be a certificate, and may sign for `role`.
    pub(super) fn held<'a>(&self, stored: &'a [StoredKey], role: &Role, key: &PublicKey) -> Option<&'a StoredKey> {
        let bare = key.bare()?;
        stored.iter().find(|stored| &stored.id == bare.id() && self.may_sign(stored, role))
    }

    /// Whether a role is signed here or elsewhere.
    pub(super) fn holds_any(&self, stored: &[StoredKey], authority: &Authority) -> bool {
        authority.keys().any(|(_, key)| self.held(stored, authority.role(), key).is_some())
    }

    /// Whether a key is for this repository, a root key for root, and a signer's key for delegations.
    ///
    /// Documents do not say of which repository they are. Whoever makes a repository chooses which keys its root names:
    /// were any key of ours good enough, what it signs there could be shown as signed for the repository it belongs to.
    fn may_sign(&self, key: &StoredKey, role: &Role) -> bool {
        let is_signers = key.gun.is_none() && matches!(key.role, KeyRole::Signer(_));
        let may_sign_role = match role {
            Role::Root => key.role == KeyRole::Root,
            Role::Delegation(_) => key.role != KeyRole::Root,
            // A signer's key is named by the owners of many repositories; none of them is thereby the signer's own.
            Role::Targets | Role::Snapshot | Role::Timestamp => key.role != KeyRole::Root && !is_signers,
        };
        key.gun.as_ref().is_none_or(|gun| gun == self.gun) && may_sign_role
    }

    /// That no key may sign: they are not here, or they are for something else.
    pub(super) fn no_key(&self, stored: &[StoredKey], authority: &Authority) -> PublishError {
        let ids: Vec<_> =
            authority.keys().map(|(id, key)| key.bare().map_or_else(|| id.clone(), |b| b.id().clone())).collect();
        match stored.iter().find(|stored| ids.contains(&stored.id)) {
            Some(other) => PublishError::KeyOfOther {
                key: other.id.clone(),
                role: authority.role().clone(),
                of: other.gun.as_ref().map_or_else(|| other.role.to_string(), Gun::to_string),
            },
            None => PublishError::NoKey(ids),
        }
    }
}
