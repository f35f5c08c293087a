//! What one caller may do: of which repositories, roles and algorithms it may make and use keys, and how often it may ask.

use std::fmt;

use tuf_schema::gun::GunError;
use tuf_schema::key::KeyType;
use tuf_schema::{Gun, Role};

use crate::rate::CallerRates;
use crate::store::Purpose;

/// The rights of a caller. What a key is for is judged by its record, and never by what a caller says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rights {
    /// The roles whose keys it makes and uses; `None` is all that the signer serves.
    pub(crate) roles: Option<Vec<Role>>,
    /// The algorithms of these keys; `None` is all.
    pub(crate) key_types: Option<Vec<KeyType>>,
    /// The repositories of these keys; `None` is all, and none.
    pub(crate) guns: Option<Vec<GunPrefix>>,
    /// Whether its keys sign what is no document of their role, too.
    pub(crate) signs_any_document: bool,
    /// How often it may ask; `None` is as often as `limits` says.
    pub(crate) rates: Option<CallerRates>,
}

/// A repository, or all below a path.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum GunPrefix {
    /// This repository and no other.
    Whole(Gun),
    /// Every repository whose name goes on after this one and a slash.
    Below(Gun),
}

/// Where a key lies outside of a caller's rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Outside {
    /// It is of another repository, or of none.
    #[error("its repository is not among the caller's gun_prefixes")]
    Repository,
    /// It is of another role, or could become one of another.
    #[error("its role is not among the caller's roles")]
    Role,
    /// It is of another algorithm.
    #[error("its algorithm is not among the caller's algorithms")]
    Algorithm,
}

impl Rights {
    /// Whether there are keys of the signer that the caller may not use.
    pub(crate) fn are_restricted(&self) -> bool {
        self.roles.is_some() || self.key_types.is_some() || self.guns.is_some()
    }

    /// Whether the caller may do with such a key whatever can be done with it. A key of no role is one of every role.
    pub(crate) fn cover(&self, key_type: &KeyType, purpose: &Purpose) -> Result<(), Outside> {
        let within = match (&self.roles, &purpose.role) {
            (None, _) => true,
            (Some(roles), Some(role)) => roles.contains(role),
            (Some(roles), None) => SERVED.iter().all(|role| roles.contains(role)),
        };
        self.reach(key_type, purpose).and_then(|()| within.then_some(()).ok_or(Outside::Role))
    }

    /// Whether the caller may do anything with such a key. A key of no role is within reach of every role.
    pub(crate) fn reach(&self, key_type: &KeyType, purpose: &Purpose) -> Result<(), Outside> {
        let repository = match (&self.guns, &purpose.gun) {
            (None, _) => true,
            (Some(prefixes), Some(gun)) => prefixes.iter().any(|prefix| prefix.covers(gun)),
            (Some(_), None) => false,
        };
        let role = match (&self.roles, &purpose.role) {
            (None, _) | (_, None) => true,
            (Some(roles), Some(role)) => roles.contains(role),
        };
        if !repository {
            Err(Outside::Repository)
        } else if !role {
            Err(Outside::Role)
        } else if self.key_types.as_ref().is_some_and(|types| !types.contains(key_type)) {
            Err(Outside::Algorithm)
        } else {
            Ok(())
        }
    }
}

/// The roles whose keys the signer makes and uses. The others are people's.
pub(crate) const SERVED: [Role; 2] = [Role::Snapshot, Role::Timestamp];

impl GunPrefix {
    /// Reads a GUN, or one with a slash behind it for all below.
    ///
    /// # Errors
    /// [`GunError`] when what remains without the slash is no GUN.
    pub(crate) fn parse(text: &str) -> Result<Self, GunError> {
        match text.strip_suffix('/') {
            Some(parent) => Gun::parse(parent).map(Self::Below),
            None => Gun::parse(text).map(Self::Whole),
        }
    }

    /// Path elements are compared whole: `a/b/` covers `a/b/c`, and neither `a/b` nor `a/bc`.
    pub(crate) fn covers(&self, gun: &Gun) -> bool {
        match self {
            Self::Whole(own) => own == gun,
            Self::Below(parent) => gun.as_str().strip_prefix(parent.as_str()).is_some_and(|rest| rest.starts_with('/')),
        }
    }
}

impl fmt::Display for GunPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(gun) => gun.fmt(f),
            Self::Below(parent) => write!(f, "{parent}/"),
        }
    }
}

impl fmt::Debug for GunPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn purpose(gun: &str, role: Option<Role>) -> Purpose {
        Purpose { gun: Gun::parse(gun).ok(), role }
    }

    fn covers(prefix: &str, gun: &str) -> bool {
        GunPrefix::parse(prefix).unwrap().covers(&Gun::parse(gun).unwrap())
    }

    #[test]
    fn a_prefix_ends_where_a_path_element_does() {
        assert!(covers("registry.test/team/", "registry.test/team/app"));
        assert!(covers("registry.test/team/", "registry.test/team/deep/app"));
        for gun in
            ["registry.test/team", "registry.test/teams/app", "registry.test/team-b", "other/registry.test/team/app"]
        {
            assert!(!covers("registry.test/team/", gun), "{gun}");
        }
        assert!(covers("registry.test/", "registry.test/app"));
        assert!(!covers("registry.test/", "registry.test.evil/app"));
        assert!(!covers("registry.test/", "registry.test:5000/app"));
    }

    #[test]
    fn a_whole_name_is_that_repository_only() {
        assert!(covers("registry.test/app", "registry.test/app"));
        for gun in ["registry.test/app/b", "registry.test/apps", "registry.test/App", "registry.test"] {
            assert!(!covers("registry.test/app", gun), "{gun}");
        }
    }

    #[test]
    fn what_is_no_name_is_no_prefix() {
        for text in ["", "/", "//", "a//", "a/../", "a/*", "/a/", "a\n/"] {
            assert!(GunPrefix::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn without_restrictions_every_key_is_covered() {
        let rights = Rights::default();
        for purpose in [purpose("a/b", Some(Role::Snapshot)), purpose("", None), purpose("a", Some(Role::Root))] {
            assert_eq!(rights.cover(&KeyType::Ecdsa, &purpose), Ok(()));
        }
    }

    #[test]
    fn a_key_of_no_repository_is_outside_of_every_list_of_them() {
        let rights = Rights { guns: Some(vec![GunPrefix::parse("a/").unwrap()]), ..Rights::default() };
        assert_eq!(rights.cover(&KeyType::Ecdsa, &purpose("a/b", Some(Role::Snapshot))), Ok(()));
        assert_eq!(rights.cover(&KeyType::Ecdsa, &purpose("b/a", Some(Role::Snapshot))), Err(Outside::Repository));
        assert_eq!(rights.reach(&KeyType::Ecdsa, &purpose("", Some(Role::Snapshot))), Err(Outside::Repository));
    }

    #[test]
    fn a_key_of_no_role_is_reached_by_any_and_covered_by_all_roles_only() {
        let of = |roles: &[Role]| Rights { roles: Some(roles.to_vec()), ..Rights::default() };
        let roleless = purpose("a", None);
        let one = of(&[Role::Timestamp]);
        assert_eq!(one.reach(&KeyType::Ecdsa, &roleless), Ok(()));
        assert_eq!(one.cover(&KeyType::Ecdsa, &roleless), Err(Outside::Role));
        assert_eq!(of(&SERVED).cover(&KeyType::Ecdsa, &roleless), Ok(()));
        assert_eq!(one.cover(&KeyType::Ecdsa, &purpose("a", Some(Role::Timestamp))), Ok(()));
        assert_eq!(one.reach(&KeyType::Ecdsa, &purpose("a", Some(Role::Snapshot))), Err(Outside::Role));
    }

    #[test]
    fn a_key_of_another_algorithm_is_outside() {
        let rights = Rights { key_types: Some(vec![KeyType::Ecdsa]), ..Rights::default() };
        let purpose = purpose("a", Some(Role::Snapshot));
        assert_eq!(rights.cover(&KeyType::Ecdsa, &purpose), Ok(()));
        assert_eq!(rights.cover(&KeyType::Ed25519, &purpose), Err(Outside::Algorithm));
    }

    proptest! {
        /// For a fuzz target: a prefix reads back as itself and covers nothing that does not begin with it.
        #[test]
        fn a_prefix_covers_only_what_begins_with_it(
            stem in "[a-c/.]{1,8}",
            end in "/?",
            rest in "[a-c/.]{0,12}",
            goes_on in any::<bool>(),
        ) {
            let (prefix, gun) = (stem.clone() + &end, if goes_on { stem + &rest } else { rest });
            let (Ok(prefix), Ok(gun)) = (GunPrefix::parse(&prefix), Gun::parse(&gun)) else { return Ok(()) };
            prop_assert_eq!(GunPrefix::parse(&prefix.to_string()), Ok(prefix.clone()));
            if prefix.covers(&gun) {
                prop_assert!(gun.as_str().starts_with(&prefix.to_string()));
            }
        }
    }
}
