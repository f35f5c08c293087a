//! `bulla threshold`: how many of which keys must sign a role.

use clap::Subcommand;
use tuf_schema::Role;

mod set;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Have so many keys sign a role, and give it keys or take them
    Set(set::Arguments),
}

/// Runs a verb.
pub(crate) async fn run(command: Command, context: &Context) -> Result<Exit, CliError> {
    match command {
        Command::Set(arguments) => set::run(&arguments, context).await,
    }
}

/// What a lost key would do where all keys must sign.
pub(super) fn where_all_must_sign(role: &Role, threshold: u32, keys: usize) -> Option<String> {
    if u64::from(threshold) < keys as u64 {
        return None;
    }
    let then = match role {
        Role::Root => "the root can never be signed again, and the repository ends with it".to_owned(),
        Role::Targets => "nobody can sign targets until the root's keys name others".to_owned(),
        Role::Delegation(name) => format!("nobody can sign {role} until the keys of {} name others", name.parent()),
        Role::Snapshot | Role::Timestamp => return None,
    };
    Some(format!("all {keys} keys of {role} must sign: if one is lost, {then}; give it more keys than must sign"))
}
