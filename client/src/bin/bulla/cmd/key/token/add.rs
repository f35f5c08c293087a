//! `bulla key token add`: a key that is on a token already, such as one in a slot of a YubiKey.

use std::path::PathBuf;

use bulla::keys::KeyRole;
use bulla::keys::token::ObjectId;
use clap::Args;
use tuf_schema::Gun;

use super::KeyError;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Id of the key's object in hexadecimal digits, as `bulla key token list` shows it
    #[arg(long, value_name = "ID")]
    object: ObjectId,
    /// What the key is for: root, targets, snapshot, or the name of a signer
    #[arg(short, long)]
    role: KeyRole,
    /// Repository of a targets or snapshot key
    #[arg(short, long, value_parser = super::super::gun)]
    gun: Option<Gun>,
    /// Label or serial number of the token [default: the only one]
    #[arg(long, value_name = "LABEL")]
    token: Option<String>,
    /// Write the public key into this new file, for whoever is to name the key
    #[arg(long, value_name = "FILE")]
    public: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let Arguments { object, role, gun, token, public } = arguments;
    let gun = super::repository(role, gun.as_ref())?;
    super::expect_writable(public.as_deref())?;
    let mut keys = context.keyring()?;
    let taken = keys.take_from_token(token.as_deref(), object.clone(), role.clone(), gun, &context.rng);
    super::tell(&taken.map_err(KeyError::from)?, "Added", public.as_deref(), context)
}
