//! Which images need which signers, as an administrator writes it down in `policy.toml`.
//!
//! A policy only ever takes away: what it lets through has been verified before, and which digest that is says the trust
//! data alone. The one thing that goes without trust data is a digest that an exception names so.

use std::path::{Path, PathBuf};

use tuf_schema::{DelegationName, Gun, KeyId, Sha256, UtcTime};

mod decide;
mod error;
mod explain;
mod file;
mod parse;
mod pattern;
mod signers;

pub(crate) use decide::without_trust_data;
pub use decide::{Evidence, Outcome, Verdict, decide};
pub use error::PolicyError;
pub use explain::Check;
pub(crate) use parse::pinned_files;
pub use pattern::{Pattern, PatternError};

use crate::image::{ImageName, Tag};

/// A policy that was read and understood, all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    file: PathBuf,
    mode: Mode,
    otherwise: Otherwise,
    /// The line that says so, if one does.
    otherwise_line: Option<usize>,
    freshness: Option<Freshness>,
    rules: Vec<Rule>,
    exceptions: Vec<Exception>,
}

/// What becomes of what the policy refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is refused.
    Enforce,
    /// It is said, and passes.
    Audit,
}

/// What becomes of an image that no rule names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Otherwise {
    Refuse,
    /// Whoever may sign in the repository will do.
    Signed,
}

/// What some repositories need.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    /// With the lines that they stand in.
    patterns: Vec<(Pattern, usize)>,
    signers: Required,
    freshness: Option<Freshness>,
}

/// Whose signatures are needed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Required {
    /// Those of whoever may sign in the repository.
    Anyone { line: usize },
    /// Those of so many of these.
    Of { at_least: usize, of: Vec<Signer>, line: usize },
}

/// One whose signature may be needed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Signer {
    /// Whoever may sign this delegation.
    Delegation(DelegationName),
    /// The holder of the key: the id of the bare key.
    Key(KeyId),
}

/// How new trust data must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Freshness {
    /// It came from the trust server within this time.
    fetched_within: Option<(Span, usize)>,
    /// Its timestamp is good for this long still.
    valid_for: Option<(Span, usize)>,
}

/// A length of time as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    count: u32,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Seconds,
    Minutes,
    Hours,
    Days,
}

/// What passes for a while though the policy refuses it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Exception {
    gun: Gun,
    what: Excepted,
    until: UtcTime,
    reason: String,
    line: usize,
}

/// The one image that an exception is for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Excepted {
    Tag(Tag),
    Digest(Sha256),
    /// A digest that needs no trust data either.
    UnsignedDigest(Sha256),
}

impl Policy {
    /// Where it stands.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What becomes of what it refuses.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// How many rules and exceptions it has.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.rules.len(), self.exceptions.len())
    }

    /// The rule for a repository and the line of its pattern. There is one at most: overlapping ones are not read.
    fn rule(&self, gun: &Gun) -> Option<(&Rule, &Pattern, usize)> {
        self.rules.iter().find_map(|rule| {
            let (pattern, line) = rule.patterns.iter().find(|(pattern, _)| pattern.covers(gun))?;
            Some((rule, pattern, *line))
        })
    }

    /// What lets an image through that is named by its digest and has no trust data; also one that has ended.
    fn unsigned(&self, image: &ImageName) -> Option<&Exception> {
        let digest = image.digest()?;
        self.exceptions.iter().find(|e| e.gun == *image.gun() && e.what == Excepted::UnsignedDigest(*digest))
    }
}

impl Exception {
    fn is_over(&self, now: UtcTime) -> bool {
        self.until <= now
    }
}

impl Span {
    fn seconds(self) -> i64 {
        let unit = match self.unit {
            Unit::Seconds => 1,
            Unit::Minutes => 60,
            Unit::Hours => 3_600,
            Unit::Days => 86_400,
        };
        i64::from(self.count).saturating_mul(unit)
    }
}
