//! Delegations: rights that a targets role gives to others.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use crate::key::{KeyId, PublicKey};
use crate::role::DelegationName;

/// What a targets role delegates.
#[derive(Clone, Debug, Default)]
pub struct Delegations {
    /// The keys that the roles name, by the id under which the document lists them.
    pub keys: BTreeMap<KeyId, PublicKey>,
    /// The roles, in the order in which they are searched.
    pub roles: Vec<DelegatedRole>,
}

/// One delegated role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelegatedRole {
    /// Its name: a direct child of the role that delegates.
    pub name: DelegationName,
    /// Ids of its keys; may be fewer than the threshold, then nobody can sign.
    pub key_ids: Vec<KeyId>,
    /// How many distinct keys must sign.
    pub threshold: NonZeroU32,
    /// Prefixes of the target names it may list; the empty prefix allows all, no prefix allows none.
    pub paths: Vec<String>,
}

impl Delegations {
    /// The role of this name.
    #[must_use]
    pub fn role(&self, name: &DelegationName) -> Option<&DelegatedRole> {
        self.roles.iter().find(|role| &role.name == name)
    }
}

impl DelegatedRole {
    /// Whether the role may list a target of this name, as far as its own paths say.
    #[must_use]
    pub fn allows(&self, target: &str) -> bool {
        self.paths.iter().any(|prefix| target.starts_with(prefix.as_str()))
    }

    /// Its paths cut to those that `parent` may list itself (the reference's rule for nested delegations).
    #[must_use]
    pub fn paths_within(&self, parent: &[String]) -> Vec<String> {
        self.paths
            .iter()
            .filter(|path| parent.iter().any(|prefix| path.starts_with(prefix.as_str())))
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(paths: &[&str]) -> DelegatedRole {
        DelegatedRole {
            name: DelegationName::parse("targets/a").unwrap(),
            key_ids: Vec::new(),
            threshold: NonZeroU32::MIN,
            paths: paths.iter().map(|p| (*p).to_owned()).collect(),
        }
    }

    #[test]
    fn the_empty_prefix_allows_every_name_and_no_prefix_allows_none() {
        assert!(role(&[""]).allows("anything"));
        assert!(!role(&[]).allows("anything"));
        assert!(role(&["qa/"]).allows("qa/1"));
        assert!(!role(&["qa/"]).allows("prod/1"));
    }

    #[test]
    fn a_child_keeps_only_paths_inside_its_parents() {
        let kept = role(&["qa/", "prod/", "qa/deep/"]).paths_within(&["qa/".to_owned()]);
        assert_eq!(kept, ["qa/", "qa/deep/"]);
    }
}
