//! `bulla repo add`: stages a file as a target.

use std::fs::File;
use std::path::PathBuf;

use bulla::changelist::{Change, target_file};
use clap::Args;

use super::RepoError;
use super::arguments::{custom, gun, roles_to_change, target_name};
use super::staging::{Publish, stage};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Repository
    #[arg(value_name = "GUN")]
    gun: String,
    /// Name of the target
    #[arg(value_name = "TARGET")]
    target: String,
    /// File that it is
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// File of custom data for the target, in JSON
    #[arg(long, value_name = "FILE")]
    custom: Option<PathBuf>,
    /// Delegations to list the target in, instead of `targets`
    #[arg(short, long, value_name = "ROLE", value_delimiter = ',')]
    roles: Vec<String>,
    #[command(flatten)]
    publish: Publish,
}

/// Runs the verb.
pub(super) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let gun = gun(&arguments.gun)?;
    let name = target_name(&arguments.target)?;
    let roles = roles_to_change(&arguments.roles)?;
    let failed = |source| RepoError::Read { path: arguments.file.clone(), source };
    let mut target =
        File::open(&arguments.file).and_then(|mut file| target_file::measure(&mut file)).map_err(failed)?;
    target.custom = custom(arguments.custom.as_ref())?;
    let add = |role| Change::AddTarget { role, name: name.clone(), target: target.clone() };
    let changes: Vec<_> = roles.into_iter().map(add).collect();
    let words = format!("Addition of target \"{name}\" to repository \"{gun}\" staged for next publish.");
    stage(&gun, &changes, words, &arguments.publish, context).await
}
