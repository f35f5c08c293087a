//! `bulla threshold`: how many of which keys must sign a role.

use clap::Subcommand;

mod set;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Have so many keys sign a role, and give it keys or take them
    Set(set::Arguments),
}

/// Runs a verb.
pub(crate) async fn run(command: Command, context: &Context) -> Result<Exit, CliError> {
    match command {
        Command::Set(arguments) => set::run(&arguments, context).await,
    }
}
