//! Delegations that do not count, kept for whoever mends them: expired ones, and ones that too few keys signed.

use bytes::Bytes;

use crate::envelope::Unverified;
use crate::model::{FileMismatch, Targets};
use crate::verify::Verified;

/// The document of a delegation that was passed over.
#[derive(Debug, Clone)]
pub enum PassedOver {
    /// Its keys signed it, and its date is past.
    Expired(Verified<Targets>),
    /// Too few of its keys signed it.
    UnderSigned(Unsigned),
}

/// What the snapshot lists for a delegation whose keys did not sign it: the keys were changed after it was signed, or
/// somebody made it up.
///
/// Nobody but the snapshot's key vouches for what it says. It may be shown to a person who decides to sign it.
///
/// ```compile_fail,E0423
/// # fn forge(document: tuf_schema::Unverified<tuf_schema::model::Targets>) {
/// let forged = tuf_schema::verify::chain::Unsigned(document);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Unsigned(Unverified<Targets>);

impl PassedOver {
    /// What the document says; of an under-signed one nobody's word.
    #[must_use]
    pub fn claims(&self) -> &Targets {
        match self {
            Self::Expired(document) => document.model(),
            Self::UnderSigned(document) => document.claims(),
        }
    }

    /// The bytes that the snapshot lists.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        match self {
            Self::Expired(document) => document.raw(),
            Self::UnderSigned(document) => document.raw(),
        }
    }
}

impl Unsigned {
    /// The document if it is the listed one, byte for byte, by what came of holding it against the snapshot.
    pub(super) fn listed(document: Unverified<Targets>, is_listed: &Result<(), FileMismatch>) -> Option<Self> {
        is_listed.is_ok().then_some(Self(document))
    }

    /// What it says.
    #[must_use]
    pub fn claims(&self) -> &Targets {
        self.0.claims()
    }

    /// The bytes that the snapshot lists.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.0.raw
    }

    /// The document with its signatures, to be held against others who may have signed it.
    #[must_use]
    pub fn document(&self) -> &Unverified<Targets> {
        &self.0
    }
}
