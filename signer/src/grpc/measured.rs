//! Each request counted, timed and told to the log at debug: its method, how it ended, how long it took. Nothing of whom it
//! was for: keys and repositories are too many for labels, and the audit has them.

use std::convert::Infallible;
use std::sync::Arc;

use bulla_traces::{Asked, Tracer, failed, given, note};
use tonic::Code;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{BoxFuture, Context, Poll, Service};
use tonic::server::NamedService;

use crate::clock::Clock;
use crate::metrics::Metrics;

/// The header that holds the status of an answer which is nothing but that.
const STATUS: &str = "grpc-status";

/// Questions about health.
const CHECK: &str = "Check";
/// What is asked for by strangers.
const OTHER: &str = "other";

/// What requests are measured with.
#[derive(Clone)]
pub(crate) struct Measure {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tracer: Tracer,
}

/// A service whose requests are measured.
#[derive(Clone)]
pub(super) struct Measured<S> {
    service: S,
    measure: Measure,
}

impl Measure {
    pub(super) fn of<S>(&self, service: S) -> Measured<S> {
        Measured { service, measure: self.clone() }
    }
}

impl<S, B: 'static> Service<Request<Body>> for Measured<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = BoxFuture<Response<B>, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let method = method(request.uri().path());
        // whoever looks after health asks every few seconds
        let is_traced = !matches!(method, CHECK | OTHER);
        let traceparent = given(request.headers()).filter(|_| is_traced).map(str::to_owned);
        let (begun, answer) = (self.measure.clock.uptime(), self.service.call(request));
        let Measure { metrics, clock, tracer } = self.measure.clone();
        let answer = async move {
            let answer = answer.await?;
            let code = answer.headers().get(STATUS).map_or(Code::Ok, |status| Code::from_bytes(status.as_bytes()));
            note("rpc.grpc.status_code", || i64::from(i32::from(code)));
            if code != Code::Ok {
                failed();
            }
            Ok::<_, Infallible>((answer, code))
        };
        let tracer = if is_traced { tracer } else { Tracer::off() };
        let answer = tracer.request(Asked { name: method, traceparent: traceparent.as_deref() }, answer);
        Box::pin(async move {
            let (answer, code) = answer.await?;
            let took = clock.uptime().saturating_sub(begun);
            metrics.count_request(method, format!("{code:?}"), took);
            tracing::debug!(method, ?code, microseconds = took.as_micros(), "request answered");
            Ok(answer)
        })
    }
}

impl<S: NamedService> NamedService for Measured<S> {
    const NAME: &'static str = S::NAME;
}

/// The name of a method of ours; what others ask for is one.
fn method(path: &str) -> &'static str {
    match path.rsplit('/').next() {
        Some("Sign") => "Sign",
        Some("CreateKey") => "CreateKey",
        Some("DeleteKey") => "DeleteKey",
        Some("GetKeyInfo") => "GetKeyInfo",
        Some("Check") => CHECK,
        _ => OTHER,
    }
}
