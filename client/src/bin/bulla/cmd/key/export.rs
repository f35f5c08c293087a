//! `bulla key export`: private keys as they lie in the trust directory, for a copy or another machine, or what others may
//! know of them.

use std::path::PathBuf;

use bulla::keys::new_file::write_new;
use bulla::keys::{KeyRole, Keyring, StoredKey, seal};
use clap::Args;
use serde::Serialize;
use tuf_schema::sign::self_signed_root_certificate;
use tuf_schema::{Gun, SigningKey as _};
use zeroize::Zeroizing;

use super::{KeyError, Row};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Ids of keys
    #[arg(long, value_delimiter = ',', value_name = "KEY_ID", conflicts_with = "gun")]
    key: Vec<String>,
    /// Repositories whose keys to export
    #[arg(long, value_delimiter = ',', value_parser = super::gun)]
    gun: Vec<Gun>,
    /// Write the public halves of keys for others to name in this repository (bulla threshold set --add-key), in place of
    /// the keys; of a root key a new certificate for the repository
    #[arg(long, value_name = "GUN", requires = "key", value_parser = super::gun)]
    public_for: Option<Gun>,
    /// File to write, mode 0600; standard output without it
    #[arg(short = 'o', value_name = "FILE")]
    file: Option<PathBuf>,
}

/// The keys, and their blocks unless those went into a file.
#[derive(Serialize)]
struct Exported {
    keys: Vec<Row>,
    file: Option<PathBuf>,
    pem: Option<Zeroizing<String>>,
}

impl Show for Exported {
    fn text(&self) -> String {
        self.pem.as_ref().map(|pem| pem.trim_end().to_owned()).unwrap_or_default()
    }
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let mut keys = context.keyring()?;
    let mut selected = select(&keys, arguments, context)?;
    // A key that is named, or the only one, is refused by name.
    if arguments.public_for.is_none() && arguments.key.is_empty() && selected.iter().any(|key| key.token().is_none()) {
        for key in selected.iter().filter_map(|key| key.token().map(|object| (&key.id, object))) {
            context.out.warn(&format!("the key {} is left out: it is on {} and never leaves it", key.0, key.1.token));
        }
        selected.retain(|key| key.token().is_none());
    }
    let mut pem = Zeroizing::new(String::new());
    for key in &selected {
        let block = match &arguments.public_for {
            Some(gun) => public_half(&mut keys, key, gun, context)?.into(),
            None => keys.exported(key).map_err(KeyError::from)?,
        };
        // Large enough at once: where it grew from would not be wiped.
        let mut longer = Zeroizing::new(String::with_capacity(pem.len().saturating_add(block.len())));
        longer.push_str(&pem);
        longer.push_str(&block);
        pem = longer;
    }
    let pem = match &arguments.file {
        Some(file) => {
            super::expect_directory(file)?;
            write_new(file, &pem, &context.rng).map_err(KeyError::from)?;
            None
        }
        None => Some(pem),
    };
    let keys = selected.iter().map(Row::of).collect();
    context.out.show(&Exported { keys, file: arguments.file.clone(), pem })?;
    Ok(Exit::Success)
}

/// What others may know of a key.
fn public_half(keys: &mut Keyring, key: &StoredKey, gun: &Gun, context: &Context) -> Result<String, KeyError> {
    let secret = keys.open(key)?;
    if key.role != KeyRole::Root {
        return Ok(seal::public_pem(secret.public(), &key.role.to_string()));
    }
    let certificate = self_signed_root_certificate(secret, gun, context.now, &context.rng)?;
    Ok(String::from_utf8_lossy(certificate.public_bytes()).into_owned())
}

/// The keys that were asked for: all of them without a selection. That one is missing is an error: an export is a copy
/// that somebody relies on.
fn select(keys: &Keyring, arguments: &Arguments, context: &Context) -> Result<Vec<StoredKey>, KeyError> {
    let directory = || super::directory(context);
    if !arguments.key.is_empty() {
        return arguments.key.iter().map(|text| Ok(keys.find(&super::id(text)?)?)).collect();
    }
    let all = keys.list()?;
    if arguments.gun.is_empty() {
        return if all.is_empty() { Err(KeyError::NoKeys(directory())) } else { Ok(all) };
    }
    for gun in &arguments.gun {
        if all.iter().all(|key| key.gun.as_ref() != Some(gun)) {
            return Err(KeyError::NoKeyOf { gun: gun.clone(), directory: directory() });
        }
    }
    let of = |gun: &Gun| all.iter().filter(|key| key.gun.as_ref() == Some(gun)).cloned().collect::<Vec<_>>();
    Ok(arguments.gun.iter().flat_map(of).collect())
}
