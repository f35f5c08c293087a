//! `bulla key token add`: a key that is on a token already, such as one in a slot of a YubiKey.

use bulla::keys::token::ObjectId;
use clap::Args;

use super::{KeyError, Use};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Id of the key's object in hexadecimal digits, as `bulla key token list` shows it
    #[arg(long, value_name = "ID")]
    object: ObjectId,
    #[command(flatten)]
    meant: Use,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let Arguments { object, meant } = arguments;
    let Use { role, token, .. } = meant;
    let gun = meant.expected()?;
    let mut keys = context.keyring()?;
    let taken = keys.take_from_token(token.as_deref(), object.clone(), role.clone(), gun, &context.rng);
    meant.tell(&taken.map_err(KeyError::from)?, "Added", context)
}
