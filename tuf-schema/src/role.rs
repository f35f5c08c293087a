//! Roles: the four base roles and delegations.

use std::fmt;
use std::sync::Arc;

/// The longest name of a delegation in characters: the width of the reference's database column.
pub const MAX_DELEGATION_CHARACTERS: usize = 255;

const TARGETS_PREFIX: &str = "targets/";
const RELEASES: &str = "targets/releases";

/// A role of a repository.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The root of trust: names the keys of the base roles.
    Root,
    /// Signed tags, and the delegations to others.
    Targets,
    /// Which version of root and of each targets role is current.
    Snapshot,
    /// Which snapshot is current; short-lived.
    Timestamp,
    /// A role to which `targets`, or another delegation, gave part of its rights.
    Delegation(DelegationName),
}

/// The four roles that root names keys for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BaseRole {
    /// See [`Role::Root`].
    Root,
    /// See [`Role::Targets`].
    Targets,
    /// See [`Role::Snapshot`].
    Snapshot,
    /// See [`Role::Timestamp`].
    Timestamp,
}

/// The full name of a delegation, such as `targets/releases`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DelegationName(Arc<str>);

/// A text that names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of a role")]
pub struct RoleError(pub String);

impl Role {
    /// Reads the name of a base role or of a delegation.
    ///
    /// A delegation starts with `targets/`, has only lower-case letters, digits, `-`, `_` and `/`, at most
    /// [`MAX_DELEGATION_CHARACTERS`] characters and no empty segment (the reference's rule for uploads).
    ///
    /// # Errors
    /// [`RoleError`] holds the text.
    pub fn parse(text: &str) -> Result<Self, RoleError> {
        match text {
            "root" => Ok(Self::Root),
            "targets" => Ok(Self::Targets),
            "snapshot" => Ok(Self::Snapshot),
            "timestamp" => Ok(Self::Timestamp),
            _ => DelegationName::parse(text).map(Self::Delegation),
        }
    }

    /// The role that declares this one's keys among the targets roles: none for the base roles.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        match self {
            Self::Delegation(name) => Some(name.parent()),
            Self::Root | Self::Targets | Self::Snapshot | Self::Timestamp => None,
        }
    }

    /// The number of segments below `targets`: 0 for `targets` itself, 1 for `targets/a`.
    #[must_use]
    pub fn depth(&self) -> usize {
        match self {
            Self::Delegation(name) => name.0.matches('/').count(),
            Self::Root | Self::Targets | Self::Snapshot | Self::Timestamp => 0,
        }
    }

    /// Whether this role lists targets: `targets` or a delegation.
    #[must_use]
    pub fn lists_targets(&self) -> bool {
        matches!(self, Self::Targets | Self::Delegation(_))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Root => "root",
            Self::Targets => "targets",
            Self::Snapshot => "snapshot",
            Self::Timestamp => "timestamp",
            Self::Delegation(name) => name.as_str(),
        }
    }
}

impl BaseRole {
    /// All four, in the order of their names.
    pub const ALL: [Self; 4] = [Self::Root, Self::Snapshot, Self::Targets, Self::Timestamp];
}

impl From<BaseRole> for Role {
    fn from(base: BaseRole) -> Self {
        match base {
            BaseRole::Root => Self::Root,
            BaseRole::Targets => Self::Targets,
            BaseRole::Snapshot => Self::Snapshot,
            BaseRole::Timestamp => Self::Timestamp,
        }
    }
}

impl DelegationName {
    /// Reads the full name of a delegation; the rules stand at [`Role::parse`].
    ///
    /// # Errors
    /// [`RoleError`] holds the text.
    pub fn parse(text: &str) -> Result<Self, RoleError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '/');
        let fits = text.strip_prefix(TARGETS_PREFIX).is_some_and(|rest| {
            text.len() <= MAX_DELEGATION_CHARACTERS
                && rest.chars().all(allowed)
                && rest.split('/').all(|s| !s.is_empty())
        });
        if fits { Ok(Self(text.into())) } else { Err(RoleError(text.to_owned())) }
    }

    /// The delegation whose targets docker's clients take for released, beside those of `targets` itself.
    #[must_use]
    pub fn releases() -> Self {
        Self(RELEASES.into())
    }

    /// Whether it is [that one](Self::releases), which is no signer's.
    #[must_use]
    pub fn is_releases(&self) -> bool {
        self.as_str() == RELEASES
    }

    /// The role that may declare this delegation: `targets`, or the delegation one segment up.
    #[must_use]
    pub fn parent(&self) -> Role {
        match self.0.rsplit_once('/') {
            Some((parent, _)) if parent.contains('/') => Role::Delegation(Self(parent.into())),
            _ => Role::Targets,
        }
    }

    /// The part of the name after `targets/`.
    #[must_use]
    pub fn below_targets(&self) -> &str {
        self.0.strip_prefix(TARGETS_PREFIX).unwrap_or(&self.0)
    }

    /// The full name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for DelegationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DelegationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delegation(text: &str) -> Role {
        Role::Delegation(DelegationName::parse(text).unwrap())
    }

    #[test]
    fn a_delegation_belongs_to_the_role_one_segment_up() {
        assert_eq!(delegation("targets/a").parent(), Some(Role::Targets));
        assert_eq!(delegation("targets/a/b").parent(), Some(delegation("targets/a")));
        assert_eq!(Role::Targets.parent(), None);
    }

    #[test]
    fn upper_case_climbing_and_empty_segments_are_no_roles() {
        for text in [
            "targets/A",
            "targets/a/../b",
            "targets/",
            "targets//a",
            "targets/a/",
            "foo",
            "",
            "Root",
            "targets/a b",
            "targets/é",
        ] {
            assert_eq!(Role::parse(text), Err(RoleError(text.into())));
        }
    }

    #[test]
    fn a_delegation_has_at_most_255_characters() {
        let longest = format!("targets/{}", "a".repeat(255 - 8));
        assert!(Role::parse(&longest).is_ok());
        assert!(Role::parse(&format!("{longest}a")).is_err());
    }

    #[test]
    fn depth_counts_segments_below_targets() {
        assert_eq!(Role::Targets.depth(), 0);
        assert_eq!(delegation("targets/a").depth(), 1);
        assert_eq!(delegation("targets/a/b").depth(), 2);
    }
}
