//! Who may sign a role: keys and threshold, from a root or from the role that delegates.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use crate::key::{KeyId, PublicKey};
use crate::model::{Root, Targets};
use crate::role::{BaseRole, DelegationName, Role};

/// The keys that may sign a role, and how many of them must.
#[derive(Debug, Clone)]
pub struct Authority {
    role: Role,
    keys: BTreeMap<KeyId, PublicKey>,
    threshold: NonZeroU32,
}

impl Authority {
    /// The authority over a base role, as `root` says.
    ///
    /// For the root role itself use [`crate::verify::follow`] and [`crate::verify::trust_first`], which also apply the
    /// rules of root certificates.
    #[must_use]
    pub fn of_base(root: &Root, role: BaseRole) -> Self {
        let keys = root.keys_of(role).map(|(id, key)| (id.clone(), key.clone())).collect();
        Self { role: role.into(), keys, threshold: root.grant(role).threshold }
    }

    /// The authority over a delegation, as the role above it says; `None` when it does not declare it.
    #[must_use]
    pub fn of_delegation(parent: &Targets, name: &DelegationName) -> Option<Self> {
        let role = parent.delegations.role(name)?;
        let key = |id: &KeyId| parent.delegations.keys.get(id).map(|key| (id.clone(), key.clone()));
        let keys = role.key_ids.iter().filter_map(key).collect();
        Some(Self { role: Role::Delegation(name.clone()), keys, threshold: role.threshold })
    }

    /// The same authority with only the keys that `keep` lets stay.
    #[must_use]
    pub fn restricted(mut self, mut keep: impl FnMut(&PublicKey) -> bool) -> Self {
        self.keys.retain(|_, key| keep(key));
        self
    }

    /// The role.
    #[must_use]
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// The key listed under this id.
    #[must_use]
    pub fn key(&self, id: &KeyId) -> Option<&PublicKey> {
        self.keys.get(id)
    }

    /// The keys by the id under which they are listed.
    pub fn keys(&self) -> impl Iterator<Item = (&KeyId, &PublicKey)> {
        self.keys.iter()
    }

    /// How many distinct keys must sign.
    #[must_use]
    pub fn threshold(&self) -> u32 {
        self.threshold.get()
    }
}
