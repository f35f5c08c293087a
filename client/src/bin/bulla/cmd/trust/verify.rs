//! `bulla trust verify`: which digest to pull for a tag.

use bulla::image::{ImageName, Tag};
use bulla::session;
use clap::Args;
use serde::Serialize;

use crate::cmd::deciding;
use crate::cmd::reading::Cached;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::output::Show;

#[derive(Args)]
#[command(after_help = exit::HELP)]
pub(crate) struct Arguments {
    /// Image to verify
    #[arg(value_name = "IMAGE:TAG")]
    image: String,
    /// Also refuse when the registry has another image under the tag now
    #[arg(long)]
    check_registry: bool,
    #[command(flatten)]
    cached: Cached,
}

/// The image that may be pulled.
#[derive(Serialize)]
struct Pullable {
    image: String,
    tag: String,
    digest: String,
}

impl Show for Pullable {
    fn text(&self) -> String {
        format!("{}@{}", self.image, self.digest)
    }
}

/// Runs the verb.
pub(crate) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let image = ImageName::parse(&arguments.image)?;
    let tag = super::tag(&image)?.ok_or_else(|| CliError::NoTag(image.original().to_owned()))?;
    let signed = deciding::decide(&image, &arguments.cached, context).await?.digest;
    if arguments.check_registry {
        check_registry(&image, tag, signed, context).await?;
    }
    let digest = format!("sha256:{signed}");
    context.out.show(&Pullable { image: image.repository().to_owned(), tag: tag.to_string(), digest })?;
    Ok(Exit::Success)
}

async fn check_registry(
    image: &ImageName,
    tag: &Tag,
    signed: tuf_schema::Sha256,
    context: &Context,
) -> Result<(), CliError> {
    let found = session::resolve(&context.config, image, tag).await?.digest;
    if found == signed {
        return Ok(());
    }
    Err(CliError::Overwritten { image: image.original().to_owned(), signed, found })
}
