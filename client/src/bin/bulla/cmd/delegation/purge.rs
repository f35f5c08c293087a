//! `bulla delegation purge`: stages the removal of keys from all delegations.

use bulla::changelist::Change;
use clap::Args;
use tuf_schema::Role;

use crate::cmd::repo::arguments::{gun, key_id};
use crate::cmd::repo::staging::{Publish, stage};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Repository
    #[arg(value_name = "GUN")]
    gun: String,
    /// Ids of the keys to remove, as `list` shows them
    #[arg(long = "key", value_name = "KEY_ID", value_delimiter = ',', required = true)]
    keys: Vec<String>,
    #[command(flatten)]
    publish: Publish,
}

/// Runs the verb. Delegations that cannot be signed here stay as they are.
pub(super) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let gun = gun(&arguments.gun)?;
    let keys = arguments.keys.iter().map(|id| key_id(id)).collect::<Result<Vec<_>, _>>()?;
    let ids: String = arguments.keys.iter().map(|id| format!("\n\t- {id}")).collect();
    let words = format!("Removal of the following keys from all delegations in {gun} staged for next publish:{ids}");
    stage(&gun, &[Change::PurgeKeys { below: Role::Targets, keys }], words, &arguments.publish, context).await
}
