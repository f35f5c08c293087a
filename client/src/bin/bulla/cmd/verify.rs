//! `bulla verify`: whether images may be pulled, and why.

use clap::Args;

use super::explained::explain;
use super::reading::Cached;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};

#[derive(Args)]
#[command(after_help = exit::HELP)]
pub(crate) struct Arguments {
    /// Images, by tag or by digest
    #[arg(value_name = "IMAGE:TAG|IMAGE@DIGEST", required = true)]
    images: Vec<String>,
    #[command(flatten)]
    cached: Cached,
}

/// Runs the verb.
pub(crate) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    explain(&arguments.images, &arguments.cached, context).await
}
