//! `bulla key import`: private keys of PEM files into the trust directory.

use std::path::PathBuf;

use bulla::keys::{Fallback, Imported, KeyRole};
use clap::Args;
use serde::Serialize;
use tuf_schema::Gun;

use super::{Kdf, KeyError, Row};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;

#[derive(Args)]
pub(crate) struct Arguments {
    /// PEM files, each with one private key or several
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Role of keys whose file names none [default: delegation]
    #[arg(short, long)]
    role: Option<KeyRole>,
    /// Repository of keys whose file names none
    #[arg(short, long, value_parser = super::gun)]
    gun: Option<Gun>,
    /// How passphrases seal keys that come in the clear, or encrypted by other tools
    #[arg(long, value_enum, default_value_t)]
    kdf: Kdf,
}

/// What became of the keys of all files.
#[derive(Serialize)]
struct Outcome {
    imported: Vec<Row>,
    already_here: Vec<Row>,
}

impl Show for Outcome {
    fn text(&self) -> String {
        let line = |what: &str, key: &Row| match &key.gun {
            Some(gun) => format!("{what} {} (role {}, {gun})", key.id, key.role),
            None => format!("{what} {} (role {})", key.id, key.role),
        };
        let imported = self.imported.iter().map(|key| line("Imported", key));
        let here = self.already_here.iter().map(|key| line("Already here, left as it is:", key));
        imported.chain(here).collect::<Vec<_>>().join("\n")
    }
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let mut keys = context.keyring()?.with_derivation(arguments.kdf.derivation(context));
    let fallback = Fallback { role: arguments.role.clone(), gun: arguments.gun.clone() };
    let mut all: Vec<Imported> = Vec::new();
    for file in &arguments.files {
        all.extend(keys.import_file(file, &fallback, &context.rng).map_err(KeyError::from)?);
    }
    let (imported, already_here): (Vec<_>, Vec<_>) = all.iter().partition(|imported| imported.is_new);
    let rows = |keys: Vec<&Imported>| keys.iter().map(|imported| Row::of(&imported.key)).collect();
    context.out.show(&Outcome { imported: rows(imported), already_here: rows(already_here) })?;
    Ok(Exit::Success)
}
