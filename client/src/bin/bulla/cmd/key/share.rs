//! `bulla key share`: a root key in files of which any so many give it back.

use std::path::PathBuf;

use bulla::shares::{Quorum, remove_shared, share};
use clap::Args;
use serde::Serialize;

use super::{KeyError, Row};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Id of a root key
    #[arg(value_name = "KEY_ID")]
    id: String,
    /// How many shares to write, 255 at most
    #[arg(long, value_name = "N")]
    shares: u32,
    /// How many of them give the key, 2 at least
    #[arg(long, value_name = "K")]
    threshold: u32,
    /// Directory to write them to, each in a file of its own, mode 0600; there must be no shares in it
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Remove the key from the trust directory once the shares were read back and gave it
    #[arg(long)]
    remove: bool,
}

/// A key that was shared.
#[derive(Serialize)]
struct Outcome {
    #[serde(flatten)]
    key: Row,
    split: String,
    threshold: u8,
    shares: Vec<ShareRow>,
    removed: bool,
}

/// A share.
#[derive(Serialize)]
struct ShareRow {
    number: usize,
    file: PathBuf,
}

impl Show for Outcome {
    fn text(&self) -> String {
        let (id, threshold, shares) = (&self.key.id, self.threshold, self.shares.len());
        let first = format!(
            "Shared the root key {id}: any {threshold} of these {shares} files, which were read back and gave it, are the key \
             (split {}):",
            self.split
        );
        let files = self.shares.iter().map(|share| format!("  {}", share.file.display()));
        let last = if self.removed {
            format!("Removed the key from {}; copies of it elsewhere are still the key.", self.key.file)
        } else {
            format!("The key is still here, too: to keep it in shares only, `bulla key remove --yes {id}`.")
        };
        let keep = "Give each file to another holder, and leave no two of them in one place. To have the key again: bulla key \
                    join FILE..."
            .to_owned();
        [first].into_iter().chain(files).chain([last, keep]).collect::<Vec<_>>().join("\n")
    }
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let id = super::id(&arguments.id)?;
    let quorum = Quorum::new(arguments.shares, arguments.threshold).map_err(KeyError::from)?;
    super::expect_directory(&arguments.dir)?;
    if quorum.threshold() == quorum.shares() {
        context.out.warn("all shares are needed: who loses one of them has lost the key");
    }
    let mut keys = context.keyring()?;
    let shared = share(&keys, &id, quorum, &arguments.dir, &context.rng).map_err(KeyError::from)?;
    if arguments.remove {
        remove_shared(&mut keys, &shared, &arguments.dir).map_err(KeyError::from)?;
    }
    let row = |(file, number)| ShareRow { number, file };
    context.out.show(&Outcome {
        key: Row::of(&shared.key),
        split: shared.split.to_string(),
        threshold: quorum.threshold(),
        shares: shared.files.into_iter().zip(1..).map(row).collect(),
        removed: arguments.remove,
    })?;
    Ok(Exit::Success)
}
