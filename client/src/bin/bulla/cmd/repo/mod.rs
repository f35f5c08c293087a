//! `bulla repo`: notary's verbs on the targets of a repository.

use clap::Subcommand;

mod add;
mod add_hash;
mod adding;
pub(crate) mod arguments;
mod delete;
mod error;
mod init;
mod list;
mod lookup;
mod publish;
mod remove;
mod reset;
pub(crate) mod staging;
mod status;
mod verify;
mod witness;

pub(crate) use error::RepoError;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Begin a repository: its keys, its root and its empty targets
    Init(init::Arguments),
    /// Publish what is staged
    Publish(publish::Arguments),
    /// Show what is staged for the next publish
    Status(status::Arguments),
    /// Take away what is staged
    Reset(reset::Arguments),
    /// Stage a file as a target
    Add(add::Arguments),
    /// Stage a target by its length and hashes
    #[command(visible_alias = "addhash")]
    AddHash(add_hash::Arguments),
    /// Stage the removal of a target
    Remove(remove::Arguments),
    /// List the targets of a repository
    List(list::Arguments),
    /// Print the hash and the length of a target
    Lookup(lookup::Arguments),
    /// Hold data against a target, and pass it on if it is the signed one
    Verify(verify::Arguments),
    /// Stage that roles are signed anew as they are
    Witness(witness::Arguments),
    /// Delete trust data
    Delete(delete::Arguments),
}

/// Runs a verb.
pub(crate) async fn run(command: Command, context: &Context) -> Result<Exit, CliError> {
    match command {
        Command::Init(arguments) => init::run(&arguments, context).await,
        Command::Publish(arguments) => publish::run(&arguments, context).await,
        Command::Status(arguments) => status::run(&arguments, context),
        Command::Reset(arguments) => reset::run(&arguments, context),
        Command::Add(arguments) => add::run(&arguments, context).await,
        Command::AddHash(arguments) => add_hash::run(&arguments, context).await,
        Command::Remove(arguments) => remove::run(&arguments, context).await,
        Command::List(arguments) => list::run(&arguments, context).await,
        Command::Lookup(arguments) => lookup::run(&arguments, context).await,
        Command::Verify(arguments) => verify::run(&arguments, context).await,
        Command::Witness(arguments) => witness::run(&arguments, context).await,
        Command::Delete(arguments) => delete::run(&arguments, context).await,
    }
}
