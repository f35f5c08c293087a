//! `bulla session`: documents that several people sign, as a file that is passed around.

use clap::Subcommand;

mod error;
mod publish;
mod show;
mod shown;
mod sign;
mod start;

pub(crate) use error::SigningError;
pub(crate) use start::begin;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Write what is staged, or a tag, into a file for others to sign
    Start(start::Arguments),
    /// Show what a session would change, and sign it with the keys here that may
    Sign(sign::Arguments),
    /// Show what a session would change, and who has signed it
    Show(show::Arguments),
    /// Publish a session that enough have signed
    Publish(publish::Arguments),
}

/// Runs a verb.
pub(crate) async fn run(command: Command, context: &Context) -> Result<Exit, CliError> {
    match command {
        Command::Start(arguments) => start::run(&arguments, context).await,
        Command::Sign(arguments) => sign::run(&arguments, context).await,
        Command::Show(arguments) => show::run(&arguments, context).await,
        Command::Publish(arguments) => publish::run(&arguments, context).await,
    }
}
