//! The wire: gRPC over mutual TLS with the contract of `proto/notary.proto`. Nothing outside this folder knows tonic.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::{Request, Status};
use tower::limit::GlobalConcurrencyLimitLayer;

use crate::config::AllowedClients;
use crate::keyring::Keyring;
use crate::tls::Tls;

mod accept;
mod handshakes;
mod health;
pub(crate) mod keys;
mod measured;
pub mod peer;
mod sign;
pub(crate) mod status;

pub use health::INSECURE_SERVICE;
pub(crate) use measured::Measure;

/// The messages and stubs made from `proto/notary.proto`.
#[expect(missing_docs, reason = "generated from the contract, which says what they mean")]
#[expect(clippy::allow_attributes_without_reason, unused_qualifications, reason = "generated")]
pub mod proto {
    tonic::include_proto!("proto");
}

/// The longest time one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How many requests one connection may have at work.
const STREAMS_OF_A_CONNECTION: u32 = 64;
/// How many requests all connections together may have at work: each may hold a question of 8 MiB, so 2 GiB in all.
/// Further ones wait unread.
const REQUESTS: usize = 256;
/// How long requests that are under way may take after the end was asked for.
const GRACE: Duration = Duration::from_secs(8);

/// Serves until `shutdown` completes; then takes no connection and lets requests under way end.
///
/// # Errors
/// When the listener fails.
pub(crate) async fn serve(
    keyring: Arc<Keyring>,
    any_client: bool,
    measure: Measure,
    listener: TcpListener,
    tls: Arc<Tls>,
    allowed: AllowedClients,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let (ending, mut ended) = tokio::sync::watch::channel(false);
    let connections = accept::connections(listener, tls, Arc::new(allowed));
    let serving = Server::builder()
        .timeout(REQUEST_TIMEOUT)
        .max_concurrent_streams(STREAMS_OF_A_CONNECTION)
        .layer(GlobalConcurrencyLimitLayer::new(REQUESTS))
        .add_service(measure.of(admitting(&keyring, keys::service(Arc::clone(&keyring)))))
        .add_service(measure.of(admitting(&keyring, sign::service(Arc::clone(&keyring)))))
        .add_service(measure.of(admitting(&keyring, health::service(Arc::clone(&keyring), any_client))))
        .serve_with_incoming_shutdown(connections, async move {
            shutdown.await;
            // the receiver is gone only when serving has ended
            let _ = ending.send(true);
        });
    let out_of_patience = async {
        // an error means that serving has ended by itself
        if ended.wait_for(|ended| *ended).await.is_ok() {
            tokio::time::sleep(GRACE).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        served = serving => served.map_err(io::Error::other),
        () = out_of_patience => Ok(()),
    }
}

/// Turns away who may not ask before the question is read.
fn admitting<S>(keyring: &Arc<Keyring>, service: S) -> InterceptedService<S, impl Interceptor + Clone + use<S>> {
    let keyring = Arc::clone(keyring);
    let admit = move |request: Request<()>| match peer::caller(&request) {
        Ok(_) => Ok(request),
        Err(refusal) => Err::<_, Status>(status::not_allowed(&keyring, &refusal)),
    };
    InterceptedService::new(service, admit)
}
