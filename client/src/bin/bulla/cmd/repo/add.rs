//! `bulla repo add`: stages a file as a target.

use std::fs::File;
use std::path::PathBuf;

use bulla::changelist::target_file;
use clap::Args;

use super::RepoError;
use super::adding::Adding;
use super::arguments::Named;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    named: Named,
    /// File that it is
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    adding: Adding,
}

/// Runs the verb.
pub(super) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let failed = |source| RepoError::Read { path: arguments.file.clone(), source };
    let measure = || File::open(&arguments.file).and_then(|mut file| target_file::measure(&mut file)).map_err(failed);
    arguments.adding.stage(&arguments.named, measure, |_| String::new(), context).await
}
