//! `bulla repo witness`: stages that roles are signed anew as they are.

use bulla::changelist::Change;
use clap::Args;

use super::arguments::{gun, targets_role};
use super::staging::{Publish, stage};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::printable::line;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Repository
    #[arg(value_name = "GUN")]
    gun: String,
    /// Roles to sign anew: `targets` or delegations
    #[arg(value_name = "ROLE", required = true)]
    roles: Vec<String>,
    #[command(flatten)]
    publish: Publish,
}

/// Runs the verb.
pub(super) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let gun = gun(&arguments.gun)?;
    let witness = |name: &String| targets_role(name).map(|role| Change::Witness { role });
    let changes = arguments.roles.iter().map(witness).collect::<Result<Vec<_>, _>>()?;
    let roles: String = arguments.roles.iter().map(|role| format!("\n\t- {}", line(role))).collect();
    let words = format!("The following roles were successfully marked for witnessing on the next publish:{roles}");
    stage(&gun, &changes, words, &arguments.publish, context).await
}
