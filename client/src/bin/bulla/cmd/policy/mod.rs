//! `bulla policy`: whether a policy says what is meant.

use clap::Subcommand;

mod test;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Read the policy, and say what it decides of images
    Test(test::Arguments),
}

/// Runs a verb.
pub(crate) async fn run(command: Command, context: &Context) -> Result<Exit, CliError> {
    match command {
        Command::Test(arguments) => test::run(&arguments, context).await,
    }
}
