//! Pins: what must vouch for the roots of a repository, beside the signatures that lead from one root to the next.

use std::collections::BTreeSet;
use std::fmt;

use rustls_pki_types::CertificateDer;

use crate::envelope::Unverified;
use crate::gun::Gun;
use crate::key::x509::{Expiry, leaf_for};
use crate::key::{KeyId, PublicKey};
use crate::model::Root;
use crate::role::BaseRole;
use crate::time::UtcTime;
use crate::verify::Authority;
use crate::version::Version;

/// What must vouch for the roots of one repository.
#[derive(Clone, Debug, Default)]
pub enum Pin {
    /// Nothing: the first root that comes is believed.
    #[default]
    FirstUse,
    /// Nothing, and no first root is believed. One that is kept already stays in force.
    NoFirstUse,
    /// These certificates are anchors: a root is believed if one of them signed it, or if it follows from such a root by
    /// signatures, as a rotated one does. A single document is no proof of the latter, so the roots before it are asked
    /// for.
    Certificates {
        /// Their ids, as root documents list them.
        ids: BTreeSet<KeyId>,
        /// Where that is written.
        stated: String,
    },
    /// Each root that is used is signed by a key whose certificate one of these authorities issued.
    Authorities {
        /// The authorities.
        certificates: Vec<CertificateDer<'static>>,
        /// Where that is written.
        stated: String,
    },
}

/// Why a root is not believed though its signatures are in order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// The first root of a repository for which nothing is pinned (the reference's words, and the next step).
    #[error(
        "could not validate the path to a trusted root: invalid trust pinning specified: trust on first use is off and \
         nothing is pinned for {0}; ask its publisher for what \"bulla pin show {0}\" prints, and pin that"
    )]
    FirstUseOff(Gun),
    /// No pinned certificate, or none of a pinned authority, signed the root.
    #[error(transparent)]
    Mismatch(#[from] Box<PinMismatch>),
}

/// What is pinned and what a root has (the reference's words, and the facts).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "could not validate the path to a trusted root: unable to match any certificates to trust_pinning config: {stated} \
     expects {expected}, version {version} of the root of {gun} has {}; ask its publisher which is right: either change the \
     pin, or do not trust this server", join(.found)
)]
pub struct PinMismatch {
    /// The repository.
    pub gun: Gun,
    /// The version of the root.
    pub version: Version,
    /// Where the pin is written.
    pub stated: String,
    /// What it asks for.
    pub expected: Expected,
    /// The root's own keys.
    pub found: Vec<Found>,
}

/// What a pin asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// One of these certificates, by their ids.
    Certificates(BTreeSet<KeyId>),
    /// A certificate of an authority that is named where the pin is written.
    Authority,
}

/// A key of a root that no pin covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its id.
    pub id: KeyId,
    /// Why not, where it takes more than its id to see.
    pub why: Option<String>,
}

impl Pin {
    /// Whether a first root may be believed at all.
    ///
    /// # Errors
    /// [`PinError::FirstUseOff`].
    pub fn check_first_use(&self, gun: &Gun) -> Result<(), PinError> {
        match self {
            Self::NoFirstUse => Err(PinError::FirstUseOff(gun.clone())),
            Self::FirstUse | Self::Certificates { .. } | Self::Authorities { .. } => Ok(()),
        }
    }

    /// Whether the root itself is signed by enough of its keys that the pin covers. With `dates` ignored a certificate of a
    /// pinned authority counts though it has ended, if it was good in its last second.
    ///
    /// # Errors
    /// [`PinMismatch`].
    pub fn check(
        &self,
        root: &Unverified<Root>,
        gun: &Gun,
        now: UtcTime,
        dates: Expiry,
    ) -> Result<(), Box<PinMismatch>> {
        let covered = |key: &PublicKey| match self {
            Self::FirstUse | Self::NoFirstUse => Ok(()),
            Self::Certificates { ids, .. } if ids.contains(key.id()) => Ok(()),
            Self::Certificates { .. } => Err(None),
            Self::Authorities { certificates, .. } => {
                let leaf = leaf_for(key, gun, now, Expiry::Ignored);
                let verified = leaf.and_then(|leaf| {
                    let time = if dates == Expiry::Ignored { now.min(leaf.not_after()) } else { now };
                    leaf.verifies_to(certificates, time)
                });
                verified.map_err(|e| Some(e.to_string()))
            }
        };
        let (expected, stated) = match self {
            Self::FirstUse | Self::NoFirstUse => return Ok(()),
            Self::Certificates { ids, stated } => (Expected::Certificates(ids.clone()), stated),
            Self::Authorities { stated, .. } => (Expected::Authority, stated),
        };
        let own = Authority::of_base(root.claims(), BaseRole::Root).restricted(|key| covered(key).is_ok());
        if root.check_signed_by(&own).is_ok() {
            return Ok(());
        }
        let unsigned = || Some("it is pinned, and did not sign enough".to_owned());
        let keys = root.claims().keys_of(BaseRole::Root);
        let found = keys.map(|(id, key)| Found { id: id.clone(), why: covered(key).err().unwrap_or_else(unsigned) });
        Err(Box::new(PinMismatch {
            gun: gun.clone(),
            version: root.claims().version,
            stated: stated.clone(),
            expected,
            found: found.collect(),
        }))
    }

    /// Whether what follows from a root that the pin covers is believed without being covered itself.
    #[must_use]
    pub fn is_anchor(&self) -> bool {
        match self {
            Self::Certificates { .. } => true,
            Self::FirstUse | Self::NoFirstUse | Self::Authorities { .. } => false,
        }
    }
}

impl PinMismatch {
    /// What should be pinned instead, where the roots before this one lead to it from a pinned one.
    #[must_use]
    pub fn outgrown(&self) -> String {
        let Self { gun, version, stated, expected, found } = self;
        format!(
            "{stated} expects {expected}, whose key was rotated: version {version} of the root of {gun} has {}; replace the \
             pin (bulla pin show {gun})",
            join(found)
        )
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificates(ids) => {
                f.write_str(if ids.len() == 1 { "the certificate " } else { "one of the certificates " })?;
                f.write_str(&join(ids))
            }
            Self::Authority => f.write_str("a certificate that its authority issued"),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Some(why) => write!(f, "{} ({why})", self.id),
            None => write!(f, "{}", self.id),
        }
    }
}

fn join<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}
