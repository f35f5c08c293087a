//! `bulla session start`: what is staged, or a tag, as documents for several people to sign.

use std::path::{Path, PathBuf};

use bulla::changelist::Changelist;
use bulla::doctor::Command;
use bulla::image::Tag;
use bulla::keys::new_file::write_new;
use bulla::publish::{Changes, Edit, SignTags};
use bulla::registry::Manifest;
use bulla::signing_session::{self, Examined};
use clap::Args;
use tuf_schema::{Gun, Sha256};

use super::SigningError;
use super::shown::Shown;
use crate::cmd::repo::RepoError;
use crate::cmd::repo::arguments::gun;
use crate::cmd::trust::opened::Opened;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Repository
    #[arg(value_name = "GUN")]
    gun: String,
    /// File to make
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Sign this tag, in place of what is staged
    #[arg(long, value_name = "TAG", requires_all = ["digest", "length"])]
    tag: Option<String>,
    /// Digest of the tag's manifest, as sha256:HEX
    #[arg(long, value_name = "DIGEST", requires = "tag")]
    digest: Option<String>,
    /// Length of the tag's manifest in bytes
    #[arg(long, value_name = "BYTES", requires = "tag")]
    length: Option<u64>,
}

/// Runs the verb.
pub(super) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let gun = gun(&arguments.gun)?;
    if let Some(edit) = tag(arguments)? {
        return begin(&gun, &edit, &arguments.file, context).await;
    }
    let list = Changelist::new(&context.config.trust, &gun);
    let staged = list.list().map_err(RepoError::from)?;
    if staged.is_empty() {
        return Err(SigningError::NothingStaged(gun).into());
    }
    let changes = Changes(staged.into_iter().map(|staged| staged.change).collect());
    let exit = begin(&gun, &changes, &arguments.file, context).await?;
    let reset = Command::bulla(&context.flags, &["repo", "reset", gun.as_str(), "--all"]);
    context.out.note(&format!(
        "What is staged stays staged, in case the session has to begin anew; once it is published, take it away: {reset}"
    ));
    Ok(exit)
}

/// Writes what `edit` makes of the repository into a new file, and shows it.
pub(crate) async fn begin(gun: &Gun, edit: &dyn Edit, file: &Path, context: &Context) -> Result<Exit, CliError> {
    let opened = Opened::at(gun, context).await?;
    let mut keys = context.keyring()?;
    let mut publisher = opened.publisher(&mut keys, context);
    let failed = |e| SigningError::session("begin", gun, e);
    let session = signing_session::start(&mut publisher, edit).await.map_err(failed)?;
    let text = String::from_utf8_lossy(&session.to_bytes()).into_owned();
    // Held against what is published before anybody is asked to sign it.
    let examined: Examined = signing_session::examine(&mut publisher, session).await.map_err(failed)?;
    write_new(file, &text, &context.rng).map_err(SigningError::from)?;
    let sign = Command::bulla(&context.flags, &["session", "sign", &file.display().to_string()]);
    let next = format!("Nothing is signed yet. Each of those who may signs with: {sign}");
    context.out.show(&Shown::of(&examined, file).then(next))?;
    Ok(Exit::Success)
}

fn tag(arguments: &Arguments) -> Result<Option<SignTags>, CliError> {
    let (Some(tag), Some(digest), Some(length)) = (&arguments.tag, &arguments.digest, arguments.length) else {
        return Ok(None);
    };
    let sha256 = digest.strip_prefix("sha256:").and_then(Sha256::from_hex);
    let digest = sha256.ok_or_else(|| SigningError::Digest(digest.clone()))?;
    Ok(Some(SignTags::new([(Tag::parse(tag)?, Manifest { digest, length })])))
}
