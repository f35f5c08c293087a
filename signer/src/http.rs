//! Metrics and readiness over plain HTTP: `GET /metrics`, `GET /ready` and `GET /live`. Nothing here touches a key.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use crate::keyring::Keyring;
use crate::metrics::Metrics;

/// How long a client may take to send a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause after the system refused a connection.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);
/// What Prometheus wants to be told of the text it reads.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves for ever; without a listener, does nothing for ever.
pub(crate) async fn serve(listener: Option<TcpListener>, keyring: Arc<Keyring>, metrics: Arc<Metrics>) {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(answer_all(stream, Arc::clone(&keyring), Arc::clone(&metrics)));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
            }
        }
    }
}

async fn answer_all(stream: TcpStream, keyring: Arc<Keyring>, metrics: Arc<Metrics>) {
    let service = service_fn(|request| {
        let (keyring, metrics) = (Arc::clone(&keyring), Arc::clone(&metrics));
        async move { Ok::<_, Infallible>(answer(&request, &keyring, &metrics).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = serving.await {
        tracing::debug!(%error, "a client of metrics went away");
    }
}

async fn answer(request: &Request<Incoming>, keyring: &Keyring, metrics: &Metrics) -> Response<Full<Bytes>> {
    if request.method() != Method::GET {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
    }
    match request.uri().path() {
        "/metrics" => {
            metrics.note_readiness(&keyring.look().await);
            let mut response = text(StatusCode::OK, metrics.text());
            response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(METRICS_TYPE));
            response
        }
        "/ready" => ready(keyring, metrics).await,
        // the process answers, whatever it can do: for those who would start it again
        "/live" => text(StatusCode::OK, "live\n".to_owned()),
        _ => text(StatusCode::NOT_FOUND, "only /metrics, /ready and /live\n".to_owned()),
    }
}

/// One line in all, and one for each condition.
async fn ready(keyring: &Keyring, metrics: &Metrics) -> Response<Full<Bytes>> {
    let report = keyring.look().await;
    metrics.note_readiness(&report);
    let (status, first) = match (report.is_all_ready(), metrics.lets_any_client_in()) {
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
        (true, true) => (StatusCode::OK, "ready, insecure: any client certificate is let in"),
        (true, false) => (StatusCode::OK, "ready"),
    };
    let lines = report.0.iter().map(|standing| format!("{standing}\n"));
    text(status, std::iter::once(format!("{first}\n")).chain(lines).collect())
}

fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response
}
