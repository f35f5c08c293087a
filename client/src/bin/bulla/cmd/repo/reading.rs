//! The trusted metadata of a repository that is named by its GUN.

use bulla::remote::Action;
use bulla::session::Session;
use bulla::trust::{Offline, UpdateError};
use tuf_schema::Gun;
use tuf_schema::verify::chain::{ChainError, Trusted};

use crate::cmd::trust::tell;
use crate::context::Context;
use crate::error::CliError;

/// Brings the trust in `gun` up to date and says what should be known of it.
pub(crate) async fn trusted(gun: &Gun, offline: Offline, context: &Context) -> Result<Trusted, CliError> {
    let session = Session::open(&context.config, gun, Action::Pull).await?;
    let server = session.server.authority().to_owned();
    let (updated, cache) = session.update(offline, context.now, &context.rng).await.map_err(|e| match e {
        UpdateError::Chain(ChainError::NoTrustData(gun)) | UpdateError::Vanished { gun, .. } => {
            CliError::NoTrustData { gun: gun.to_string(), server }
        }
        other => CliError::Update { image: gun.to_string(), source: Box::new(other) },
    })?;
    tell(&updated, &cache, context);
    Ok(updated.trusted)
}
