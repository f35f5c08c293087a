//! `bulla session publish`: publishes a session that enough have signed.

use bulla::signing_session::{self, Examined};
use clap::Args;

use super::SigningError;
use super::show::Files;
use super::shown::Shown;
use crate::cmd::trust::opened::Opened;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    files: Files,
}

/// Runs the verb. The file stays: what became of it stands on the trust server.
pub(super) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let session = arguments.files.read()?;
    let gun = session.gun().clone();
    let opened = Opened::at(&gun, context).await?;
    let mut keys = context.keyring()?;
    let mut publisher = opened.publisher(&mut keys, context);
    let mut shown = None;
    let mut show = |examined: &Examined| {
        let seen = Shown::of(examined, arguments.files.name());
        context.out.note_lines(&seen.lines());
        shown = Some(seen);
    };
    let done = signing_session::publish(&mut publisher, session, &mut show).await;
    let done = done.map_err(|e| SigningError::session("publish", &gun, e))?;
    let roles: Vec<_> = done.roles.iter().map(ToString::to_string).collect();
    if let Some(shown) = shown {
        let words = format!("Successfully published {} of {gun}", roles.join(", "));
        context.out.show(&shown.published().then(words))?;
    }
    Ok(Exit::Success)
}
