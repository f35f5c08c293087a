//! The name of a webhook: the key of its place in the database, and a label of its metrics.

use std::fmt;

/// The longest name, in characters.
const MOST_CHARACTERS: usize = 40;

/// The name of a webhook.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebhookName(String);

impl WebhookName {
    /// Takes 1 to 40 of the characters `a` to `z`, `0` to `9` and `-`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_of_them = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let is_name = !text.is_empty() && text.len() <= MOST_CHARACTERS && text.bytes().all(is_of_them);
        is_name.then(|| Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WebhookName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_forty_characters_and_not_one_more() {
        assert_eq!(WebhookName::parse(&"a".repeat(40)).unwrap().as_str(), "a".repeat(40));
        assert_eq!(WebhookName::parse(&"a".repeat(41)), None);
        for text in ["", "A", "a b", "a/b", "ä", "a_b", "a\n"] {
            assert_eq!(WebhookName::parse(text), None, "{text:?}");
        }
    }
}
