//! `bulla key passwd`: another passphrase for a key.

use clap::Args;
use serde::Serialize;

use super::{Kdf, KeyError};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Id of the key
    #[arg(value_name = "KEY_ID")]
    id: String,
    /// File descriptor whose first line is the new passphrase
    #[arg(long, value_name = "N")]
    new_passphrase_fd: Option<u32>,
    /// How the new passphrase seals the key
    #[arg(long, value_enum, default_value_t)]
    kdf: Kdf,
}

/// The key that is sealed anew.
#[derive(Serialize)]
struct Changed {
    id: String,
}

impl Show for Changed {
    fn text(&self) -> String {
        format!("Successfully updated passphrase for key ID: {}", self.id)
    }
}

/// What opens the key today comes from where passphrases always come from; what seals it from now on never does.
pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let id = super::id(&arguments.id)?;
    let mut keys = context.keyring_with(arguments.new_passphrase_fd).with_derivation(arguments.kdf.derivation(context));
    let key = keys.find(&id).map_err(KeyError::from)?;
    keys.change_passphrase(&key, &context.rng).map_err(KeyError::from)?;
    context.out.show(&Changed { id: id.to_string() })?;
    Ok(Exit::Success)
}
