//! `bulla repo status`: what is staged for the next publish.

use bulla::changelist::Changelist;
use clap::Args;
use serde::Serialize;

use super::RepoError;
use super::arguments::gun;
use super::staging::{Shown, in_words};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Repository
    #[arg(value_name = "GUN")]
    gun: String,
}

/// The changes in the order in which they will be made; their numbers are what `reset -n` takes.
#[derive(Serialize)]
struct Status {
    gun: String,
    changes: Vec<Shown>,
}

impl Show for Status {
    fn text(&self) -> String {
        if self.changes.is_empty() {
            return format!("No unpublished changes for {}", self.gun);
        }
        format!("Unpublished changes for {}:\n\n{}", self.gun, in_words(&self.changes))
    }
}

/// Runs the verb.
pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let gun = gun(&arguments.gun)?;
    let staged = Changelist::new(&context.config.trust, &gun).list().map_err(RepoError::from)?;
    let changes = staged.iter().map(|staged| Shown::of(&staged.change)).collect();
    context.out.show(&Status { gun: gun.to_string(), changes })?;
    Ok(Exit::Success)
}
