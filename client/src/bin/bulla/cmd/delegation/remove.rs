//! `bulla delegation remove`: stages the removal of keys, of paths, or of a whole delegation.

use bulla::changelist::{Change, DelegationEdit};
use clap::Args;
use tuf_schema::KeyId;

use super::{Of, in_words};
use crate::cmd::repo::RepoError;
use crate::cmd::repo::arguments::key_id;
use crate::cmd::repo::staging::{Publish, stage};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::{Answer, confirm};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    of: Of,
    /// Ids of the keys to remove, as `list` shows them; with neither keys nor paths the whole delegation is removed
    #[arg(value_name = "KEY_ID")]
    keys: Vec<String>,
    /// Paths to remove
    #[arg(long, value_name = "PATH", value_delimiter = ',')]
    paths: Vec<String>,
    /// Remove all paths
    #[arg(long)]
    all_paths: bool,
    /// Remove the whole delegation without asking
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    publish: Publish,
}

/// Runs the verb. As notary, keys and paths are staged as two changes.
pub(super) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let (gun, name) = arguments.of.parse()?;
    let Arguments { keys, paths, all_paths, yes, publish, .. } = arguments;
    if keys.is_empty() && paths.is_empty() && !all_paths {
        confirm_removal(*yes, context)?;
        let words = format!(
            "Forced removal (including all keys and paths) of delegation role {name} to repository \"{gun}\" staged for \
             next publish.\n"
        );
        return stage(&gun, &[Change::DeleteDelegation { name }], words, publish, context).await;
    }
    let (mut changes, mut words) = (Vec::new(), String::new());
    let edit = |edit| Change::EditDelegation { name: name.clone(), edit };
    if !keys.is_empty() {
        let ids: Vec<KeyId> = keys.iter().map(|id| key_id(id)).collect::<Result<_, _>>()?;
        words.push_str(&format!("with keys [{}], ", keys.join(" ")));
        changes.push(edit(DelegationEdit { remove_keys: ids, ..DelegationEdit::default() }));
    }
    if *all_paths {
        words.push_str("with all paths, ");
        changes.push(edit(DelegationEdit { clear_paths: true, ..DelegationEdit::default() }));
    } else if !paths.is_empty() {
        words.push_str(&format!("with paths [{}], ", in_words(paths)));
        changes.push(edit(DelegationEdit { remove_paths: paths.clone(), ..DelegationEdit::default() }));
    }
    let words =
        format!("\nRemoval of delegation role {name} {words}to repository \"{gun}\" staged for next publish.\n");
    stage(&gun, &changes, words, publish, context).await
}

/// notary's question.
fn confirm_removal(yes: bool, context: &Context) -> Result<(), CliError> {
    const QUESTION: &str = "Are you sure you want to remove all data for this delegation? (yes/no)";
    if yes {
        context.out.note(QUESTION);
        context.out.note("Confirmed `yes` from flag");
        return Ok(());
    }
    match confirm(context.out, QUESTION)? {
        Answer::Yes => Ok(()),
        Answer::No | Answer::None => Err(RepoError::Aborted.into()),
    }
}
