//! What is described: each route with what it needs, takes, answers and refuses.

use super::parameters::Parameter;
use crate::http::error::ErrorCode;

/// What a token has to grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    Catalog,
    Pull,
    Push,
    Admin,
}

/// What a request is answered with that is not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Success {
    /// An empty object, and the headers that say what this server can do.
    Ping,
    Nothing,
    /// A signed document.
    Document,
    /// Several in one answer.
    Update,
    Key,
    Changes,
    Repositories,
    Health,
    Readiness,
    Liveness,
    Metrics,
    Description,
}

/// One route.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// Unique.
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) needs: Needs,
    pub(super) parameters: &'static [Parameter],
    pub(super) success: Success,
    /// What only this route refuses.
    own_refusals: &'static [ErrorCode],
}

use Parameter as P;

pub(super) static ENDPOINTS: &[Endpoint] = &[
    PING,
    PUBLISH,
    DELETE,
    CURRENT,
    BY_VERSION,
    BY_HASH,
    UPDATE,
    PUBLIC_KEY,
    ROTATE_KEY,
    CHANGES,
    ALL_CHANGES,
    REPOSITORIES,
    HEALTH,
    READY,
    LIVE,
    METRICS,
    DESCRIPTION,
];

pub(super) const PING: Endpoint = Endpoint {
    method: "GET",
    path: "/v2/",
    id: "Ping",
    summary: "Whether there is a server, and whether it wants a token",
    needs: Needs::Catalog,
    parameters: &[],
    success: Success::Ping,
    own_refusals: &[],
};

pub(super) const PUBLISH: Endpoint = Endpoint {
    method: "POST",
    path: "/v2/{gun}/_trust/tuf/",
    id: "UpdateTUF",
    summary: "Publishes metadata: all parts are stored, or none",
    needs: Needs::Push,
    parameters: &[P::Gun, P::ContentEncoding],
    success: Success::Nothing,
    own_refusals: &[
        ErrorCode::NoFilename,
        ErrorCode::InvalidRole,
        ErrorCode::MalformedJson,
        ErrorCode::MalformedUpload,
        ErrorCode::InvalidUpdate,
        ErrorCode::Version,
        ErrorCode::InvalidGun,
        ErrorCode::UploadTooLarge,
        ErrorCode::UnsupportedCoding,
        ErrorCode::UploadTooSlow,
    ],
};

pub(super) const DELETE: Endpoint = Endpoint {
    method: "DELETE",
    path: "/v2/{gun}/_trust/tuf/",
    id: "DeleteTUF",
    summary: "Removes a repository's metadata; that nothing was there is no error",
    needs: Needs::Admin,
    parameters: &[P::Gun],
    success: Success::Nothing,
    own_refusals: &[ErrorCode::InvalidGun],
};

pub(super) const CURRENT: Endpoint = Endpoint {
    method: "GET",
    path: "/v2/{gun}/_trust/tuf/{role}.json",
    id: "GetRole",
    summary: "The newest document of a role; a timestamp or snapshot that the server signs is signed anew when it is due",
    needs: Needs::Pull,
    parameters: &[P::Gun, P::Role, P::AcceptEncoding, P::IfNoneMatch],
    success: Success::Document,
    own_refusals: &[],
};

pub(super) const BY_VERSION: Endpoint = Endpoint {
    method: "GET",
    path: "/v2/{gun}/_trust/tuf/{version}.{role}.json",
    id: "GetRoleByVersion",
    summary: "One version of a role, which never changes",
    needs: Needs::Pull,
    parameters: &[P::Gun, P::Version, P::Role, P::AcceptEncoding, P::IfNoneMatch],
    success: Success::Document,
    own_refusals: &[],
};

pub(super) const BY_HASH: Endpoint = Endpoint {
    method: "GET",
    path: "/v2/{gun}/_trust/tuf/{role}.{sha256}.json",
    id: "GetRoleByHash",
    summary: "The document of a role with this digest, which never changes",
    needs: Needs::Pull,
    parameters: &[P::Gun, P::Role, P::Sha256, P::AcceptEncoding, P::IfNoneMatch],
    success: Success::Document,
    own_refusals: &[],
};

pub(super) const UPDATE: Endpoint = Endpoint {
    method: "GET",
    path: "/v2/{gun}/_trust/update",
    id: "GetUpdate",
    summary: "Everything that is current and that the client does not hold, in one answer; of long documents what changed",
    needs: Needs::Pull,
    parameters: &[P::Gun, P::HeldRoot, P::Held],
    success: Success::Update,
    own_refusals: &[ErrorCode::InvalidParameters],
};

pub(super) const PUBLIC_KEY: Endpoint = Endpoint {
    method: "GET",
    path: "/v2/{gun}/_trust/tuf/{server_role}.key",
    id: "GetKey",
    summary: "The public key that the server signs a role with, which is made if there is none",
    needs: Needs::Push,
    parameters: &[P::Gun, P::ServerRole],
    success: Success::Key,
    own_refusals: &[],
};

pub(super) const ROTATE_KEY: Endpoint = Endpoint {
    method: "POST",
    path: "/v2/{gun}/_trust/tuf/{server_role}.key",
    id: "RotateKey",
    summary: "A new key for a role: it signs from the root on that names it",
    needs: Needs::Admin,
    parameters: &[P::Gun, P::ServerRole],
    success: Success::Key,
    own_refusals: &[],
};

pub(super) const CHANGES: Endpoint = Endpoint {
    method: "GET",
    path: "/v2/{gun}/_trust/changefeed",
    id: "ChangefeedOfRepository",
    summary: "What was published and deleted of a repository, in order",
    needs: Needs::Pull,
    parameters: &[P::Gun, P::Records, P::ChangeId],
    success: Success::Changes,
    own_refusals: &[ErrorCode::InvalidParameters],
};

pub(super) const ALL_CHANGES: Endpoint = Endpoint {
    method: "GET",
    path: "/v2/_trust/changefeed",
    id: "Changefeed",
    summary: "What was published and deleted, in order",
    needs: Needs::Catalog,
    parameters: &[P::Records, P::ChangeId],
    success: Success::Changes,
    own_refusals: &[ErrorCode::InvalidParameters],
};

pub(super) const REPOSITORIES: Endpoint = Endpoint {
    method: "GET",
    path: "/v2/_trust/repositories",
    id: "ListRepositories",
    summary: "The repositories that the caller may know of, a page at a time, with versions, keys and what ends first",
    needs: Needs::Catalog,
    parameters: &[P::Page, P::Last],
    success: Success::Repositories,
    own_refusals: &[ErrorCode::InvalidParameters],
};

pub(super) const HEALTH: Endpoint = Endpoint {
    method: "GET",
    path: "/_notary_server/health",
    id: "Health",
    summary: "What fails of that which the server stands on, by the reference's names",
    needs: Needs::Nothing,
    parameters: &[],
    success: Success::Health,
    own_refusals: &[],
};

pub(super) const READY: Endpoint = Endpoint {
    method: "GET",
    path: "/ready",
    id: "Ready",
    summary: "Whether reads can be served, and with `publish` whether publishes can",
    needs: Needs::Nothing,
    parameters: &[P::ToPublish],
    success: Success::Readiness,
    own_refusals: &[],
};

pub(super) const LIVE: Endpoint = Endpoint {
    method: "GET",
    path: "/live",
    id: "Live",
    summary: "Whether the process answers",
    needs: Needs::Nothing,
    parameters: &[],
    success: Success::Liveness,
    own_refusals: &[],
};

pub(super) const METRICS: Endpoint = Endpoint {
    method: "GET",
    path: "/metrics",
    id: "Metrics",
    summary: "Numbers for Prometheus, unless they have an address of their own",
    needs: Needs::Nothing,
    parameters: &[],
    success: Success::Metrics,
    own_refusals: &[],
};

pub(super) const DESCRIPTION: Endpoint = Endpoint {
    method: "GET",
    path: "/openapi.json",
    id: "Description",
    summary: "This description",
    needs: Needs::Nothing,
    parameters: &[],
    success: Success::Description,
    own_refusals: &[],
};

impl Needs {
    /// For people.
    pub(super) fn told(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Catalog => Some("`registry:catalog:*`"),
            Self::Pull => Some("`repository:GUN:pull`"),
            Self::Push => Some("`repository:GUN:push,pull`"),
            Self::Admin => Some("`repository:GUN:*`"),
        }
    }
}

impl Endpoint {
    /// Whether it has a body.
    pub(super) fn is_upload(&self) -> bool {
        self.own_refusals.contains(&ErrorCode::MalformedUpload)
    }

    /// Everything that it may refuse.
    pub(super) fn refusals(&self) -> Vec<ErrorCode> {
        let mut refusals = self.own_refusals.to_vec();
        match self.needs {
            // they tell what fails in their answer
            Needs::Nothing if self.success != Success::Metrics => {}
            Needs::Nothing | Needs::Catalog => refusals.extend([ErrorCode::Unauthorized, ErrorCode::MetadataNotFound]),
            Needs::Pull | Needs::Push | Needs::Admin => {
                refusals.extend([ErrorCode::Unauthorized, ErrorCode::MetadataNotFound, ErrorCode::InvalidGun])
            }
        }
        if self.needs != Needs::Nothing {
            refusals.extend([ErrorCode::TooManyRequests, ErrorCode::Unknown, ErrorCode::Unavailable]);
        }
        refusals
    }
}

#[cfg(test)]
mod tests {
    use hyper::Method;

    use super::*;
    use crate::http::router::Route;

    /// Which endpoint describes a route. A route that is added does not compile until it is described.
    fn describing(route: &Route) -> Option<&'static str> {
        Some(match route {
            Route::Redirect(_) | Route::MethodNotAllowed | Route::NotFound => return None,
            Route::Ping => PING.id,
            Route::Health => HEALTH.id,
            Route::Ready => READY.id,
            Route::Live => LIVE.id,
            Route::Metrics => METRICS.id,
            Route::Description => DESCRIPTION.id,
            Route::AllChanges => ALL_CHANGES.id,
            Route::Repositories => REPOSITORIES.id,
            Route::Publish { .. } => PUBLISH.id,
            Route::Delete { .. } => DELETE.id,
            Route::Current { .. } => CURRENT.id,
            Route::ByVersion { .. } => BY_VERSION.id,
            Route::ByHash { .. } => BY_HASH.id,
            Route::Update { .. } => UPDATE.id,
            Route::PublicKey { .. } => PUBLIC_KEY.id,
            Route::RotateKey { .. } => ROTATE_KEY.id,
            Route::Changes { .. } => CHANGES.id,
        })
    }

    #[test]
    fn method_and_path_of_each_endpoint_lead_to_the_route_that_it_describes() {
        for endpoint in ENDPOINTS {
            let path = endpoint
                .path
                .replace("{gun}", "registry.test:5000/library/app")
                .replace("{role}", "targets/releases")
                .replace("{version}", "7")
                .replace("{sha256}", &"0f".repeat(32))
                .replace("{server_role}", "timestamp");
            let method: Method = endpoint.method.parse().unwrap();
            let encoded = path.replace("library/app", "library%2Fapp").replace("targets/", "targets%2F");
            for path in [path, encoded] {
                assert_eq!(describing(&Route::of(&method, &path, None)), Some(endpoint.id), "{path}");
            }
        }
    }
}
