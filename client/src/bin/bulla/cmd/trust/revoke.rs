//! `bulla trust revoke`: takes a tag, or all of them, from what is released.

use bulla::image::ImageName;
use bulla::signers::Revoke;
use clap::Args;
use serde::Serialize;

use super::opened::Opened;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;
use crate::terminal::{Answer, confirm};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Image; without a tag, all of the repository's tags
    #[arg(value_name = "IMAGE[:TAG]")]
    image: String,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    yes: bool,
}

/// The image whose signatures are gone, or are not.
#[derive(Serialize)]
struct Revoked<'a> {
    image: &'a str,
    /// What was signed anew without them.
    roles: Vec<String>,
    revoked: bool,
}

impl Show for Revoked<'_> {
    fn text(&self) -> String {
        if self.revoked {
            format!("Successfully deleted signature for {}", self.image)
        } else {
            "Aborting action.".to_owned()
        }
    }
}

/// Runs the verb.
pub(crate) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let name = &arguments.image;
    let image = ImageName::parse(name)?;
    let tag = super::tag(&image)?.cloned();
    if tag.is_none() && !arguments.yes {
        let question = format!("Confirm you would like to delete all signature data for {name}? [y/N]");
        match confirm(context.out, &question)? {
            Answer::Yes => {}
            Answer::No => {
                context.out.show(&Revoked { image: name, roles: Vec::new(), revoked: false })?;
                return Ok(Exit::Success);
            }
            Answer::None => return Err(CliError::Unanswered("--yes")),
        }
    }
    let failed = |source| CliError::Revoke { image: name.clone(), source: Box::new(source) };
    let opened = Opened::at(image.gun(), context).await.map_err(failed)?;
    let mut keys = context.keyring()?;
    let published = opened.publisher(&mut keys, context).publish(&Revoke { tag }).await;
    let published = published.map_err(|e| failed(opened.failed(e)))?;
    opened.tell(&published, context);
    let roles = published.roles.iter().map(ToString::to_string).collect();
    context.out.show(&Revoked { image: name, roles, revoked: true })?;
    Ok(Exit::Success)
}
