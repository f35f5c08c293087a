//! Delegations added, narrowed, emptied, removed, nested and used.

use super::{add_tag, tag, tag_in, updated};
use crate::chance::Chance;
use crate::keys::{EDWARDS, KeyName, P384, RSA};
use crate::repository::{Delegation, Grant, Repository, Targets, parent};
use crate::upload::Draft;

/// Declares `name` in the role above it; its document is not made yet.
pub(crate) fn declare(next: &mut Repository, name: &str, chance: &mut Chance) -> String {
    let key = KeyName::Client(next.fresh_key());
    let paths = chance.one([&[""] as &[&str], &["qa/", "prod/"], &["tag-"]]);
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let delegation = Delegation { name: name.to_owned(), grant: Grant::single(key), paths };
    if let Some(above) = parent(name).and_then(|above| next.targets.get_mut(above)) {
        above.delegations.push(delegation);
        above.had_delegations = true;
    }
    let expires = next.expires.clone();
    // A role that was there before goes on with its versions.
    let version = if next.gone.remove(name) { 50 } else { 0 };
    let mut targets = Targets::new(&expires);
    targets.version = version;
    next.targets.insert(name.to_owned(), targets);
    name.to_owned()
}

pub(crate) fn new_name(repository: &Repository, above: &str, chance: &mut Chance) -> String {
    let names = ["releases", "alice", "a", "b-2", "c_3", "0", "long-name-of-a-delegation", "qa"];
    let free = |name: &&&str| !repository.targets.contains_key(&format!("{above}/{name}"));
    let start = chance.below(names.len());
    let name = names.iter().cycle().skip(start).take(names.len()).find(free);
    name.map_or_else(|| format!("{above}/n{}", chance.next()), |name| format!("{above}/{name}"))
}

pub(crate) fn delegate(repository: &Repository, chance: &mut Chance) -> Draft {
    let mut next = repository.clone();
    let name = new_name(repository, "targets", chance);
    declare(&mut next, &name, chance);
    updated(next, &["targets"])
}

pub(crate) fn delegate_signed(repository: &Repository, chance: &mut Chance) -> Draft {
    let mut next = repository.clone();
    let name = new_name(repository, "targets", chance);
    declare(&mut next, &name, chance);
    updated(next, &["targets", &name])
}

/// A change of the declaration of one delegation.
pub(crate) fn redeclared(
    repository: &Repository,
    chance: &mut Chance,
    change: impl FnOnce(&mut Delegation, &mut Repository),
) -> Draft {
    let mut next = repository.clone();
    let names = next.signable(1);
    if let Some(name) = chance.pick(&names)
        && let Some(mut delegation) = next.declared(name).cloned()
    {
        change(&mut delegation, &mut next);
        if let Some(place) = next.declared_mut(name) {
            *place = delegation;
        }
    }
    updated(next, &["targets"])
}

pub(crate) fn narrow(repository: &Repository, chance: &mut Chance) -> Draft {
    redeclared(repository, chance, |delegation, _| delegation.paths = vec!["qa/only/".to_owned()])
}

pub(crate) fn without_paths(repository: &Repository, chance: &mut Chance) -> Draft {
    redeclared(repository, chance, |delegation, _| delegation.paths.clear())
}

pub(crate) fn without_keys(repository: &Repository, chance: &mut Chance) -> Draft {
    redeclared(repository, chance, |delegation, _| delegation.grant.keys.clear())
}

pub(crate) fn undelegate(repository: &Repository, chance: &mut Chance) -> Draft {
    let mut next = repository.clone();
    if let Some(name) = chance.pick(&repository.delegations(1)) {
        if let Some(targets) = next.targets.get_mut("targets") {
            targets.delegations.retain(|delegation| delegation.name != *name);
        }
        let below = format!("{name}/");
        let lost: Vec<_> =
            next.targets.keys().filter(|role| *role == name || role.starts_with(&below)).cloned().collect();
        for role in lost {
            next.targets.remove(&role);
            next.gone.insert(role);
        }
    }
    updated(next, &["targets"])
}

pub(crate) fn delegation_tag(repository: &Repository, chance: &mut Chance) -> Draft {
    let names = repository.signable(1);
    let name = chance.pick(&names).map_or("targets", |name| name);
    tag_in(repository, name, chance)
}

pub(crate) fn both_tags(repository: &Repository, chance: &mut Chance) -> Draft {
    let mut next = repository.clone();
    let names = next.signable(1);
    let mut roles = vec!["targets"];
    roles.extend(chance.pick(&names).map(String::as_str));
    for role in &roles {
        next.targets.get_mut(*role).map(|targets| add_tag(targets, chance)).unwrap_or_default();
    }
    updated(next, &roles)
}

pub(crate) fn rotate_delegation(repository: &Repository, chance: &mut Chance) -> Draft {
    let mut next = repository.clone();
    let names = next.signable(1);
    let key = KeyName::Client(if chance.once_in(4) { chance.one([EDWARDS, P384, RSA]) } else { next.fresh_key() });
    let mut roles = vec!["targets"];
    if let Some(name) = chance.pick(&names) {
        next.declared_mut(name).map(|delegation| delegation.grant = Grant::single(key)).unwrap_or_default();
        roles.push(name);
    }
    updated(next, &roles)
}

pub(crate) fn nest(repository: &Repository, chance: &mut Chance) -> Draft {
    let mut next = repository.clone();
    let names = next.signable(1);
    let Some(above) = chance.pick(&names) else { return tag(repository, chance) };
    let name = new_name(repository, above, chance);
    declare(&mut next, &name, chance);
    if chance.once_in(2) { updated(next, &[above]) } else { updated(next, &[above, &name]) }
}

pub(crate) fn nested_tag(repository: &Repository, chance: &mut Chance) -> Draft {
    let names = repository.signable(2);
    let name = chance.pick(&names).map_or("targets", |name| name);
    tag_in(repository, name, chance)
}

pub(crate) fn two_for_delegation(repository: &Repository, chance: &mut Chance) -> Draft {
    let mut next = repository.clone();
    let names = next.signable(1);
    let keys = vec![KeyName::Client(next.fresh_key()), KeyName::Client(next.fresh_key())];
    let mut roles = vec!["targets"];
    if let Some(name) = chance.pick(&names) {
        next.declared_mut(name).map(|delegation| delegation.grant = Grant { keys, threshold: 2 }).unwrap_or_default();
        roles.push(name);
    }
    updated(next, &roles)
}
