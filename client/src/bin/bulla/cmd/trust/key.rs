//! `bulla trust key`: keys of people who sign.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use bulla::keys::{KeyRole, file};
use clap::{Args, Subcommand};
use serde::Serialize;
use tuf_schema::SigningKey as _;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Generate and load a signing key-pair
    Generate(Arguments),
}

#[derive(Args)]
pub(crate) struct Arguments {
    /// Name of the signer
    name: String,
    /// Directory to generate the public key in, defaults to current directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
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

/// Makes a key pair: the private key into docker's trust directory, the public one into a file to hand out.
pub(crate) fn generate(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let name = &arguments.name;
    if !is_key_name(name) {
        return Err(CliError::KeyName(name.clone()));
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
    let stored = keys.create(KeyRole::Signer(name.clone()), None, &context.rng).map_err(failed)?;
    let public = keys.open(&stored).map_err(failed)?.public().clone();
    write_new(&path, &file::public_pem(&public, name))
        .map_err(|source| CliError::WritePublicKey { path: path.clone(), source })?;
    context.out.show(&Generated { name: name.clone(), key: stored.id.to_string(), public_key_file: path })?;
    Ok(Exit::Success)
}

/// Docker's rule for names of keys.
fn is_key_name(name: &str) -> bool {
    let first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.starts_with(first) && name.chars().all(|c| first(c) || matches!(c, '-' | '_'))
}

/// Mode 0600 as docker writes it, and never over a file that is there.
fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
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
