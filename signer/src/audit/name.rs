//! What a chain is called: the signer's name, and an id that no other chain has.

use std::fmt;

use ring::rand::SecureRandom;

/// The name of a signer, as files, tables and heads write it: letters and digits of ASCII, `.`, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignerName(String);

/// The id of a chain: 128 random bits in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChainId(String);

impl SignerName {
    /// The longest name, in characters.
    pub const MAX_CHARACTERS: usize = 100;

    /// Takes a name of 1 to [`SignerName::MAX_CHARACTERS`] characters that does not begin with a dot.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let fits = (1..=Self::MAX_CHARACTERS).contains(&text.len()) && !text.starts_with('.');
        (fits && text.bytes().all(is_allowed)).then(|| Self(text.to_owned()))
    }

    /// The name of the chain of a process beside the one that serves: `NAME.PART`, of a long name the beginning.
    pub(crate) fn of_part(&self, part: Option<&str>) -> Self {
        let Some(part) = part else { return self.clone() };
        let kept = Self::MAX_CHARACTERS.saturating_sub(part.len() + 1);
        // a name has one byte a character
        Self(format!("{}.{part}", self.0.get(..kept).unwrap_or(&self.0)))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SignerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ChainId {
    const BYTES: usize = 16;

    /// A new one; `None` without randomness.
    pub(crate) fn random(rng: &dyn SecureRandom) -> Option<Self> {
        let mut bytes = [0; Self::BYTES];
        rng.fill(&mut bytes).ok()?;
        Some(Self(hex::encode(bytes)))
    }

    /// Reads an id as it is written.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 2 * Self::BYTES && text.bytes().all(is_digit)).then(|| Self(text.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_file_s_name_and_no_path() {
        for name in ["signer-1.example.com", "a", "A_b.rewrap", &"x".repeat(100)] {
            assert!(SignerName::parse(name).is_some(), "{name}");
        }
        for name in ["", ".", "..", ".a", "a/b", "a b", "\u{e4}", "a\0", &"x".repeat(101)] {
            assert_eq!(SignerName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn an_id_is_32_lower_case_digits() {
        assert!(ChainId::parse(&"0a".repeat(16)).is_some());
        for text in ["0A".repeat(16), "0".repeat(31), "0".repeat(33), "g".repeat(32)] {
            assert_eq!(ChainId::parse(&text), None, "{text}");
        }
    }
}
