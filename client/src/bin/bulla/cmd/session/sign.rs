//! `bulla session sign`: shows a session, and signs it with the keys here that may.

use std::path::PathBuf;

use bulla::cache::write_private;
use bulla::signing_session;
use clap::Args;

use super::SigningError;
use super::show::next;
use super::shown::Shown;
use crate::cmd::trust::opened::Opened;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

#[derive(Args)]
pub(crate) struct Arguments {
    /// File of the session; it is written anew with the signatures
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Runs the verb.
pub(super) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let file = &arguments.file;
    let session = signing_session::read(file).map_err(SigningError::from)?;
    let gun = session.gun().clone();
    let failed = |e| SigningError::session("sign", &gun, e);
    let opened = Opened::at(&gun, context).await?;
    let mut keys = context.keyring()?;
    let mut publisher = opened.publisher(&mut keys, context);
    let examined = signing_session::examine(&mut publisher, session).await.map_err(failed)?;
    // Before a passphrase is asked for: it is the consent.
    context.out.note_lines(&Shown::of(&examined, file).lines());
    let (signed, by) = signing_session::sign(&mut publisher, &examined).map_err(failed)?;
    // Where a link leads to the file, that file is written.
    let place = std::fs::canonicalize(file).unwrap_or_else(|_| file.clone());
    write_private(&place, &signed.to_bytes(), &context.rng).map_err(SigningError::from)?;
    let examined = signing_session::examine(&mut publisher, signed).await.map_err(failed)?;
    let shown = Shown::of(&examined, file).signed(&by);
    let mut words = next(shown.is_complete(), file, context);
    if by.is_empty() {
        words = format!("The keys here that may have signed already.\n{words}");
    }
    context.out.show(&shown.then(words))?;
    Ok(Exit::Success)
}
