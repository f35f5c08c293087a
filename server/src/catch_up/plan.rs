//! Which documents of a state a client does not hold, as many as one answer has room for. A pure function of what the
//! client says and what the snapshot lists: nothing is read yet.

use tuf_schema::update_answer::{Held, MAX_FILES};
use tuf_schema::verify::limits::MAX_ROOT_STEPS;
use tuf_schema::{Role, Sha256, Version};

use super::deltas::Delta;
use crate::links::Listed;
use crate::read::state::State;
use crate::store::Stored;

/// What roots on the way to the current one may have together, in bytes: hundreds of usual ones.
const ROOTS_BYTES: usize = 4 << 20;

/// What an answer is to bring.
pub(crate) struct Plan {
    pub(super) timestamp: Stored,
    pub(super) roots: Option<Roots>,
    pub(super) files: Vec<Wanted>,
    /// What all of it has at most without deltas, in bytes.
    bytes: usize,
}

/// The roots that a client does not hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Roots {
    /// The first of them.
    pub(super) first: Option<Version>,
    /// The version of the current one.
    pub(super) current: Version,
    /// The current one.
    pub(super) listed: Listed,
    /// What those before it may have together, in bytes.
    pub(super) room: usize,
}

/// A document to send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(super) role: Role,
    pub(super) listed: Listed,
    /// The document of this role that the client holds.
    pub(super) base: Option<Sha256>,
    /// What is sent in its place.
    pub(super) delta: Option<Delta>,
}

impl Wanted {
    /// What is sent for it, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.delta.as_ref().map_or_else(|| length(self.listed), |delta| delta.bytes.len())
    }
}

/// A length for which there was room.
fn length(listed: Listed) -> usize {
    usize::try_from(listed.length).unwrap_or(usize::MAX)
}

impl Plan {
    pub(super) fn new(state: State, held: &Held, most_bytes: usize) -> Self {
        let State { timestamp, named } = state;
        let mut plan = Self { bytes: timestamp.bytes.len(), timestamp, roots: None, files: Vec::new() };
        let Some(named) = named else { return plan };
        plan.want(Role::Snapshot, named.snapshot, held, most_bytes);
        if let (Some(current), Some(listed)) = (named.root, named.links.roles.get(&Role::Root)) {
            plan.want_roots(held.root, current, *listed, most_bytes);
        }
        // in the order of their names: `targets` first, and parents before their children
        for (role, listed) in named.links.roles.iter().filter(|(role, _)| role.lists_targets()) {
            plan.want(role.clone(), *listed, held, most_bytes);
        }
        plan
    }

    /// What the answer has at most beside its files, in bytes: the timestamp and the roots.
    pub(crate) fn beside_files(&self) -> usize {
        self.files.iter().map(|wanted| length(wanted.listed)).fold(self.bytes, usize::saturating_sub)
    }

    /// The documents, to which deltas may be found.
    pub(crate) fn files(&mut self) -> impl Iterator<Item = &mut Wanted> {
        self.files.iter_mut()
    }

    fn want(&mut self, role: Role, listed: Listed, held: &Held, most_bytes: usize) {
        let base = held.documents.get(&role).copied();
        let has_room = self.files.len() < MAX_FILES - MAX_ROOT_STEPS - 1;
        if base != Some(listed.sha256) && has_room && self.has_taken(listed.length, most_bytes) {
            self.files.push(Wanted { role, listed, base, delta: None });
        }
    }

    fn want_roots(&mut self, held: Option<Version>, current: Version, listed: Listed, most_bytes: usize) {
        // who holds none begins with the current one
        let first = held.map_or(Some(current), Version::next).filter(|first| *first <= current);
        if first.is_none() || !self.has_taken(listed.length, most_bytes) {
            return;
        }
        let room = if first == Some(current) { 0 } else { ROOTS_BYTES.min(most_bytes.saturating_sub(self.bytes)) };
        self.bytes = self.bytes.saturating_add(room);
        self.roots = Some(Roots { first, current, listed, room });
    }

    fn has_taken(&mut self, length: u64, most_bytes: usize) -> bool {
        let bytes = usize::try_from(length).ok().and_then(|length| self.bytes.checked_add(length));
        let Some(bytes) = bytes.filter(|bytes| *bytes <= most_bytes) else { return false };
        self.bytes = bytes;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use bytes::Bytes;
    use tuf_schema::UtcTime;

    use super::*;
    use crate::links::SnapshotLinks;
    use crate::read::state::Named;

    fn role(name: &str) -> Role {
        Role::parse(name).unwrap()
    }

    fn version(number: i64) -> Version {
        Version::new(number).unwrap()
    }

    fn listed(name: &str, length: u64) -> Listed {
        Listed { sha256: Sha256::of(name.as_bytes()), length }
    }

    /// Root 5 and these roles of 100 bytes each; the timestamp has 10.
    fn state(roles: &[&str]) -> State {
        let expires = UtcTime::parse("2026-11-21T21:05:00Z").unwrap();
        let timestamp = Stored {
            version: version(1),
            sha256: Sha256::of(b"t"),
            bytes: Bytes::from(vec![b't'; 10]),
            created_at: expires,
        };
        let roles = roles.iter().chain(&["root", "timestamp"]).map(|name| (role(name), listed(name, 100)));
        let links = Arc::new(SnapshotLinks { expires, roles: roles.collect::<BTreeMap<_, _>>() });
        let snapshot = listed("snapshot", 100);
        State { timestamp, named: Some(Named { snapshot, links, root: Some(version(5)) }) }
    }

    fn names(plan: &Plan) -> Vec<&str> {
        plan.files.iter().map(|wanted| wanted.role.as_str()).collect()
    }

    fn held(root: Option<i64>, documents: &[(&str, Sha256)]) -> Held {
        let documents = documents.iter().map(|(name, sha256)| (role(name), *sha256)).collect();
        Held { root: root.map(version), documents }
    }

    fn first_root(held_root: Option<i64>) -> Option<Version> {
        Plan::new(state(&[]), &held(held_root, &[]), 10_000).roots.and_then(|roots| roots.first)
    }

    #[test]
    fn who_holds_nothing_is_sent_the_current_root_and_all_roles_from_the_top_down() {
        let plan = Plan::new(state(&["targets/b/c", "targets", "targets/b", "targets/a"]), &Held::default(), 10_000);
        assert_eq!(names(&plan), ["snapshot", "targets", "targets/a", "targets/b", "targets/b/c"]);
        assert_eq!(plan.roots.as_ref().map(|roots| (roots.first, roots.room)), Some((Some(version(5)), 0)));
        assert_eq!(plan.beside_files(), 10 + 100);
        assert!(plan.files.iter().all(|wanted| wanted.bytes() == 100));
    }

    #[test]
    fn what_is_held_is_not_sent_and_what_is_held_of_another_version_is_a_base() {
        let old = Sha256::of(b"old");
        let current = Sha256::of(b"targets/a");
        let plan = Plan::new(
            state(&["targets", "targets/a"]),
            &held(Some(5), &[("targets", old), ("targets/a", current)]),
            10_000,
        );
        assert_eq!(names(&plan), ["snapshot", "targets"]);
        assert_eq!(plan.files[1].base, Some(old));
        assert!(plan.files[0].base.is_none() && plan.roots.is_none());
    }

    #[test]
    fn roots_begin_after_the_one_that_is_held_and_end_at_the_current_one() {
        for (held, first) in [(Some(1), Some(2)), (Some(4), Some(5)), (Some(5), None), (Some(9), None), (None, Some(5))]
        {
            assert_eq!(first_root(held), first.map(version), "{held:?}");
        }
        assert_eq!(first_root(Some(2_147_483_647)), None);
    }

    #[test]
    fn what_has_no_room_is_left_out_and_smaller_ones_after_it_are_not() {
        let names = |most| names(&Plan::new(state(&["targets", "targets/a"]), &Held::default(), most)).join(" ");
        assert_eq!(names(410), "snapshot targets targets/a");
        assert_eq!(names(409), "snapshot targets");
        let mut large = state(&["targets", "targets/a"]);
        if let Some(named) = &mut large.named {
            let mut roles = named.links.roles.clone();
            roles.insert(role("targets"), listed("targets", u64::MAX));
            named.links = Arc::new(SnapshotLinks { expires: named.links.expires, roles });
        }
        let plan = Plan::new(large, &held(Some(5), &[]), 10_000);
        assert_eq!(plan.files.iter().map(|wanted| wanted.role.as_str()).collect::<Vec<_>>(), ["snapshot", "targets/a"]);
    }

    #[test]
    fn a_delta_takes_its_own_bytes_and_not_those_of_its_document() {
        let mut plan = Plan::new(state(&["targets"]), &held(Some(5), &[]), 10_000);
        plan.files[1].delta = Some(Delta { version: version(2), bytes: Bytes::from_static(b"delta") });
        assert_eq!(plan.files.iter().map(Wanted::bytes).collect::<Vec<_>>(), [100, 5]);
        assert_eq!(plan.beside_files(), 10);
    }

    #[test]
    fn there_are_never_more_files_than_an_index_takes() {
        let names: Vec<String> = (0..MAX_FILES).map(|n| format!("targets/{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let plan = Plan::new(state(&names), &Held::default(), usize::MAX);
        assert_eq!(plan.files.len() + 1 + MAX_ROOT_STEPS, MAX_FILES);
    }
}
