//! The targets of a repository as notary lists them: level by level from `targets` or from chosen roles, where the first
//! that lists a name decides.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;

use tuf_schema::model::Target;
use tuf_schema::verify::chain::{Skipped, Trusted, Visible};
use tuf_schema::{DelegationName, KeyId, Role};

/// A target and the role that lists it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Listed<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is.
    pub target: &'a Target,
    /// The role.
    pub role: &'a Role,
}

/// A delegation as the role above gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    /// The delegation.
    pub name: DelegationName,
    /// Prefixes of the names it may list.
    pub paths: Vec<String>,
    /// Ids of its keys: those of the bare public keys.
    pub keys: Vec<KeyId>,
    /// How many of them must sign.
    pub threshold: NonZeroU32,
}

/// A step of the walk: a role that was read, or one that was passed over and might have listed a name.
enum Step<'a> {
    Read(Visible<'a>),
    PassedOver { skipped: &'a Skipped, paths: Vec<String> },
}

/// Every target by name. With `roles`, those that these and the delegations below them list, each role before the next
/// one; without, those of `targets` and all below it.
#[must_use]
pub fn targets<'a>(trusted: &'a Trusted, roles: &[Role]) -> Vec<Listed<'a>> {
    let mut found = BTreeMap::new();
    let steps = walk(trusted);
    for step in search(&steps, roles) {
        let Step::Read(visible) = step else { continue };
        for (name, target) in visible.targets() {
            found.entry(name).or_insert(Listed { name, target, role: visible.role });
        }
    }
    found.into_values().collect()
}

/// The target of this name, searched for in the same order.
///
/// # Errors
/// [`Skipped`] if a role that is searched before the one that lists it was passed over and could have listed it: what
/// comes after it may be older.
pub fn target<'a>(trusted: &'a Trusted, name: &str, roles: &[Role]) -> Result<Option<Listed<'a>>, &'a Skipped> {
    let steps = walk(trusted);
    for step in search(&steps, roles) {
        match step {
            Step::Read(visible) => {
                let listed = visible.document.model().targets.get_key_value(name);
                if let Some((name, target)) = listed.filter(|(name, _)| visible.target(name).is_some()) {
                    return Ok(Some(Listed { name, target, role: visible.role }));
                }
            }
            Step::PassedOver { skipped, paths } => {
                if paths.iter().any(|path| name.starts_with(path.as_str())) {
                    return Err(skipped);
                }
            }
        }
    }
    Ok(None)
}

/// Every delegation, by name; also those whose own documents are missing or do not count.
#[must_use]
pub fn delegations(trusted: &Trusted) -> Vec<Delegation> {
    let mut found = Vec::new();
    for visible in trusted.walk() {
        let given = &visible.document.model().delegations;
        for role in &given.roles {
            let bare = |id: &KeyId| given.keys.get(id).map_or_else(|| id.clone(), tuf_schema::PublicKey::canonical_id);
            let keys = role.key_ids.iter().map(bare).collect();
            found.push(Delegation {
                name: role.name.clone(),
                paths: role.paths.clone(),
                keys,
                threshold: role.threshold,
            });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// The steps that count, in their order. What lies below another of `roles` has its turn there, and not before (the
/// reference's rule).
fn search<'s, 'a>(steps: &'s [Step<'a>], roles: &'s [Role]) -> Vec<&'s Step<'a>> {
    let everything: &[Role] = &[Role::Targets];
    let roles = if roles.is_empty() { everything } else { roles };
    let counts = |step: &Step<'a>, from: &Role| {
        let role = step.role();
        let elsewhere = |other: &Role| lies_below(other, from) && is_within(role, other);
        match step {
            // What the way leads through and cannot be read might have given what is looked for.
            Step::PassedOver { .. } if lies_below(from, role) => true,
            _ => is_within(role, from) && !roles.iter().any(elsewhere),
        }
    };
    roles.iter().flat_map(|from| steps.iter().filter(move |step| counts(step, from))).collect()
}

/// The whole walk, with what was passed over in its place.
fn walk(trusted: &Trusted) -> Vec<Step<'_>> {
    let mut read: BTreeMap<&Role, Visible<'_>> = trusted.walk().into_iter().map(|v| (v.role, v)).collect();
    let mut found = Vec::new();
    let mut queue = VecDeque::from([(Role::Targets, vec![String::new()])]);
    while let Some((role, paths)) = queue.pop_front() {
        if let Some(visible) = read.remove(&role) {
            for child in &visible.document.model().delegations.roles {
                queue.push_back((Role::Delegation(child.name.clone()), child.paths_within(&visible.paths)));
            }
            found.push(Step::Read(visible));
        } else if let Some(skipped) = trusted.skipped().iter().find(|skipped| skipped.role == role) {
            found.push(Step::PassedOver { skipped, paths });
        }
    }
    found
}

impl Step<'_> {
    fn role(&self) -> &Role {
        match self {
            Self::Read(visible) => visible.role,
            Self::PassedOver { skipped, .. } => &skipped.role,
        }
    }
}

fn is_within(role: &Role, top: &Role) -> bool {
    role == top || lies_below(role, top)
}

fn lies_below(role: &Role, above: &Role) -> bool {
    role.as_str().strip_prefix(above.as_str()).is_some_and(|rest| rest.starts_with('/'))
}
