//! GUN: the globally unique name of a repository, checked once.

use std::fmt;
use std::sync::Arc;

/// The longest GUN in characters: the width of the reference's database column.
pub const MAX_GUN_CHARACTERS: usize = 255;

/// The name of a repository, such as `registry.example:5000/team/app`.
///
/// Compared byte for byte. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gun(Arc<str>);

/// Why a text is not a GUN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GunError {
    /// The text has no character.
    #[error("a GUN cannot be empty")]
    Empty,
    /// The text is longer than [`MAX_GUN_CHARACTERS`].
    #[error("a GUN has at most {MAX_GUN_CHARACTERS} characters, this one has {0}")]
    TooLong(usize),
    /// A character that no GUN may have: `*` (the reference's routes) or a control character.
    #[error("a GUN cannot contain {0:?}")]
    ForbiddenCharacter(char),
    /// An empty, `.` or `..` path segment: a GUN is used as a path by clients.
    #[error("a GUN cannot contain the path segment {0:?}")]
    ForbiddenSegment(String),
}

impl Gun {
    /// Checks `text` and makes a GUN of it.
    ///
    /// # Errors
    /// [`GunError`] says which rule is broken.
    pub fn parse(text: &str) -> Result<Self, GunError> {
        if text.is_empty() {
            return Err(GunError::Empty);
        }
        let characters = text.chars().count();
        if characters > MAX_GUN_CHARACTERS {
            return Err(GunError::TooLong(characters));
        }
        if let Some(bad) = text.chars().find(|c| *c == '*' || c.is_control()) {
            return Err(GunError::ForbiddenCharacter(bad));
        }
        if let Some(bad) = text.split('/').find(|segment| matches!(*segment, "" | "." | "..")) {
            return Err(GunError::ForbiddenSegment(bad.to_owned()));
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Gun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Gun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_host_port_and_many_segments_is_a_gun() {
        let gun = Gun::parse("registry.test:5000/deep/er/Tool_x.y-z").unwrap();
        assert_eq!(gun.as_str(), "registry.test:5000/deep/er/Tool_x.y-z");
    }

    #[test]
    fn the_limit_is_255_characters_and_not_one_more() {
        assert!(Gun::parse(&"a".repeat(255)).is_ok());
        assert_eq!(Gun::parse(&"a".repeat(256)), Err(GunError::TooLong(256)));
    }

    #[test]
    fn segments_that_climb_or_vanish_are_refused() {
        for (text, segment) in [("a/../b", ".."), ("a/./b", "."), ("a//b", ""), ("/a", ""), ("a/", "")] {
            assert_eq!(Gun::parse(text), Err(GunError::ForbiddenSegment(segment.into())), "{text}");
        }
    }

    #[test]
    fn control_characters_and_stars_are_refused() {
        for c in ['\0', '\n', '\u{7f}', '*'] {
            assert_eq!(Gun::parse(&format!("a{c}b")), Err(GunError::ForbiddenCharacter(c)));
        }
    }
}
