//! `bulla key`: notary's verbs for private keys, and ours for keys on tokens.

use std::path::{Path, PathBuf};

use bulla::keys::{Derivation, StoredKey, key_id};
use clap::{Subcommand, ValueEnum};
use serde::Serialize;
use tuf_schema::{Gun, KeyId};

mod backup;
mod error;
mod export;
mod generate;
mod import;
mod join;
mod list;
mod passwd;
mod remove;
mod restore;
mod rotate;
mod share;
mod token;

pub(crate) use error::KeyError;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the private keys of the trust directory
    List,
    /// Generate a private key
    Generate(generate::Arguments),
    /// Change the passphrase of a key
    Passwd(passwd::Arguments),
    /// Import the private keys of PEM files
    Import(import::Arguments),
    /// Export private keys as they are, under their passphrases
    Export(export::Arguments),
    /// Remove a private key
    Remove(remove::Arguments),
    /// Back up private keys, and what says where trust begins, into one sealed file that is read back
    Backup(backup::Arguments),
    /// Restore a backup; what is here stays
    Restore(restore::Arguments),
    /// Share a root key: into files of which any so many give it back
    Share(share::Arguments),
    /// Join shares of a root key: the key is stored here
    Join(join::Arguments),
    /// Rotate the keys of roles: new ones are published, then old ones go
    Rotate(rotate::Arguments),
    /// Keys on PKCS #11 tokens: hardware security modules, YubiKeys
    #[command(subcommand)]
    Token(token::Command),
}

/// How a passphrase seals a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kdf {
    /// As docker and notary do: PBKDF2-HMAC-SHA1, 2048 rounds
    #[default]
    Compatible,
    /// scrypt, five times 16 MiB: neither docker nor notary opens such a key
    Strong,
}

/// A stored key for a program.
#[derive(Serialize)]
struct Row {
    role: String,
    gun: Option<String>,
    id: String,
    /// With the key, or with where on a token it is.
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<TokenPlace>,
}

/// Where on a token a key is.
#[derive(Serialize)]
struct TokenPlace {
    label: String,
    serial: String,
    object: String,
    #[serde(skip)]
    name: String,
}

/// Runs a verb.
pub(crate) async fn run(command: Command, context: &Context) -> Result<Exit, CliError> {
    match command {
        Command::List => list::run(context),
        Command::Generate(arguments) => generate::run(&arguments, context),
        Command::Passwd(arguments) => passwd::run(&arguments, context),
        Command::Import(arguments) => import::run(&arguments, context),
        Command::Export(arguments) => export::run(&arguments, context),
        Command::Remove(arguments) => remove::run(&arguments, context),
        Command::Backup(arguments) => backup::run(&arguments, context),
        Command::Restore(arguments) => restore::run(&arguments, context),
        Command::Share(arguments) => share::run(&arguments, context),
        Command::Join(arguments) => join::run(&arguments, context),
        Command::Rotate(arguments) => rotate::run(&arguments, context).await,
        Command::Token(command) => token::run(command, context),
    }
}

impl Kdf {
    /// What the library calls it; somebody who asks for a strong one is told its price.
    fn derivation(self, context: &Context) -> Derivation {
        match self {
            Self::Compatible => Derivation::Compatible,
            Self::Strong => {
                context.out.note("docker and notary cannot open keys that are sealed with --kdf strong");
                Derivation::Strong
            }
        }
    }
}

impl Row {
    fn of(key: &StoredKey) -> Self {
        Self {
            role: key.role.to_string(),
            gun: key.gun.as_ref().map(ToString::to_string),
            id: key.id.to_string(),
            file: key.path().display().to_string(),
            token: key.token().map(|object| TokenPlace {
                label: object.token.label.clone(),
                serial: object.token.serial.clone(),
                object: object.id.to_string(),
                name: object.token.to_string(),
            }),
        }
    }
}

/// The directory of private keys, as notary shows it: from the root of the file system.
fn directory(context: &Context) -> PathBuf {
    let directory = context.config.trust.private();
    std::path::absolute(&directory).unwrap_or(directory)
}

/// Refuses a file whose directory is not there, as notary does: a mistyped one is not to be made.
fn expect_directory(file: &Path) -> Result<(), KeyError> {
    match file.parent() {
        Some(directory) if !directory.as_os_str().is_empty() && !directory.is_dir() => {
            Err(KeyError::NoDirectory(file.to_owned()))
        }
        _ => Ok(()),
    }
}

/// A repository as an argument.
fn gun(text: &str) -> Result<Gun, String> {
    Gun::parse(text).map_err(|e| e.to_string())
}

/// The id that an argument is.
fn id(text: &str) -> Result<KeyId, KeyError> {
    key_id(text).ok_or_else(|| KeyError::NoId(text.to_owned()))
}
