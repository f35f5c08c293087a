//! `bulla key remove`: a private key out of the trust directory.

use bulla::keys::KeyRole;
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
}

/// The key, and whether it is gone.
#[derive(Serialize)]
struct Removed {
    #[serde(flatten)]
    key: Row,
    removed: bool,
    #[serde(skip)]
    directory: String,
}

impl Show for Removed {
    fn text(&self) -> String {
        if self.removed {
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
    let removed = if arguments.yes {
        true
    } else if key.role == KeyRole::Root {
        return Err(KeyError::RootKey(id).into());
    } else {
        let question = format!("Are you sure you want to remove {id} (role {}) from {directory}?  (yes/no)", key.role);
        match confirm(context.out, &question)? {
            Answer::Yes => true,
            Answer::No => false,
            Answer::None => return Err(KeyError::NotAnswered(id).into()),
        }
    };
    if removed {
        keys.remove(&key).map_err(KeyError::from)?;
    }
    context.out.show(&Removed { key: Row::of(&key), removed, directory })?;
    Ok(Exit::Success)
}
