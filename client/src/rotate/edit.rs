//! A rotation as an edit: new keys in the place of old ones, and new signatures where old ones do not count any more.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};

use tuf_schema::model::{KeyGrant, Root};
use tuf_schema::verify::Authority;
use tuf_schema::{BaseRole, DelegationName, KeyId, PublicKey, Role};

use crate::publish::{Edit, EditError, Working};

/// New keys for roles. All of them take effect with one upload.
#[derive(Debug, Default)]
pub(super) struct RotateKeys {
    pub(super) bases: Vec<(BaseRole, Vec<PublicKey>)>,
    pub(super) delegations: Vec<Exchange>,
    /// Root keys of long ago that sign the new root, too.
    pub(super) older: Vec<Authority>,
    /// Whether anything was handed to the trust server, which may keep it whatever it answers.
    pub(super) went_out: AtomicBool,
}

/// Keys in the place of others, in every delegation that has these.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    /// The delegation that was named.
    pub(super) role: DelegationName,
    /// What goes, by the ids of the bare public keys.
    pub(super) old: Vec<KeyId>,
    pub(super) new: Vec<PublicKey>,
}

impl Edit for RotateKeys {
    fn apply(&self, working: &mut Working) -> Result<(), EditError> {
        // An attempt before this one was stored, whatever its answer said.
        if self.went_out() && self.is_in_force(working) {
            return Ok(());
        }
        for (role, keys) in &self.bases {
            let threshold = working.root().grant(*role).threshold;
            replace(working.root_mut(), *role, keys, threshold);
            match role {
                BaseRole::Targets => working.touch(&Role::Targets)?,
                // Signed with each upload, here or by the server; the root was touched.
                BaseRole::Root | BaseRole::Snapshot | BaseRole::Timestamp => {}
            }
        }
        working.also_signed_by(&self.older);
        self.delegations.iter().try_for_each(|exchange| exchange.apply(working))
    }

    fn goes_out(&self) {
        self.went_out.store(true, Ordering::Relaxed);
    }
}

impl RotateKeys {
    /// Whether the new keys may be public.
    pub(super) fn went_out(&self) -> bool {
        self.went_out.load(Ordering::Relaxed)
    }

    /// Whether the keys are those that count.
    pub(super) fn is_in_force(&self, working: &Working) -> bool {
        let base = |(role, keys): &(BaseRole, Vec<PublicKey>)| {
            working.root().grant(*role).key_ids.iter().eq(keys.iter().map(PublicKey::id))
        };
        let delegation = |exchange: &Exchange| {
            let has = |id: &KeyId| working.has_key(&exchange.role, id);
            exchange.new.iter().all(|key| has(key.id())) && !exchange.old.iter().any(has)
        };
        self.bases.iter().all(base) && self.delegations.iter().all(delegation)
    }

    /// Whether a key is one of the new ones, by the id of the bare public key.
    pub(super) fn names(&self, id: &KeyId) -> bool {
        self.roles().iter().any(|(_, ids)| ids.contains(id))
    }

    /// The roles with the ids of their new bare public keys.
    pub(super) fn roles(&self) -> Vec<(Role, Vec<KeyId>)> {
        let ids = |keys: &[PublicKey]| keys.iter().map(PublicKey::canonical_id).collect();
        let bases = self.bases.iter().map(|(role, keys)| (Role::from(*role), ids(keys)));
        let delegations = self.delegations.iter().map(|e| (Role::Delegation(e.role.clone()), ids(&e.new)));
        bases.chain(delegations).collect()
    }
}

impl Exchange {
    fn apply(&self, working: &mut Working) -> Result<(), EditError> {
        let concerned = self.concerned(working);
        if concerned.is_empty() {
            return Err(EditError::Undeclared(self.role.clone()));
        }
        for (name, old) in &concerned {
            working.grant(name, NonZeroU32::MIN, &self.new, &[])?;
            working.withdraw_keys(name, old)?;
        }
        for (name, _) in concerned {
            let role = Role::Delegation(name);
            if working.lost_its_signature(&role)? {
                working.touch(&role)?;
            }
        }
        Ok(())
    }

    /// The delegations that have the old keys and can be given others here, with those of the old keys that they have.
    ///
    /// A signer's key is the key of several: exchanged in one alone, it would go on signing in the others.
    pub(super) fn concerned(&self, working: &Working) -> Vec<(DelegationName, Vec<KeyId>)> {
        let held = |name: &DelegationName| -> Vec<_> {
            self.old.iter().filter(|id| working.has_key(name, id)).cloned().collect()
        };
        let names = working.all_delegated().map(|role| role.name.clone());
        let with_keys = names.map(|name| (held(&name), name)).filter(|(old, _)| !old.is_empty());
        with_keys.filter(|(_, name)| working.can_sign(&name.parent())).map(|(old, name)| (name, old)).collect()
    }
}

/// As the reference does: certificates of older root keys stay listed, all other keys that no role names go.
pub(crate) fn replace(root: &mut Root, role: BaseRole, keys: &[PublicKey], threshold: NonZeroU32) {
    let grant = KeyGrant { key_ids: keys.iter().map(|key| key.id().clone()).collect(), threshold };
    let old = std::mem::replace(grant_of(root, role), grant).key_ids;
    if role != BaseRole::Root {
        let named: BTreeSet<_> = BaseRole::ALL.into_iter().flat_map(|role| root.grant(role).key_ids.clone()).collect();
        root.keys.retain(|id, _| named.contains(id) || !old.contains(id));
    }
    root.keys.extend(keys.iter().map(|key| (key.id().clone(), key.clone())));
}

fn grant_of(root: &mut Root, role: BaseRole) -> &mut KeyGrant {
    match role {
        BaseRole::Root => &mut root.root,
        BaseRole::Targets => &mut root.targets,
        BaseRole::Snapshot => &mut root.snapshot,
        BaseRole::Timestamp => &mut root.timestamp,
    }
}
