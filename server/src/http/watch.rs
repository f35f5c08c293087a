//! What is told at the address of metrics: `GET /metrics`, `GET /ready` and `GET /live`, as at the signer's.

use hyper::{Method, Request, StatusCode};

use super::{Answer, answer, health};
use crate::app::App;

/// Answers one request of those who watch. It is neither counted nor logged, as they ask every few seconds for ever.
pub(crate) async fn tell<B>(app: &App, request: &Request<B>) -> Answer {
    if request.method() != Method::GET {
        return answer::lines(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
    }
    match request.uri().path() {
        "/metrics" => health::metrics(app).await,
        "/ready" => health::ready(app, request.uri().query().unwrap_or_default()).await,
        "/live" => health::live(),
        _ => answer::lines(StatusCode::NOT_FOUND, "only /metrics, /ready and /live\n".to_owned()),
    }
}
