//! `bulla key join`: a root key out of its shares.

use std::path::PathBuf;

use bulla::shares::join;
use clap::Args;
use serde::Serialize;

use super::{Kdf, KeyError, Row};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Shares of one key and one split: as many as give the key, or more
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How the passphrase seals the key
    #[arg(long, value_enum, default_value_t)]
    kdf: Kdf,
}

/// A key that shares gave.
#[derive(Serialize)]
struct Outcome {
    #[serde(flatten)]
    key: Row,
    split: String,
    threshold: u8,
    shares: u8,
    joined: Vec<u8>,
    /// Whether it was here before, and stays under the passphrase that it has.
    already_here: bool,
    /// Whether what was here before was opened.
    opened: bool,
}

impl Show for Outcome {
    fn text(&self) -> String {
        let Row { id, file, .. } = &self.key;
        let numbers = self.joined.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let first = format!("Joined shares {numbers} of {}: they give the root key {id}", self.shares);
        let second = match (self.already_here, self.opened) {
            (false, _) => format!("Stored it under a passphrase of its own in {file}"),
            (true, true) => format!("Already here, left as it is: {file}, which was opened"),
            (true, false) => format!(
                "Already here, left as it is: {file}, which was not opened, as its passphrase was not given. To have it under \
                 another one: `bulla key remove --yes {id}`, then join again"
            ),
        };
        format!("{first}\n{second}")
    }
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let mut keys = context.keyring()?.with_derivation(arguments.kdf.derivation(context));
    let joined = join(&arguments.files, &mut keys, &context.rng).map_err(KeyError::from)?;
    context.out.show(&Outcome {
        key: Row::of(&joined.key.key),
        split: joined.split.to_string(),
        threshold: joined.quorum.threshold(),
        shares: joined.quorum.shares(),
        joined: joined.numbers,
        already_here: !joined.key.is_new,
        opened: joined.opened,
    })?;
    Ok(Exit::Success)
}
