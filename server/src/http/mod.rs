//! HTTP: requests in, answers out. What they mean is decided below; here they are parsed, authorised and translated.

mod access;
mod answer;
mod answer_body;
mod answer_memory;
mod changefeed;
mod coding;
mod compressed;
mod console;
mod delete;
mod entity_tag;
mod error;
mod fetch;
mod health;
mod keys;
mod multipart;
mod openapi;
mod operation;
mod packing;
mod path;
mod publish;
mod query;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod replicas;
mod repositories;
mod router;
mod unpacking;
mod update;
mod upload;
mod upload_memory;
mod watch;

use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use bulla_traces::{Asked, Tracer, failed, given, note};
use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;
use hyper::header::EXPECT;
use hyper::{HeaderMap, Method, Request, Response, Version};
use tracing::{error, info};

pub(crate) use answer_body::AnswerBody;
pub(crate) use answer_memory::AnswerMemory;
pub(crate) use compressed::Compressed;
pub(crate) use console::{Console, TokenFault};
pub(crate) use operation::Operation;
pub(crate) use publish::LargeUploads;
pub(crate) use upload_memory::UploadMemory;
pub(crate) use watch::tell;

use crate::app::App;
use crate::metrics::Answered;
use error::ApiError;
use router::Route;

/// An answer, its body in memory.
pub(crate) type Answer = Response<AnswerBody>;

/// Why a request that came beside others on one connection is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// As many connections and requests are at work as there may be.
    OfAll,
    /// As many of its address.
    OfAddress,
}

/// The answer to a request that has no place.
pub(crate) fn without_place(reason: NoPlace) -> Answer {
    ApiError::from(reason).into_response()
}

/// Answers one request from the address `peer`, counts it and writes its line in the log.
pub(crate) async fn respond<B>(app: &App, peer: IpAddr, request: Request<B>) -> Answer
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    let started = app.clock.uptime();
    let (head, mut body) = request.into_parts();
    let route = Route::of(&head.method, head.uri.path(), head.uri.query());
    let operation = route.operation();
    let is_ping = route == Route::Ping;
    let line = RequestLine {
        id: app.next_request_id(),
        protocol: head.version,
        method: head.method.clone(),
        operation,
        subject: route.subject(),
        version: route.version(),
        client: access::Caller { app, headers: &head.headers, peer }.sender(),
    };
    let request_bytes = body.size_hint().lower();
    // a publish has as long again after its body was read
    let longest =
        if operation == Some(Operation::UpdateTuf) { app.limits.request.saturating_mul(2) } else { app.limits.request };
    let work = tokio::time::timeout(longest, router::serve(app, peer, route, &head, &mut body));
    let work = async {
        let (answer, failure) = match work.await.unwrap_or_else(|_| Err(ApiError::out_of_time())) {
            Ok(answer) => (answer, None),
            Err(error) => {
                let failure = (error.code, error.reason.clone());
                (error.into_response(), Some(failure))
            }
        };
        line.note_on_span(answer.status().as_u16(), failure.as_ref().map(|(code, _)| code.as_str()));
        (answer, failure)
    };
    let (mut answer, failure) = traced(app, operation, &head.headers, work).await;
    if !body.is_end_stream() && !head.headers.contains_key(EXPECT) {
        discard(body, app.limits.document_bytes, app.limits.request);
    }
    if is_ping {
        update::announce(&mut answer);
        answer.headers_mut().extend([app.upload_memory.codings().header()]);
    }
    let status = answer.status();
    let duration = app.clock.uptime().saturating_sub(started);
    if let Some(operation) = operation {
        let answer_bytes = answer.body().size_hint().lower();
        let (method, status) = (line.method.as_str(), status.as_u16());
        app.metrics.record(Answered { operation, method, status, duration, request_bytes, answer_bytes });
    }
    line.write(status.as_u16(), duration, failure.as_ref().map(|(code, reason)| (code.as_str(), reason.as_str())));
    answer
}

/// Does the work of an operation in a span. What has no operation is asked by balancers and monitors every few seconds.
fn traced<'a, T: 'a>(
    app: &App,
    operation: Option<Operation>,
    headers: &HeaderMap,
    work: impl Future<Output = T> + 'a,
) -> impl Future<Output = T> + 'a {
    const OFF: &Tracer = &Tracer::off();
    let tracer = if operation.is_some() { &app.tracer } else { OFF };
    tracer.request(Asked { name: operation.map_or("", Operation::as_str), traceparent: given(headers) }, work)
}

/// Takes some more of what a client sends and throws it away, so that it lives to read its answer: a connection closed
/// with unread data is reset, and the answer lost. Over HTTP/2 a stream is, too, and not every client (curl 7.88) then
/// reads what it was answered.
fn discard<B>(mut body: B, most_bytes: usize, longest: Duration)
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    let draining = async move {
        let mut left = most_bytes;
        while let Some(Ok(frame)) = body.frame().await {
            match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                Some(less) => left = less,
                None => return,
            }
        }
    };
    tokio::spawn(tokio::time::timeout(longest, draining));
}

/// What the log tells of a request: never a token, never a body, and of the query nothing.
struct RequestLine {
    id: String,
    protocol: Version,
    method: Method,
    operation: Option<Operation>,
    subject: (String, String),
    version: String,
    client: IpAddr,
}

impl RequestLine {
    /// The same for whoever looks at the trace, but for the address and the reason, which may quote the client.
    fn note_on_span(&self, status: u16, code: Option<&'static str>) {
        note("bulla.request", || self.id.as_str());
        note("http.request.method", || self.method.as_str());
        note("http.response.status_code", || i64::from(status));
        note("bulla.outcome", || code.unwrap_or("ok"));
        let (gun, role) = &self.subject;
        for (key, value) in [("bulla.gun", gun), ("bulla.role", role), ("bulla.version", &self.version)] {
            if !value.is_empty() {
                note(key, || value.as_str());
            }
        }
        if status >= 500 {
            failed();
        }
    }

    fn write(&self, status: u16, duration: Duration, failure: Option<(&str, &str)>) {
        let operation = self.operation.map_or("", Operation::as_str);
        let (gun, role, version, client) = (&self.subject.0, &self.subject.1, &self.version, self.client);
        let (code, reason) = failure.unwrap_or_default();
        let (microseconds, protocol) = (duration.as_micros(), self.protocol);
        if status >= 500 {
            error!(request = self.id, ?protocol, method = %self.method, operation, gun, role, version, %client, status, microseconds, code, reason, "request failed");
        } else {
            info!(request = self.id, ?protocol, method = %self.method, operation, gun, role, version, %client, status, microseconds, code, reason, "request answered");
        }
    }
}
