//! What of a stranger's text is repeated to him and to the log: little, and nothing that steers a terminal.

use std::fmt;

/// How much of a word is shown, in characters.
const MAX_CHARACTERS: usize = 32;
/// How much of a sentence is shown that holds a stranger's words, in characters.
const MAX_SENTENCE_CHARACTERS: usize = 160;

/// The beginning of a text, its control characters escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Excerpt(String);

impl Excerpt {
    pub(crate) fn of(text: &str) -> Self {
        Self::cut(text, MAX_CHARACTERS)
    }

    /// Of an error's text that repeats what a stranger wrote.
    pub(crate) fn of_sentence(text: &str) -> Self {
        Self::cut(text, MAX_SENTENCE_CHARACTERS)
    }

    fn cut(text: &str, characters: usize) -> Self {
        let mut excerpt = String::new();
        for character in text.chars().take(characters) {
            if character.is_control() {
                excerpt.extend(character.escape_default());
            } else {
                excerpt.push(character);
            }
        }
        if text.chars().nth(characters).is_some() {
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
    fn a_sentence_is_cut_later() {
        assert_eq!(Excerpt::of_sentence(&"x".repeat(160)).to_string(), "x".repeat(160));
        assert_eq!(Excerpt::of_sentence(&"x".repeat(161)).to_string(), format!("{}...", "x".repeat(160)));
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(Excerpt::of("rsa\n\u{1b}[2J").to_string(), r"rsa\n\u{1b}[2J");
    }
}
