//! HTTP/2: a connection with several requests at once, within the limits that hold for HTTP/1.1.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tracing::debug;

use super::at_work::{AskedBody, Requests};
use super::door::Door;
use super::paced::{paced, refusal};
use crate::config::Limits;
use crate::http::{self, Answer, AnswerBody};

/// Requests of one connection at once. Fewer would slow clients down that count on a hundred (RFC 9113, 6.5.2), and more
/// would let one connection take the turns of many: each beside the first counts as a connection.
const MOST_STREAMS: u32 = 100;
/// Header fields of one request, as over HTTP/1.1. Compressed, thousands of them take a few kilobytes of the network.
const MOST_FIELDS: usize = 100;
/// Room for all of a head but the token. Less than over HTTP/1.1, as the head of one request may come while that of
/// another is at work.
const FIELDS_BYTES: usize = 32 << 10;
/// What a client may send of bodies that nobody reads yet, on all streams of a connection together.
const WINDOW_BYTES: u32 = 128 << 10;
/// What is taken of an answer before its receiver has room for it.
const SEND_BYTES: usize = 128 << 10;
/// The longest frame: the shortest bound that may be set (RFC 9113, 4.2).
const FRAME_BYTES: u32 = 16 << 10;
/// Requests that were reset before they were looked at, at one time; more end the connection (CVE-2023-44487).
const MOST_RESET_UNSEEN: usize = 20;
/// Streams that the client made us reset by mistakes of its own, in the life of a connection; more end it.
const MOST_MISTAKES: usize = 1024;

/// Serves one connection to its end.
pub(super) async fn talk<S>(door: Arc<Door>, mut stopping: watch::Receiver<()>, stream: S, peer: SocketAddr)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let requests = Requests::new(Arc::clone(&door), peer);
    let service = service_fn(|request: Request<Incoming>| {
        // before anything is awaited, so that requests that are taken back at once are counted, too
        let begun = requests.begin();
        let door = Arc::clone(&door);
        async move {
            Ok::<_, Infallible>(match begun {
                Ok(at_work) if request.headers().len() > MOST_FIELDS => {
                    paced(too_many_fields(), at_work, door.limits().request)
                }
                Ok(at_work) => {
                    let held = Arc::clone(&at_work);
                    let answer = door.answer(peer, request.map(|body| AskedBody::new(body, held))).await;
                    paced(answer, at_work, door.limits().request)
                }
                Err(reason) => {
                    debug!(%peer, ?reason, "no place for another request of a connection");
                    refusal(http::without_place(reason))
                }
            })
        }
    });
    let connection = builder(door.limits()).serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let mut is_closing = false;
    loop {
        // Time for a request, the wait for it included: frames that are none, such as pings, give no more of it. Who is
        // told that the connection ends has the time of a handshake to agree.
        let longest = if is_closing { door.limits().handshake } else { door.limits().header };
        tokio::select! {
            outcome = connection.as_mut() => {
                if let Err(error) = outcome {
                    debug!(%peer, %error, "connection ended");
                }
                return;
            }
            () = requests.broken_off() => return debug!(%peer, "connection broken off: answers not taken, or requests taken back"),
            () = requests.idle(longest) => if is_closing { return },
            _ = stopping.changed(), if !is_closing => {}
        }
        connection.as_mut().graceful_shutdown();
        is_closing = true;
    }
}

fn builder(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    let head_bytes = u32::try_from(limits.token_bytes.saturating_add(FIELDS_BYTES)).unwrap_or(u32::MAX);
    builder
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(head_bytes)
        .initial_connection_window_size(WINDOW_BYTES)
        .initial_stream_window_size(WINDOW_BYTES)
        .max_send_buf_size(SEND_BYTES)
        .max_frame_size(FRAME_BYTES)
        .max_pending_accept_reset_streams(MOST_RESET_UNSEEN)
        .max_local_error_reset_streams(MOST_MISTAKES);
    builder
}

/// What is said to a head with more fields than there may be, as over HTTP/1.1.
fn too_many_fields() -> Answer {
    let mut answer = Answer::new(AnswerBody::default());
    *answer.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    answer
}
