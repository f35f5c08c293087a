//! The decision: a digest that was verified, held against the rule for its repository.

use std::path::PathBuf;

use tuf_schema::verify::chain::{Reach, Trusted};
use tuf_schema::{Sha256, UtcTime};

use super::explain::{Check, fetched, found, required};
use super::signers::Signed;
use super::{Excepted, Exception, Freshness, Mode, Otherwise, Policy, Required};
use crate::image::{ImageName, Tag};

/// What a decision rests on: trust data of the image's repository that may be used now.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The trust data.
    pub trusted: &'a Trusted,
    /// When its timestamp was fetched, as far as the cache knows; of no account when it came in this run.
    pub fetched: Option<UtcTime>,
    /// The time now.
    pub now: UtcTime,
}

/// What a policy says of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The policy.
    pub file: PathBuf,
    /// Whether the image passes.
    pub outcome: Outcome,
    /// Why, line by line.
    pub checks: Vec<Check>,
}

/// Whether an image passes, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It is what the policy asks for.
    Passed,
    /// It is not, and an exception lets it pass.
    Excepted,
    /// It is not, and it passes, as the policy is only watched.
    Audited,
    /// It does not.
    Refused,
}

impl Verdict {
    /// What is not as the policy has it, in one line.
    #[must_use]
    pub fn reasons(&self) -> String {
        let failed = self.checks.iter().filter(|check| !check.passed);
        failed.map(Check::to_string).collect::<Vec<_>>().join("; ")
    }
}

/// What `policy` says of a digest that the trust data of its repository releases under `tag`.
#[must_use]
pub fn decide(policy: &Policy, image: &ImageName, tag: &Tag, digest: &Sha256, evidence: &Evidence<'_>) -> Verdict {
    let mut checks = Vec::new();
    let bounds = match policy.rule(image.gun()) {
        Some((rule, pattern, line)) => {
            checks.push(passed(line, format!("{pattern} is for {}", image.gun()), "this rule holds".to_owned()));
            checks.push(signers(&rule.signers, tag, digest, evidence));
            rule.freshness
        }
        None => {
            checks.push(spelled_otherwise(policy, image).unwrap_or_else(|| otherwise(policy, image)));
            None
        }
    };
    for freshness in [policy.freshness, bounds].into_iter().flatten() {
        checks.extend(fresh(freshness, evidence));
    }
    let mut outcome = Outcome::Passed;
    if checks.iter().any(|check| !check.passed) {
        outcome = match policy.mode {
            Mode::Enforce => Outcome::Refused,
            Mode::Audit => Outcome::Audited,
        };
        for exception in policy.exceptions.iter().filter(|exception| exception.is_for(image, tag, digest)) {
            let check = exception.check(evidence.now);
            if check.passed {
                outcome = Outcome::Excepted;
            }
            checks.push(check);
        }
    }
    Verdict { file: policy.file.clone(), outcome, checks }
}

/// What `policy` says of an image that is named by its digest and needs no trust data, if an exception says so.
pub(crate) fn without_trust_data(policy: &Policy, image: &ImageName, now: UtcTime) -> Option<Verdict> {
    let check = policy.unsigned(image)?.check(now);
    let outcome = if check.passed { Outcome::Excepted } else { Outcome::Refused };
    Some(Verdict { file: policy.file.clone(), outcome, checks: vec![check] })
}

/// What a rule is for under another spelling of its host must not pass that rule by.
fn spelled_otherwise(policy: &Policy, image: &ImageName) -> Option<Check> {
    let gun = image.gun();
    let mut patterns = policy.rules.iter().flat_map(|rule| &rule.patterns);
    let (pattern, line, meant) =
        patterns.find_map(|(pattern, line)| Some((pattern, *line, pattern.covers_spelled(gun)?)))?;
    Some(Check {
        line: Some(line),
        required: format!("{pattern} is for {meant}"),
        found: format!("{gun} spells that host otherwise, and no rule is for it so: ask for {meant}"),
        passed: false,
    })
}

fn otherwise(policy: &Policy, image: &ImageName) -> Check {
    let line = policy.otherwise_line;
    let found = format!("no rule is for {}", image.gun());
    match policy.otherwise {
        Otherwise::Refuse => {
            Check { line, required: "what no rule is for is refused".to_owned(), found, passed: false }
        }
        Otherwise::Signed => {
            Check { line, required: "what no rule is for needs to be signed".to_owned(), found, passed: true }
        }
    }
}

fn signers(needed: &Required, tag: &Tag, digest: &Sha256, evidence: &Evidence<'_>) -> Check {
    match needed {
        Required::Anyone { line } => passed(*line, required(needed), "it is signed".to_owned()),
        Required::Of { at_least, of, line } => {
            let signed = Signed::of(evidence.trusted, tag, digest);
            let distinct = signed.distinct(of);
            Check {
                line: Some(*line),
                required: required(needed),
                found: found(of, &signed, distinct, evidence.trusted),
                passed: distinct >= *at_least,
            }
        }
    }
}

fn fresh(freshness: Freshness, evidence: &Evidence<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    let Evidence { trusted, now, .. } = *evidence;
    if let Some((span, line)) = freshness.fetched_within {
        let required = format!("trust data fetched from the trust server within {span}");
        checks.push(match trusted.reach() {
            Reach::Server => passed(line, required, "it was in this run".to_owned()),
            Reach::CacheOnly => {
                // A time to come says nothing of how long ago it was.
                let within = |at: &UtcTime| *at <= now && at.plus_seconds(span.seconds()) >= now;
                let passed = evidence.fetched.as_ref().is_some_and(within);
                Check { line: Some(line), required, found: fetched(evidence.fetched), passed }
            }
        });
    }
    if let Some((span, line)) = freshness.valid_for {
        let expires = trusted.timestamp().model().expires;
        checks.push(Check {
            line: Some(line),
            required: format!("a timestamp that is good for another {span}"),
            found: format!("it is until {}", expires.to_rfc3339()),
            passed: expires >= now.plus_seconds(span.seconds()),
        });
    }
    checks
}

fn passed(line: usize, required: String, found: String) -> Check {
    Check { line: Some(line), required, found, passed: true }
}

impl Policy {
    /// Exceptions that have ended at `now`, and should be taken out.
    #[must_use]
    pub fn ended(&self, now: UtcTime) -> Vec<Check> {
        self.exceptions.iter().map(|exception| exception.check(now)).filter(|check| !check.passed).collect()
    }
}

impl Exception {
    fn is_for(&self, image: &ImageName, tag: &Tag, digest: &Sha256) -> bool {
        let named = match &self.what {
            Excepted::Tag(excepted) => excepted == tag,
            Excepted::Digest(excepted) | Excepted::UnsignedDigest(excepted) => excepted == digest,
        };
        named && self.gun == *image.gun()
    }

    fn check(&self, now: UtcTime) -> Check {
        let (passed, ends) = if self.is_over(now) { (false, "ended") } else { (true, "ends") };
        let found = format!("it {ends} at {} ({})", self.until.to_rfc3339(), self.reason);
        Check { line: Some(self.line), required: self.to_string(), found, passed }
    }
}
