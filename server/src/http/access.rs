//! From a request's headers to an [`Access`]: prefix filter, then token, then the name.
//!
//! In this order a caller without rights learns what the configuration says and nothing about repositories.

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HOST, HeaderName};

use super::error::ApiError;
use crate::app::App;
use crate::auth::{Access, CatalogAccess, Credentials, Push, Right};
use crate::config::GunPrefix;

/// Who sent a request.
pub(super) struct Caller<'a> {
    pub(super) app: &'a App,
    pub(super) headers: &'a HeaderMap,
}

impl Caller<'_> {
    /// Access to what concerns every repository.
    pub(super) fn catalog(&self) -> Result<CatalogAccess, ApiError> {
        Ok(self.app.authenticator.authorize_catalog(self.credentials(), self.app.clock.now())?)
    }

    /// Access to one repository. A name that is none is answered as one that is not there.
    pub(super) fn access<R: Right>(&self, name: &str) -> Result<Access<R>, ApiError> {
        if !self.is_served(name) {
            return Err(ApiError::no_route());
        }
        self.granted(name, |_| ApiError::not_found())
    }

    /// Access for an upload, which is told what is wrong with the name.
    pub(super) fn publisher(&self, name: &str) -> Result<Access<Push>, ApiError> {
        if !self.is_served(name) {
            let prefixes: Vec<&str> = self.app.gun_prefixes.iter().map(GunPrefix::as_str).collect();
            return Err(ApiError::foreign_prefix(&prefixes));
        }
        self.granted(name, ApiError::invalid_gun)
    }

    fn granted<R: Right>(
        &self,
        name: &str,
        refusal: impl Fn(&tuf_schema::gun::GunError) -> ApiError,
    ) -> Result<Access<R>, ApiError> {
        let permit = self.app.authenticator.authorize::<R>(self.credentials(), name, self.app.clock.now())?;
        permit.access().map_err(|error| refusal(&error))
    }

    fn is_served(&self, name: &str) -> bool {
        let prefixes = &self.app.gun_prefixes;
        prefixes.is_empty() || prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
    }

    fn credentials(&self) -> Credentials<'_> {
        let value = |name: HeaderName| self.headers.get(name).map(hyper::header::HeaderValue::as_bytes);
        Credentials { authorization: value(AUTHORIZATION), host: value(HOST) }
    }
}
