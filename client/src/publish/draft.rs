//! One document, signed with the keys at hand and held against its own authority before it goes out.

use bytes::Bytes;
use tuf_schema::dialect::Document;
use tuf_schema::verify::Authority;
use tuf_schema::{Dialect, Draft, Envelope, KeyId, PublicKey, SigningKey as _};

use super::{Part, PublishError, Publisher};
use crate::keys::StoredKey;

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
            let Some(stored) = held(stored, key) else { continue };
            let secret = self.keys.open(stored)?;
            signatures.push(secret.with_certificate(key.clone())?.signature(draft.message(), self.rng)?);
        }
        if signatures.is_empty() {
            return Err(PublishError::NoKey(canonical_ids(authority)));
        }
        let bytes: Bytes = draft.finish(&signatures);
        // What nobody could verify must not be sent.
        let read_back = Envelope::parse(Dialect::Notary, bytes.clone())?.decode::<M>(role.clone())?;
        read_back.verify(authority).map_err(PublishError::Threshold)?;
        Ok(Part { role, bytes: bytes.to_vec() })
    }
}

/// The private key on disk that belongs to `key`, which may be a certificate.
pub(super) fn held<'a>(stored: &'a [StoredKey], key: &PublicKey) -> Option<&'a StoredKey> {
    let bare = key.bare()?;
    stored.iter().find(|stored| &stored.id == bare.id())
}

/// Ids under which the private keys would be stored.
pub(super) fn canonical_ids(authority: &Authority) -> Vec<KeyId> {
    authority.keys().map(|(id, key)| key.bare().map_or_else(|| id.clone(), |bare| bare.id().clone())).collect()
}

/// Whether a role is signed here or by the server.
pub(super) fn holds_any(stored: &[StoredKey], authority: &Authority) -> bool {
    authority.keys().any(|(_, key)| held(stored, key).is_some())
}
