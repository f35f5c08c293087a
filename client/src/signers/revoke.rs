//! Revoking: tags taken from what is released, by whoever may sign the roles that release them.

use std::collections::{BTreeMap, BTreeSet};

use tuf_schema::model::{Delegations, Targets};
use tuf_schema::{DelegationName, Role};

use super::SignersError;
use crate::image::Tag;
use crate::publish::{Edit, EditError, Working};

/// Takes a tag, or all of them, from every role that lists it and whose key is here. Afterwards it is not released any
/// more, or nothing is changed.
#[derive(Debug, Clone)]
pub struct Revoke {
    /// The tag; all of them, if none is named.
    pub tag: Option<Tag>,
}

impl Edit for Revoke {
    fn apply(&self, working: &mut Working) -> Result<(), EditError> {
        let dropped = self.tag.is_none() && drop_what_does_not_count(working)?;
        let all = released(working)?;
        let tags = match &self.tag {
            Some(tag) if all.contains(tag.as_str()) => BTreeSet::from([tag.as_str().to_owned()]),
            Some(tag) => return Err(SignersError::NoTag(tag.clone()).into()),
            None if all.is_empty() && !dropped => return Err(SignersError::NothingSigned.into()),
            None => all,
        };
        let roles = roles(working);
        if roles.is_empty() {
            return Err(EditError::NoDelegationKey);
        }
        for role in &roles {
            let lists = |document: &Targets| tags.iter().any(|tag| document.targets.contains_key(tag));
            if working.targets(role).is_some_and(lists) {
                working.targets_mut(role)?.targets.retain(|name, _| !tags.contains(name));
            }
        }
        for role in released_by() {
            let listed = released_in(&role, working);
            if let Some(tag) = tags.iter().find(|tag| listed.contains(*tag)) {
                let keys = working.authority(&role)?.keys().map(|(_, key)| key.canonical_id()).collect();
                return Err(SignersError::StillReleased { tag: tag.clone(), role, keys }.into());
            }
        }
        Ok(())
    }
}

/// Has the releases begin anew, if what is there does not count and a key that may sign them is here.
///
/// Docker's removal of a signer leaves them so. Nobody has to answer for what they list: none of it stays.
fn drop_what_does_not_count(working: &mut Working) -> Result<bool, EditError> {
    let releases = Role::Delegation(DelegationName::releases());
    if working.passed_over(&releases).is_none() || !working.can_sign(&releases) {
        return Ok(false);
    }
    working.adopt(&releases)?;
    let document = working.targets_mut(&releases)?;
    (document.targets, document.delegations) = (BTreeMap::new(), Delegations::default());
    Ok(true)
}

/// The roles whose tags count as released.
fn released_by() -> [Role; 2] {
    [Role::Delegation(DelegationName::releases()), Role::Targets]
}

/// Every released tag.
fn released(working: &Working) -> Result<BTreeSet<String>, EditError> {
    let mut tags = BTreeSet::new();
    for role in released_by() {
        working.check_readable(&role)?;
        tags.extend(released_in(&role, working));
    }
    Ok(tags)
}

/// What a role lists and may list.
fn released_in(role: &Role, working: &Working) -> BTreeSet<String> {
    let may_list = |tag: &str| match role {
        Role::Delegation(name) => working.delegated(name).is_some_and(|given| given.allows(tag)),
        Role::Root | Role::Targets | Role::Snapshot | Role::Timestamp => true,
    };
    let listed = working.targets(role).into_iter().flat_map(|document| document.targets.keys());
    listed.filter(|tag| may_list(tag)).cloned().collect()
}

/// Who takes the tags away: `targets` where nothing is delegated, as with docker; else those whose keys are here, and
/// `targets` is one of them.
fn roles(working: &Working) -> Vec<Role> {
    let delegated: Vec<_> = working.all_delegated().filter(|role| role.name.parent() == Role::Targets).collect();
    if delegated.is_empty() {
        return vec![Role::Targets];
    }
    let below = delegated.into_iter().map(|role| Role::Delegation(role.name.clone()));
    below.chain([Role::Targets]).filter(|role| working.can_sign(role)).collect()
}
