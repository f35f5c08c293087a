//! A repository that a verb publishes to.

use bulla::cache::Cache;
use bulla::doctor::Command;
use bulla::keys::Keyring;
use bulla::publish::{PublishError, Published, Publisher, RealTime};
use bulla::remote::{Action, HttpRemote, TrustServer};
use bulla::session::Session;
use bulla::trust::UpdateError;
use tuf_schema::Gun;
use tuf_schema::verify::chain::ChainError;

use super::root_notice;
use crate::context::Context;
use crate::error::CliError;

/// A repository, and its trust server that answered.
pub(crate) struct Opened {
    gun: Gun,
    server: TrustServer,
    remote: HttpRemote,
    cache: Cache,
}

impl Opened {
    /// Connects to the trust server of `gun`.
    pub(crate) async fn at(gun: &Gun, context: &Context) -> Result<Self, CliError> {
        Self::to(Action::PullAndPush, gun, context).await
    }

    /// Connects to the trust server of `gun` for what `action` allows.
    pub(crate) async fn to(action: Action, gun: &Gun, context: &Context) -> Result<Self, CliError> {
        Ok(Self::of(Session::open(&context.config, gun, action).await?).map_err(Box::new)?)
    }

    /// The repository of a session, unless no connection came up.
    pub(crate) fn of(session: Session) -> Result<Self, PublishError> {
        let Session { gun, server, remote, cache, .. } = session;
        let remote = remote.map_err(|no| PublishError::Remote(no.into()))?;
        Ok(Self { gun, server, remote, cache })
    }

    /// What publishes to it with `keys`.
    pub(crate) fn publisher<'a>(&'a self, keys: &'a mut Keyring, context: &'a Context) -> Publisher<'a> {
        Publisher {
            gun: &self.gun,
            remote: &self.remote,
            cache: &self.cache,
            keys,
            now: context.now,
            rng: &context.rng,
            pacing: &RealTime,
        }
    }

    /// Why nothing was published; that there is no repository in docker's words.
    pub(crate) fn failed(&self, error: PublishError) -> CliError {
        match error {
            PublishError::Update(
                UpdateError::Chain(ChainError::NoTrustData(gun)) | UpdateError::Vanished { gun, .. },
            ) => CliError::NoTrustData { gun: gun.to_string(), server: self.server.authority().to_owned() },
            other => Box::new(other).into(),
        }
    }

    /// Says what there is to say about a publish beside what came of it.
    pub(crate) fn tell(&self, published: &Published, context: &Context) {
        for notice in &published.root {
            root_notice::tell(&self.gun, notice, context);
        }
        for few in &published.unsignable {
            let set = Command::bulla(&context.flags, &["threshold", "set", self.gun.as_str(), few.role.as_str()]);
            let mend = few.mend(&set.to_string());
            context.out.warn(&format!("{few}, and nothing that it lists counts; {mend}"));
        }
    }
}
