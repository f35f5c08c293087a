//! Uploads that keep every rule.

mod delegations;
mod rotations;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

pub(crate) use self::delegations::{both_tags, delegate, delegate_signed, delegation_tag, nest, nested_tag};
use self::delegations::{
    declare, narrow, rotate_delegation, two_for_delegation, undelegate, without_keys, without_paths,
};
use self::rotations::{
    rotate_kind, rotate_root, rotate_root_kind, rotate_targets, rotate_timestamp, spare_key, two_for_root,
    two_for_snapshot, two_for_targets,
};
pub(crate) use self::rotations::{snapshot_to_client, snapshot_to_server};
use crate::chance::Chance;
use crate::keys::{EDWARDS, KeyName, P384, RSA, ServerRole};
use crate::repository::{Grant, Repository, Root, Targets};
use crate::upload::{Ask, Content, Draft, Part};

/// What a repository must be for a change or a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Unpublished,
    Published,
    /// Published, the snapshot's key held by the server.
    ServerSnapshot,
    /// Published, the snapshot's key held by people.
    ClientSnapshot,
    /// With a delegation whose keys can sign.
    Delegation,
    /// With a delegation of a delegation.
    Nested,
}

/// One kind of upload that keeps every rule.
#[derive(Clone, Copy)]
pub(crate) struct Change {
    pub(crate) name: &'static str,
    pub(crate) needs: Need,
    /// How many of a hundred dealt are this one, roughly.
    pub(crate) weight: usize,
    pub(crate) make: fn(&Repository, &mut Chance) -> Draft,
}

/// Every kind.
pub(crate) const CHANGES: &[Change] = &[
    Change { name: "first publish", needs: Need::Unpublished, weight: 6, make: |r, c| first(r, c, None) },
    Change { name: "first publish: root 2", needs: Need::Unpublished, weight: 1, make: first_of_root_2 },
    Change { name: "update: tag", needs: Need::Published, weight: 10, make: tag },
    Change { name: "update: many odd names", needs: Need::Published, weight: 4, make: odd_names },
    Change { name: "update: remove tags", needs: Need::Published, weight: 3, make: untag },
    Change { name: "gap", needs: Need::Published, weight: 2, make: gap },
    Change { name: "root signed again", needs: Need::Published, weight: 3, make: |r, _| rooted(r.clone(), &[]) },
    Change { name: "rotation: root", needs: Need::Published, weight: 4, make: rotate_root },
    Change { name: "rotation: root to another kind of key", needs: Need::Published, weight: 2, make: rotate_root_kind },
    Change { name: "rotation: targets", needs: Need::Published, weight: 4, make: rotate_targets },
    Change { name: "rotation: targets to another kind of key", needs: Need::Published, weight: 3, make: rotate_kind },
    Change { name: "rotation: snapshot to people", needs: Need::ServerSnapshot, weight: 3, make: snapshot_to_client },
    Change { name: "rotation: snapshot of people", needs: Need::ClientSnapshot, weight: 2, make: snapshot_to_client },
    Change {
        name: "rotation: snapshot to the server",
        needs: Need::ClientSnapshot,
        weight: 3,
        make: snapshot_to_server,
    },
    Change {
        name: "rotation: snapshot of the server",
        needs: Need::ServerSnapshot,
        weight: 3,
        make: snapshot_to_server,
    },
    Change { name: "rotation: timestamp", needs: Need::Published, weight: 4, make: rotate_timestamp },
    Change { name: "delegation added", needs: Need::Published, weight: 4, make: delegate },
    Change { name: "delegation added with its document", needs: Need::Published, weight: 4, make: delegate_signed },
    Change { name: "delegation narrowed", needs: Need::Delegation, weight: 3, make: narrow },
    Change { name: "delegation without paths", needs: Need::Delegation, weight: 2, make: without_paths },
    Change { name: "delegation emptied of keys", needs: Need::Delegation, weight: 3, make: without_keys },
    Change { name: "delegation removed", needs: Need::Delegation, weight: 3, make: undelegate },
    Change { name: "delegation published", needs: Need::Delegation, weight: 5, make: delegation_tag },
    Change { name: "delegation published with targets", needs: Need::Delegation, weight: 3, make: both_tags },
    Change { name: "rotation: delegation", needs: Need::Delegation, weight: 3, make: rotate_delegation },
    Change { name: "delegation of a delegation", needs: Need::Delegation, weight: 3, make: nest },
    Change { name: "delegation below another published", needs: Need::Nested, weight: 3, make: nested_tag },
    Change { name: "threshold 2 of targets", needs: Need::Published, weight: 2, make: two_for_targets },
    Change { name: "threshold 2 of root", needs: Need::Published, weight: 2, make: two_for_root },
    Change { name: "threshold 2 of a delegation", needs: Need::Delegation, weight: 2, make: two_for_delegation },
    Change { name: "threshold 2 of snapshot", needs: Need::ClientSnapshot, weight: 1, make: two_for_snapshot },
    Change { name: "empty upload", needs: Need::ServerSnapshot, weight: 3, make: |r, _| Draft::new(r.clone()) },
    Change {
        name: "snapshot alone",
        needs: Need::ClientSnapshot,
        weight: 3,
        make: |r, _| finished(Draft::new(r.clone())),
    },
    Change { name: "root with a spare key", needs: Need::Published, weight: 1, make: spare_key },
    Change { name: "timestamp: uploaded and dropped", needs: Need::Published, weight: 2, make: with_timestamp },
];

/// Where a first publish leaves the snapshot's key.
pub(crate) fn first(repository: &Repository, chance: &mut Chance, server_holds: Option<bool>) -> Draft {
    let mut next = repository.clone();
    next.published = true;
    let expires = next.expires.clone();
    let number = next.server_keys.get(&ServerRole::Timestamp).map_or(0, |newest| newest + 1);
    next.server_keys.insert(ServerRole::Timestamp, number);
    let mut asks = vec![(ServerRole::Timestamp, number, Ask::Current)];
    let snapshot = if server_holds.unwrap_or_else(|| !chance.once_in(3)) {
        let number = next.server_keys.get(&ServerRole::Snapshot).map_or(0, |newest| newest + 1);
        next.server_keys.insert(ServerRole::Snapshot, number);
        asks.push((ServerRole::Snapshot, number, Ask::Current));
        KeyName::Server(ServerRole::Snapshot, number)
    } else {
        KeyName::Client(next.fresh_key())
    };
    let root_key = next.fresh_root_key();
    let targets_key = if chance.once_in(6) { chance.one([EDWARDS, P384, RSA]) } else { next.fresh_key() };
    let grants = [
        ("root", root_key),
        ("targets", KeyName::Client(targets_key)),
        ("snapshot", snapshot),
        ("timestamp", KeyName::Server(ServerRole::Timestamp, number)),
    ];
    let grants = grants.into_iter().map(|(role, key)| (role, Grant::single(key))).collect();
    next.root = Root { version: 0, expires: expires.clone(), grants, spare: Vec::new() };
    let mut targets = Targets::new(&expires);
    // The reference's client signs targets a second time before it sends them.
    targets.version = if chance.once_in(2) { 1 } else { 0 };
    for _ in 0..chance.below(3) {
        add_tag(&mut targets, chance);
    }
    next.targets = [("targets".to_owned(), targets)].into();
    let with_delegation = chance.once_in(5);
    let delegation = with_delegation.then(|| declare(&mut next, "targets/releases", chance));
    let mut changed = vec!["targets"];
    if delegation.is_some() && chance.once_in(2) {
        changed.push("targets/releases");
    }
    let mut draft = rooted(next, &changed);
    draft.asks = asks;
    draft
}

fn first_of_root_2(repository: &Repository, chance: &mut Chance) -> Draft {
    let mut draft = first(repository, chance, None);
    draft.next.root.version = 2;
    let root = draft.next.root.clone();
    if let Some(part) = draft.part("root") {
        part.content = Content::Root(root);
    }
    draft
}

/// An upload of the next versions of `roles`.
pub(crate) fn updated(mut next: Repository, roles: &[&str]) -> Draft {
    let mut parts = Vec::new();
    for role in roles {
        let signers = next.grant(role).map(|grant| grant.keys.clone()).unwrap_or_default();
        if let Some(targets) = next.targets.get_mut(*role) {
            targets.version += 1;
            parts.push(Part::new(role, Content::Targets(targets.clone()), signers));
        }
    }
    let mut draft = Draft::new(next);
    draft.subject = roles.first().copied().unwrap_or_default().to_owned();
    draft.parts = parts;
    finished(draft)
}

/// The same with the next root, signed by the keys that it has now.
pub(crate) fn rooted(next: Repository, roles: &[&str]) -> Draft {
    let signers = next.grant("root").map(|grant| grant.keys.clone()).unwrap_or_default();
    rooted_by(next, roles, signers)
}

/// The same with the next root, signed by `signers`.
fn rooted_by(mut next: Repository, roles: &[&str], signers: Vec<KeyName>) -> Draft {
    next.root.version += 1;
    let mut draft = updated(next, roles);
    let root = Part::new("root", Content::Root(draft.next.root.clone()), signers);
    draft.parts.insert(0, root);
    "root".clone_into(&mut draft.subject);
    draft
}

/// With the snapshot of people, if its key is theirs.
fn finished(mut draft: Draft) -> Draft {
    if draft.next.client_holds_snapshot() {
        let signers = draft.next.grant("snapshot").map(|grant| grant.keys.clone()).unwrap_or_default();
        let expires = draft.next.expires.clone();
        draft.parts.push(Part::new("snapshot", Content::Snapshot { step: 1, expires }, signers));
        if draft.subject.is_empty() {
            "snapshot".clone_into(&mut draft.subject);
        }
    }
    draft
}

/// A target as documents list it.
fn target(chance: &mut Chance) -> Value {
    let content = chance.next().to_be_bytes();
    let digest = |algorithm| STANDARD.encode(ring::digest::digest(algorithm, &content));
    let mut hashes = json!({"sha256": digest(&ring::digest::SHA256)});
    if chance.once_in(2) {
        hashes["sha512"] = digest(&ring::digest::SHA512).into();
    }
    let mut target = json!({"hashes": hashes, "length": chance.below(1_000_000)});
    if chance.once_in(8) {
        target["custom"] = chance.one([0, 1, 2]).into();
    }
    if chance.once_in(8) {
        target["custom"] = json!({"a": [1, "b", null, true], "z": {"deep": "<&>"}});
    }
    target
}

fn add_tag(targets: &mut Targets, chance: &mut Chance) {
    let name = format!("tag-{}", chance.below(50));
    let added = target(chance);
    targets.targets.insert(name, added);
}

/// The plainest update.
pub(crate) fn tag(repository: &Repository, chance: &mut Chance) -> Draft {
    tag_in(repository, "targets", chance)
}

fn tag_in(repository: &Repository, role: &str, chance: &mut Chance) -> Draft {
    let mut next = repository.clone();
    let expires = next.expires.clone();
    let targets = next.targets.entry(role.to_owned()).or_insert_with(|| Targets::new(&expires));
    targets.expires = expires;
    add_tag(targets, chance);
    updated(next, &[role])
}

fn odd_names(repository: &Repository, chance: &mut Chance) -> Draft {
    let mut next = repository.clone();
    let names = [
        "<script>&amp;",
        "späße/тест",
        "a b",
        "\u{2028}line",
        "..",
        "/",
        "\"quoted\"",
        "back\\slash",
        "\u{7f}",
        "🐂",
        "",
        "v1.0+build",
        "%2e%2e",
    ];
    if let Some(targets) = next.targets.get_mut("targets") {
        for _ in 0..=chance.below(8) {
            let (name, added) = (chance.one(names).to_owned(), target(chance));
            targets.targets.insert(name, added);
        }
    }
    updated(next, &["targets"])
}

fn untag(repository: &Repository, _: &mut Chance) -> Draft {
    let mut next = repository.clone();
    if let Some(targets) = next.targets.get_mut("targets") {
        targets.targets.clear();
    }
    updated(next, &["targets"])
}

fn gap(repository: &Repository, chance: &mut Chance) -> Draft {
    let mut next = repository.clone();
    if let Some(targets) = next.targets.get_mut("targets") {
        targets.version += 1 + i64::try_from(chance.below(50)).unwrap_or(0);
    }
    updated(next, &["targets"])
}

/// With a timestamp, which the server drops for its own.
pub(crate) fn with_timestamp(repository: &Repository, chance: &mut Chance) -> Draft {
    let mut draft = tag(repository, chance);
    let expires = if chance.once_in(2) { draft.next.expires.clone() } else { "2020-01-02T03:04:05Z".to_owned() };
    let step = i64::try_from(chance.below(4)).unwrap_or(0) - 1;
    let part = Part::new("timestamp", Content::Timestamp { step, expires }, vec![KeyName::Client(9)]);
    draft.parts.push(part);
    draft
}
