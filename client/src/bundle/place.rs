//! Where a file of a bundle lies in a trust directory: one of few places, and no other.

use std::fmt;
use std::path::{Path, PathBuf};

use tuf_schema::{Gun, Role};

use crate::paths::TrustDirectory;

/// The longest name of a file in a bundle, in bytes.
const MAX_NAME: usize = 1024;
/// The longest part of it between two slashes, as file systems have it.
const MAX_SEGMENT: usize = 255;
/// What this client, or notary, reads in a trust directory, or a bundle has for itself: the file of no authority, nor the
/// directory of one. In no case of letters, as there are file systems that know none.
const RESERVED: [&str; 6] = ["private", "tuf", "bulla.json", "policy.toml", "config.json", super::archive::HEAD];

/// A place in a trust directory, in the order in which places are filled: nothing is trusted on first use between two.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The file of an authority that `bulla.json` or `policy.toml` pins.
    Authority(String),
    /// `bulla.json`: pins.
    OwnFile,
    /// `policy.toml`.
    Policy,
    /// The root of a repository.
    Root(Gun),
    /// The file of a private key, below `private/`.
    Key(String),
}

/// Why a name is that of no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// It leads out of the directory, or round about in it.
    #[error("it is not a plain path below the trust directory")]
    NotBelow,
    /// It is too long for a file.
    #[error("it is longer than {MAX_NAME} bytes, or than {MAX_SEGMENT} between slashes")]
    TooLong,
    /// Nothing of a bundle lies there.
    #[error("no key, root or setting lies there")]
    NoPlace,
}

impl Place {
    /// The place of a name in a bundle.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn parse(name: &str) -> Result<Self, PlaceError> {
        if name.len() > MAX_NAME || name.split('/').any(|segment| segment.len() > MAX_SEGMENT) {
            return Err(PlaceError::TooLong);
        }
        let is_plain = |segment: &str| !matches!(segment, "" | "." | "..");
        if !name.split('/').all(is_plain) || name.chars().any(|c| c.is_control() || c == '\\') {
            return Err(PlaceError::NotBelow);
        }
        if let Some(rest) = name.strip_prefix("private/") {
            let is_hidden = rest.split('/').any(|segment| segment.starts_with('.'));
            return if rest.ends_with(".key") && !is_hidden {
                Ok(Self::Key(rest.to_owned()))
            } else {
                Err(PlaceError::NoPlace)
            };
        }
        if let Some(rest) = name.strip_prefix("tuf/") {
            let gun = rest.strip_suffix("/metadata/root.json").and_then(|gun| Gun::parse(gun).ok());
            return gun.map(Self::Root).ok_or(PlaceError::NoPlace);
        }
        match name {
            "bulla.json" => Ok(Self::OwnFile),
            "policy.toml" => Ok(Self::Policy),
            _ if is_reserved(name) => Err(PlaceError::NoPlace),
            // Held against the pins of the same bundle.
            _ => Ok(Self::Authority(name.to_owned())),
        }
    }

    /// The place of a file of the trust directory.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub(super) fn of(path: &Path, trust: &TrustDirectory) -> Result<Self, PlaceError> {
        let below = path.strip_prefix(trust.as_path()).ok().and_then(Path::to_str);
        Self::parse(below.ok_or(PlaceError::NotBelow)?)
    }

    /// The file at this place of a trust directory.
    #[must_use]
    pub fn path(&self, trust: &TrustDirectory) -> PathBuf {
        match self {
            Self::OwnFile => trust.own_file(),
            Self::Root(gun) => trust.metadata(gun, &Role::Root),
            Self::Key(_) | Self::Policy | Self::Authority(_) => trust.as_path().join(self.to_string()),
        }
    }
}

fn is_reserved(name: &str) -> bool {
    let first = name.split('/').next().unwrap_or(name);
    // As file systems see it that know no case: U+017F is an S there, too.
    RESERVED.iter().any(|reserved| reserved.to_uppercase() == first.to_uppercase())
}

/// The name in a bundle: the path below the trust directory.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authority(name) => f.write_str(name),
            Self::OwnFile => f.write_str("bulla.json"),
            Self::Policy => f.write_str("policy.toml"),
            Self::Root(gun) => write!(f, "tuf/{gun}/metadata/root.json"),
            Self::Key(name) => write!(f, "private/{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_that_leads_out_of_the_directory_is_no_place() {
        for name in [
            "",
            "/",
            "/etc/passwd",
            "../x.key",
            "private/../../x.key",
            "private//x.key",
            "private/./x.key",
            "private/x.key/",
            "./private/x.key",
            "private\\x.key",
            "private/x\n.key",
            "private/x\0.key",
            "tuf/../metadata/root.json",
            "tuf//metadata/root.json",
        ] {
            assert_eq!(Place::parse(name), Err(PlaceError::NotBelow), "{name:?}");
        }
    }

    #[test]
    fn only_keys_roots_and_settings_have_a_place() {
        let gun = Gun::parse("a.test:5000/b").unwrap();
        assert_eq!(
            Place::parse("private/tuf_keys/a.test/b/1_targets.key"),
            Ok(Place::Key("tuf_keys/a.test/b/1_targets.key".into()))
        );
        assert_eq!(Place::parse("tuf/a.test:5000/b/metadata/root.json"), Ok(Place::Root(gun)));
        assert_eq!(Place::parse("bulla.json"), Ok(Place::OwnFile));
        assert_eq!(Place::parse("policy.toml"), Ok(Place::Policy));
        for name in [
            "private",
            "private/x",
            "private/.x.key",
            "private/.d/x.key",
            "tuf",
            "tuf/a.test/b/metadata/targets.json",
            "tuf/metadata/root.json",
            "tuf/a.test/b/changelist/1.change",
            "bundle.json",
            "config.json",
            "Config.JSON",
            "BULLA.json",
            "Policy.toml",
            "Private/x.key",
            "TUF/a.test/b/metadata/root.json",
            "config.json/a.pem",
            "config.j\u{17f}on",
            "con\u{fb01}g.json",
        ] {
            assert_eq!(Place::parse(name), Err(PlaceError::NoPlace), "{name:?}");
        }
    }

    #[test]
    fn a_name_has_so_many_bytes_and_no_more() {
        let key = |length: usize| format!("private/{}.key", "k".repeat(length));
        assert!(Place::parse(&key(MAX_SEGMENT - 4)).is_ok());
        assert_eq!(Place::parse(&key(MAX_SEGMENT - 3)), Err(PlaceError::TooLong));
        let deep = |length: usize| format!("private/{}.key", "d/".repeat((length - 12) / 2));
        assert_eq!(deep(MAX_NAME).len(), MAX_NAME);
        assert!(!matches!(Place::parse(&deep(MAX_NAME)), Err(PlaceError::TooLong)));
        assert_eq!(Place::parse(&format!("{}k", deep(MAX_NAME))), Err(PlaceError::TooLong));
    }

    proptest! {
        #[test]
        fn what_has_a_place_lies_below_the_directory_and_under_its_own_name(
            name in "(private/|tuf/|bulla.json|policy.toml|/|\\.|\\.\\.|[a-z.:_-]{1,6}|\\.key|metadata/root\\.json|\\PC){1,8}"
        ) {
            if let Ok(place) = Place::parse(&name) {
                prop_assert_eq!(&place.to_string(), &name);
                let trust = TrustDirectory::new("/t".into());
                prop_assert_eq!(place.path(&trust), Path::new("/t").join(&name));
                prop_assert!(place.path(&trust).components().all(|c| !matches!(c, std::path::Component::ParentDir)));
            }
        }
    }
}
