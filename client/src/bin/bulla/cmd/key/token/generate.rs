//! `bulla key token generate`: a new key on a token.

use bulla::keys::KeyRole;
use clap::{Args, ValueEnum};
use tuf_schema::key::{Curve, KeyShape};

use super::{KeyError, Use};
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
    #[command(flatten)]
    meant: Use,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let Arguments { algorithm, meant } = arguments;
    let Use { role, token, .. } = meant;
    if *role == KeyRole::Root && *algorithm == Algorithm::Ed25519 {
        return Err(KeyError::NoRootKind(tuf_schema::sign::SecretKind::Ed25519).into());
    }
    let gun = meant.expected()?;
    let mut keys = context.keyring()?;
    let made = keys.create_on_token(token.as_deref(), algorithm.shape(), role.clone(), gun, &context.rng);
    meant.tell(&made.map_err(KeyError::from)?, "Generated new", context)
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
