//! `bulla session show`: what a session would change, and who has signed it.

use std::path::{Path, PathBuf};

use bulla::doctor::Command;
use bulla::signing_session::{self, Examined};
use clap::Args;
use tuf_schema::session::SigningSession;

use super::SigningError;
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

/// A session, perhaps as copies that several people have signed.
#[derive(Args)]
pub(super) struct Files {
    /// File of the session
    #[arg(value_name = "FILE")]
    first: PathBuf,
    /// Copies of it with the signatures of others
    #[arg(value_name = "COPY")]
    copies: Vec<PathBuf>,
}

impl Files {
    /// The first file, by which the session is called.
    pub(super) fn name(&self) -> &Path {
        &self.first
    }

    /// The session with the signatures of all copies.
    pub(super) fn read(&self) -> Result<SigningSession, SigningError> {
        let mut session = signing_session::read(&self.first)?;
        for path in &self.copies {
            let copy = signing_session::read(path)?;
            session = session.joined_by(&copy).map_err(|fault| SigningError::Copy {
                path: path.clone(),
                first: self.first.clone(),
                fault,
            })?;
        }
        Ok(session)
    }
}

/// Runs the verb.
pub(super) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let session = arguments.files.read()?;
    let gun = session.gun().clone();
    let opened = Opened::at(&gun, context).await?;
    let mut keys = context.keyring()?;
    let mut publisher = opened.publisher(&mut keys, context);
    let examined = signing_session::examine(&mut publisher, session).await;
    let examined: Examined = examined.map_err(|e| SigningError::session("show", &gun, e))?;
    let shown = Shown::of(&examined, arguments.files.name());
    let next = next(shown.is_complete(), arguments.files.name(), context);
    context.out.show(&shown.then(next))?;
    Ok(Exit::Success)
}

/// What is to be done with a session.
pub(super) fn next(is_complete: bool, file: &Path, context: &Context) -> String {
    let file = file.display().to_string();
    let command = |verb| Command::bulla(&context.flags, &["session", verb, &file]);
    if is_complete {
        format!("Enough have signed. Publish it with: {}", command("publish"))
    } else {
        format!("Not enough have signed. Others who may sign with: {}", command("sign"))
    }
}
