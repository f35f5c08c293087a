//! `bulla pin`: what is pinned, and what may be.

use clap::Subcommand;

mod show;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Print the root certificates of repositories, to be pinned by whoever reads them
    Show(show::Arguments),
}

/// Runs a verb.
pub(crate) async fn run(command: Command, context: &Context) -> Result<Exit, CliError> {
    match command {
        Command::Show(arguments) => show::run(&arguments, context).await,
    }
}
