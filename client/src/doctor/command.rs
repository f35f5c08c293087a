//! A command that mends something, as it is typed.

use std::fmt;

/// A program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command(Vec<String>);

impl Command {
    /// These words.
    #[must_use]
    pub fn new<S: Into<String>>(words: impl IntoIterator<Item = S>) -> Self {
        Self(words.into_iter().map(Into::into).collect())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.0.iter().map(|word| quoted(word)).collect();
        f.write_str(&words.join(" "))
    }
}

/// A word for a shell. Names of repositories and files are anybody's.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=+%,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_word_that_a_shell_would_read_otherwise_is_quoted() {
        assert_eq!(Command::new(["rm", "/a b/$(x)", "it's", ""]).to_string(), r"rm '/a b/$(x)' 'it'\''s' ''");
        assert_eq!(Command::new(["bulla", "renew", "a.test:5000/b"]).to_string(), "bulla renew a.test:5000/b");
    }

    proptest! {
        #[test]
        fn any_word_is_one_word_to_a_shell(word in "[^\u{0}]{0,40}") {
            // What a shell makes of it: outside of quotes a backslash takes the next character as it is.
            let (mut read, mut inside, text) = (String::new(), false, quoted(&word));
            let mut characters = text.chars();
            while let Some(c) = characters.next() {
                match c {
                    '\'' => inside = !inside,
                    '\\' if !inside => read.extend(characters.next()),
                    c => {
                        let is_special = " \t\n\"$`;&|<>()*?[]#~!{}".contains(c);
                        prop_assert!(inside || !is_special, "{}", text);
                        read.push(c);
                    }
                }
            }
            prop_assert!(!inside);
            prop_assert_eq!(read, word);
        }
    }
}
