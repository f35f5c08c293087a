//! The trusted metadata of a repository: from its trust server, or, by permission only and never without its age, what is
//! cached.

use bulla::cache::Cache;
use bulla::remote::{Action, RemoteError};
use bulla::session::Session;
use bulla::trust::{Offline, UpdateError, Updated};
use clap::Args;
use tuf_schema::verify::chain::{ChainError, Reach, Trusted};
use tuf_schema::{Gun, Role};

use crate::age::Age;
use crate::context::Context;
use crate::error::CliError;
use crate::output::chain;

/// Whether this run may read what is cached.
#[derive(Args)]
pub(crate) struct Cached {
    /// When the trust server cannot be reached, use cached trust data until its timestamp expires
    #[arg(long)]
    pub(crate) allow_cached: bool,
}

/// Brings the trust in `gun` up to date and says what should be known of it; errors call it `name`.
///
/// Without `cached` the verb is one for which nothing that is cached will do.
pub(crate) async fn trusted(
    gun: &Gun,
    name: &str,
    cached: Option<&Cached>,
    context: &Context,
) -> Result<Trusted, CliError> {
    let session = Session::open(&context.config, gun, Action::Pull).await?;
    found(&session, name, cached, context).await
}

/// The same from a trust server that is open; that it has none is said in docker's words.
pub(crate) async fn found(
    session: &Session,
    name: &str,
    cached: Option<&Cached>,
    context: &Context,
) -> Result<Trusted, CliError> {
    read(session, name, cached, context).await.map_err(|e| match e {
        CliError::Update { source, .. } if is_missing(&source) => {
            CliError::NoTrustData { gun: session.gun.to_string(), server: session.server.authority().to_owned() }
        }
        other => other,
    })
}

/// The same from a trust server that is open.
pub(crate) async fn read(
    session: &Session,
    name: &str,
    cached: Option<&Cached>,
    context: &Context,
) -> Result<Trusted, CliError> {
    let offline = cached.map_or(Offline::Refuse, |cached| context.config.offline(cached.allow_cached));
    let outcome = session.update(offline, context.now, &context.rng).await;
    let fetched = age(&session.cache, context);
    let failed = |e| CliError::Update { image: name.to_owned(), source: Box::new(e) };
    let updated = outcome.map_err(|e| match (e, fetched) {
        (UpdateError::Remote(why @ RemoteError::Unreachable { .. }), Some(age))
            if cached.is_some() && offline == Offline::Refuse =>
        {
            CliError::CacheNotAllowed { image: name.to_owned(), why, age, settings: context.config.trust.own_file() }
        }
        (e, _) => failed(e),
    })?;
    tell(&updated, fetched, context);
    Ok(updated.trusted)
}

/// How long ago the cached timestamp was fetched.
fn age(cache: &Cache, context: &Context) -> Option<Age> {
    cache.written(&Role::Timestamp).map(|written| Age::since(written, context.now))
}

fn is_missing(error: &UpdateError) -> bool {
    matches!(error, UpdateError::Chain(ChainError::NoTrustData(_)) | UpdateError::Vanished { .. })
}

/// Says what a user should know about where trust data came from.
fn tell(updated: &Updated, fetched: Option<Age>, context: &Context) {
    let trusted = &updated.trusted;
    if trusted.reach() == Reach::CacheOnly {
        let fetched = fetched.map_or_else(String::new, |age| format!(" fetched {age} ago,"));
        let expires = trusted.timestamp().model().expires;
        context.out.warn(&format!(
            "the trust server cannot be reached; using cached trust data,{fetched} valid until {expires}"
        ));
    }
    for skipped in trusted.skipped() {
        context.out.warn(&format!("{} does not count: {}", skipped.role, skipped.why));
    }
    if let Some(pin) = trusted.outgrown_pin() {
        context.out.warn(&pin.outgrown());
    }
    if let Some(e) = &updated.not_kept {
        context.out.warn(&format!("trust data could not be kept: {}", chain(e)));
    }
}
