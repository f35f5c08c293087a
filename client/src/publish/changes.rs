//! Changes as an edit: each is made in its turn, or none of them.

use std::num::NonZeroU32;

use tuf_schema::model::DelegatedRole;
use tuf_schema::{DelegationName, KeyId, Role};

use super::{Edit, EditError, Working};
use crate::changelist::{Change, DelegationEdit};

/// Changes in the order in which they are made. A repository that the trust server does not know is made by them, as
/// notary does; but not by none at all.
#[derive(Debug, Clone, Default)]
pub struct Changes(pub Vec<Change>);

impl Edit for Changes {
    fn apply(&self, working: &mut Working) -> Result<(), EditError> {
        self.0.iter().try_for_each(|change| make(change, working))
    }

    fn founds(&self) -> bool {
        !self.0.is_empty()
    }
}

fn make(change: &Change, working: &mut Working) -> Result<(), EditError> {
    match change {
        Change::AddTarget { role, name, target } => {
            let document = working.targets_mut(role)?;
            document.targets.insert(name.clone(), target.clone());
            if working.allows(role, name) {
                Ok(())
            } else {
                Err(EditError::TargetOutside { role: role.clone(), target: name.clone() })
            }
        }
        Change::RemoveTarget { role, name } => {
            working.targets_mut(role)?.targets.remove(name);
            Ok(())
        }
        Change::GrantDelegation { name, threshold, keys, paths } => {
            working.grant(name, threshold.unwrap_or(NonZeroU32::MIN), keys, paths)
        }
        Change::EditDelegation { name, edit } => change_delegation(working, name, edit),
        Change::DeleteDelegation { name } => working.remove_delegation(name),
        Change::PurgeKeys { below, keys } => purge(working, below, keys),
        Change::Witness { role } => {
            working.check_not_older(role)?;
            working.adopt(role)
        }
    }
}

/// In the reference's order: paths are taken, paths are given, keys are taken, keys are given.
fn change_delegation(working: &mut Working, name: &DelegationName, edit: &DelegationEdit) -> Result<(), EditError> {
    if working.delegated(name).is_none() {
        return Err(EditError::Undeclared(name.clone()));
    }
    if edit.clear_paths {
        working.clear_paths(name)?;
    }
    if !edit.remove_paths.is_empty() {
        working.withdraw_paths(name, &edit.remove_paths)?;
    }
    // Given before others are taken, so that all of its keys may be exchanged at once.
    working.grant(name, NonZeroU32::MIN, &edit.add_keys, &edit.add_paths)?;
    if edit.remove_keys.is_empty() { Ok(()) } else { working.withdraw_keys(name, &edit.remove_keys) }
}

/// Takes keys from every delegation below `below` whose giver can be signed here; who has none of them is left alone.
fn purge(working: &mut Working, below: &Role, keys: &[KeyId]) -> Result<(), EditError> {
    let inside = |role: &DelegatedRole| {
        let parent = role.name.parent();
        parent == *below || parent.as_str().starts_with(&format!("{below}/"))
    };
    let affected: Vec<_> = working
        .all_delegated()
        .filter(|role| inside(role) && working.can_sign(&role.name.parent()))
        .map(|role| role.name.clone())
        .collect();
    for name in affected {
        let held: Vec<_> = keys.iter().filter(|key| working.has_key(&name, key)).cloned().collect();
        if !held.is_empty() {
            working.withdraw_keys(&name, &held)?;
        }
    }
    Ok(())
}
