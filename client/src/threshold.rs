//! How many of which keys must sign a role: m of n for root, targets and delegations.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use tuf_schema::model::{KeyGrant, Root};
use tuf_schema::verify::Authority;
use tuf_schema::{BaseRole, DelegationName, Gun, KeyId, PublicKey, Role};

use crate::publish::{Edit, EditError, Working};
use crate::root_certificate::check_is_of_one;
use crate::rotate::replace;

/// Gives a role a threshold, and keys together with it.
#[derive(Debug, Clone)]
pub struct SetThreshold {
    /// Root, targets, or a delegation.
    pub role: Role,
    /// How many of its keys must sign.
    pub threshold: NonZeroU32,
    /// Keys that it gets.
    pub add: Vec<PublicKey>,
    /// Keys that it loses, by the ids of the bare public keys, or by their own.
    pub remove: Vec<KeyId>,
}

/// Why a role cannot have the keys and the threshold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ThresholdError {
    /// More keys must sign than there are.
    #[error(
        "{role} would have {keys} keys, and {threshold} of them cannot sign; give it more with --add-key, or a lower threshold"
    )]
    TooFewKeys {
        /// The role.
        role: Role,
        /// How many should sign.
        threshold: NonZeroU32,
        /// How many different keys it would have.
        keys: usize,
    },
    /// A key to be taken away is not one of the role's.
    #[error("the key {key} is not one of {role}, which has {}", join(.has))]
    NotAKeyOf {
        /// The key.
        key: KeyId,
        /// The role.
        role: Role,
        /// Its keys, by the ids of the bare public keys.
        has: Vec<KeyId>,
    },
    /// The certificate of a new root key is for others, too.
    #[error(
        "the certificate {name:?} is not for {gun} alone: a root that names it could be shown as another repository's; ask \
         for one that is made with: bulla key export --key ID --public-for {gun}"
    )]
    ForeignCertificate {
        /// The repository.
        gun: Gun,
        /// Whom the certificate is for.
        name: String,
    },
    /// A role whose keys are the server's, or sign with each upload.
    #[error("{0} is signed by one key: choose root, targets, or a delegation")]
    NotForSeveral(Role),
}

impl SetThreshold {
    /// How many keys of how many must sign `role` as things stand.
    ///
    /// # Errors
    /// [`EditError`] if it is a delegation that nobody gave.
    pub fn in_force(role: &Role, working: &Working) -> Result<(u32, usize), EditError> {
        let authority = working.authority(role)?;
        Ok((authority.threshold(), distinct(&authority)))
    }

    fn base(&self, base: BaseRole, working: &mut Working) -> Result<(), EditError> {
        let root = working.root();
        let grant = root.grant(base);
        let mut key_ids = grant.key_ids.clone();
        for id in &self.remove {
            let before = key_ids.len();
            key_ids.retain(|held| !names(root, held, id));
            if key_ids.len() == before {
                let has = root.keys_of(base).map(|(_, key)| key.canonical_id()).collect();
                return Err(ThresholdError::NotAKeyOf { key: id.clone(), role: base.into(), has }.into());
            }
        }
        if base == BaseRole::Root {
            for key in &self.add {
                let (gun, now) = (working.gun(), working.now());
                check_is_of_one(key, gun, now)
                    .map_err(|name| ThresholdError::ForeignCertificate { gun: gun.clone(), name: name.0 })?;
            }
        }
        let fresh: Vec<_> = self.add.iter().filter(|key| !key_ids.contains(key.id())).collect();
        let kept = key_ids.iter().filter_map(|id| root.keys.get(id));
        let keys: Vec<PublicKey> = kept.chain(fresh).cloned().collect();
        let next = KeyGrant { key_ids: keys.iter().map(|key| key.id().clone()).collect(), threshold: self.threshold };
        if next == *grant {
            return Ok(());
        }
        replace(working.root_mut(), base, &keys, self.threshold);
        Ok(())
    }

    fn delegation(&self, name: &DelegationName, working: &mut Working) -> Result<(), EditError> {
        let role = working.delegated(name).ok_or_else(|| EditError::Undeclared(name.clone()))?;
        let adds = self.add.iter().any(|key| !role.key_ids.contains(key.id()));
        if role.threshold == self.threshold && !adds && self.remove.is_empty() {
            return Ok(());
        }
        // Given before others are taken, so that all of its keys may be exchanged at once.
        working.grant(name, self.threshold, &self.add, &[])?;
        if !self.remove.is_empty() {
            working.withdraw_keys(name, &self.remove)?;
        }
        working.set_threshold(name, self.threshold)
    }
}

impl Edit for SetThreshold {
    fn apply(&self, working: &mut Working) -> Result<(), EditError> {
        match &self.role {
            Role::Root => self.base(BaseRole::Root, working)?,
            Role::Targets => self.base(BaseRole::Targets, working)?,
            Role::Delegation(name) => self.delegation(name, working)?,
            other @ (Role::Snapshot | Role::Timestamp) => {
                return Err(ThresholdError::NotForSeveral(other.clone()).into());
            }
        }
        let keys = distinct(&working.authority(&self.role)?);
        if u64::from(self.threshold.get()) > keys as u64 {
            return Err(ThresholdError::TooFewKeys { role: self.role.clone(), threshold: self.threshold, keys }.into());
        }
        // What its old keys signed may be too little now.
        if self.role.lists_targets() && working.lost_its_signature(&self.role)? {
            working.touch(&self.role)?;
        }
        Ok(())
    }
}

/// How many different keys there are, however often one is listed.
fn distinct(authority: &Authority) -> usize {
    authority.keys().map(|(_, key)| key.canonical_id()).collect::<BTreeSet<_>>().len()
}

/// Whether `id` names the key that the root lists as `held`.
fn names(root: &Root, held: &KeyId, id: &KeyId) -> bool {
    held == id || root.keys.get(held).is_some_and(|key| key.canonical_id() == *id)
}

fn join(ids: &[KeyId]) -> String {
    ids.iter().map(KeyId::as_str).collect::<Vec<_>>().join(", ")
}
