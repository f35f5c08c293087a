//! Version: the number of a document, from 1 to 2³¹−1.

use std::fmt;

/// The version of a metadata document.
///
/// At least 1 (TUF 1.0, section 4.3) and at most 2³¹−1, the range of the reference's database column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u32);

/// A number that is no version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// The number is 0 or negative.
    #[error("version cannot be less than one")]
    BelowOne(i64),
    /// The number is above 2³¹−1.
    #[error("version {0} is above {max}", max = Version::MAX)]
    TooLarge(i64),
}

impl Version {
    /// The first version.
    pub const FIRST: Self = Self(1);
    /// The last version.
    pub const MAX: Self = Self(i32::MAX as u32);

    /// Makes a version of a number.
    ///
    /// # Errors
    /// [`VersionError`] when it is out of range.
    pub fn new(number: i64) -> Result<Self, VersionError> {
        if number < 1 {
            return Err(VersionError::BelowOne(number));
        }
        match u32::try_from(number) {
            Ok(small) if small <= Self::MAX.0 => Ok(Self(small)),
            _ => Err(VersionError::TooLarge(number)),
        }
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }

    /// The next version; `None` after the last.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        (self < Self::MAX).then(|| Self(self.0.saturating_add(1)))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_run_from_one_to_two_to_the_31_minus_one() {
        assert_eq!(Version::new(0), Err(VersionError::BelowOne(0)));
        assert_eq!(Version::new(-1), Err(VersionError::BelowOne(-1)));
        assert_eq!(Version::new(1).map(Version::number), Ok(1));
        assert_eq!(Version::new(2_147_483_647), Ok(Version::MAX));
        assert_eq!(Version::new(2_147_483_648), Err(VersionError::TooLarge(2_147_483_648)));
    }

    #[test]
    fn there_is_no_version_after_the_last() {
        assert_eq!(Version::FIRST.next().map(Version::number), Some(2));
        assert_eq!(Version::MAX.next(), None);
    }
}
