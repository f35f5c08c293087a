//! `bulla key backup`: private keys, and what says where trust begins, in one sealed file that was read back.

use std::path::PathBuf;

use bulla::bundle::{Bundle, Proof, Selection};
use bulla::config::Flags;
use bulla::doctor::Command;
use clap::Args;
use serde::Serialize;
use tuf_schema::Gun;

use super::{KeyError, Row};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;

#[derive(Args)]
pub(crate) struct Arguments {
    /// File to write, mode 0600
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Ids of keys [default: all keys]
    #[arg(long, value_delimiter = ',', value_name = "KEY_ID")]
    key: Vec<String>,
    /// Repositories: their keys, root keys included, and no roots but theirs
    #[arg(long, value_delimiter = ',', value_parser = super::gun)]
    gun: Vec<Gun>,
    /// File descriptor whose first line is the passphrase of the backup
    #[arg(long, value_name = "N")]
    bundle_passphrase_fd: Option<u32>,
}

/// A backup that was read back.
#[derive(Serialize)]
struct BackedUp {
    file: PathBuf,
    made: String,
    #[serde(flatten)]
    content: Content,
}

/// What is in a backup.
#[derive(Serialize)]
pub(super) struct Content {
    keys: Vec<Key>,
    roots: Vec<String>,
    settings: Vec<String>,
}

/// A key of a backup.
#[derive(Serialize)]
struct Key {
    #[serde(flatten)]
    key: Row,
    opened: bool,
}

impl Content {
    pub(super) fn of(bundle: &Bundle, proofs: &[Proof]) -> Self {
        let key = |proof: &Proof| Key { key: Row::of(&proof.key), opened: proof.opened };
        Self {
            keys: proofs.iter().map(key).collect(),
            roots: bundle.roots().map(ToString::to_string).collect(),
            settings: bundle.settings().map(ToString::to_string).collect(),
        }
    }

    /// One line for each thing.
    pub(super) fn lines(&self) -> Vec<String> {
        let key = |Key { key, opened }: &Key| {
            let of = key.gun.as_ref().map(|gun| format!(", {gun}")).unwrap_or_default();
            let opened = if *opened { "opened" } else { "not opened: its passphrase was not given" };
            format!("  key {} (role {}{of}): {opened}", key.id, key.role)
        };
        let keys = self.keys.iter().map(key);
        let roots = self.roots.iter().map(|gun| format!("  root of {gun}"));
        let settings = self.settings.iter().map(|name| format!("  {name}"));
        keys.chain(roots).chain(settings).collect()
    }
}

impl Show for BackedUp {
    fn text(&self) -> String {
        let file = self.file.display().to_string();
        let first = format!("Backed up into {file}, which was read back and opened:");
        // Another machine has other directories than this one's.
        let check = Command::bulla(&Flags::default(), &["key", "restore", "--check", &file]);
        let last = format!(
            "Keep it, and apart from it the passphrases: its own and those of the keys. To prove it on another machine: {check}"
        );
        [vec![first], self.content.lines(), vec![last]].concat().join("\n")
    }
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    super::expect_directory(&arguments.file)?;
    let keys = context.keyring_and_bundle(arguments.bundle_passphrase_fd);
    let ids = arguments.key.iter().map(|text| super::id(text)).collect::<Result<_, _>>()?;
    let selection = Selection { keys: ids, guns: arguments.gun.clone() };
    let trust = &context.config.trust;
    let collected = Bundle::collect(&keys, trust, &selection, context.now).map_err(KeyError::from)?;
    for left_out in &collected.left_out {
        context.out.warn(&left_out.to_string());
    }
    let bundle = collected.bundle;
    let proofs = bundle.write(&arguments.file, &keys, trust, context.now, &context.rng).map_err(KeyError::from)?;
    let content = Content::of(&bundle, &proofs);
    context.out.show(&BackedUp { file: arguments.file.clone(), made: bundle.made().to_owned(), content })?;
    Ok(Exit::Success)
}
