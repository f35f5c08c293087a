//! Giving delegations and taking them away, in the document of the role above.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use tuf_schema::model::{DelegatedRole, Delegations};
use tuf_schema::{DelegationName, KeyId, PublicKey, Role};

use super::{EditError, TooFewKeys, Working};

impl Working {
    /// The delegation `name` as the role above gives it, if anybody has it.
    #[must_use]
    pub fn delegated(&self, name: &DelegationName) -> Option<&DelegatedRole> {
        self.targets(&name.parent())?.delegations.role(name)
    }

    /// All delegations that can be read.
    pub fn all_delegated(&self) -> impl Iterator<Item = &DelegatedRole> {
        self.all_targets().flat_map(|(_, document)| &document.delegations.roles)
    }

    /// Those delegations of the documents that were edited that have too few keys to be signed by anybody.
    #[must_use]
    pub fn unsignable(&self) -> Vec<TooFewKeys> {
        let edited = self.touched().iter().filter_map(|role| self.targets(role));
        // Of one that a single key signs there is nothing to count.
        let doubtful = edited
            .flat_map(|document| &document.delegations.roles)
            .filter(|role| role.threshold > NonZeroU32::MIN || role.key_ids.is_empty());
        doubtful
            .filter_map(|role| TooFewKeys::of(&self.authority(&Role::Delegation(role.name.clone())).ok()?))
            .collect()
    }

    /// Whether a delegation has the key, named by the id of the bare public key or by its own.
    #[must_use]
    pub fn has_key(&self, name: &DelegationName, key: &KeyId) -> bool {
        let Some(giver) = self.targets(&name.parent()) else { return false };
        let has = |role: &DelegatedRole| role.key_ids.iter().any(|held| names(&giver.delegations.keys, held, key));
        giver.delegations.role(name).is_some_and(has)
    }

    /// Whether `role` may list a target of this name, by its own paths and those of the roles above it.
    #[must_use]
    pub fn allows(&self, role: &Role, target: &str) -> bool {
        starts_with_any(target, &self.paths_of(role))
    }

    /// The prefixes of the names that a role may list; the empty one allows all.
    fn paths_of(&self, role: &Role) -> Vec<String> {
        match role {
            Role::Delegation(name) => {
                let above = self.paths_of(&name.parent());
                self.delegated(name).map_or_else(Vec::new, |given| given.paths_within(&above))
            }
            Role::Root | Role::Targets | Role::Snapshot | Role::Timestamp => vec![String::new()],
        }
    }

    /// Adds keys and paths to a delegation, which is made if there is none; `threshold` is for one that is made.
    ///
    /// # Errors
    /// [`EditError::WithoutKey`] for a new one without a key, [`EditError::PathOutside`] for a path that the role above
    /// may not list itself; else as [`targets_mut`](Self::targets_mut).
    pub fn grant(
        &mut self,
        name: &DelegationName,
        threshold: NonZeroU32,
        keys: &[PublicKey],
        paths: &[String],
    ) -> Result<(), EditError> {
        let above = self.paths_of(&name.parent());
        if let Some(outside) = paths.iter().find(|path| !starts_with_any(path, &above)) {
            return Err(EditError::PathOutside { name: name.clone(), path: outside.clone() });
        }
        if self.delegated(name).is_none() {
            if keys.is_empty() {
                return Err(EditError::WithoutKey(name.clone()));
            }
            let made = DelegatedRole { name: name.clone(), key_ids: Vec::new(), threshold, paths: Vec::new() };
            self.targets_mut(&name.parent())?.delegations.roles.push(made);
        }
        let (role, all) = self.delegation_mut(name)?;
        for key in keys {
            if !role.key_ids.contains(key.id()) {
                role.key_ids.push(key.id().clone());
            }
            all.insert(key.id().clone(), key.clone());
        }
        for path in paths {
            if !role.paths.contains(path) {
                role.paths.push(path.clone());
            }
        }
        Ok(())
    }

    /// Has so many keys of a delegation sign.
    ///
    /// # Errors
    /// [`EditError::Undeclared`] if there is no such delegation.
    pub fn set_threshold(&mut self, name: &DelegationName, threshold: NonZeroU32) -> Result<(), EditError> {
        self.delegation_mut(name)?.0.threshold = threshold;
        Ok(())
    }

    /// Takes keys from a delegation; they are named by the ids of the bare public keys, or by their own. The last one may
    /// go, as in the reference: what the delegation lists then counts no more, until it is given another.
    ///
    /// # Errors
    /// [`EditError::NotAKeyOf`] if it has not got one of them.
    pub fn withdraw_keys(&mut self, name: &DelegationName, keys: &[KeyId]) -> Result<(), EditError> {
        let (role, all) = self.delegation_mut(name)?;
        for id in keys {
            let before = role.key_ids.len();
            role.key_ids.retain(|held| !names(all, held, id));
            if role.key_ids.len() == before {
                return Err(EditError::NotAKeyOf { key: id.clone(), role: name.clone() });
            }
        }
        self.drop_unused_keys(name)
    }

    /// Takes paths from a delegation; one that it has not got is no error.
    ///
    /// # Errors
    /// [`EditError::Undeclared`] if there is no such delegation.
    pub fn withdraw_paths(&mut self, name: &DelegationName, paths: &[String]) -> Result<(), EditError> {
        self.delegation_mut(name)?.0.paths.retain(|path| !paths.contains(path));
        Ok(())
    }

    /// Takes all paths from a delegation.
    ///
    /// # Errors
    /// [`EditError::Undeclared`] if there is no such delegation.
    pub fn clear_paths(&mut self, name: &DelegationName) -> Result<(), EditError> {
        self.delegation_mut(name)?.0.paths.clear();
        Ok(())
    }

    /// Removes a delegation with its document, and those below it.
    ///
    /// # Errors
    /// [`EditError::Undeclared`] if there is no such delegation.
    pub fn remove_delegation(&mut self, name: &DelegationName) -> Result<(), EditError> {
        if self.delegated(name).is_none() {
            return Err(EditError::Undeclared(name.clone()));
        }
        self.targets_mut(&name.parent())?.delegations.roles.retain(|role| &role.name != name);
        self.forget(name);
        self.drop_unused_keys(name)
    }

    fn delegation_mut(&mut self, name: &DelegationName) -> Result<(&mut DelegatedRole, &mut Keys), EditError> {
        let undeclared = || EditError::Undeclared(name.clone());
        if self.delegated(name).is_none() {
            return Err(undeclared());
        }
        let Delegations { keys, roles } = &mut self.targets_mut(&name.parent())?.delegations;
        let role = roles.iter_mut().find(|role| &role.name == name).ok_or_else(undeclared)?;
        Ok((role, keys))
    }

    /// Removes keys that no delegation beside `name` has any more.
    fn drop_unused_keys(&mut self, name: &DelegationName) -> Result<(), EditError> {
        let Delegations { keys, roles } = &mut self.targets_mut(&name.parent())?.delegations;
        let used: BTreeSet<_> = roles.iter().flat_map(|role| &role.key_ids).collect();
        keys.retain(|id, _| used.contains(id));
        Ok(())
    }
}

type Keys = std::collections::BTreeMap<KeyId, PublicKey>;

fn starts_with_any(name: &str, prefixes: &[String]) -> bool {
    prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
}

/// Whether `id` names the key that is listed as `held`.
fn names(keys: &Keys, held: &KeyId, id: &KeyId) -> bool {
    held == id || keys.get(held).is_some_and(|key| key.canonical_id() == *id)
}
