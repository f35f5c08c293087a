//! `bulla trust signer add`: gives somebody's keys the right to sign tags.

use std::path::{Path, PathBuf};

use bulla::image::ImageName;
use bulla::keys::Keyring;
use bulla::keys::public_file::{self, PublicFileError};
use bulla::signers::{AddSigner, SignerName};
use clap::Args;
use serde::Serialize;
use tuf_schema::{PublicKey, UtcTime};

use super::super::opened::Opened;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Path to the signer's public key file: a certificate or a public key, in PEM
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// Name of the signer
    name: String,
    /// Repositories to sign; one that is not there is made
    #[arg(value_name = "REPOSITORY", required = true)]
    repositories: Vec<String>,
}

/// Where the signer was added.
#[derive(Serialize)]
struct Added<'a> {
    signer: String,
    repositories: Vec<Repository<'a>>,
}

#[derive(Serialize)]
struct Repository<'a> {
    repository: &'a str,
    initialized: bool,
    /// What was signed for it; nothing if the signer had these keys already.
    roles: Vec<String>,
}

impl Show for Added<'_> {
    fn text(&self) -> String {
        let line =
            |added: &Repository<'_>| format!("Successfully added signer: {} to {}", self.signer, added.repository);
        self.repositories.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// Runs the verb.
pub(super) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let name = SignerName::parse(&arguments.name)?;
    if arguments.key.is_empty() {
        return Err(CliError::NoPublicKey);
    }
    let public = arguments.key.iter().map(|path| public_key(path, context.now)).collect::<Result<Vec<_>, _>>()?;
    let edit = AddSigner::new(name, public);
    let mut keys = context.keyring()?;
    let added = super::in_each(&arguments.repositories, async |repository| {
        context.out.note(&format!("Adding signer \"{}\" to {repository}...", edit.name()));
        let failed = |e| CliError::AddSigner { repository: repository.to_owned(), source: Box::new(e) };
        add(repository, &edit, &mut keys, context).await.map_err(failed)
    });
    let (repositories, failures) = added.await;
    context.out.show(&Added { signer: edit.name().to_string(), repositories })?;
    Ok(super::ended(arguments.repositories.len(), &failures, context))
}

async fn add<'a>(
    repository: &'a str,
    edit: &AddSigner,
    keys: &mut Keyring,
    context: &Context,
) -> Result<Repository<'a>, CliError> {
    let image = ImageName::parse(repository)?;
    let opened = Opened::at(image.gun(), context).await?;
    let published = opened.publisher(keys, context).publish(edit).await.map_err(|e| opened.failed(e))?;
    if published.initialised {
        context.out.note(&format!("Initializing signed repository for {repository}..."));
        context.out.note(&format!("Successfully initialized \"{repository}\""));
    }
    if published.roles.is_empty() {
        context.out.note(&format!("{} has these keys already in {repository}", edit.name()));
    }
    opened.tell(&published, context);
    let roles = published.roles.iter().map(ToString::to_string).collect();
    Ok(Repository { repository, initialized: published.initialised, roles })
}

/// The public key in a file, or why not in docker's words.
fn public_key(path: &Path, now: UtcTime) -> Result<PublicKey, CliError> {
    public_file::signer(path, now).map_err(|e| {
        let (why, source) = match e {
            PublicFileError::NotThere(_) => ("unable to read", "no such file or directory".into()),
            PublicFileError::Read { source, .. } => ("unable to read", source.into()),
            PublicFileError::Unusable { fault, .. } => ("could not parse", fault.into()),
        };
        CliError::PublicKeyFile { why, path: path.to_owned(), source }
    })
}
