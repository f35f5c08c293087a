//! `bulla repo delete`: deletes trust data here, and on the trust server if that is asked for.

use bulla::publish::RealTime;
use bulla::remote::{Action, Remote as _};
use bulla::removal;
use bulla::session::Session;
use clap::Args;
use serde::Serialize;
use tuf_schema::Gun;

use super::RepoError;
use super::arguments::gun;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Repository
    #[arg(value_name = "GUN")]
    gun: String,
    /// Delete it on the trust server, too
    #[arg(long)]
    remote: bool,
}

#[derive(Serialize)]
struct Deleted {
    gun: String,
    remote: bool,
}

impl Show for Deleted {
    fn text(&self) -> String {
        let Self { gun, remote } = self;
        let what = if *remote { "local and remote" } else { "local" };
        format!("Deleting trust data for repository {gun}\nSuccessfully deleted {what} trust data for repository {gun}")
    }
}

/// Runs the verb. The server first: should it refuse, everything here is still there.
pub(super) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let gun = gun(&arguments.gun)?;
    if arguments.remote {
        delete_remote(&gun, context).await?;
    }
    removal::remove(&context.config.trust, &gun, &RealTime)
        .await
        .map_err(|source| RepoError::DeleteLocal { gun: gun.clone(), source })?;
    context.out.show(&Deleted { gun: gun.to_string(), remote: arguments.remote })?;
    Ok(Exit::Success)
}

async fn delete_remote(gun: &Gun, context: &Context) -> Result<(), CliError> {
    let failed = |source| RepoError::DeleteRemote { gun: gun.clone(), source };
    let session = Session::open(&context.config, gun, Action::Admin).await?;
    let remote = session.remote.map_err(|no| failed(no.into()))?;
    Ok(remote.delete_all().await.map_err(failed)?)
}
