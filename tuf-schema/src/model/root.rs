//! Root: which keys may sign for each base role.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use crate::key::{KeyId, PublicKey};
use crate::role::BaseRole;
use crate::time::UtcTime;
use crate::version::Version;

/// The root document.
#[derive(Clone, Debug)]
pub struct Root {
    /// Its version.
    pub version: Version,
    /// When it stops being valid.
    pub expires: UtcTime,
    /// Always false in the Notary dialect, which serves names by hash regardless.
    pub consistent_snapshot: bool,
    /// Every key named by a role, and older root certificates, by the id under which the document lists them.
    pub keys: BTreeMap<KeyId, PublicKey>,
    /// The root role's own keys.
    pub root: KeyGrant,
    /// The keys of `targets`.
    pub targets: KeyGrant,
    /// The keys of `snapshot`.
    pub snapshot: KeyGrant,
    /// The keys of `timestamp`.
    pub timestamp: KeyGrant,
}

/// Which keys may sign for a role, and how many of them must.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyGrant {
    /// Ids of the keys.
    pub key_ids: Vec<KeyId>,
    /// How many distinct keys must sign.
    pub threshold: NonZeroU32,
}

impl KeyGrant {
    /// One key that signs alone.
    #[must_use]
    pub fn single(key_id: KeyId) -> Self {
        Self { key_ids: vec![key_id], threshold: NonZeroU32::MIN }
    }
}

impl Root {
    /// The grant of a base role.
    #[must_use]
    pub fn grant(&self, role: BaseRole) -> &KeyGrant {
        match role {
            BaseRole::Root => &self.root,
            BaseRole::Targets => &self.targets,
            BaseRole::Snapshot => &self.snapshot,
            BaseRole::Timestamp => &self.timestamp,
        }
    }

    /// The keys that may sign for a base role, in the order of its ids.
    pub fn keys_of(&self, role: BaseRole) -> impl Iterator<Item = (&KeyId, &PublicKey)> {
        self.grant(role).key_ids.iter().filter_map(|id| self.keys.get(id).map(|key| (id, key)))
    }

    /// The first role whose threshold its own keys can never reach, with the number of distinct keys it has.
    #[must_use]
    pub fn unreachable_threshold(&self) -> Option<(BaseRole, usize)> {
        BaseRole::ALL.into_iter().find_map(|role| {
            let distinct: BTreeSet<_> = self.keys_of(role).filter_map(|(_, key)| key.material()).collect();
            let needed = usize::try_from(self.grant(role).threshold.get()).unwrap_or(usize::MAX);
            (distinct.len() < needed).then_some((role, distinct.len()))
        })
    }
}
