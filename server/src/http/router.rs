//! The one table of routes: method and path to operation, and the access each asks for.
//!
//! | method, resource | operation | access |
//! |---|---|---|
//! | GET `/v2/` | – | catalog |
//! | POST collection | UpdateTUF | push |
//! | DELETE collection | DeleteTUF | admin |
//! | GET role, by name, version or hash | GetRole, GetRoleByVersion, GetRoleByHash | pull |
//! | GET key | GetKey | push |
//! | POST key | RotateKey | admin |
//! | GET update | GetUpdate | pull |
//! | GET changes of a repository | Changefeed | pull |
//! | GET changes of all | Changefeed | catalog |
//! | GET repositories | ListRepositories | catalog, or pull of those that are told |
//! | GET health, readiness, liveness, the description of this API | – | none |
//! | GET metrics, unless they have an address of their own | – | none |
//! | other GET, HEAD, POST, PUT, DELETE | – | catalog, then 404 |
//! | other methods | – | 405 |

use std::net::IpAddr;

use bytes::Bytes;
use http_body::Body;
use hyper::Method;
use hyper::http::request::Parts;
use tuf_schema::Role;

use super::error::ApiError;
use super::fetch::Asking;
use super::operation::Operation;
use super::path::{self, AskedRole, AskedVersion, Resource, TrustPath};
use super::{Answer, access, answer, changefeed, delete, fetch, health, keys, openapi, publish, repositories, update};
use crate::app::App;
use crate::keys::ServerRole;
use tuf_schema::Sha256;

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// The path is not clean: the client is sent to the clean one.
    Redirect(String),
    MethodNotAllowed,
    NotFound,
    Ping,
    Health,
    Ready,
    Live,
    Metrics,
    Description,
    AllChanges,
    Repositories,
    Publish {
        name: String,
    },
    Delete {
        name: String,
    },
    Current {
        name: String,
        role: AskedRole,
    },
    ByVersion {
        name: String,
        version: AskedVersion,
        role: AskedRole,
    },
    ByHash {
        name: String,
        role: AskedRole,
        sha256: Option<Sha256>,
    },
    Update {
        name: String,
    },
    PublicKey {
        name: String,
        role: ServerRole,
    },
    RotateKey {
        name: String,
        role: ServerRole,
    },
    Changes {
        name: String,
    },
}

impl Route {
    /// The route of a request. HEAD leads nowhere: no client uses it, and the reference has none.
    pub(super) fn of(method: &Method, path: &str, query: Option<&str>) -> Self {
        if let Some(clean) = path::cleaned(path) {
            return Self::Redirect(query.map_or(clean.clone(), |query| format!("{clean}?{query}")));
        }
        if ![Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE].contains(method) {
            return Self::MethodNotAllowed;
        }
        match (method.as_str(), TrustPath::parse(path)) {
            ("GET", TrustPath::Ping) => Self::Ping,
            ("GET", TrustPath::Health) => Self::Health,
            ("GET", TrustPath::Ready) => Self::Ready,
            ("GET", TrustPath::Live) => Self::Live,
            ("GET", TrustPath::Metrics) => Self::Metrics,
            ("GET", TrustPath::Description) => Self::Description,
            ("GET", TrustPath::AllChanges) => Self::AllChanges,
            ("GET", TrustPath::Repositories) => Self::Repositories,
            (method, TrustPath::Repository { name, resource }) => match (method, resource) {
                ("POST", Resource::Collection) => Self::Publish { name },
                ("DELETE", Resource::Collection) => Self::Delete { name },
                ("GET", Resource::Current(role)) => Self::Current { name, role },
                ("GET", Resource::ByVersion(version, role)) => Self::ByVersion { name, version, role },
                ("GET", Resource::ByHash(role, sha256)) => Self::ByHash { name, role, sha256 },
                ("GET", Resource::Update) => Self::Update { name },
                ("GET", Resource::Key(role)) => Self::PublicKey { name, role },
                ("POST", Resource::Key(role)) => Self::RotateKey { name, role },
                ("GET", Resource::Changes) => Self::Changes { name },
                _ => Self::NotFound,
            },
            _ => Self::NotFound,
        }
    }

    /// The operation; what has none is not counted.
    pub(super) fn operation(&self) -> Option<Operation> {
        match self {
            Self::Redirect(_) | Self::MethodNotAllowed | Self::NotFound | Self::Ping => None,
            Self::Health | Self::Ready | Self::Live | Self::Metrics | Self::Description => None,
            Self::AllChanges | Self::Changes { .. } => Some(Operation::Changefeed),
            Self::Repositories => Some(Operation::ListRepositories),
            Self::Publish { .. } => Some(Operation::UpdateTuf),
            Self::Delete { .. } => Some(Operation::DeleteTuf),
            Self::Current { .. } => Some(Operation::GetRole),
            Self::ByVersion { .. } => Some(Operation::GetRoleByVersion),
            Self::ByHash { .. } => Some(Operation::GetRoleByHash),
            Self::Update { .. } => Some(Operation::GetUpdate),
            Self::PublicKey { .. } => Some(Operation::GetKey),
            Self::RotateKey { .. } => Some(Operation::RotateKey),
        }
    }

    /// Repository and role for the log; empty where there is none.
    pub(super) fn subject(&self) -> (String, String) {
        let asked = |role: &AskedRole| match role {
            AskedRole::Role(role) => role.to_string(),
            AskedRole::NeverStored => String::new(),
        };
        match self {
            Self::Publish { name } | Self::Delete { name } | Self::Changes { name } | Self::Update { name } => {
                (name.clone(), String::new())
            }
            Self::Current { name, role } | Self::ByVersion { name, role, .. } | Self::ByHash { name, role, .. } => {
                (name.clone(), asked(role))
            }
            Self::PublicKey { name, role } | Self::RotateKey { name, role } => {
                (name.clone(), Role::from(*role).to_string())
            }
            _ => Default::default(),
        }
    }

    /// The version that is asked for, for the log; empty where none is.
    pub(super) fn version(&self) -> String {
        match self {
            Self::ByVersion { version: AskedVersion::Version(version), .. } => version.to_string(),
            Self::ByVersion { version: AskedVersion::Unreadable(digits), .. } => digits.clone(),
            _ => String::new(),
        }
    }
}

/// Does what a route says.
pub(super) async fn serve<B>(
    app: &App,
    peer: IpAddr,
    route: Route,
    head: &Parts,
    body: &mut B,
) -> Result<Answer, ApiError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let caller = access::Caller { app, headers: &head.headers, peer };
    let query = head.uri.query().unwrap_or_default();
    match route {
        Route::Redirect(location) => Ok(answer::moved(&location)),
        Route::MethodNotAllowed => Ok(answer::method_not_allowed()),
        Route::Metrics if !app.has_metrics_apart => Ok(health::metrics(app).await),
        Route::NotFound | Route::Metrics => {
            caller.catalog()?;
            Err(ApiError::no_route())
        }
        Route::Ping => caller.catalog().map(|_| answer::text("{}".into())),
        Route::Health => Ok(health::health(app).await),
        Route::Ready => Ok(health::ready(app, query).await),
        Route::Live => Ok(health::live()),
        Route::Description => Ok(openapi::served()),
        Route::AllChanges => {
            let access = caller.catalog()?;
            let client = caller.client(access.subject());
            changefeed::all(app, access, client, query).await
        }
        Route::Repositories => {
            let access = caller.list()?;
            let client = caller.client(access.subject());
            repositories::list(app, &access, client, query).await
        }
        Route::Publish { name } => {
            let access = caller.publisher(&name)?;
            let client = caller.client(access.subject());
            publish::publish(app, access, client, head, body).await
        }
        Route::Delete { name } => delete::delete(app, caller.access(&name)?).await,
        Route::Current { name, role } => {
            let (access, client) = caller.reader(&name)?;
            fetch::current(app, Asking { access, client, headers: &head.headers }, role).await
        }
        Route::ByVersion { name, version, role } => {
            let (access, client) = caller.reader(&name)?;
            fetch::by_version(app, Asking { access, client, headers: &head.headers }, version, role).await
        }
        Route::ByHash { name, role, sha256 } => {
            let (access, client) = caller.reader(&name)?;
            fetch::by_hash(app, Asking { access, client, headers: &head.headers }, role, sha256).await
        }
        Route::Update { name } => {
            let (access, client) = caller.reader(&name)?;
            update::update(app, access, client, query).await
        }
        Route::PublicKey { name, role } => {
            let access = caller.access(&name)?;
            let client = caller.client(access.subject());
            keys::public_key(app, access, client, role).await
        }
        Route::RotateKey { name, role } => {
            let access = caller.access(&name)?;
            let client = caller.client(access.subject());
            keys::rotate(app, access, client, role).await
        }
        Route::Changes { name } => {
            let (access, client) = caller.reader(&name)?;
            changefeed::of_repository(app, access, client, query).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(method: &str, path: &str) -> Route {
        Route::of(&method.parse().unwrap(), path, None)
    }

    #[test]
    fn methods_lead_where_the_reference_leads_them() {
        let file = "/v2/a/b/_trust/tuf/root.json";
        assert!(matches!(route("GET", file), Route::Current { .. }));
        for method in ["HEAD", "POST", "PUT", "DELETE"] {
            assert_eq!(route(method, file), Route::NotFound, "{method}");
        }
        for method in ["PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"] {
            assert_eq!(route(method, file), Route::MethodNotAllowed, "{method}");
        }
        let collection = "/v2/a/b/_trust/tuf/";
        assert_eq!(route("POST", collection), Route::Publish { name: "a/b".into() });
        assert_eq!(route("DELETE", collection), Route::Delete { name: "a/b".into() });
        assert_eq!(route("GET", collection), Route::NotFound);
        let key = "/v2/a/b/_trust/tuf/timestamp.key";
        assert!(matches!(route("GET", key), Route::PublicKey { role: ServerRole::Timestamp, .. }));
        assert!(matches!(route("POST", key), Route::RotateKey { role: ServerRole::Timestamp, .. }));
        assert_eq!(route("POST", "/v2/"), Route::NotFound);
        let update = "/v2/a/b/_trust/update";
        assert_eq!(route("GET", update), Route::Update { name: "a/b".into() });
        for method in ["HEAD", "POST", "PUT", "DELETE"] {
            assert_eq!(route(method, update), Route::NotFound, "{method}");
        }
        assert_eq!(route("PATCH", update), Route::MethodNotAllowed);
    }

    #[test]
    fn a_redirect_keeps_the_query() {
        let route = Route::of(&Method::GET, "/v2//_trust/changefeed", Some("records=1"));
        assert_eq!(route, Route::Redirect("/v2/_trust/changefeed?records=1".into()));
    }
}
