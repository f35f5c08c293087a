//! The proof that enough distinct keys signed a document, and the one place that counts them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::envelope::Unverified;
use crate::key::KeyId;
use crate::role::Role;
use crate::verify::Authority;

/// How many signatures of one key are tried: honest documents carry one, and each costs up to milliseconds.
const MAX_TRIES: usize = 4;

/// A document that enough distinct keys of its role signed. Says nothing about dates.
///
/// Only [`Unverified::verify`] makes one; the fields are private so that nobody else can:
///
/// ```compile_fail,E0451
/// # fn forge(role: tuf_schema::Role, model: tuf_schema::model::Root) {
/// let forged = tuf_schema::verify::Verified { role, raw: Default::default(), model, signed_by: Default::default() };
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Verified<M> {
    role: Role,
    raw: Bytes,
    model: M,
    signed_by: BTreeSet<KeyId>,
}

/// Why a document's signatures do not suffice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The document carries no signature at all.
    #[error("tuf: data has no signatures")]
    Unsigned,
    /// A signature by a key that the document's authority lists under an id that is not the key's.
    #[error("key ID is not valid for key content")]
    KeyIdMismatch(KeyId),
    /// Fewer distinct keys signed than needed.
    #[error("valid signatures did not meet threshold for {role}: {got} of {need} required keys have signed")]
    BelowThreshold {
        /// The role.
        role: Role,
        /// How many distinct keys made a good signature.
        got: usize,
        /// How many are needed.
        need: u32,
    },
}

impl<M> Unverified<M> {
    /// Checks the signatures against `authority` and gives the proof.
    ///
    /// # Errors
    /// [`SignatureError`] says what is missing.
    pub fn verify(self, authority: &Authority) -> Result<Verified<M>, SignatureError> {
        self.verify_or_return(authority).map_err(|refused| refused.1)
    }

    /// The same; what is refused is handed back as it was read.
    pub(crate) fn verify_or_return(self, authority: &Authority) -> Result<Verified<M>, Box<(Self, SignatureError)>> {
        match self.signed_by(authority) {
            Ok(signed_by) => Ok(Verified { role: self.role, raw: self.raw, model: self.model, signed_by }),
            Err(source) => Err(Box::new((self, source))),
        }
    }

    /// Whether `authority` signed, when a second authority has to as well (root rotation).
    ///
    /// # Errors
    /// [`SignatureError`] says what is missing.
    pub fn check_signed_by(&self, authority: &Authority) -> Result<(), SignatureError> {
        self.signed_by(authority).map(drop)
    }

    /// The keys of `authority` that signed, if they suffice: by the ids of the bare keys.
    fn signed_by(&self, authority: &Authority) -> Result<BTreeSet<KeyId>, SignatureError> {
        if self.signatures.is_empty() {
            return Err(SignatureError::Unsigned);
        }
        let need = authority.threshold();
        let signers = self.count(authority)?;
        if u64::try_from(signers.len()).is_ok_and(|got| got >= u64::from(need)) {
            return Ok(signers.into_values().collect());
        }
        Err(SignatureError::BelowThreshold { role: authority.role().clone(), got: signers.len(), need })
    }

    /// The keys of `authority` that signed, by the ids of the bare keys, whether they suffice or not; none, if the
    /// authority lists a key under an id that is not the key's.
    #[must_use]
    pub fn signers(&self, authority: &Authority) -> BTreeSet<KeyId> {
        self.count(authority).unwrap_or_default().into_values().collect()
    }

    /// Distinct keys, not distinct ids or signatures: one key under two ids counts once.
    fn count<'a>(&'a self, authority: &'a Authority) -> Result<BTreeMap<&'a [u8], KeyId>, SignatureError> {
        let mut candidates = Vec::new();
        for signature in &self.signatures {
            let Some(key) = authority.key(&signature.key_id) else { continue };
            if key.id() != &signature.key_id {
                return Err(SignatureError::KeyIdMismatch(signature.key_id.clone()));
            }
            candidates.extend(key.material().map(|material| (material, key, signature)));
        }
        let mut signers = BTreeMap::new();
        let mut tried: BTreeMap<&[u8], usize> = BTreeMap::new();
        for (material, key, signature) in candidates {
            let tries = tried.entry(material).or_default();
            *tries = tries.saturating_add(1);
            if *tries > MAX_TRIES || signers.contains_key(material) || !key.verifies(&self.message, signature) {
                continue;
            }
            signers.insert(material, key.canonical_id());
        }
        Ok(signers)
    }
}

impl<M> Verified<M> {
    /// The role.
    #[must_use]
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// What the document says.
    #[must_use]
    pub fn model(&self) -> &M {
        &self.model
    }

    /// Every key that counts for the role and signed, also beyond the threshold: the ids of the bare keys.
    #[must_use]
    pub fn signed_by(&self) -> &BTreeSet<KeyId> {
        &self.signed_by
    }

    /// The bytes as they came.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }
}
