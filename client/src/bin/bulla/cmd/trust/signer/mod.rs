//! `bulla trust signer`: who may sign a repository's tags.

use clap::Subcommand;

mod add;
mod remove;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::{Code, Exit};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Add a signer
    Add(add::Arguments),
    /// Remove a signer
    Remove(remove::Arguments),
}

/// Runs a verb.
pub(crate) async fn run(command: &Command, context: &Context) -> Result<Exit, CliError> {
    match command {
        Command::Add(arguments) => add::run(arguments, context).await,
        Command::Remove(arguments) => remove::run(arguments, context).await,
    }
}

/// Does something in each of several repositories: where it can be done it is, as with docker, and why not in the others
/// is told at the end.
async fn in_each<'a, T>(
    repositories: &'a [String],
    mut done: impl AsyncFnMut(&'a str) -> Result<T, CliError>,
) -> (Vec<T>, Vec<CliError>) {
    let (mut outcomes, mut failures) = (Vec::new(), Vec::new());
    for repository in repositories {
        match done(repository).await {
            Ok(outcome) => outcomes.push(outcome),
            Err(e) => failures.push(e),
        }
    }
    (outcomes, failures)
}

/// How a run over several repositories ended, with what is wrong in those where it failed.
fn ended(repositories: usize, failures: &[CliError], context: &Context) -> Exit {
    if failures.is_empty() {
        return Exit::Success;
    }
    let code = Code::of_several(failures, failures.len() < repositories);
    context.out.errors(code, failures);
    code.exit()
}
