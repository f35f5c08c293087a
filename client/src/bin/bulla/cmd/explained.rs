//! Images, what is decided of each, and why, line by line.

use std::fmt::Write as _;

use bulla::decision::{Decision, Refusal};
use bulla::image::ImageName;
use bulla::policy::{Check, Mode, Outcome, Policy, Verdict};
use serde::Serialize;

use crate::cmd::deciding;
use crate::cmd::reading::Cached;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::{Code, Exit};
use crate::output::{Show, chain};
use crate::printable::line;

/// What is decided of some images.
#[derive(Serialize)]
struct Explained {
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<File>,
    images: Vec<Row>,
}

/// The policy that is in force.
#[derive(Serialize)]
pub(crate) struct File {
    file: String,
    mode: &'static str,
    rules: usize,
    exceptions: usize,
}

/// An image, and what is decided of it.
#[derive(Serialize)]
struct Row {
    image: String,
    decision: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    checks: Vec<Step>,
}

/// One step to the decision.
#[derive(Serialize)]
struct Step {
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    required: Option<String>,
    found: String,
    passed: bool,
}

/// Decides of each image and explains it; the run fails if one of them may not be pulled.
pub(crate) async fn explain(images: &[String], cached: &Cached, context: &Context) -> Result<Exit, CliError> {
    let (mut rows, mut errors) = (Vec::new(), Vec::new());
    for name in images {
        let decided = match ImageName::parse(name) {
            Ok(image) => deciding::decide(&image, cached, context).await,
            Err(e) => Err(e.into()),
        };
        rows.push(Row::of(name, &decided));
        match decided {
            Ok(_) => {}
            Err(e) if images.len() > 1 => errors.push(CliError::named(name, e)),
            Err(e) => errors.push(e),
        }
    }
    let passed = errors.len() < rows.len();
    let policy = context.config.policy.as_ref().map(File::of);
    context.out.show(&Explained { policy, images: rows })?;
    if errors.is_empty() {
        return Ok(Exit::Success);
    }
    let code = Code::of_several(&errors, passed);
    context.out.errors(code, &errors);
    Ok(code.exit())
}

impl File {
    /// What is said of a policy.
    pub(crate) fn of(policy: &Policy) -> Self {
        let mode = match policy.mode() {
            Mode::Enforce => "enforce",
            Mode::Audit => "audit",
        };
        let (rules, exceptions) = policy.counts();
        Self { file: policy.file().display().to_string(), mode, rules, exceptions }
    }

    /// The same in a line.
    pub(crate) fn line(&self) -> String {
        let Self { file, mode, rules, exceptions } = self;
        format!("policy {}: mode {mode}, rules {rules}, exceptions {exceptions}", line(file))
    }
}

impl Row {
    fn of(name: &str, decided: &Result<Decision, CliError>) -> Self {
        let image = name.to_owned();
        match decided {
            Ok(Decision { digest, tag, verdict }) => {
                let tag = tag.as_ref().map(ToString::to_string);
                let found = match &tag {
                    Some(tag) => format!("its trust data releases sha256:{digest} under {tag}"),
                    None => format!("sha256:{digest} is named, and trust data is not asked for"),
                };
                let decision = verdict.as_ref().map_or("passed", |verdict| word(verdict.outcome));
                let first = Step { line: None, required: None, found, passed: true };
                let checks = [first].into_iter().chain(steps(verdict.as_ref())).collect();
                Self { image, decision, tag, digest: Some(format!("sha256:{digest}")), checks }
            }
            Err(CliError::Refused(Refusal::Policy { verdict, .. })) => {
                let found = "its trust data is good".to_owned();
                let first = Step { line: None, required: None, found, passed: true };
                let checks = [first].into_iter().chain(steps(Some(verdict))).collect();
                Self { image, decision: word(verdict.outcome), tag: None, digest: None, checks }
            }
            Err(e) => {
                let refused = Code::of(e).exit() == Exit::Refused;
                let decision = if refused { word(Outcome::Refused) } else { "undecided" };
                let only = Step { line: None, required: None, found: chain(e), passed: false };
                Self { image, decision, tag: None, digest: None, checks: vec![only] }
            }
        }
    }
}

impl Show for Explained {
    fn text(&self) -> String {
        let mut text = self.policy.as_ref().map(File::line).unwrap_or_default();
        for row in &self.images {
            let digest = row.digest.as_ref().map(|digest| format!(" ({digest})")).unwrap_or_default();
            let _ = write!(text, "\n{}: {}{digest}", line(&row.image), row.decision);
            for step in &row.checks {
                let _ = write!(text, "\n  {:4} {}", if step.passed { "ok" } else { "no" }, line(&step.words()));
            }
        }
        text.trim_start().to_owned()
    }
}

impl Step {
    fn of(check: &Check) -> Self {
        let Check { line, required, found, passed } = check.clone();
        Self { line, required: Some(required), found, passed }
    }

    fn words(&self) -> String {
        let place = self.line.map(|line| format!("line {line}: ")).unwrap_or_default();
        let required = self.required.as_ref().map(|required| format!("{required}; ")).unwrap_or_default();
        format!("{place}{required}{}", self.found)
    }
}

fn steps(verdict: Option<&Verdict>) -> impl Iterator<Item = Step> {
    verdict.into_iter().flat_map(|verdict| &verdict.checks).map(Step::of)
}

/// What a decision is called in JSON; scripts compare these words, so they stay.
fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Excepted => "excepted",
        Outcome::Audited => "audited",
        Outcome::Refused => "refused",
    }
}
