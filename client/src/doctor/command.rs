//! A command that mends something, as it is typed.

use std::fmt;

use crate::config::Flags;

/// A program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command(Vec<String>);

impl Command {
    /// These words.
    #[must_use]
    pub fn new<S: Into<String>>(words: impl IntoIterator<Item = S>) -> Self {
        Self(words.into_iter().map(Into::into).collect())
    }

    /// `bulla` with these words, at the places that `flags` name.
    #[must_use]
    pub fn bulla(flags: &Flags, words: &[&str]) -> Self {
        let words = words.iter().map(|word| (*word).to_owned());
        Self(std::iter::once("bulla".to_owned()).chain(flags.arguments()).chain(words).collect())
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

    #[test]
    fn a_command_of_ours_looks_where_the_command_line_said() {
        let flags = Flags {
            docker_directory: None,
            trust_directory: Some("/a b/trust".into()),
            notary_file: Some("n.json".into()),
            server: Some("https://n.test".to_owned()),
            authority: Some("ca.pem".into()),
            certificate: Some("me.pem".into()),
            key: Some("me.key".into()),
            policy: Some("p.toml".into()),
        };
        assert_eq!(
            Command::bulla(&flags, &["renew", "g"]).to_string(),
            "bulla --trust-dir '/a b/trust' --config n.json --server https://n.test --tlscacert ca.pem --tlscert me.pem \
             --tlskey me.key --policy p.toml renew g"
        );
        assert_eq!(Command::bulla(&Flags::default(), &["renew", "g"]).to_string(), "bulla renew g");
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
