//! `bulla key token`: keys on PKCS #11 tokens.

use std::path::{Path, PathBuf};

use bulla::keys::new_file::{NewFileError, write_new};
use bulla::keys::{Kept, KeyRole, seal};
use clap::Subcommand;
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

/// The repository that a key of `role` is for; refused before a token is asked for anything.
fn repository<'a>(role: &KeyRole, gun: Option<&'a Gun>) -> Result<Option<&'a Gun>, KeyError> {
    match gun {
        None if role.is_of_one_repository() => Err(KeyError::GunNeeded(role.clone())),
        gun => Ok(gun.filter(|_| role.is_of_one_repository())),
    }
}

/// Refuses a file for the public half that could not be written, before a key is made.
fn expect_writable(public: Option<&Path>) -> Result<(), KeyError> {
    let Some(public) = public else { return Ok(()) };
    super::expect_directory(public)?;
    if public.exists() { Err(NewFileError::Exists(public.to_owned()).into()) } else { Ok(()) }
}

/// Writes the public half where it was asked for, and says what there is now.
fn tell(kept: &Kept, verb: &'static str, public: Option<&Path>, context: &Context) -> Result<Exit, CliError> {
    if !kept.stays {
        let id = &kept.key.id;
        context.out.warn(&format!("the token says that the key {id} can be extracted; make a key that cannot be"));
    }
    if let Some(path) = public {
        let text = seal::public_pem(&kept.public, &kept.key.role.to_string());
        write_new(path, &text, &context.rng).map_err(KeyError::from)?;
    }
    let algorithm = kept.public.shape().map(list::algorithm).unwrap_or_default();
    let public_key_file = public.map(Path::to_owned);
    context.out.show(&Taken { key: Row::of(&kept.key), algorithm, public_key_file, verb })?;
    Ok(Exit::Success)
}
