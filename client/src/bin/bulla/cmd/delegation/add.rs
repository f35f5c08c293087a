//! `bulla delegation add`: stages keys and paths for a delegation.

use std::num::NonZeroU32;
use std::path::PathBuf;

use bulla::changelist::Change;
use bulla::keys::public_file;
use clap::Args;

use super::{Of, in_words};
use crate::cmd::repo::RepoError;
use crate::cmd::repo::staging::{Publish, bare_id, stage};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    publish: Publish,
}

#[derive(Args)]
#[group(required = true, multiple = true)]
struct What {
    /// Files of the signers' certificates or public keys
    #[arg(value_name = "KEY_FILE")]
    keys: Vec<PathBuf>,
    /// Prefixes of the names it may list
    #[arg(long, value_name = "PATH", value_delimiter = ',')]
    paths: Vec<String>,
    /// Let it list all names
    #[arg(long)]
    all_paths: bool,
}

/// Runs the verb. As notary, keys and paths are staged as two changes.
pub(super) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let (gun, name) = arguments.of.parse()?;
    let What { keys, paths, all_paths } = &arguments.what;
    let keys: Result<Vec<_>, _> = keys.iter().map(|path| public_file::signer(path, context.now)).collect();
    let keys = keys.map_err(RepoError::from)?;
    let paths = if *all_paths { vec![String::new()] } else { paths.clone() };

    let (mut changes, mut words) = (Vec::new(), String::new());
    let grant = |threshold, keys, paths| Change::GrantDelegation { name: name.clone(), threshold, keys, paths };
    if !keys.is_empty() {
        let ids: Vec<_> = keys.iter().map(bare_id).collect();
        words.push_str(&format!("with keys [{}], ", ids.join(" ")));
        changes.push(grant(Some(NonZeroU32::MIN), keys, Vec::new()));
    }
    if !paths.is_empty() {
        words.push_str(&format!("with paths [{}], ", in_words(&paths)));
        changes.push(grant(None, Vec::new(), paths));
    }
    let words =
        format!("\nAddition of delegation role {name} {words}to repository \"{gun}\" staged for next publish.\n");
    stage(&gun, &changes, words, &arguments.publish, context).await
}
