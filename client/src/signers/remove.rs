//! Removing a signer: its delegation, and its keys among those of the releases, which shall stay signed.

use std::collections::BTreeSet;

use tuf_schema::{DelegationName, KeyId, PublicKey, Role};

use super::{Holder, SignersError};
use crate::publish::{Edit, EditError, Working};

/// What removing a signer may do to what was released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Releases {
    /// It stays: the releases are signed anew with a key that is here, or else the signer stays.
    Keep,
    /// It may be that nothing which was released can be pulled afterwards.
    GiveUp,
}

/// Takes a signer's delegation away, and from the releases those of its keys that no other signer has.
#[derive(Debug, Clone)]
pub struct RemoveSigner {
    /// The signer's delegation.
    pub name: DelegationName,
    /// What becomes of what was released.
    pub releases: Releases,
}

impl Edit for RemoveSigner {
    fn apply(&self, working: &mut Working) -> Result<(), EditError> {
        if working.delegated(&self.name).is_none() {
            let (name, gun) = (self.name.clone(), working.gun().clone());
            return Err(SignersError::NoSigner { name, gun }.into());
        }
        let keys = bare_keys(working, &self.name);
        working.remove_delegation(&self.name)?;
        self.withdraw(&keys, working)
    }
}

impl RemoveSigner {
    /// Takes `keys`, which were the signer's, from the releases.
    fn withdraw(&self, keys: &BTreeSet<KeyId>, working: &mut Working) -> Result<(), EditError> {
        let releases = DelegationName::releases();
        let Some(given) = working.delegated(&releases) else { return Ok(()) };
        let (threshold, all) = (given.threshold.get(), bare_keys(working, &releases));
        let (gone, left): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|key| keys.contains(key) && !signers(working).any(|signer| working.has_key(signer, key)));
        if gone.is_empty() {
            return Ok(());
        }
        if left.is_empty() {
            return match self.releases {
                Releases::Keep => Err(SignersError::LastSigner(self.name.clone()).into()),
                Releases::GiveUp => working.remove_delegation(&releases),
            };
        }
        if left.len() < usize::try_from(threshold).unwrap_or(usize::MAX) {
            return Err(SignersError::TooFewKeys { role: releases, threshold, left: left.len() }.into());
        }
        working.withdraw_keys(&releases, &gone)?;
        if releases_lost_its_signature(working)? {
            self.sign_anew(working)?;
        }
        Ok(())
    }

    /// Has the releases signed by keys that stay, if enough of them are here.
    fn sign_anew(&self, working: &mut Working) -> Result<(), EditError> {
        let role = Role::Delegation(DelegationName::releases());
        let authority = working.authority(&role)?;
        if working.keys().holds_enough(&authority) {
            return working.touch(&role);
        }
        match self.releases {
            Releases::Keep => {
                Err(SignersError::Unsigned { name: self.name.clone(), holders: holders_of_releases(working) }.into())
            }
            Releases::GiveUp => Ok(()),
        }
    }
}

/// Whether what was released would count no more by what has been edited.
///
/// # Errors
/// [`EditError`] if there are no releases.
pub fn releases_lost_its_signature(working: &Working) -> Result<bool, EditError> {
    let releases = DelegationName::releases();
    if working.delegated(&releases).is_none() {
        return Ok(false);
    }
    working.lost_its_signature(&Role::Delegation(releases))
}

/// Who may sign the releases.
#[must_use]
pub fn holders_of_releases(working: &Working) -> Vec<Holder> {
    let holder = |key: KeyId| {
        let signers = signers(working).filter(|signer| working.has_key(signer, &key)).cloned().collect();
        Holder { key, signers }
    };
    bare_keys(working, &DelegationName::releases()).into_iter().map(holder).collect()
}

/// The delegations right below `targets`, but for the releases.
fn signers(working: &Working) -> impl Iterator<Item = &DelegationName> {
    working.all_delegated().map(|role| &role.name).filter(|name| name.parent() == Role::Targets && !name.is_releases())
}

/// The keys of a delegation, by the ids of the bare public keys; those that verify nothing by their own. One that is
/// listed twice, bare and in a certificate, is one key.
fn bare_keys(working: &Working, name: &DelegationName) -> BTreeSet<KeyId> {
    let Some(giver) = working.targets(&name.parent()) else { return BTreeSet::new() };
    let bare = |id: &KeyId| giver.delegations.keys.get(id).map_or_else(|| id.clone(), PublicKey::canonical_id);
    giver.delegations.role(name).into_iter().flat_map(|role| &role.key_ids).map(bare).collect()
}
