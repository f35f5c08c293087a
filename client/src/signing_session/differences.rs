//! What a document of a session says otherwise than the one that is published: everything, in lines.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use tuf_schema::model::{DelegatedRole, Root, Target, Targets};
use tuf_schema::{BaseRole, DelegationName, KeyId, PublicKey, Role};

/// One thing that would change. Keys are named by the ids of the bare public keys, except where it is their listing that
/// changes.
#[derive(Debug, Clone, PartialEq)]
pub enum Difference {
    /// A target that is not there now.
    TargetAdded(String, Target),
    /// A target that is there now.
    TargetRemoved(String, Target),
    /// A target with another meaning.
    TargetChanged(String, Box<(Target, Target)>),
    /// A key that may sign a role from then on.
    KeyAdded(Role, KeyId),
    /// A key that may not sign a role any more.
    KeyRemoved(Role, KeyId),
    /// A root key with another certificate, by the ids under which the root lists them.
    Certificate(Role, KeyId),
    /// How many keys must sign a role.
    Threshold(Role, NonZeroU32, NonZeroU32),
    /// A delegation that is not there now, with its paths.
    DelegationAdded(DelegationName, Vec<String>),
    /// A delegation that is there now.
    DelegationRemoved(DelegationName),
    /// A delegation that may list these names, too.
    PathsAdded(DelegationName, Vec<String>),
    /// A delegation that may not list these names any more.
    PathsRemoved(DelegationName, Vec<String>),
    /// The delegations are searched in another order.
    Order(Vec<DelegationName>),
    /// A key that is listed and belongs to no role, by the id under which it is listed.
    Listed(KeyId),
    /// A key that is not listed any more, and belonged to no role.
    Unlisted(KeyId),
    /// Whether names of files begin with versions.
    ConsistentSnapshot(bool),
}

/// What a root changes.
pub(super) fn in_root(before: &Root, after: &Root) -> Vec<Difference> {
    let mut found = Vec::new();
    for base in BaseRole::ALL {
        let role = Role::from(base);
        let (old, new) = (before.grant(base), after.grant(base));
        let keys = |root: &Root| root.keys_of(base).map(|(_, key)| key.clone()).collect::<Vec<_>>();
        keys_of(&role, &keys(before), &keys(after), &mut found);
        if old.threshold != new.threshold {
            found.push(Difference::Threshold(role, old.threshold, new.threshold));
        }
    }
    let named = |root: &Root| -> BTreeSet<KeyId> {
        BaseRole::ALL.into_iter().flat_map(|base| root.grant(base).key_ids.clone()).collect()
    };
    let (old, new) = (before.keys.keys().cloned().collect(), after.keys.keys().cloned().collect());
    listings(&old, &named(before), &new, &named(after), &mut found);
    if before.consistent_snapshot != after.consistent_snapshot {
        found.push(Difference::ConsistentSnapshot(after.consistent_snapshot));
    }
    found
}

/// What a targets role changes; without one before, all that it says.
pub(super) fn in_targets(before: Option<&Targets>, after: &Targets) -> Vec<Difference> {
    let mut found = Vec::new();
    let old = |name: &String| before.and_then(|document| document.targets.get(name));
    for (name, target) in &after.targets {
        match old(name) {
            None => found.push(Difference::TargetAdded(name.clone(), target.clone())),
            Some(same) if same == target => {}
            Some(old) => {
                found.push(Difference::TargetChanged(name.clone(), Box::new((old.clone(), target.clone()))));
            }
        }
    }
    for (name, target) in before.iter().flat_map(|document| &document.targets) {
        if !after.targets.contains_key(name) {
            found.push(Difference::TargetRemoved(name.clone(), target.clone()));
        }
    }
    delegations(before, after, &mut found);
    found
}

fn delegations(before: Option<&Targets>, after: &Targets, found: &mut Vec<Difference>) {
    let roles = |document: Option<&Targets>| document.map(|d| d.delegations.roles.clone()).unwrap_or_default();
    let (old, new) = (roles(before), roles(Some(after)));
    for role in &new {
        let name = &role.name;
        let earlier = old.iter().find(|other| other.name == *name);
        match earlier {
            None => found.push(Difference::DelegationAdded(name.clone(), role.paths.clone())),
            Some(earlier) => paths(earlier, role, found),
        }
        let keys = |document: Option<&Targets>, role: Option<&DelegatedRole>| -> Vec<PublicKey> {
            let keys = document.map(|document| &document.delegations.keys);
            let ids = role.map(|role| role.key_ids.as_slice()).unwrap_or_default();
            ids.iter().filter_map(|id| keys?.get(id).cloned()).collect()
        };
        let named = Role::Delegation(name.clone());
        keys_of(&named, &keys(before, earlier), &keys(Some(after), Some(role)), found);
        let threshold = earlier.map_or(NonZeroU32::MIN, |earlier| earlier.threshold);
        if threshold != role.threshold {
            found.push(Difference::Threshold(named, threshold, role.threshold));
        }
    }
    let gone = old.iter().filter(|role| !new.iter().any(|other| other.name == role.name));
    found.extend(gone.map(|role| Difference::DelegationRemoved(role.name.clone())));
    let order = |these: &[DelegatedRole], those: &[DelegatedRole]| -> Vec<DelegationName> {
        let both = these.iter().filter(|role| those.iter().any(|other| other.name == role.name));
        both.map(|role| role.name.clone()).collect()
    };
    if order(&old, &new) != order(&new, &old) {
        found.push(Difference::Order(new.iter().map(|role| role.name.clone()).collect()));
    }
    let ids = |document: Option<&Targets>| -> BTreeSet<KeyId> {
        document.iter().flat_map(|document| document.delegations.keys.keys().cloned()).collect()
    };
    let named = |roles: &[DelegatedRole]| roles.iter().flat_map(|role| role.key_ids.clone()).collect();
    listings(&ids(before), &named(&old), &ids(Some(after)), &named(&new), found);
}

fn paths(before: &DelegatedRole, after: &DelegatedRole, found: &mut Vec<Difference>) {
    let beside = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|path| !those.contains(path)).cloned().collect()
    };
    let (added, removed) = (beside(&after.paths, &before.paths), beside(&before.paths, &after.paths));
    if !added.is_empty() {
        found.push(Difference::PathsAdded(after.name.clone(), added));
    }
    if !removed.is_empty() {
        found.push(Difference::PathsRemoved(after.name.clone(), removed));
    }
}

fn keys_of(role: &Role, before: &[PublicKey], after: &[PublicKey], found: &mut Vec<Difference>) {
    let ids = |keys: &[PublicKey]| keys.iter().map(PublicKey::canonical_id).collect::<BTreeSet<_>>();
    let (old, new) = (ids(before), ids(after));
    found.extend(new.difference(&old).map(|id| Difference::KeyAdded(role.clone(), id.clone())));
    found.extend(old.difference(&new).map(|id| Difference::KeyRemoved(role.clone(), id.clone())));
    let renewed = after
        .iter()
        .filter(|key| old.contains(&key.canonical_id()) && !before.iter().any(|other| other.id() == key.id()));
    found.extend(renewed.map(|key| Difference::Certificate(role.clone(), key.id().clone())));
}

/// Keys that are listed beside those of the roles.
fn listings(
    before: &BTreeSet<KeyId>,
    named_before: &BTreeSet<KeyId>,
    after: &BTreeSet<KeyId>,
    named_after: &BTreeSet<KeyId>,
    found: &mut Vec<Difference>,
) {
    let fresh = after.difference(before).filter(|id| !named_after.contains(*id));
    found.extend(fresh.map(|id| Difference::Listed(id.clone())));
    let gone = before.difference(after).filter(|id| !named_before.contains(*id));
    found.extend(gone.map(|id| Difference::Unlisted(id.clone())));
}
