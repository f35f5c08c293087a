//! `bulla trust pull`: what is signed, by its digest, under the name that was asked for.

use bulla::engine::{Pull, Talk};
use bulla::image::{ImageName, Tag};
use clap::Args;
use serde::Serialize;
use tuf_schema::Sha256;

use super::deciding::decide;
use crate::cmd::deciding::decide_all;
use crate::cmd::reading::Cached;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::output::{Format, Show};

#[derive(Args)]
#[command(after_help = exit::HELP)]
pub(crate) struct Arguments {
    /// Image to pull; without a tag, `latest`. What is named by its digest is pulled by that
    #[arg(value_name = "IMAGE[:TAG|@DIGEST]")]
    image: String,
    /// Pull all signed tags of the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Pull the image of this platform, if there are several
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Say less
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    cached: Cached,
}

/// What was pulled.
#[derive(Serialize)]
struct Pulled {
    image: String,
    pulled: Vec<PulledTag>,
    /// What docker's pull says at its end: the name in full.
    #[serde(skip)]
    name: String,
}

#[derive(Serialize)]
struct PulledTag {
    tag: Option<String>,
    digest: String,
}

impl Show for Pulled {
    fn text(&self) -> String {
        self.name.clone()
    }
}

/// Runs the verb. Docker is asked when it is certain what for.
pub(crate) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let image = ImageName::parse(&arguments.image)?;
    let talk = match (context.out.format(), arguments.quiet) {
        (Format::Json, _) => Talk::Nothing,
        (Format::Text, true) => Talk::Errors,
        (Format::Text, false) => Talk::All,
    };
    let how = Pull { platform: arguments.platform.clone(), talk };
    if arguments.all_tags {
        if image.tag().is_some() || image.digest().is_some() {
            return Err(CliError::TagOfAll);
        }
        return all(&image, arguments, &how, context).await;
    }
    if image.digest().is_some() {
        let digest = decide(&image, &arguments.cached, context).await?;
        context.engine.pull(image.repository(), &digest, &how).await?;
        let pulled = vec![PulledTag { tag: None, digest: format!("sha256:{digest}") }];
        // Docker has said the name.
        let name = if talk == Talk::All { String::new() } else { format!("{}@sha256:{digest}", image.gun()) };
        return tell(&image, pulled, name, context);
    }
    let tag = image.tag().cloned().unwrap_or_else(Tag::latest);
    if image.tag().is_none() && talk == Talk::All {
        context.out.data(&format!("Using default tag: {tag}"))?;
    }
    let digest = decide(&image, &arguments.cached, context).await?;
    let pulled = pull(&image, &[(tag.clone(), digest)], &how, context).await?;
    tell(&image, pulled, format!("{}:{tag}", image.gun()), context)
}

/// Every tag that is released; if one of them may not be pulled, none is.
async fn all(image: &ImageName, arguments: &Arguments, how: &Pull, context: &Context) -> Result<Exit, CliError> {
    let wanted = decide_all(image, &arguments.cached, context).await?;
    if wanted.is_empty() {
        return Err(CliError::NoTrustedTags(image.gun().to_string()));
    }
    let pulled = pull(image, &wanted, how, context).await?;
    tell(image, pulled, image.gun().to_string(), context)
}

/// Pulls each, and has its tag stand for it.
async fn pull(
    image: &ImageName,
    wanted: &[(Tag, Sha256)],
    how: &Pull,
    context: &Context,
) -> Result<Vec<PulledTag>, CliError> {
    let repository = image.repository();
    let mut pulled = Vec::new();
    for (number, (tag, digest)) in wanted.iter().enumerate() {
        if how.talk != Talk::Nothing {
            let (number, all) = (number.saturating_add(1), wanted.len());
            context.out.data(&format!("Pull ({number} of {all}): {repository}:{tag}@sha256:{digest}"))?;
        }
        context.engine.pull(repository, digest, how).await?;
        let name = format!("{repository}:{tag}");
        context.out.note(&format!("Tagging {repository}@sha256:{digest} as {name}"));
        context.engine.tag(repository, digest, &name, how.talk).await?;
        pulled.push(PulledTag { tag: Some(tag.to_string()), digest: format!("sha256:{digest}") });
    }
    Ok(pulled)
}

fn tell(image: &ImageName, pulled: Vec<PulledTag>, name: String, context: &Context) -> Result<Exit, CliError> {
    context.out.show(&Pulled { image: image.repository().to_owned(), pulled, name })?;
    Ok(Exit::Success)
}
