//! `bulla key generate`: a new private key, in the trust directory or in a file of its own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use bulla::keys::new_file::{NewFileError, write_new};
use bulla::keys::{KeyRole, seal};
use clap::{Args, ValueEnum};
use serde::Serialize;
use tuf_schema::sign::{SecretKey, SecretKind};
use tuf_schema::{Gun, SigningKey as _};

use super::{Kdf, KeyError};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;

/// What is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Algorithm {
    /// ECDSA on P-256, which everybody reads
    #[default]
    Ecdsa,
    /// ECDSA on P-384
    P384,
    /// ECDSA on P-521; not for root
    P521,
    /// Ed25519; not for root
    Ed25519,
}

#[derive(Args)]
pub(crate) struct Arguments {
    /// Algorithm
    #[arg(value_enum, ignore_case = true, default_value_t)]
    algorithm: Algorithm,
    /// What the key is for: root, targets, snapshot, or the name of a signer
    #[arg(short, long, default_value = "root")]
    role: KeyRole,
    /// Repository of a targets or snapshot key
    #[arg(short, long, value_parser = super::gun)]
    gun: Option<Gun>,
    /// Write OUTPUT-key.pem (private) and OUTPUT.pem (public) and store nothing
    #[arg(short = 'o', value_name = "OUTPUT")]
    file: Option<PathBuf>,
    /// How the passphrase seals the key
    #[arg(long, value_enum, default_value_t)]
    kdf: Kdf,
}

/// The new key.
#[derive(Serialize)]
struct Generated {
    algorithm: String,
    role: String,
    id: String,
    private_key_file: PathBuf,
    public_key_file: Option<PathBuf>,
}

impl Show for Generated {
    fn text(&self) -> String {
        format!("Generated new {} {} key with keyID: {}", self.algorithm, self.role, self.id)
    }
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let (role, gun) = (&arguments.role, arguments.gun.as_ref());
    let kind = arguments.algorithm.kind();
    if *role == KeyRole::Root && !matches!(kind, SecretKind::EcdsaP256 | SecretKind::EcdsaP384) {
        return Err(KeyError::NoRootKind(kind).into());
    }
    let gun = gun.filter(|_| role.is_of_one_repository());
    let (id, private_key_file, public_key_file) = match &arguments.file {
        Some(file) => {
            let [private, public] = [named(file, "-key.pem"), named(file, ".pem")];
            let id = write_pair(&private, &public, kind, arguments, context)?;
            (id, private, Some(public))
        }
        None if role.is_of_one_repository() && gun.is_none() => return Err(KeyError::GunNeeded(role.clone()).into()),
        None => {
            let mut keys = context.keyring()?.with_derivation(arguments.kdf.derivation(context));
            let stored = keys.create_of_kind(kind, role.clone(), gun, &context.rng).map_err(KeyError::from)?;
            (stored.id.to_string(), stored.path().to_owned(), None)
        }
    };
    let algorithm = arguments.algorithm.to_possible_value().map(|value| value.get_name().to_owned());
    context.out.show(&Generated {
        algorithm: algorithm.unwrap_or_default(),
        role: role.to_string(),
        id,
        private_key_file,
        public_key_file,
    })?;
    Ok(Exit::Success)
}

/// Two files as notary writes them, and the private one with its id; neither takes the place of another.
fn write_pair(
    private: &Path,
    public: &Path,
    kind: SecretKind,
    arguments: &Arguments,
    context: &Context,
) -> Result<String, KeyError> {
    super::expect_directory(private)?;
    if let Some(taken) = [private, public].into_iter().find(|path| path.exists()) {
        return Err(NewFileError::Exists(taken.to_owned()).into());
    }
    let role = &arguments.role;
    let gun = arguments.gun.as_ref().filter(|_| role.is_of_one_repository());
    let secret = SecretKey::generate(kind, &context.rng).map_err(bulla::keys::KeyringError::from)?;
    let keys = context.keyring_with(None).with_derivation(arguments.kdf.derivation(context));
    write_new(private, &keys.sealed_for_export(&secret, role, gun, &context.rng)?, &context.rng)?;
    write_new(public, seal::public_pem(secret.public(), &role.to_string()), &context.rng)?;
    Ok(secret.public().id().to_string())
}

fn named(file: &Path, end: &str) -> PathBuf {
    let mut name: OsString = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}

impl Algorithm {
    fn kind(self) -> SecretKind {
        match self {
            Self::Ecdsa => SecretKind::EcdsaP256,
            Self::P384 => SecretKind::EcdsaP384,
            Self::P521 => SecretKind::EcdsaP521,
            Self::Ed25519 => SecretKind::Ed25519,
        }
    }
}
