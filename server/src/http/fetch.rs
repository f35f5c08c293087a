//! GET of metadata: what is current, or one version, or one hash.

use tuf_schema::Sha256;

use super::Answer;
use super::answer::{self, CacheClass};
use super::error::ApiError;
use super::path::{AskedRole, AskedVersion};
use crate::app::App;
use crate::auth::{Access, Pull};
use crate::rate::Client;
use crate::store::Stored;

pub(super) async fn current(
    app: &App,
    access: Access<Pull>,
    client: Client,
    role: AskedRole,
) -> Result<Answer, ApiError> {
    let AskedRole::Role(role) = role else { return Err(ApiError::not_found()) };
    let stored = app.reader.current(&access, &role).await?.ok_or_else(ApiError::not_found)?;
    Ok(answer::metadata(held(app, client, stored)?, CacheClass::Current, app.cache_ages.current))
}

pub(super) async fn by_version(
    app: &App,
    access: Access<Pull>,
    client: Client,
    version: AskedVersion,
    role: AskedRole,
) -> Result<Answer, ApiError> {
    let version = match version {
        AskedVersion::Version(version) => version,
        AskedVersion::NeverStored => return Err(ApiError::not_found()),
        AskedVersion::Unreadable(digits) => return Err(ApiError::unreadable_version(&digits)),
    };
    let AskedRole::Role(role) = role else { return Err(ApiError::not_found()) };
    let stored = app.reader.by_version(&access, &role, version).await?.ok_or_else(ApiError::not_found)?;
    Ok(answer::metadata(held(app, client, stored)?, CacheClass::Consistent, app.cache_ages.consistent))
}

pub(super) async fn by_hash(
    app: &App,
    access: Access<Pull>,
    client: Client,
    role: AskedRole,
    sha256: Option<Sha256>,
) -> Result<Answer, ApiError> {
    let (AskedRole::Role(role), Some(sha256)) = (role, sha256) else { return Err(ApiError::not_found()) };
    let stored = app.reader.by_sha256(&access, &role, &sha256).await?.ok_or_else(ApiError::not_found)?;
    Ok(answer::metadata(held(app, client, stored)?, CacheClass::Consistent, app.cache_ages.consistent))
}

/// The same file, charged to the memory for answers.
fn held(app: &App, client: Client, stored: Stored) -> Result<Stored, ApiError> {
    Ok(Stored { bytes: app.answer_memory.hold(client, stored.bytes)?, ..stored })
}
