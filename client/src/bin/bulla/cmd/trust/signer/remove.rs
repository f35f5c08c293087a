//! `bulla trust signer remove`: takes the right to sign tags away, and keeps what was released pullable.

use bulla::image::ImageName;
use bulla::keys::Keyring;
use bulla::publish::{EditError, PublishError};
use bulla::signers::{Releases, RemoveSigner, SignersError, holders_of_releases, releases_lost_its_signature};
use clap::Args;
use serde::Serialize;
use tuf_schema::{DelegationName, Role};

use super::super::opened::Opened;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Show, chain};
use crate::terminal::{Answer, confirm};

/// How many tags a warning names.
const MAX_NAMED: usize = 10;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Do not prompt for confirmation before removing the most recent signer
    #[arg(short, long)]
    force: bool,
    /// Name of the signer
    name: String,
    /// Repositories
    #[arg(value_name = "REPOSITORY", required = true)]
    repositories: Vec<String>,
}

/// Where the signer was removed.
#[derive(Serialize)]
struct Removed<'a> {
    signer: &'a str,
    repositories: Vec<Repository<'a>>,
}

#[derive(Serialize)]
struct Repository<'a> {
    repository: &'a str,
    removed: bool,
    /// What was signed anew.
    roles: Vec<String>,
}

impl Show for Removed<'_> {
    fn text(&self) -> String {
        let line = |found: &Repository<'_>| {
            if found.removed {
                format!("Successfully removed {} from {}", self.signer, found.repository)
            } else {
                "Aborting action.".to_owned()
            }
        };
        self.repositories.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// Runs the verb.
pub(super) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let mut keys = context.keyring()?;
    let removed = super::in_each(&arguments.repositories, async |repository| {
        context.out.note(&format!("Removing signer \"{}\" from {repository}...", arguments.name));
        let failed = |e| CliError::RemoveSigner { repository: repository.to_owned(), source: Box::new(e) };
        remove(repository, arguments, &mut keys, context).await.map_err(failed)
    });
    let (repositories, failures) = removed.await;
    context.out.show(&Removed { signer: &arguments.name, repositories })?;
    Ok(super::ended(arguments.repositories.len(), &failures, context))
}

async fn remove<'a>(
    repository: &'a str,
    arguments: &Arguments,
    keys: &mut Keyring,
    context: &Context,
) -> Result<Repository<'a>, CliError> {
    let image = ImageName::parse(repository)?;
    let name = delegation(&arguments.name, &image)?;
    let opened = Opened::at(image.gun(), context).await?;
    let mut publisher = opened.publisher(keys, context);
    let mut edit = RemoveSigner { name, releases: Releases::Keep };
    if let Err(e) = publisher.plan(&edit).await {
        if !makes_unpullable(&e) {
            return Err(opened.failed(e));
        }
        if !arguments.force && !agreed(&arguments.name, repository, e, context)? {
            return Ok(Repository { repository, removed: false, roles: Vec::new() });
        }
        edit.releases = Releases::GiveUp;
        tell_what_counts(&publisher.plan(&edit).await.map_err(|e| opened.failed(e))?, repository, context)?;
    }
    let published = publisher.publish(&edit).await.map_err(|e| opened.failed(e))?;
    opened.tell(&published, context);
    let roles = published.roles.iter().map(ToString::to_string).collect();
    Ok(Repository { repository, removed: true, roles })
}

/// The delegation of a signer, which notary may have named in ways that docker does not.
fn delegation(name: &str, image: &ImageName) -> Result<DelegationName, CliError> {
    match DelegationName::parse(&format!("targets/{name}")) {
        Ok(role) if role.is_releases() => Err(CliError::ReservedSigner),
        Ok(role) => Ok(role),
        Err(_) => Err(CliError::NoSuchSigner { name: name.to_owned(), gun: image.gun().clone() }),
    }
}

/// Whether a signer stays only because nothing could be pulled without it.
fn makes_unpullable(error: &PublishError) -> bool {
    let PublishError::Edit(EditError::Signers(why)) = error else { return false };
    matches!(why, SignersError::LastSigner(_) | SignersError::Unsigned { .. })
}

/// Asks in docker's words whether it may be so; that nobody answers is `why` the signer stays.
fn agreed(name: &str, repository: &str, why: PublishError, context: &Context) -> Result<bool, CliError> {
    context.out.warn(&chain(&why));
    let question = format!(
        "The signer \"{name}\" signed the last released version of {repository}. Removing this signer will make \
         {repository} unpullable. Are you sure you want to continue? [y/N]"
    );
    match confirm(context.out, &question)? {
        Answer::Yes => Ok(true),
        Answer::No => Ok(false),
        Answer::None => Err(Box::new(why).into()),
    }
}

/// Says what can be pulled afterwards, and who can have more of it pulled.
fn tell_what_counts(planned: &bulla::publish::Working, repository: &str, context: &Context) -> Result<(), CliError> {
    if releases_lost_its_signature(planned).map_err(|e| Box::new(PublishError::from(e)))? {
        let holders: Vec<_> = holders_of_releases(planned).iter().map(ToString::to_string).collect();
        context.out.warn(&format!(
            "nothing of {repository} can be pulled until one of these has looked at what is released and signed it \
             anew (bulla repo witness -p {} targets/releases): {}",
            planned.gun(),
            holders.join(", ")
        ));
    }
    let old: Vec<_> =
        planned.targets(&Role::Targets).into_iter().flat_map(|document| document.targets.keys()).collect();
    if planned.delegated(&DelegationName::releases()).is_none() && !old.is_empty() {
        let names = old.iter().take(MAX_NAMED).map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        let more = if old.len() > MAX_NAMED {
            format!(" and {} more", old.len().saturating_sub(MAX_NAMED))
        } else {
            String::new()
        };
        context.out.warn(&format!("what targets of {repository} lists counts again, however old it is: {names}{more}"));
    }
    Ok(())
}
