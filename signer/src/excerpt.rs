//! What of a stranger's text is repeated to him and to the log: little, and nothing that steers a terminal.

use std::fmt;

/// How much of a text is shown, in characters.
const MAX_CHARACTERS: usize = 32;

/// The beginning of a text, its control characters escaped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Excerpt(String);

impl Excerpt {
    pub(crate) fn of(text: &str) -> Self {
        let mut excerpt = String::new();
        for character in text.chars().take(MAX_CHARACTERS) {
            if character.is_control() {
                excerpt.extend(character.escape_default());
            } else {
                excerpt.push(character);
            }
        }
        if text.chars().nth(MAX_CHARACTERS).is_some() {
            excerpt.push_str("...");
        }
        Self(excerpt)
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(Excerpt::of(&"\u{e9}".repeat(32)).to_string(), "\u{e9}".repeat(32));
        assert_eq!(Excerpt::of(&"\u{e9}".repeat(33)).to_string(), format!("{}...", "\u{e9}".repeat(32)));
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(Excerpt::of("rsa\n\u{1b}[2J").to_string(), r"rsa\n\u{1b}[2J");
    }
}
