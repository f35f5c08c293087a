//! `bulla repo remove`: stages the removal of a target.

use bulla::changelist::Change;
use clap::Args;

use super::arguments::{Named, gun, roles_to_change};
use super::staging::{Publish, stage};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    named: Named,
    /// Delegations to remove the target from, instead of `targets`
    #[arg(short, long, value_name = "ROLE", value_delimiter = ',')]
    roles: Vec<String>,
    #[command(flatten)]
    publish: Publish,
}

/// Runs the verb.
pub(super) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let gun = gun(&arguments.named.gun)?;
    let name = &arguments.named.target;
    let remove = |role| Change::RemoveTarget { role, name: name.clone() };
    let changes: Vec<_> = roles_to_change(&arguments.roles)?.into_iter().map(remove).collect();
    let words = format!("Removal of {name} from {gun} staged for next publish.");
    stage(&gun, &changes, words, &arguments.publish, context).await
}
