//! Names of signers, by docker's rule.

use std::fmt;

use tuf_schema::DelegationName;

/// The name of a signer: letters, digits, `-` and `_`, the first of them a letter or a digit, and not `releases`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerName(DelegationName);

/// Why nobody can be added as a signer by a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It breaks the rule (docker's words).
    #[error(
        "signer name \"{0}\" must start with lowercase alphanumeric characters and can include \"-\" or \"_\" after the \
         first character"
    )]
    Characters(String),
    /// It is longer than the name of a role may be.
    #[error("signer name \"{0}\" is too long")]
    TooLong(String),
    /// It is the name of the role of all of them (docker's words).
    #[error("releases is a reserved keyword, use a different signer name")]
    Reserved,
}

impl SignerName {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`NameError`] says which rule is broken.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if !text.starts_with(first) || !text.chars().all(|c| first(c) || matches!(c, '-' | '_')) {
            return Err(NameError::Characters(text.to_owned()));
        }
        match DelegationName::parse(&format!("targets/{text}")) {
            Ok(name) if name.is_releases() => Err(NameError::Reserved),
            Ok(name) => Ok(Self(name)),
            // Length is the one rule of a role's name that the characters do not keep.
            Err(_) => Err(NameError::TooLong(text.to_owned())),
        }
    }

    /// The signer's own delegation.
    #[must_use]
    pub fn delegation(&self) -> &DelegationName {
        &self.0
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.below_targets()
    }
}

impl fmt::Display for SignerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tuf_schema::role::MAX_DELEGATION_CHARACTERS;

    use super::*;

    #[test]
    fn names_follow_dockers_rule() {
        for text in ["bob", "0-b_c", "a"] {
            assert_eq!(SignerName::parse(text).unwrap().delegation().as_str(), format!("targets/{text}"));
        }
        for text in ["", "Bob", "-b", "_b", "a/b", "bob smith", "b\u{f6}b", "b.c", "bob\n"] {
            assert_eq!(SignerName::parse(text), Err(NameError::Characters(text.to_owned())), "{text:?}");
        }
        assert_eq!(SignerName::parse("releases"), Err(NameError::Reserved));
    }

    #[test]
    fn a_name_is_as_long_as_a_role_may_be_and_no_longer() {
        let longest = MAX_DELEGATION_CHARACTERS - "targets/".len();
        assert!(SignerName::parse(&"a".repeat(longest)).is_ok());
        let text = "a".repeat(longest + 1);
        assert_eq!(SignerName::parse(&text), Err(NameError::TooLong(text)));
    }

    proptest! {
        #[test]
        fn what_is_a_name_is_read_back(text in "\\PC{0,12}|[a-z0-9_-]{0,12}") {
            if let Ok(name) = SignerName::parse(&text) {
                prop_assert_eq!(name.as_str(), text);
            }
        }
    }
}
