//! What a private key is for, in the words of key files.

use std::fmt;
use std::str::FromStr;

/// What a private key is for, as the header `role` of its file says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyRole {
    /// Root of trust; not bound to a repository.
    Root,
    /// Signed tags of one repository.
    Targets,
    /// Snapshots of one repository.
    Snapshot,
    /// Timestamps of one repository; clients normally hold none.
    Timestamp,
    /// A person or machine that signs into delegations, by the name under which the key was made.
    Signer(String),
}

/// A text that cannot stand as a role in a key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a role is one line without blanks around it")]
pub struct RoleNameError;

impl KeyRole {
    /// Reads the text of a header.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "root" => Self::Root,
            "targets" => Self::Targets,
            "snapshot" => Self::Snapshot,
            "timestamp" => Self::Timestamp,
            name => Self::Signer(name.to_owned()),
        }
    }

    /// Whether a key of this role is for one repository only, which its file then names.
    #[must_use]
    pub fn is_of_one_repository(&self) -> bool {
        match self {
            Self::Targets | Self::Snapshot | Self::Timestamp => true,
            Self::Root | Self::Signer(_) => false,
        }
    }
}

impl fmt::Display for KeyRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "root",
            Self::Targets => "targets",
            Self::Snapshot => "snapshot",
            Self::Timestamp => "timestamp",
            Self::Signer(name) => name,
        })
    }
}

/// As somebody types it: anything that a header can hold.
impl FromStr for KeyRole {
    type Err = RoleNameError;

    fn from_str(text: &str) -> Result<Self, RoleNameError> {
        if text.is_empty() || text.trim() != text || text.contains(char::is_control) {
            return Err(RoleNameError);
        }
        Ok(Self::parse(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_that_is_typed_cannot_add_lines_to_a_key_file() {
        for text in ["", " alice", "alice ", "alice\n", "alice\ngun: a/b", "a\u{0}b"] {
            assert_eq!(text.parse::<KeyRole>(), Err(RoleNameError), "{text:?}");
        }
        assert_eq!("targets/alice".parse(), Ok(KeyRole::Signer("targets/alice".into())));
        assert_eq!("root".parse(), Ok(KeyRole::Root));
    }
}
