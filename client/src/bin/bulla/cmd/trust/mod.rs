//! `bulla trust`: docker's verbs, and `verify`.

use bulla::image::{ImageName, Tag};
use clap::Subcommand;

mod inspect;
mod key;
mod sign;
mod table;
mod verify;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Sign an image
    Sign(sign::Arguments),
    /// Return low-level information about keys and signatures
    Inspect(inspect::Arguments),
    /// Print the signed digest of a tag, to be used for the pull
    Verify(verify::Arguments),
    /// Manage keys for signing images
    #[command(subcommand)]
    Key(key::Command),
}

/// Runs a verb.
pub(crate) async fn run(command: Command, context: &Context) -> Result<Exit, CliError> {
    match command {
        Command::Sign(arguments) => sign::run(&arguments, context).await,
        Command::Inspect(arguments) => inspect::run(&arguments, context).await,
        Command::Verify(arguments) => verify::run(&arguments, context).await,
        Command::Key(command) => key::run(&command, context),
    }
}

/// The tag of `image`, which must not name a digest.
fn tag(image: &ImageName) -> Result<Option<&Tag>, CliError> {
    if image.digest().is_some() { Err(CliError::DigestReference) } else { Ok(image.tag()) }
}
