//! `bulla trust`: docker's verbs, and those that docker 29 has lost.

use bulla::engine::container::Verb;
use bulla::image::{ImageName, Tag};
use bulla::signing::{Source, Wanted};
use clap::Subcommand;
use tuf_schema::Sha256;

mod container;
mod deciding;
mod inspect;
mod key;
pub(crate) mod opened;
mod pull;
mod push_tag;
mod revoke;
pub(crate) mod root_notice;
mod sign;
mod signer;
mod table;
mod verify;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Sign images
    Sign(sign::Arguments),
    /// Move a tag to another manifest after signing that
    PushTag(push_tag::Arguments),
    /// Remove trust for an image
    Revoke(revoke::Arguments),
    /// Return low-level information about keys and signatures
    Inspect(inspect::Arguments),
    /// Print the signed digest of a tag, to be used for the pull
    Verify(verify::Arguments),
    /// Pull the signed image of a tag by its digest
    Pull(pull::Arguments),
    /// Run the signed image of a tag by its digest; docker's options
    Run(container::Arguments),
    /// Create a container of the signed image of a tag by its digest; docker's options
    Create(container::Arguments),
    /// Manage entities who can sign images
    #[command(subcommand)]
    Signer(signer::Command),
    /// Manage keys for signing images
    #[command(subcommand)]
    Key(key::Command),
}

/// Runs a verb.
pub(crate) async fn run(command: Command, context: &Context) -> Result<Exit, CliError> {
    match command {
        Command::Sign(arguments) => sign::run(&arguments, context).await,
        Command::PushTag(arguments) => push_tag::run(&arguments, context).await,
        Command::Revoke(arguments) => revoke::run(&arguments, context).await,
        Command::Signer(command) => signer::run(&command, context).await,
        Command::Inspect(arguments) => inspect::run(&arguments, context).await,
        Command::Verify(arguments) => verify::run(&arguments, context).await,
        Command::Pull(arguments) => pull::run(&arguments, context).await,
        Command::Run(arguments) => container::run(Verb::Run, &arguments, context).await,
        Command::Create(arguments) => container::run(Verb::Create, &arguments, context).await,
        Command::Key(command) => key::run(&command, context),
    }
}

/// The tag of `image`, which must not name a digest.
fn tag(image: &ImageName) -> Result<Option<&Tag>, CliError> {
    if image.digest().is_some() { Err(CliError::DigestReference) } else { Ok(image.tag()) }
}

/// The tag that `name` means, which is said if it names none.
fn wanted(name: &str, source: Source, context: &Context) -> Result<Wanted, CliError> {
    let wanted = Wanted::parse(name, source)?;
    if wanted.image.tag().is_none() {
        context.out.note(&format!("Using default tag: {}", wanted.tag));
    }
    Ok(wanted)
}

/// A digest as an argument.
fn digest(text: &str) -> Result<Sha256, String> {
    let hex = text.strip_prefix("sha256:").unwrap_or_default();
    Sha256::from_hex(hex).ok_or_else(|| "expected sha256: and 64 lower-case hexadecimal digits".to_owned())
}
