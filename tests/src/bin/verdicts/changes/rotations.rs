//! Rotated keys and other thresholds.

use super::{rooted, rooted_by};
use crate::chance::Chance;
use crate::keys::{Certificate, EDWARDS, KeyName, P384, RSA, ServerRole};
use crate::repository::{Grant, Repository};
use crate::upload::{Ask, Draft};

pub(crate) fn granted(next: &mut Repository, role: &'static str, grant: Grant) {
    next.root.grants.insert(role, grant);
}

pub(crate) fn rotate_root(repository: &Repository, _: &mut Chance) -> Draft {
    let mut next = repository.clone();
    let key = next.fresh_root_key();
    rotated_root(repository, next, Grant::single(key))
}

pub(crate) fn rotate_root_kind(repository: &Repository, chance: &mut Chance) -> Draft {
    let key = KeyName::Certified(chance.one([P384, RSA]), Certificate::Good);
    rotated_root(repository, repository.clone(), Grant::single(key))
}

pub(crate) fn rotated_root(repository: &Repository, mut next: Repository, grant: Grant) -> Draft {
    let old = repository.grant("root").map(|grant| grant.keys.clone()).unwrap_or_default();
    let mut signers = grant.keys.clone();
    signers.extend(old.into_iter().filter(|key| !grant.keys.contains(key)));
    granted(&mut next, "root", grant);
    rooted_by(next, &[], signers)
}

pub(crate) fn rotate_targets(repository: &Repository, _: &mut Chance) -> Draft {
    let mut next = repository.clone();
    let key = KeyName::Client(next.fresh_key());
    granted(&mut next, "targets", Grant::single(key));
    rooted(next, &["targets"])
}

pub(crate) fn rotate_kind(repository: &Repository, chance: &mut Chance) -> Draft {
    let mut next = repository.clone();
    granted(&mut next, "targets", Grant::single(KeyName::Client(chance.one([EDWARDS, P384, RSA]))));
    rooted(next, &["targets"])
}

pub(crate) fn snapshot_to_client(repository: &Repository, _: &mut Chance) -> Draft {
    let mut next = repository.clone();
    let key = KeyName::Client(next.fresh_key());
    granted(&mut next, "snapshot", Grant::single(key));
    rooted(next, &[])
}

pub(crate) fn snapshot_to_server(repository: &Repository, _: &mut Chance) -> Draft {
    to_server(repository, ServerRole::Snapshot)
}

pub(crate) fn rotate_timestamp(repository: &Repository, _: &mut Chance) -> Draft {
    to_server(repository, ServerRole::Timestamp)
}

pub(crate) fn to_server(repository: &Repository, role: ServerRole) -> Draft {
    let mut next = repository.clone();
    let number = next.server_keys.get(&role).map_or(0, |newest| newest + 1);
    next.server_keys.insert(role, number);
    granted(&mut next, role.name(), Grant::single(KeyName::Server(role, number)));
    let mut draft = rooted(next, &[]);
    draft.asks.push((role, number, Ask::Next));
    draft
}

pub(crate) fn two_for_targets(repository: &Repository, _: &mut Chance) -> Draft {
    let mut next = repository.clone();
    let keys = vec![KeyName::Client(next.fresh_key()), KeyName::Client(next.fresh_key()), KeyName::Client(EDWARDS)];
    granted(&mut next, "targets", Grant { keys, threshold: 2 });
    rooted(next, &["targets"])
}

pub(crate) fn two_for_root(repository: &Repository, _: &mut Chance) -> Draft {
    let mut next = repository.clone();
    let keys = vec![next.fresh_root_key(), next.fresh_root_key()];
    rotated_root(repository, next, Grant { keys, threshold: 2 })
}

pub(crate) fn two_for_snapshot(repository: &Repository, _: &mut Chance) -> Draft {
    let mut next = repository.clone();
    let keys = vec![KeyName::Client(next.fresh_key()), KeyName::Client(next.fresh_key())];
    granted(&mut next, "snapshot", Grant { keys, threshold: 2 });
    rooted(next, &[])
}

pub(crate) fn spare_key(repository: &Repository, _: &mut Chance) -> Draft {
    let mut next = repository.clone();
    let key = KeyName::Client(next.fresh_key());
    next.root.spare.push(key);
    rooted(next, &[])
}
