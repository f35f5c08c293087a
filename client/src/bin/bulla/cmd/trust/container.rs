//! `bulla trust run` and `bulla trust create`: docker's verbs on the signed image of a tag, by its digest.

use std::ffi::OsString;

use bulla::engine::container::{Container, Verb};
use bulla::image::ImageName;
use clap::Args;

use super::deciding::decide;
use crate::cmd::reading::Cached;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

#[derive(Args)]
#[command(after_help = "\
Docker is given the words as they are, with IMAGE@sha256:HEX for IMAGE, and takes this program's place: terminal, signals \
and exit code are docker's. --allow-cached is understood among docker's options. Until docker runs, `run` fails with 125, \
as docker does.")]
pub(crate) struct Arguments {
    /// Docker's options of this verb, the image, and what to run in it
    // That there are none is found with all else that `run` fails on before docker has the word.
    #[arg(value_name = "IMAGE", trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

/// Runs the verb.
pub(crate) async fn run(verb: Verb, arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    start(verb, &arguments.words, context).await.map(Exit::OfDocker)
}

/// Gives docker's exit code, if it did not take over.
async fn start(verb: Verb, words: &[OsString], context: &Context) -> Result<u8, CliError> {
    let container = Container::parse(verb, words)?;
    let image = ImageName::parse(&container.image)?;
    let digest = decide(&image, &Cached { allow_cached: container.allow_cached }, context).await?;
    let verified = format!("{}@sha256:{digest}", image.repository());
    Ok(context.engine.start(&container, &verified).await?)
}
