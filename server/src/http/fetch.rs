//! GET of metadata: what is current, or one version, or one hash; whole, compressed, or that the client holds it.

use bulla_traces::{SpanKind, child};
use hyper::HeaderMap;
use tuf_schema::Sha256;

use super::Answer;
use super::answer::{self, CacheClass, Facts};
use super::entity_tag::Held;
use super::error::ApiError;
use super::packing::Accepted;
use super::path::{AskedRole, AskedVersion};
use crate::app::App;
use crate::auth::{Access, Pull};
use crate::rate::Client;
use crate::store::Stored;

/// The span of what the database is asked for a read, in one statement or a few.
pub(super) const READ: &str = "store.read";

/// Who reads, and what the request says of the forms that it takes and holds.
pub(super) struct Asking<'a> {
    pub(super) access: Access<Pull>,
    pub(super) client: Client,
    pub(super) headers: &'a HeaderMap,
}

pub(super) async fn current(app: &App, asking: Asking<'_>, role: AskedRole) -> Result<Answer, ApiError> {
    let AskedRole::Role(role) = role else { return Err(ApiError::not_found()) };
    let stored = child(READ, SpanKind::Internal, app.reader.current(&asking.access, &role))
        .await?
        .ok_or_else(ApiError::not_found)?;
    answered(app, &asking, stored, CacheClass::Current, app.cache_ages.current).await
}

pub(super) async fn by_version(
    app: &App,
    asking: Asking<'_>,
    version: AskedVersion,
    role: AskedRole,
) -> Result<Answer, ApiError> {
    let version = match version {
        AskedVersion::Version(version) => version,
        AskedVersion::NeverStored => return Err(ApiError::not_found()),
        AskedVersion::Unreadable(digits) => return Err(ApiError::unreadable_version(&digits)),
    };
    let AskedRole::Role(role) = role else { return Err(ApiError::not_found()) };
    let stored = child(READ, SpanKind::Internal, app.reader.by_version(&asking.access, &role, version))
        .await?
        .ok_or_else(ApiError::not_found)?;
    answered(app, &asking, stored, CacheClass::Consistent, app.cache_ages.consistent).await
}

pub(super) async fn by_hash(
    app: &App,
    asking: Asking<'_>,
    role: AskedRole,
    sha256: Option<Sha256>,
) -> Result<Answer, ApiError> {
    let (AskedRole::Role(role), Some(sha256)) = (role, sha256) else { return Err(ApiError::not_found()) };
    let stored = child(READ, SpanKind::Internal, app.reader.by_sha256(&asking.access, &role, &sha256))
        .await?
        .ok_or_else(ApiError::not_found)?;
    answered(app, &asking, stored, CacheClass::Consistent, app.cache_ages.consistent).await
}

/// A file that is there and that the client may read: what it holds already is not sent again.
async fn answered(
    app: &App,
    asking: &Asking<'_>,
    stored: Stored,
    class: CacheClass,
    max_age_seconds: u32,
) -> Result<Answer, ApiError> {
    let Stored { sha256, bytes, created_at, .. } = stored;
    let facts = Facts { sha256, created_at, class, max_age_seconds };
    let forms = Accepted::of(asking.headers).forms(bytes.len());
    if let Some(form) = Held::of(asking.headers).among(forms.as_slice(), &sha256) {
        return Ok(answer::not_modified(form, &facts));
    }
    let hold = |bytes| app.answer_memory.hold(asking.client, bytes);
    if let Some(coding) = forms.first() {
        let whole = bytes.clone();
        if let Some(compressed) = app.compressed.document(sha256, coding, || hold(whole)).await? {
            return Ok(answer::metadata(hold(compressed)?, Some(coding), &facts));
        }
    }
    Ok(answer::metadata(hold(bytes)?, None, &facts))
}
