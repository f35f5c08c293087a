//! `bulla key restore`: what a backup holds into the trust directory, or only the proof that it could be.

use std::path::PathBuf;

use bulla::bundle::{Bundle, Found, Place, Plan};
use bulla::doctor::Command;
use clap::Args;
use serde::Serialize;

use super::KeyError;
use super::backup::Content;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Write nothing: say what is in it, and what would be restored
    #[arg(long)]
    check: bool,
    /// File descriptor whose first line is the passphrase of the backup
    #[arg(long, value_name = "N")]
    bundle_passphrase_fd: Option<u32>,
}

/// What became of a backup, or would.
#[derive(Serialize)]
struct Restored {
    file: PathBuf,
    made: String,
    directory: PathBuf,
    written: bool,
    #[serde(flatten)]
    content: Content,
    new: Vec<String>,
    already_here: Vec<String>,
    /// Roots that differ from those here, which stay.
    other_here: Vec<String>,
    /// What to do next, for people.
    #[serde(skip)]
    next: Option<String>,
}

impl Show for Restored {
    fn text(&self) -> String {
        let first = format!("{} of {}, which was opened:", self.file.display(), self.made);
        let directory = self.directory.display();
        let what = if self.written { "Restored into" } else { "To be restored into" };
        let new = match self.new.as_slice() {
            [] => format!("Nothing of it is missing in {directory}."),
            [one] => format!("{what} {directory}: {one}"),
            new => format!("{what} {directory}: {} files", new.len()),
        };
        let here = (!self.already_here.is_empty())
            .then(|| format!("Already here, left as it is: {}", self.already_here.join(", ")));
        let rest = [Some(new), here, self.next.clone()].into_iter().flatten();
        [first].into_iter().chain(self.content.lines()).chain(rest).collect::<Vec<_>>().join("\n")
    }
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let keys = context.keyring_and_bundle(arguments.bundle_passphrase_fd);
    let trust = &context.config.trust;
    let bundle = Bundle::open(&arguments.file, &keys, trust, context.now).map_err(KeyError::from)?;
    let proofs = bundle.proofs(&keys, trust).map_err(KeyError::from)?;
    let plan = bundle.plan(&keys, trust).map_err(KeyError::from)?;
    let other_here = kept(&plan, |found| found == Found::OtherRoot);
    for other in &other_here {
        context.out.warn(&format!("{other} is here with another content and stays: it is what this machine trusts"));
    }
    if !arguments.check {
        plan.carry_out(&context.rng).map_err(KeyError::from)?;
    }
    let file = arguments.file.display().to_string();
    let next = match (plan.new_files().next(), arguments.check) {
        (None, _) => None,
        (Some(_), true) => {
            Some(format!("To restore it: {}", Command::bulla(&context.flags, &["key", "restore", &file])))
        }
        (Some(_), false) => {
            Some(format!("What these keys are good for: {}", Command::bulla(&context.flags, &["doctor"])))
        }
    };
    context.out.show(&Restored {
        file: arguments.file.clone(),
        made: bundle.made().to_owned(),
        directory: trust.as_path().to_owned(),
        written: !arguments.check,
        content: Content::of(&bundle, &proofs),
        new: plan.new_files().map(Place::to_string).collect(),
        already_here: kept(&plan, |found| found != Found::OtherRoot),
        other_here,
        next,
    })?;
    Ok(Exit::Success)
}

/// The names of what is here already.
fn kept(plan: &Plan<'_>, is_meant: impl Fn(Found) -> bool) -> Vec<String> {
    plan.kept().filter(|(_, found)| is_meant(*found)).map(|(place, _)| place.to_string()).collect()
}
