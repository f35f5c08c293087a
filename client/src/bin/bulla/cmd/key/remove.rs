//! `bulla key remove`: a private key out of the trust directory.

use bulla::keys::{KeyRole, KeyringError};
use clap::Args;
use serde::Serialize;

use super::{KeyError, Row};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;
use crate::terminal::{Answer, confirm};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Id of the key
    #[arg(value_name = "KEY_ID")]
    id: String,
    /// Remove it without asking; a root key is removed only so
    #[arg(short, long)]
    yes: bool,
    /// Destroy a key of a token on the token, too, for good; without it the key stays there, to be added again
    #[arg(long)]
    destroy: bool,
}

/// The key, and whether it is gone.
#[derive(Serialize)]
struct Removed {
    #[serde(flatten)]
    key: Row,
    removed: bool,
    /// Whether it was destroyed on its token.
    destroyed: bool,
    #[serde(skip)]
    directory: String,
}

impl Show for Removed {
    fn text(&self) -> String {
        if let (true, Some(token)) = (self.removed, &self.key.token) {
            let fate = if self.destroyed { "destroyed" } else { "still there" };
            format!(
                "Deleted {} (role {}) from {}; on {}, object {}, it is {fate}.",
                self.key.id, self.key.role, self.directory, token.name, token.object
            )
        } else if self.removed {
            format!("Deleted {} (role {}) from {}.", self.key.id, self.key.role, self.directory)
        } else {
            "Aborting action.".to_owned()
        }
    }
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let id = super::id(&arguments.id)?;
    let mut keys = context.keyring()?;
    let key = keys.find(&id).map_err(KeyError::from)?;
    let directory = super::directory(context).display().to_string();
    if arguments.destroy && key.token().is_none() {
        return Err(KeyError::from(KeyringError::NotOnToken(id)).into());
    }
    // What only tells of a key can be written again.
    let is_only_copy = key.token().is_none() || arguments.destroy;
    let removed = if arguments.yes {
        true
    } else if key.role == KeyRole::Root && is_only_copy {
        return Err(if arguments.destroy { KeyError::RootKeyOnToken(id) } else { KeyError::RootKey(id) }.into());
    } else {
        let question = if arguments.destroy {
            format!("Are you sure you want to destroy {id} (role {}) on its token, for good?  (yes/no)", key.role)
        } else {
            format!("Are you sure you want to remove {id} (role {}) from {directory}?  (yes/no)", key.role)
        };
        match confirm(context.out, &question)? {
            Answer::Yes => true,
            Answer::No => false,
            Answer::None => return Err(KeyError::NotAnswered(id).into()),
        }
    };
    if removed {
        let done = if arguments.destroy { keys.destroy(&key) } else { keys.remove(&key) };
        done.map_err(KeyError::from)?;
    }
    context.out.show(&Removed { key: Row::of(&key), removed, destroyed: removed && arguments.destroy, directory })?;
    Ok(Exit::Success)
}
