//! `bulla repo init`: begins a repository that nobody has yet.

use std::path::PathBuf;

use bulla::keys::public_file;
use bulla::publish::{Begun, InitialiseError, RootOf};
use bulla::remote::Action;
use bulla::session::Session;
use clap::Args;
use serde::Serialize;
use tuf_schema::Gun;

use super::RepoError;
use super::arguments::gun;
use super::staging::{Done, Publish, auto_published};
use crate::cmd::trust::opened::Opened;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Repository
    #[arg(value_name = "GUN")]
    gun: String,
    /// File with the root key to use, which is kept here, too
    #[arg(long, value_name = "FILE")]
    rootkey: Option<PathBuf>,
    /// File with certificates of the root key, instead of one that is made; the key must be here, or that of --rootkey
    #[arg(long, value_name = "FILE")]
    rootcert: Option<PathBuf>,
    #[command(flatten)]
    publish: Publish,
}

#[derive(Serialize)]
struct Initialized {
    gun: String,
    root_key: String,
    root_key_is_new: bool,
    targets_key: String,
    snapshot_key: String,
    published: Option<Done>,
}

impl Show for Initialized {
    fn text(&self) -> String {
        let found = (!self.root_key_is_new).then(|| format!("Root key found, using: {}", self.root_key));
        let published = self.published.as_ref().map(|_| auto_published(&self.gun));
        found.into_iter().chain(published).collect::<Vec<_>>().join("\n")
    }
}

/// Runs the verb.
pub(super) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let gun = gun(&arguments.gun)?;
    let certificate = arguments.rootcert.as_deref().map(public_file::root).transpose().map_err(RepoError::from)?;
    let root_of = RootOf { key_file: arguments.rootkey.clone(), certificate };
    let begun = initialise(&gun, &root_of, context).await?;
    let (published, failure) = arguments.publish.if_wanted(&gun, context).await;
    // Said also when publishing failed: it is begun then.
    context.out.show(&Initialized {
        gun: gun.to_string(),
        root_key: begun.root.to_string(),
        root_key_is_new: begun.root_is_new,
        targets_key: begun.targets.to_string(),
        snapshot_key: begun.snapshot.to_string(),
        published,
    })?;
    failure.map_or(Ok(Exit::Success), Err)
}

async fn initialise(gun: &Gun, root_of: &RootOf, context: &Context) -> Result<Begun, CliError> {
    let failed = |source| RepoError::Initialise { gun: gun.clone(), source: Box::new(source) };
    let session = Session::open(&context.config, gun, Action::PullAndPush).await?;
    let opened = Opened::of(session).map_err(|e| failed(InitialiseError::Make(e)))?;
    let mut keys = context.keyring()?;
    Ok(opened.publisher(&mut keys, context).initialise(root_of).await.map_err(failed)?)
}
