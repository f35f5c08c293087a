//! From a request's headers to an [`Access`]: prefix filter, then token, then the number of requests, then the name.
//!
//! In this order a caller without rights learns what the configuration says and nothing about repositories.

use std::net::IpAddr;

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue};

use super::error::ApiError;
use crate::app::App;
use crate::auth::{Access, CatalogAccess, Credentials, Denied, ListAccess, Permit, Pull, Push, Right, Subject};
use crate::config::GunPrefix;
use crate::rate::{Client, sender};

/// Whom proxies heard a request from.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Who sent a request.
pub(super) struct Caller<'a> {
    pub(super) app: &'a App,
    pub(super) headers: &'a HeaderMap,
    /// The other end of the connection.
    pub(super) peer: IpAddr,
}

impl Caller<'_> {
    /// Access to what concerns every repository.
    pub(super) fn catalog(&self) -> Result<CatalogAccess, ApiError> {
        let outcome = self.app.authenticator.authorize_catalog(self.credentials(), self.app.clock.now());
        self.counted(outcome, CatalogAccess::subject)
    }

    /// Access to a list of repositories, as far as the sender may know of them.
    pub(super) fn list(&self) -> Result<ListAccess, ApiError> {
        let outcome = self.app.authenticator.authorize_list(self.credentials(), self.app.clock.now());
        self.counted(outcome, ListAccess::subject)
    }

    /// Whom this request is counted as: the subject of its token, or its address.
    pub(super) fn client(&self, subject: Option<Subject>) -> Client {
        subject.map_or_else(|| self.address(), Client::Subject)
    }

    /// Access to one repository. A name that is none is answered as one that is not there.
    pub(super) fn access<R: Right>(&self, name: &str) -> Result<Access<R>, ApiError> {
        if !self.is_served(name) {
            return Err(ApiError::no_route());
        }
        self.granted(name, |_| ApiError::not_found())
    }

    /// Access for a read, counted as one of the repository.
    pub(super) fn reader(&self, name: &str) -> Result<(Access<Pull>, Client), ApiError> {
        let access: Access<Pull> = self.access(name)?;
        self.app.rates.count_read(access.gun())?;
        let client = self.client(access.subject());
        Ok((access, client))
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
        let outcome = self.app.authenticator.authorize::<R>(self.credentials(), name, self.app.clock.now());
        let permit = self.counted(outcome, Permit::subject)?;
        permit.access().map_err(|error| refusal(&error))
    }

    /// Counts the request as its sender's, whether or not it was granted something.
    fn counted<T>(&self, outcome: Result<T, Denied>, subject: impl Fn(&T) -> Option<Subject>) -> Result<T, ApiError> {
        let client = self.client(outcome.as_ref().ok().and_then(subject));
        self.app.rates.count_request(client)?;
        Ok(outcome?)
    }

    fn address(&self) -> Client {
        Client::of_address(self.sender())
    }

    /// Where the request comes from, as far as trusted proxies say so.
    pub(super) fn sender(&self) -> IpAddr {
        let forwarded = self.headers.get_all(FORWARDED_FOR).iter().map(HeaderValue::as_bytes);
        sender(self.peer, &self.app.limits.trusted_proxies, forwarded)
    }

    fn is_served(&self, name: &str) -> bool {
        let prefixes = &self.app.gun_prefixes;
        prefixes.is_empty() || prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
    }

    fn credentials(&self) -> Credentials<'_> {
        let value = |name: HeaderName| self.headers.get(name).map(HeaderValue::as_bytes);
        Credentials { authorization: value(AUTHORIZATION), host: value(HOST) }
    }
}
