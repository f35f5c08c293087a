//! `bulla key token generate`: a new key on a token.

use std::path::PathBuf;

use bulla::keys::KeyRole;
use clap::{Args, ValueEnum};
use tuf_schema::Gun;
use tuf_schema::key::{Curve, KeyShape};

use super::KeyError;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

/// What is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Algorithm {
    /// ECDSA on P-256, which everybody reads
    #[default]
    Ecdsa,
    /// ECDSA on P-384
    P384,
    /// Ed25519; not for root, and not on every token
    Ed25519,
    /// RSA of 3072 bits
    Rsa,
}

#[derive(Args)]
pub(crate) struct Arguments {
    /// Algorithm
    #[arg(value_enum, ignore_case = true, default_value_t)]
    algorithm: Algorithm,
    /// What the key is for: root, targets, snapshot, or the name of a signer
    #[arg(short, long)]
    role: KeyRole,
    /// Repository of a targets or snapshot key
    #[arg(short, long, value_parser = super::super::gun)]
    gun: Option<Gun>,
    /// Label or serial number of the token [default: the only one]
    #[arg(long, value_name = "LABEL")]
    token: Option<String>,
    /// Write the public key into this new file, for whoever is to name the key
    #[arg(long, value_name = "FILE")]
    public: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let Arguments { algorithm, role, gun, token, public } = arguments;
    if *role == KeyRole::Root && *algorithm == Algorithm::Ed25519 {
        return Err(KeyError::NoRootKind(tuf_schema::sign::SecretKind::Ed25519).into());
    }
    let gun = super::repository(role, gun.as_ref())?;
    super::expect_writable(public.as_deref())?;
    let mut keys = context.keyring()?;
    let made = keys.create_on_token(token.as_deref(), algorithm.shape(), role.clone(), gun, &context.rng);
    super::tell(&made.map_err(KeyError::from)?, "Generated new", public.as_deref(), context)
}

impl Algorithm {
    fn shape(self) -> KeyShape {
        match self {
            Self::Ecdsa => KeyShape::Ecdsa(Curve::P256),
            Self::P384 => KeyShape::Ecdsa(Curve::P384),
            Self::Ed25519 => KeyShape::Ed25519,
            Self::Rsa => KeyShape::Rsa { bits: 3072 },
        }
    }
}
