//! `bulla repo publish`: publishes what is staged.

use clap::Args;
use serde::Serialize;

use super::arguments::gun;
use super::staging::{Done, publish_staged};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Repository
    #[arg(value_name = "GUN")]
    gun: String,
}

#[derive(Serialize)]
struct Published {
    gun: String,
    published: Done,
}

impl Show for Published {
    fn text(&self) -> String {
        format!("Pushing changes to {0}\nSuccessfully published changes for repository {0}", self.gun)
    }
}

/// Runs the verb.
pub(super) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let gun = gun(&arguments.gun)?;
    let published = publish_staged(&gun, context).await?;
    context.out.show(&Published { gun: gun.to_string(), published })?;
    Ok(Exit::Success)
}
