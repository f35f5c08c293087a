//! `bulla delegation`: notary's verbs on the rights that a repository gives to others.

use clap::{Args, Subcommand};
use tuf_schema::{DelegationName, Gun};

mod add;
mod list;
mod purge;
mod remove;

use crate::cmd::repo::arguments::{delegation, gun};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Stage keys and paths for a delegation, which is made if there is none
    Add(add::Arguments),
    /// Stage the removal of keys, of paths, or of a whole delegation
    Remove(remove::Arguments),
    /// List the delegations of a repository
    List(list::Arguments),
    /// Stage the removal of keys from all delegations
    Purge(purge::Arguments),
}

/// The delegation that a verb is about.
#[derive(Args)]
struct Of {
    /// Repository
    #[arg(value_name = "GUN")]
    gun: String,
    /// Delegation, such as targets/releases
    #[arg(value_name = "ROLE")]
    role: String,
}

impl Of {
    fn parse(&self) -> Result<(Gun, DelegationName), CliError> {
        Ok((gun(&self.gun)?, delegation(&self.role)?))
    }
}

/// Runs a verb.
pub(crate) async fn run(command: Command, context: &Context) -> Result<Exit, CliError> {
    match command {
        Command::Add(arguments) => add::run(&arguments, context).await,
        Command::Remove(arguments) => remove::run(&arguments, context).await,
        Command::List(arguments) => list::run(&arguments, context).await,
        Command::Purge(arguments) => purge::run(&arguments, context).await,
    }
}

/// Paths in notary's words, sorted, each in a line.
fn in_words(paths: &[String]) -> String {
    let mut paths = paths.to_vec();
    paths.sort();
    paths.iter().map(|path| path_in_words(path)).collect::<Vec<_>>().join("\n")
}

fn path_in_words(path: &str) -> String {
    if path.is_empty() { "\"\" <all paths>".to_owned() } else { crate::printable::line(path) }
}
