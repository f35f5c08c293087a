//! What a server said, without what may differ between two servers that mean the same.

use std::fmt;

use e2e::http::Answer;
use serde_json::Value;

/// An answer to an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The connection was closed without an answer.
    Silence,
    Said {
        status: u16,
        code: String,
        /// `Name` of an INVALID_UPDATE's detail.
        name: String,
        /// `Missing` of the same.
        missing: String,
        /// `Msg` of the same.
        message: String,
    },
}

impl Verdict {
    pub(crate) fn of(answer: Option<&Answer>) -> Self {
        let Some(answer) = answer else { return Self::Silence };
        let detail = answer.detail();
        let text = |value: &Value| value.as_str().map(plain).unwrap_or_default();
        Self::Said {
            status: answer.status,
            code: answer.code(),
            name: text(&detail["Name"]),
            missing: text(&detail["Error"]["Missing"]),
            message: text(&detail["Error"]["Msg"]),
        }
    }

    pub(crate) fn accepted(&self) -> bool {
        matches!(self, Self::Said { status: 200, .. })
    }

    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Silence => "",
            Self::Said { code, .. } => code,
        }
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Silence => "",
            Self::Said { name, .. } => name,
        }
    }

    pub(crate) fn message(&self) -> &str {
        match self {
            Self::Silence => "",
            Self::Said { message, .. } => message,
        }
    }

    /// Whether it is an INVALID_UPDATE of this name with these words in its message.
    pub(crate) fn invalid(&self, names: &[&str], words: &str) -> bool {
        self.code() == "INVALID_UPDATE" && names.contains(&self.name()) && self.message().contains(words)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence => f.write_str("(closed without an answer)"),
            Self::Said { status, code, name, missing, message } => {
                write!(f, "{status} {code} {name} {missing} {message}")
            }
        }
    }
}

/// A message without key ids and digests, and without the digest that the reference chooses at random.
fn plain(message: &str) -> String {
    let mut text = String::new();
    let mut rest = message;
    while let Some(at) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(from.len());
        let (digits, after) = from.split_at(end);
        text.push_str(before);
        text.push_str(if digits.len() >= 32 { "<digits>" } else { digits });
        rest = after;
    }
    text.push_str(rest);
    text.replace("sha512 checksum", "sha256 checksum")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_and_their_kind_do_not_count() {
        let (short, long) = ("a".repeat(64), "b".repeat(128));
        let said = format!("sha512 checksum for targets did not match: expected {long}");
        assert_eq!(plain(&said), "sha256 checksum for targets did not match: expected <digits>");
        assert_eq!(plain(&format!("key {short} not found")), "key <digits> not found");
        assert_eq!(plain("version 10 of bad"), "version 10 of bad");
    }
}
