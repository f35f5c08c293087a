//! What a client says that it holds: the query of a request for an update.

use std::collections::BTreeMap;

use crate::digest::Sha256;
use crate::role::{Role, RoleError};
use crate::version::Version;

/// The most documents that a request may name.
pub const MAX_HELD: usize = 200;
/// The longest query that is written, in bytes. Proxies refuse request lines of 8 KiB (nginx); who holds more [has to ask
/// otherwise](Held::fits_a_query), or says a part of it and is sent the rest.
pub const MAX_QUERY_BYTES: usize = 7000;

/// What a client holds of a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// The version of its newest root.
    pub root: Option<Version>,
    /// Its newest document of each other role.
    pub documents: BTreeMap<Role, Sha256>,
}

/// A query that says nothing that can be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeldFault {
    /// `root` is no version.
    #[error("root is no version from 1 to {max}", max = Version::MAX)]
    Root,
    /// `root` stands there twice.
    #[error("root is there twice")]
    RootTwice,
    /// `have` is no role and digest.
    #[error("have is no role and sha256 digest in hexadecimal with a colon between")]
    Have,
    /// The role in `have` is none.
    #[error(transparent)]
    Role(#[from] RoleError),
    /// One role with two documents.
    #[error("have names {0} twice")]
    RoleTwice(Role),
    /// More documents than [`MAX_HELD`].
    #[error("have is there more than {MAX_HELD} times")]
    TooMany,
}

impl Held {
    /// Reads the names and values of a query, with what was percent-encoded in them decoded. Other names are no matter.
    ///
    /// # Errors
    /// [`HeldFault`].
    pub fn parse<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, HeldFault> {
        let mut held = Self::default();
        for (name, value) in pairs {
            match name {
                "root" if held.root.is_some() => return Err(HeldFault::RootTwice),
                "root" => held.root = Some(version(value).ok_or(HeldFault::Root)?),
                "have" if held.documents.len() >= MAX_HELD => return Err(HeldFault::TooMany),
                "have" => {
                    let (role, sha256) = value.rsplit_once(':').ok_or(HeldFault::Have)?;
                    let sha256 = Sha256::from_hex(sha256).ok_or(HeldFault::Have)?;
                    let role = Role::parse(role)?;
                    if held.documents.insert(role.clone(), sha256).is_some() {
                        return Err(HeldFault::RoleTwice(role));
                    }
                }
                _ => {}
            }
        }
        Ok(held)
    }

    /// The query: of at most [`MAX_QUERY_BYTES`] and [`MAX_HELD`] documents, those of base roles first. All its
    /// characters may stand in a query as they are (RFC 3986, 3.4).
    #[must_use]
    pub fn to_query(&self) -> String {
        self.query().0
    }

    /// Whether the query says all of it: who holds what it could not say would be sent that anew.
    #[must_use]
    pub fn fits_a_query(&self) -> bool {
        self.query().1 == self.documents.len()
    }

    /// The query, and how many documents it names.
    fn query(&self) -> (String, usize) {
        let mut query = self.root.map(|version| format!("root={version}")).unwrap_or_default();
        for (said, (role, sha256)) in self.documents.iter().enumerate() {
            let and = if query.is_empty() { "" } else { "&" };
            let pair = format!("{and}have={role}:{sha256}");
            if said >= MAX_HELD || query.len().saturating_add(pair.len()) > MAX_QUERY_BYTES {
                return (query, said);
            }
            query.push_str(&pair);
        }
        (query, self.documents.len())
    }
}

/// Digits only: a sign, which the standard library takes, is none.
fn version(text: &str) -> Option<Version> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).and_then(|number| Version::new(number).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
        query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }

    fn parse(query: &str) -> Result<Held, HeldFault> {
        Held::parse(pairs(query))
    }

    fn have(role: &str) -> String {
        format!("have={role}:{}", Sha256::of(role.as_bytes()))
    }

    #[test]
    fn a_query_names_a_root_and_documents_by_role() {
        let held = parse(&format!("root=7&{}&{}", have("targets"), have("targets/releases"))).unwrap();
        assert_eq!(held.root, Some(Version::new(7).unwrap()));
        assert_eq!(held.documents[&Role::Targets], Sha256::of(b"targets"));
        assert_eq!(held.documents.len(), 2);
        assert_eq!(parse(""), Ok(Held::default()));
        assert_eq!(parse("x=y&have_not=1"), Ok(Held::default()));
    }

    #[test]
    fn what_cannot_be_understood_is_refused() {
        let digest = Sha256::of(b"");
        for root in ["root=", "root=0", "root=-1", "root=%2B1", "root=+1", "root=1.0", "root=x", "root=2147483648"] {
            assert_eq!(parse(root), Err(HeldFault::Root), "{root}");
        }
        assert_eq!(parse("root=99999999999999999999"), Err(HeldFault::Root));
        assert_eq!(parse("root=1&root=1"), Err(HeldFault::RootTwice));
        let upper = format!("have=targets:{}", digest.to_hex().to_uppercase());
        for have in ["have=", "have=targets", "have=targets:", "have=targets:00", upper.as_str()] {
            assert_eq!(parse(have), Err(HeldFault::Have), "{have}");
        }
        for role in ["", "Targets", "targets/", "targets:x", "mirror"] {
            let query = format!("have={role}:{digest}");
            assert_eq!(parse(&query), Err(HeldFault::Role(RoleError(role.to_owned()))), "{query}");
        }
        let twice = format!("{}&{}", have("targets/a"), have("targets/a"));
        assert_eq!(parse(&twice), Err(HeldFault::RoleTwice(Role::parse("targets/a").unwrap())));
    }

    #[test]
    fn two_hundred_documents_are_taken_and_one_more_is_not() {
        let query = |count: usize| (0..count).map(|n| have(&format!("targets/{n}"))).collect::<Vec<_>>().join("&");
        assert_eq!(parse(&query(MAX_HELD)).map(|held| held.documents.len()), Ok(MAX_HELD));
        assert_eq!(parse(&query(MAX_HELD + 1)), Err(HeldFault::TooMany));
    }

    #[test]
    fn a_query_is_as_long_as_it_may_be_and_begins_with_the_base_roles() {
        let delegations = (0..MAX_HELD).map(|n| Role::parse(&format!("targets/{n:03}")).unwrap());
        let roles = delegations.chain([Role::Targets, Role::Snapshot]);
        let held = Held {
            root: Some(Version::MAX),
            documents: roles.map(|role| (role.clone(), Sha256::of(role.as_str().as_bytes()))).collect(),
        };
        let query = held.to_query();
        assert!(
            query.len() <= MAX_QUERY_BYTES && query.len() + "&".len() + have("targets/000").len() > MAX_QUERY_BYTES
        );
        let read = parse(&query).unwrap();
        assert!(read.documents.contains_key(&Role::Targets) && read.documents.contains_key(&Role::Snapshot));
        assert!(read.documents.iter().all(|(role, sha256)| held.documents[role] == *sha256));
        assert!(read.fits_a_query() && !held.fits_a_query());
    }

    proptest! {
        #[test]
        fn any_query_is_read_or_refused(query in "((root|have|x)=?[a-z0-9:/+-]{0,12}&?){0,6}|\\PC{0,40}") {
            if let Ok(held) = parse(&query) {
                prop_assert_eq!(parse(&held.to_query()), Ok(held));
            }
        }

        #[test]
        fn what_is_written_is_read(root in prop::option::of(1_i64..=2_147_483_647), names in prop::collection::btree_set("[a-z0-9_-]{1,8}(/[a-z0-9]{1,4})?", 0..40)) {
            let role = |name: &String| Role::parse(&format!("targets/{name}")).unwrap();
            let documents = names.iter().map(|name| (role(name), Sha256::of(name.as_bytes()))).collect();
            let held = Held { root: root.map(|number| Version::new(number).unwrap()), documents };
            prop_assert_eq!(parse(&held.to_query()), Ok(held));
        }
    }
}
