//! What `bulla repo add` and `add-hash` share: where a target is to be listed, and how that is staged.

use std::path::PathBuf;

use bulla::changelist::Change;
use clap::Args;
use tuf_schema::model::Target;

use super::RepoError;
use super::arguments::{Named, custom, gun, roles_to_change, target_name};
use super::staging::{Publish, stage};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

/// How a target is to be listed.
#[derive(Args)]
pub(super) struct Adding {
    /// File of custom data for the target, in JSON
    #[arg(long, value_name = "FILE")]
    custom: Option<PathBuf>,
    /// Delegations to list the target in, instead of `targets`
    #[arg(short, long, value_name = "ROLE", value_delimiter = ',')]
    roles: Vec<String>,
    #[command(flatten)]
    publish: Publish,
}

impl Adding {
    /// Stages the target that `measure` gives under this name; `how` it is known is put into notary's words for it.
    pub(super) async fn stage(
        &self,
        named: &Named,
        measure: impl FnOnce() -> Result<Target, RepoError>,
        how: fn(&Target) -> String,
        context: &Context,
    ) -> Result<Exit, CliError> {
        let gun = gun(&named.gun)?;
        let name = target_name(&named.target)?;
        let roles = roles_to_change(&self.roles)?;
        let mut target = measure()?;
        target.custom = custom(self.custom.as_ref())?;
        let how = how(&target);
        let add = |role| Change::AddTarget { role, name: name.clone(), target: target.clone() };
        let changes: Vec<_> = roles.into_iter().map(add).collect();
        let words = format!("Addition of target \"{name}\"{how} to repository \"{gun}\" staged for next publish.");
        stage(&gun, &changes, words, &self.publish, context).await
    }
}
