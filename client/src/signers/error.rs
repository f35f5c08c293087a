//! Why signers and what they released stay as they are.

use std::fmt;

use tuf_schema::{DelegationName, Gun, KeyId, Role};

use crate::image::Tag;

/// Somebody who may sign the releases: a key, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The id of the bare public key.
    pub key: KeyId,
    /// The signers who have it; nobody, if it was given for the releases alone.
    pub signers: Vec<DelegationName>,
}

/// Why an edit of signers does not fit what is published.
#[derive(Debug, thiserror::Error)]
pub enum SignersError {
    /// There is no such signer (docker's words).
    #[error("no signer {name} for repository {gun}", name = .name.below_targets())]
    NoSigner {
        /// The delegation that would be the signer's.
        name: DelegationName,
        /// The repository.
        gun: Gun,
    },
    /// The releases would lose the last key that may sign them.
    #[error(
        "the signer {name} is the last one, and without it what was released cannot be pulled; add another signer \
         before, or say -f", name = .0.below_targets()
    )]
    LastSigner(DelegationName),
    /// The releases would lose their last signature, and no key that could sign them anew is here.
    #[error(
        "without the signature of {name} what was released cannot be pulled, and no key is here that could sign \
         {releases} anew; have one of these sign a tag before, or say -f: {holders}",
        name = .name.below_targets(), releases = DelegationName::releases(), holders = listed(.holders)
    )]
    Unsigned {
        /// Whose signature it is.
        name: DelegationName,
        /// Who can sign anew.
        holders: Vec<Holder>,
    },
    /// Fewer keys would be left than have to sign.
    #[error("{role} needs {threshold} signatures and would have {left} keys; give it another key before")]
    TooFewKeys {
        /// The delegation.
        role: DelegationName,
        /// How many keys have to sign.
        threshold: u32,
        /// How many there would be.
        left: usize,
    },
    /// The tag is not released (docker's words).
    #[error("No valid trust data for {0}")]
    NoTag(Tag),
    /// There is nothing to revoke (docker's words).
    #[error("no signed tags to remove")]
    NothingSigned,
    /// A role whose key is not here goes on releasing the tag.
    #[error(
        "{tag} would stay signed by {role}, and none of its keys is here: {}",
        .keys.iter().map(KeyId::as_str).collect::<Vec<_>>().join(", ")
    )]
    StillReleased {
        /// The tag.
        tag: String,
        /// The role.
        role: Role,
        /// Its keys, by the ids of the bare public keys.
        keys: Vec<KeyId>,
    },
}

fn listed(holders: &[Holder]) -> String {
    holders.iter().map(Holder::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.signers.iter().map(DelegationName::below_targets).collect();
        match names.as_slice() {
            [] => write!(f, "key {}", self.key),
            names => write!(f, "{} (key {})", names.join(" or "), self.key),
        }
    }
}
