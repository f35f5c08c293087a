//! `bulla repo reset`: takes away what is staged.

use std::collections::BTreeSet;

use bulla::changelist::Changelist;
use clap::Args;
use serde::Serialize;

use super::RepoError;
use super::arguments::gun;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Repository
    #[arg(value_name = "GUN")]
    gun: String,
    #[command(flatten)]
    which: Which,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// All changes, those that cannot be read among them
    #[arg(long)]
    all: bool,
    /// Numbers of changes, as `status` shows them
    #[arg(short, long = "number", value_name = "NUMBER", value_delimiter = ',')]
    numbers: Vec<usize>,
}

#[derive(Serialize)]
struct Reset {
    gun: String,
}

impl Show for Reset {
    fn text(&self) -> String {
        format!("Successfully reset specified changes for repository {}", self.gun)
    }
}

/// Runs the verb.
pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let gun = gun(&arguments.gun)?;
    let list = Changelist::new(&context.config.trust, &gun);
    let numbers: BTreeSet<_> = arguments.which.numbers.iter().copied().collect();
    let outcome = if arguments.which.all { list.clear() } else { list.reset(&numbers) };
    outcome.map_err(RepoError::from)?;
    context.out.show(&Reset { gun: gun.to_string() })?;
    Ok(Exit::Success)
}
