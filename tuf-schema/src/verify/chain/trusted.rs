//! What a complete update gives: metadata that may be used now, and the walk over its targets.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::{ChainError, PassedOver};
use crate::model::{Root, Snapshot, Target, Targets, Timestamp};
use crate::role::Role;
use crate::verify::{Current, PinMismatch};

/// Metadata that may be used now.
#[derive(Debug, Clone)]
pub struct Trusted {
    pub(super) root: Current<Root>,
    pub(super) timestamp: Current<Timestamp>,
    pub(super) snapshot: Current<Snapshot>,
    pub(super) targets: BTreeMap<Role, Current<Targets>>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) passed_over: BTreeMap<Role, PassedOver>,
    pub(super) fetched: BTreeSet<Role>,
    pub(super) reach: Reach,
    pub(super) outgrown: Option<Box<PinMismatch>>,
}

/// Where the newest metadata came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// From the server, in this update.
    Server,
    /// From the cache alone: nobody could be asked.
    CacheOnly,
}

/// A delegation that was passed over: nothing that it lists counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The delegation.
    pub role: Role,
    /// Why: its signatures do not suffice, or it has expired.
    pub why: ChainError,
}

/// A targets role as the walk reaches it.
#[derive(Debug, Clone)]
pub struct Visible<'a> {
    /// The role.
    pub role: &'a Role,
    /// Its document.
    pub document: &'a Current<Targets>,
    /// Prefixes of the names it may list; the empty prefix allows all.
    pub paths: Vec<String>,
}

impl Trusted {
    /// The root.
    #[must_use]
    pub fn root(&self) -> &Current<Root> {
        &self.root
    }

    /// The timestamp.
    #[must_use]
    pub fn timestamp(&self) -> &Current<Timestamp> {
        &self.timestamp
    }

    /// The snapshot.
    #[must_use]
    pub fn snapshot(&self) -> &Current<Snapshot> {
        &self.snapshot
    }

    /// The document of a targets role, if the role was published and not passed over.
    #[must_use]
    pub fn targets(&self, role: &Role) -> Option<&Current<Targets>> {
        self.targets.get(role)
    }

    /// Delegations that were passed over.
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// What the snapshot lists for a delegation that was passed over: not to be used, only to be mended.
    #[must_use]
    pub fn passed_over(&self, role: &Role) -> Option<&PassedOver> {
        self.passed_over.get(role)
    }

    /// Where the newest metadata came from.
    #[must_use]
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// How the root differs from the pin, if it is believed only because the roots before it lead to a pinned one: the pin
    /// should be replaced.
    #[must_use]
    pub fn outgrown_pin(&self) -> Option<&PinMismatch> {
        self.outgrown.as_deref()
    }

    /// The documents that came from the server in this update, byte for byte, to be kept for the next one.
    pub fn fetched(&self) -> impl Iterator<Item = (&Role, &Bytes)> {
        let raw = |role: &Role| match role {
            Role::Root => Some(self.root.raw()),
            Role::Timestamp => Some(self.timestamp.raw()),
            Role::Snapshot => Some(self.snapshot.raw()),
            Role::Targets | Role::Delegation(_) => self.targets.get(role).map(Current::raw),
        };
        self.fetched.iter().filter_map(move |role| raw(role).map(|raw| (role, raw)))
    }

    /// The targets roles in the order in which the reference searches them: `targets`, then level by level in the order
    /// of the files. A delegation keeps only those of its paths that lie inside its parent's.
    #[must_use]
    pub fn walk(&self) -> Vec<Visible<'_>> {
        let mut found = Vec::new();
        let mut queue = VecDeque::from([(Role::Targets, vec![String::new()])]);
        while let Some((role, paths)) = queue.pop_front() {
            let Some((role, document)) = self.targets.get_key_value(&role) else { continue };
            for child in &document.model().delegations.roles {
                queue.push_back((Role::Delegation(child.name.clone()), child.paths_within(&paths)));
            }
            found.push(Visible { role, document, paths });
        }
        found
    }
}

impl<'a> Visible<'a> {
    /// The targets that the role lists and may list, by name.
    pub fn targets(&self) -> impl Iterator<Item = (&'a str, &'a Target)> {
        let all = self.document.model().targets.iter();
        all.filter(|(name, _)| self.allows(name)).map(|(name, target)| (name.as_str(), target))
    }

    /// The target of this name, if the role lists it and may list it.
    #[must_use]
    pub fn target(&self, name: &str) -> Option<&'a Target> {
        self.document.model().targets.get(name).filter(|_| self.allows(name))
    }

    fn allows(&self, name: &str) -> bool {
        self.paths.iter().any(|prefix| name.starts_with(prefix.as_str()))
    }
}
