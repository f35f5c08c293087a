//! A decision in words: what each line of the policy asks for, and what was found.

use std::fmt;

use tuf_schema::UtcTime;
use tuf_schema::verify::chain::Trusted;

use super::signers::Signed;
use super::{Excepted, Exception, Required, Signer, Span, Unit};

/// One line of a policy, held against what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The line of the policy; `None` for what holds without being written.
    pub line: Option<usize>,
    /// What it asks for.
    pub required: String,
    /// What there is.
    pub found: String,
    /// Whether that suffices.
    pub passed: bool,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "{}; {}", self.required, self.found)
    }
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delegation(name) => f.write_str(name.below_targets()),
            Self::Key(id) => write!(f, "key:{id}"),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Seconds => "second",
            Unit::Minutes => "minute",
            Unit::Hours => "hour",
            Unit::Days => "day",
        };
        write!(f, "{} {unit}{}", self.count, if self.count == 1 { "" } else { "s" })
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            Excepted::Tag(tag) => write!(f, "exception for {}:{tag}", self.gun),
            Excepted::Digest(digest) => write!(f, "exception for {}@sha256:{digest}", self.gun),
            Excepted::UnsignedDigest(digest) => write!(f, "exception for {}@sha256:{digest}, unsigned", self.gun),
        }
    }
}

/// Whose signatures are needed.
pub(super) fn required(required: &Required) -> String {
    match required {
        Required::Anyone { .. } => "signed by anyone who may sign there".to_owned(),
        Required::Of { at_least, of, .. } if *at_least == of.len() => format!("signed by {}", list(of)),
        Required::Of { at_least, of, .. } => format!("signed by at least {at_least} of {}", list(of)),
    }
}

/// Who of them signed, and why those who did not cannot have.
pub(super) fn found(of: &[Signer], signed: &Signed, distinct: usize, trusted: &Trusted) -> String {
    let there: Vec<Signer> = signed.among(of).into_iter().cloned().collect();
    let mut text = if there.is_empty() { "none of them did".to_owned() } else { format!("found {}", list(&there)) };
    if distinct < there.len() {
        text.push_str(&format!(", together with {distinct} key{}", if distinct == 1 { "" } else { "s" }));
    }
    let walk = trusted.walk();
    let given = |signer: &&Signer| match signer {
        Signer::Delegation(name) => walk.iter().any(|v| v.document.model().delegations.role(name).is_some()),
        Signer::Key(_) => true,
    };
    let unknown: Vec<Signer> = of.iter().filter(|signer| !given(signer)).cloned().collect();
    if !unknown.is_empty() {
        text.push_str(&format!("; no such signer there: {}", list(&unknown)));
    }
    for skipped in trusted.skipped().iter().filter(|skipped| of.iter().any(|signer| signer.is(&skipped.role))) {
        text.push_str(&format!("; {} does not count: {}", skipped.role, skipped.why));
    }
    text
}

/// When trust data came from the server.
pub(super) fn fetched(at: Option<UtcTime>) -> String {
    at.map_or_else(|| "nobody knows when it was".to_owned(), |at| format!("it was at {}", at.to_rfc3339()))
}

fn list(signers: &[Signer]) -> String {
    let names: Vec<_> = signers.iter().map(Signer::to_string).collect();
    match names.as_slice() {
        [one] => one.clone(),
        names => names.join(", "),
    }
}

impl Signer {
    fn is(&self, role: &tuf_schema::Role) -> bool {
        matches!((self, role), (Self::Delegation(name), tuf_schema::Role::Delegation(other)) if name == other)
    }
}
