//! `bulla trust key`: keys of people who sign.

use std::fs::File;
use std::path::PathBuf;

use bulla::exposure;
use bulla::keys::new_file::write_new;
use bulla::keys::{Fallback, ImportError, KeyRole, seal};
use clap::{Args, Subcommand};
use serde::Serialize;
use tuf_schema::SigningKey as _;

use crate::cmd::key::KeyError;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Generate and load a signing key-pair
    Generate(Arguments),
    /// Load a private key file for signing
    Load(LoadArguments),
}

#[derive(Args)]
pub(crate) struct Arguments {
    /// Name of the signer
    name: String,
    /// Directory to generate the public key in, defaults to current directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct LoadArguments {
    /// File of the key, which nobody else may read
    #[arg(value_name = "KEYFILE")]
    file: PathBuf,
    /// Name for the loaded key
    #[arg(long, default_value = "signer")]
    name: String,
}

/// A new key pair.
#[derive(Serialize)]
struct Generated {
    name: String,
    key: String,
    public_key_file: PathBuf,
}

impl Show for Generated {
    fn text(&self) -> String {
        let path = self.public_key_file.display();
        format!("Successfully generated and loaded private key. Corresponding public key available: {path}")
    }
}

/// A key that was loaded.
#[derive(Serialize)]
struct Loaded {
    file: PathBuf,
    keys: Vec<String>,
}

impl Show for Loaded {
    fn text(&self) -> String {
        format!("Successfully imported key from {}", self.file.display())
    }
}

/// Runs a verb.
pub(crate) fn run(command: &Command, context: &Context) -> Result<Exit, CliError> {
    match command {
        Command::Generate(arguments) => generate(arguments, context),
        Command::Load(arguments) => load(arguments, context),
    }
}

/// Makes a key pair: the private key into docker's trust directory, the public one into a file to hand out.
fn generate(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let name = &arguments.name;
    let role = role_named(name)?;
    if role.is_of_one_repository() {
        return Err(KeyError::GunNeeded(role).into());
    }
    let directory = match &arguments.dir {
        Some(directory) => directory.clone(),
        None => std::env::current_dir()?,
    };
    if !directory.is_dir() {
        return Err(CliError::NoDirectory(directory));
    }
    let path = directory.join(format!("{name}.pub"));
    if path.exists() {
        return Err(CliError::PublicKeyExists(path));
    }
    context.out.note(&format!("Generating key for {name}..."));
    let failed = |source| CliError::Key { name: name.clone(), source };
    let mut keys = context.keyring()?;
    let stored = keys.create(role, None, &context.rng).map_err(failed)?;
    let public = keys.open(&stored).map_err(failed)?.public().clone();
    write_new(&path, seal::public_pem(&public, name), &context.rng)
        .map_err(|source| CliError::WritePublicKey { path: path.clone(), source })?;
    context.out.show(&Generated { name: name.clone(), key: stored.id.to_string(), public_key_file: path })?;
    Ok(Exit::Success)
}

/// Stores the private keys of a file, by docker's rules: nobody else may read it, and the name is that of keys whose
/// file says none.
fn load(arguments: &LoadArguments, context: &Context) -> Result<Exit, CliError> {
    let path = &arguments.file;
    let fallback = Fallback { role: Some(role_named(&arguments.name)?), gun: None };
    context.out.note(&format!("Loading key from \"{}\"...", path.display()));
    let file = File::open(path).map_err(|source| CliError::NoKeyFile { path: path.clone(), source })?;
    if exposure::of_secret(path, &file).is_some() {
        return Err(CliError::LooseKey(path.clone()));
    }
    let loaded = context.keyring()?.import_file(path, &fallback, &context.rng);
    let loaded = loaded.map_err(|e| match e {
        ImportError::NoKey(path) => CliError::NotPrivate(path),
        source => CliError::Load { path: path.clone(), source: Box::new(source) },
    })?;
    for known in loaded.iter().filter(|imported| !imported.is_new) {
        let key = &known.key;
        context.out.note(&format!("{} (role {}) is here already, and left as it is", key.id, key.role));
    }
    let keys = loaded.iter().map(|imported| imported.key.id.to_string()).collect();
    context.out.show(&Loaded { file: path.clone(), keys })?;
    Ok(Exit::Success)
}

/// What a key of this name is for, by docker's rule for names of keys.
fn role_named(name: &str) -> Result<KeyRole, CliError> {
    if is_key_name(name) { Ok(KeyRole::parse(name)) } else { Err(CliError::KeyName(name.to_owned())) }
}

/// Docker's rule for names of keys.
fn is_key_name(name: &str) -> bool {
    let first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.starts_with(first) && name.chars().all(|c| first(c) || matches!(c, '-' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_names_follow_dockers_rule() {
        assert!(is_key_name("bob") && is_key_name("0-b_c"));
        assert!(
            !is_key_name("")
                && !is_key_name("Bob")
                && !is_key_name("-b")
                && !is_key_name("a/b")
                && !is_key_name("root key")
        );
    }
}
