//! What a document of a session says otherwise than the one that is published: everything, in lines.

use std::collections::{BTreeMap, BTreeSet};
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
    /// A key of a role is listed in another form, too, as with another certificate, by the id under which it is listed.
    Certificate(Role, KeyId),
    /// A key of a role is not listed in this form any more.
    CertificateRemoved(Role, KeyId),
    /// A role names a key that is listed under this id, which is not the key's: it cannot sign.
    Misnamed(Role, KeyId),
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
    /// The delegations are searched in another order than before, with new ones last.
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
        let keys = |root: &Root| root.keys_of(base).map(|(id, key)| (id.clone(), key.clone())).collect::<Keys>();
        keys_of(&role, &keys(before), &keys(after), &mut found);
        if old.threshold != new.threshold {
            found.push(Difference::Threshold(role, old.threshold, new.threshold));
        }
    }
    let named = |root: &Root| -> BTreeSet<KeyId> {
        BaseRole::ALL.into_iter().flat_map(|base| root.grant(base).key_ids.clone()).collect()
    };
    listings(&before.keys, &named(before), &after.keys, &named(after), &mut found);
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
        let keys = |document: Option<&Targets>, role: Option<&DelegatedRole>| -> Keys {
            let keys = document.map(|document| &document.delegations.keys);
            let ids = role.map(|role| role.key_ids.as_slice()).unwrap_or_default();
            ids.iter().filter_map(|id| Some((id.clone(), keys?.get(id)?.clone()))).collect()
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
    let has = |roles: &[DelegatedRole], name: &DelegationName| roles.iter().any(|role| role.name == *name);
    let stay = old.iter().filter(|role| has(&new, &role.name));
    let come = new.iter().filter(|role| !has(&old, &role.name));
    if !stay.chain(come).map(|role| &role.name).eq(new.iter().map(|role| &role.name)) {
        found.push(Difference::Order(new.iter().map(|role| role.name.clone()).collect()));
    }
    let none = Keys::new();
    let before = before.map_or(&none, |document| &document.delegations.keys);
    let named = |roles: &[DelegatedRole]| roles.iter().flat_map(|role| role.key_ids.clone()).collect();
    listings(before, &named(&old), &after.delegations.keys, &named(&new), found);
}

/// Keys by the id under which they are listed.
type Keys = BTreeMap<KeyId, PublicKey>;

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

fn keys_of(role: &Role, before: &Keys, after: &Keys, found: &mut Vec<Difference>) {
    // Under another id than its own a key counts for nothing.
    let counts = |(listed, key): &(&KeyId, &PublicKey)| key.id() == *listed;
    let ids = |keys: &Keys| keys.iter().filter(counts).map(|(_, key)| key.canonical_id()).collect::<BTreeSet<_>>();
    let (old, new) = (ids(before), ids(after));
    found.extend(new.difference(&old).map(|id| Difference::KeyAdded(role.clone(), id.clone())));
    found.extend(old.difference(&new).map(|id| Difference::KeyRemoved(role.clone(), id.clone())));
    for (listed, key) in after.iter().filter(|(listed, key)| before.get(*listed) != Some(*key)) {
        if !counts(&(listed, key)) {
            found.push(Difference::Misnamed(role.clone(), listed.clone()));
        } else if old.contains(&key.canonical_id()) {
            found.push(Difference::Certificate(role.clone(), listed.clone()));
        }
    }
    for (listed, key) in before.iter().filter(|(listed, _)| !after.contains_key(*listed)) {
        if !counts(&(listed, key)) || new.contains(&key.canonical_id()) {
            found.push(Difference::CertificateRemoved(role.clone(), listed.clone()));
        }
    }
}

/// Keys that are listed beside those of the roles.
fn listings(
    before: &Keys,
    named_before: &BTreeSet<KeyId>,
    after: &Keys,
    named_after: &BTreeSet<KeyId>,
    found: &mut Vec<Difference>,
) {
    let fresh = after.iter().filter(|(id, key)| before.get(*id) != Some(*key) && !named_after.contains(*id));
    found.extend(fresh.map(|(id, _)| Difference::Listed(id.clone())));
    let gone = before.keys().filter(|id| !after.contains_key(*id) && !named_before.contains(*id));
    found.extend(gone.map(|id| Difference::Unlisted(id.clone())));
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use tuf_schema::sign::{SecretKey, self_signed_root_certificate};
    use tuf_schema::testing::{Publisher, secret_key};
    use tuf_schema::{Gun, SigningKey as _, UtcTime};

    use super::*;

    fn published() -> Publisher {
        let now = UtcTime::parse("2026-11-22T00:00:00Z").unwrap();
        Publisher::new(&Gun::parse("a.test/b").unwrap(), secret_key().public(), secret_key().public(), now)
    }

    fn certificate(key: &SecretKey) -> PublicKey {
        let now = UtcTime::parse("2026-11-22T00:00:00Z").unwrap();
        self_signed_root_certificate(key, &Gun::parse("a.test/b").unwrap(), now, &SystemRandom::new()).unwrap()
    }

    #[test]
    fn a_key_under_an_id_that_is_not_its_own_is_told_as_one_that_cannot_sign() {
        let before = published().root;
        let id = before.targets.key_ids[0].clone();
        for other in [KeyId::from_wire("x"), before.snapshot.key_ids[0].clone()] {
            let mut after = before.clone();
            let key = after.keys.remove(&id).unwrap();
            after.keys.insert(other.clone(), key);
            after.targets.key_ids = vec![other.clone()];
            let told = in_root(&before, &after);
            assert!(told.contains(&Difference::KeyRemoved(Role::Targets, id.clone())), "{told:?}");
            assert!(told.contains(&Difference::Misnamed(Role::Targets, other)), "{told:?}");
        }
        // The id stays, and what is listed under it is another key.
        let mut after = before.clone();
        after.keys.insert(id.clone(), secret_key().public().clone());
        let told = [Difference::KeyRemoved(Role::Targets, id.clone()), Difference::Misnamed(Role::Targets, id)];
        assert_eq!(in_root(&before, &after), told);
    }

    #[test]
    fn a_certificate_is_told_when_it_comes_and_when_it_goes() {
        let publisher = published();
        let (root, key) = (publisher.root, certificate(publisher.root_key.key()));
        let mut both = root.clone();
        both.keys.insert(key.id().clone(), key.clone());
        both.root.key_ids.push(key.id().clone());
        assert_eq!(in_root(&root, &both), [Difference::Certificate(Role::Root, key.id().clone())]);
        assert_eq!(in_root(&both, &root), [Difference::CertificateRemoved(Role::Root, key.id().clone())]);
    }

    #[test]
    fn what_is_listed_for_no_role_is_told_when_it_is_another_key() {
        let (mut before, id) = (published().targets, KeyId::from_wire("x"));
        before.delegations.keys.insert(id.clone(), secret_key().public().clone());
        let mut after = before.clone();
        after.delegations.keys.insert(id.clone(), secret_key().public().clone());
        assert_eq!(in_targets(Some(&before), &after), [Difference::Listed(id)]);
    }

    #[test]
    fn a_delegation_that_is_searched_before_others_is_told() {
        let role = |name: &str| DelegatedRole {
            name: DelegationName::parse(name).unwrap(),
            key_ids: Vec::new(),
            threshold: NonZeroU32::MIN,
            paths: Vec::new(),
        };
        let given = |names: &[&str]| {
            let mut targets = published().targets;
            targets.delegations.roles = names.iter().map(|name| role(name)).collect();
            targets
        };
        let before = given(&["targets/a", "targets/b"]);
        let is_told = |names: &[&str]| {
            let told = in_targets(Some(&before), &given(names));
            told.iter().any(|difference| matches!(difference, Difference::Order(order) if order.len() == names.len()))
        };
        assert!(is_told(&["targets/c", "targets/a", "targets/b"]));
        assert!(is_told(&["targets/a", "targets/c", "targets/b"]));
        assert!(is_told(&["targets/b", "targets/a"]));
        assert!(is_told(&["targets/c", "targets/b"]));
        assert!(!is_told(&["targets/a", "targets/b", "targets/c"]));
        assert!(!is_told(&["targets/b", "targets/c"]));
    }
}
