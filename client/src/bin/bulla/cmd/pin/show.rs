//! `bulla pin show`: what a publisher hands out, so that nobody has to trust on first use.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bulla::cache::FileError;
use bulla::trust::{Anchor, anchors};
use clap::Args;
use serde::Serialize;
use tuf_schema::verify::Pin;
use tuf_schema::{Gun, Role};

use crate::cmd::reading::trusted;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::output::Show;
use crate::printable::line;

#[derive(Args)]
#[command(after_help = exit::HELP)]
pub(crate) struct Arguments {
    /// Repositories, by the names of their trust data
    #[arg(value_name = "GUN", required = true)]
    guns: Vec<String>,
}

/// What may be pinned, and the same as a file of pins has it.
#[derive(Serialize)]
struct Shown {
    repositories: Vec<Repository>,
    pins: Pins,
}

#[derive(Serialize)]
struct Repository {
    gun: String,
    root_version: u32,
    certificates: Vec<Certificate>,
}

#[derive(Serialize)]
struct Certificate {
    id: String,
    sha256: String,
    subject: String,
    issuer: String,
    ends: String,
    authorities: Vec<Authority>,
}

#[derive(Serialize)]
struct Authority {
    subject: String,
    sha256: String,
}

#[derive(Serialize)]
struct Pins {
    certs: BTreeMap<String, Vec<String>>,
}

/// Runs the verb. Nothing is printed unless every repository was verified.
pub(crate) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let mut repositories = Vec::new();
    for name in &arguments.guns {
        repositories.push(verified(&Gun::parse(name)?, context).await?);
    }
    let ids = |repository: &Repository| repository.certificates.iter().map(|c| c.id.clone()).collect();
    let certs = repositories.iter().map(|repository| (repository.gun.clone(), ids(repository))).collect();
    context.out.show(&Shown { repositories, pins: Pins { certs } })?;
    Ok(Exit::Success)
}

async fn verified(gun: &Gun, context: &Context) -> Result<Repository, CliError> {
    let cache = context.config.cache(gun)?;
    let unread = |e: FileError| CliError::Update { image: gun.to_string(), source: Box::new(e.into()) };
    let known = cache.read(&Role::Root).map_err(unread)?.is_some();
    let trusted = trusted(gun, gun.as_str(), None, context).await?;
    if !known && matches!(cache.pin(), Pin::FirstUse) {
        context.out.warn(&format!(
            "{gun} was never seen here, and nothing is pinned for it: what follows is what its trust server shows today; \
             hold it against the word of its publisher before you hand it out"
        ));
    }
    Ok(Repository {
        gun: gun.to_string(),
        root_version: trusted.root().model().version.number(),
        certificates: anchors(&trusted, gun, context.now).iter().map(Certificate::of).collect(),
    })
}

impl Certificate {
    fn of(anchor: &Anchor) -> Self {
        let authorities = anchor.authorities.iter();
        Self {
            id: anchor.id.to_string(),
            sha256: anchor.fingerprint.to_string(),
            subject: anchor.subject.clone(),
            issuer: anchor.issuer.clone(),
            ends: anchor.ends.to_rfc3339(),
            authorities: authorities
                .map(|a| Authority { subject: a.subject.clone(), sha256: a.fingerprint.to_string() })
                .collect(),
        }
    }
}

impl Show for Shown {
    fn text(&self) -> String {
        let mut text = String::new();
        for repository in &self.repositories {
            let _ = writeln!(text, "{}, root version {}", line(&repository.gun), repository.root_version);
            for certificate in &repository.certificates {
                let itself = certificate.issuer == certificate.subject;
                let issuer = if itself { "itself".to_owned() } else { line(&certificate.issuer) };
                let _ = writeln!(text, "  certificate {}", certificate.id);
                let _ = writeln!(text, "    sha256    {}", certificate.sha256);
                let _ = writeln!(text, "    issued to {} by {issuer}", line(&certificate.subject));
                let _ = writeln!(text, "    until     {}", certificate.ends);
                for authority in &certificate.authorities {
                    let _ = writeln!(text, "    authority {} (sha256 {})", line(&authority.subject), authority.sha256);
                }
            }
            text.push('\n');
        }
        let pins = serde_json::json!({ "pins": self.pins });
        let _ = write!(text, "To pin this, in bulla.json of the trust directory:\n{pins}");
        text
    }
}
