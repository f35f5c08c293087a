//! `bulla key token`: keys on PKCS #11 tokens.

use std::path::PathBuf;

use bulla::keys::new_file::{NewFileError, write_new};
use bulla::keys::{Kept, KeyRole, seal};
use clap::{Args, Subcommand};
use serde::Serialize;
use tuf_schema::Gun;

use super::{KeyError, Row};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;

mod add;
mod generate;
mod list;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the tokens that are there, and the keys on them
    List,
    /// Generate a key on a token, which never leaves it
    Generate(generate::Arguments),
    /// Use a key that is on a token already
    Add(add::Arguments),
}

/// What a key on a token is to be used for, and which token that is.
#[derive(Args)]
struct Use {
    /// What the key is for: root, targets, snapshot, or the name of a signer
    #[arg(short, long)]
    role: KeyRole,
    /// Repository of a targets or snapshot key
    #[arg(short, long, value_parser = super::gun)]
    gun: Option<Gun>,
    /// Label or serial number of the token [default: the only one]
    #[arg(long, value_name = "LABEL")]
    token: Option<String>,
    /// Write the public key into this new file, for whoever is to name the key
    #[arg(long, value_name = "FILE")]
    public: Option<PathBuf>,
}

/// A key that is used from a token from now on.
#[derive(Serialize)]
struct Taken {
    #[serde(flatten)]
    key: Row,
    algorithm: String,
    public_key_file: Option<PathBuf>,
    #[serde(skip)]
    verb: &'static str,
}

impl Show for Taken {
    fn text(&self) -> String {
        let Row { role, id, token, .. } = &self.key;
        let place = token.as_ref().map(|token| format!(" on {}, object {}", token.name, token.object));
        format!("{} {} {role} key with keyID: {id}{}", self.verb, self.algorithm, place.unwrap_or_default())
    }
}

pub(super) fn run(command: Command, context: &Context) -> Result<Exit, CliError> {
    match command {
        Command::List => list::run(context),
        Command::Generate(arguments) => generate::run(&arguments, context),
        Command::Add(arguments) => add::run(&arguments, context),
    }
}

impl Use {
    /// The repository that the key is for; refused before a token is asked for anything, as is a file for the public half
    /// that could not be written.
    fn expected(&self) -> Result<Option<&Gun>, KeyError> {
        let gun = self.gun.as_ref().filter(|_| self.role.is_of_one_repository());
        if gun.is_none() && self.role.is_of_one_repository() {
            return Err(KeyError::GunNeeded(self.role.clone()));
        }
        if let Some(public) = &self.public {
            super::expect_directory(public)?;
            if public.exists() {
                return Err(NewFileError::Exists(public.clone()).into());
            }
        }
        Ok(gun)
    }

    /// Writes the public half where it was asked for, and says what there is now.
    fn tell(&self, kept: &Kept, verb: &'static str, context: &Context) -> Result<Exit, CliError> {
        if !kept.stays {
            let id = &kept.key.id;
            context.out.warn(&format!("the token says that the key {id} can be extracted; make a key that cannot be"));
        }
        if let Some(path) = &self.public {
            let text = seal::public_pem(&kept.public, &kept.key.role.to_string());
            write_new(path, &text, &context.rng).map_err(KeyError::from)?;
        }
        let algorithm = kept.public.shape().map(list::algorithm).unwrap_or_default();
        let public_key_file = self.public.clone();
        context.out.show(&Taken { key: Row::of(&kept.key), algorithm, public_key_file, verb })?;
        Ok(Exit::Success)
    }
}
