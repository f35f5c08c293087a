//! The service `grpc.health.v1.Health`: asks the keyring each time.

use std::sync::Arc;

use tonic::codegen::tokio_stream::Empty;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::{peer, status};
use crate::keyring::{Keyring, Service as Asked};

/// What each name asks for: the names that the reference registers, and the whole.
const SERVICES: [(&str, &[Asked]); 3] = [
    ("", &[Asked::KeyManagement, Asked::Signer]),
    ("grpc.health.v1.Health.KeyManagement", &[Asked::KeyManagement]),
    ("grpc.health.v1.Health.Signer", &[Asked::Signer]),
];

/// Not serving while any client certificate is let in, so that a monitor can ask for it; serving otherwise.
pub const INSECURE_SERVICE: &str = "bulla.signer.ClientAuthority";

struct Service {
    keyring: Arc<Keyring>,
    any_client: bool,
}

pub(super) fn service(keyring: Arc<Keyring>, any_client: bool) -> HealthServer<impl Health> {
    HealthServer::new(Service { keyring, any_client })
}

#[tonic::async_trait]
impl Health for Service {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        // a client that may not sign must not be told that signing works
        peer::caller(&request).map_err(|refusal| status::not_allowed(&self.keyring, &refusal))?;
        let name = request.into_inner().service;
        let serving = match name.as_str() {
            INSECURE_SERVICE => !self.any_client,
            name => match SERVICES.iter().find(|(known, _)| *known == name) {
                Some((_, asked)) => self.is_ready(asked).await,
                None => return Err(Status::not_found("unknown service")),
            },
        };
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        Ok(Response::new(HealthCheckResponse { status: status.into() }))
    }

    type WatchStream = Empty<Result<HealthCheckResponse, Status>>;

    /// Clients take this answer as the order to ask by `check`.
    async fn watch(&self, _request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("ask by Check"))
    }
}

impl Service {
    async fn is_ready(&self, asked: &[Asked]) -> bool {
        let report = self.keyring.look().await;
        for standing in report.amiss() {
            tracing::error!(%standing, "not ready");
        }
        asked.iter().all(|service| report.is_ready(*service))
    }
}
