//! One attempt: an event posted to its receiver, at an address that may be asked, by TLS that was verified.
//!
//! Nothing else is asked: no proxy and no place to which an answer leads. Of an answer only the status is read.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use super::address::is_public;
use super::event::Event;
use super::receiver::Equipment;
use super::url::WebhookUrl;

/// How long an attempt may take, from the look-up of the name to the status.
pub(super) const ATTEMPT: Duration = Duration::from_secs(10);

/// How many of the addresses of a name are tried.
const ADDRESSES: usize = 4;

/// How long the head of an answer may be, in bytes; its body is not read.
const ANSWER_HEAD_BYTES: usize = 16 << 10;

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Takes events to a receiver.
#[async_trait]
pub(super) trait Post: Send + Sync {
    /// One attempt, at the time `now` in seconds since 1970.
    async fn post(&self, event: &Event, now: i64) -> Result<(), PostError>;
}

/// Why an event was not taken. None of these tells the address that it was sent to.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    #[error("the receiver's name is not known: {}", .0.kind())]
    NoAddress(io::Error),
    #[error("the receiver is at an address of a private network or of this machine ({0}), and these are not allowed")]
    NotPublic(IpAddr),
    #[error("plain http is for a receiver on this machine, and this one is elsewhere ({0})")]
    Plain(IpAddr),
    #[error("the receiver cannot be reached: {}", .0.kind())]
    Unreachable(io::Error),
    #[error("the receiver's TLS cannot be trusted or used: {0}")]
    Tls(io::Error),
    #[error("the receiver did not answer as HTTP does: {0}")]
    Http(#[from] hyper::Error),
    #[error("the receiver answered {0}, and redirects are not followed")]
    Redirected(StatusCode),
    #[error("the receiver answered {0}")]
    Refused(StatusCode),
    #[error("the receiver did not answer within {} seconds", ATTEMPT.as_secs())]
    TimedOut,
    #[error("the event cannot be made a request: {0}")]
    Unsendable(#[from] hyper::http::Error),
}

/// The receiver of a webhook over HTTP.
pub(super) struct HttpPost {
    pub(super) url: WebhookUrl,
    pub(super) allows_private: bool,
    pub(super) equipment: Arc<Equipment>,
}

#[async_trait]
impl Post for HttpPost {
    async fn post(&self, event: &Event, now: i64) -> Result<(), PostError> {
        tokio::time::timeout(ATTEMPT, self.attempt(event, now)).await.unwrap_or(Err(PostError::TimedOut))
    }
}

impl HttpPost {
    async fn attempt(&self, event: &Event, now: i64) -> Result<(), PostError> {
        let request = self.request(event, now)?;
        let stream = self.connected().await?;
        let status = if self.url.is_tls {
            let name =
                ServerName::try_from(self.url.host.clone()).map_err(|error| PostError::Tls(io::Error::other(error)))?;
            let connector = TlsConnector::from(self.equipment.tls());
            asked(connector.connect(name, stream).await.map_err(PostError::Tls)?, request).await?
        } else {
            asked(stream, request).await?
        };
        match status {
            status if status.is_success() => Ok(()),
            status if status.is_redirection() => Err(PostError::Redirected(status)),
            status => Err(PostError::Refused(status)),
        }
    }

    fn request(&self, event: &Event, now: i64) -> Result<Request<Full<bytes::Bytes>>, PostError> {
        let signatures = self.equipment.signatures(&event.id, now, &event.body);
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.url.path_and_query.as_str())
            .header(HOST, &self.url.authority)
            .header(USER_AGENT, concat!("bulla-server/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(WEBHOOK_ID, &event.id)
            .header(WEBHOOK_TIMESTAMP, now)
            .header(WEBHOOK_SIGNATURE, signatures);
        Ok(request.body(Full::new(event.body.clone()))?)
    }

    /// A connection to one of the addresses of the receiver's name. The name is looked up once, and what was judged is what
    /// is connected to: a name that resolves to another address the next time leads nowhere else.
    async fn connected(&self) -> Result<TcpStream, PostError> {
        let found = lookup_host((self.url.host.as_str(), self.url.port)).await.map_err(PostError::NoAddress)?;
        let found: Vec<SocketAddr> = found.take(ADDRESSES).collect();
        let mut last = PostError::NoAddress(io::ErrorKind::NotFound.into());
        for address in found {
            match self.permitted(address.ip()) {
                Ok(()) => match TcpStream::connect(address).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => last = PostError::Unreachable(error),
                },
                Err(refused) => last = refused,
            }
        }
        Err(last)
    }

    fn permitted(&self, address: IpAddr) -> Result<(), PostError> {
        if !self.allows_private && !is_public(address) {
            return Err(PostError::NotPublic(address));
        }
        if !self.url.is_tls && !address.to_canonical().is_loopback() {
            return Err(PostError::Plain(address));
        }
        Ok(())
    }
}

/// The status of the answer.
async fn asked<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    request: Request<Full<bytes::Bytes>>,
) -> Result<StatusCode, PostError> {
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(ANSWER_HEAD_BYTES).handshake(TokioIo::new(stream)).await?;
    // Driven beside the question, and given up with it.
    tokio::pin!(connection);
    let answer = sender.send_request(request);
    tokio::pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => return Ok(answer?.status()),
        ended = &mut connection => ended?,
    }
    Ok(answer.await?.status())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tuf_schema::UtcTime;

    use super::*;
    use crate::config::{Subscription, WebhookConfig};
    use crate::webhooks::WebhookName;

    fn poster(url: &str, allows_private: bool) -> HttpPost {
        let directory = tempfile::tempdir().unwrap();
        let secret_file = directory.path().join("secret");
        std::fs::write(&secret_file, "a".repeat(24)).unwrap();
        let config = WebhookConfig {
            name: WebhookName::parse("builds").unwrap(),
            url: WebhookUrl::parse(url, true).unwrap(),
            secret_file,
            ca_file: None,
            subscription: Subscription { kinds: BTreeSet::new(), below: None },
            allows_private,
        };
        let (equipment, _) = Equipment::start(&config).unwrap();
        HttpPost { url: config.url, allows_private, equipment }
    }

    fn event() -> Event {
        let since = UtcTime::parse("2026-11-21T21:05:00Z").unwrap();
        Event { id: "evt_7".to_owned(), body: "{}".into(), since }
    }

    /// What the receiver was asked, and what came of its answer.
    async fn answered(answer: Vec<u8>) -> (String, Result<(), String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?x=y", listener.local_addr().unwrap());
        let receiver = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"{}") {
                stream.read_buf(&mut asked).await.unwrap();
            }
            // The other end may have heard enough.
            let _heard = stream.write_all(&answer).await;
            String::from_utf8(asked).unwrap()
        });
        let posted = poster(&url, true).post(&event(), 1_700_000_000).await;
        (receiver.await.unwrap(), posted.map_err(|error| error.to_string()))
    }

    #[tokio::test]
    async fn an_event_is_posted_with_its_id_the_time_and_a_signature() {
        let (asked, posted) = answered(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()).await;
        assert_eq!(posted, Ok(()));
        assert!(asked.starts_with("POST /hook?x=y HTTP/1.1\r\n"), "{asked}");
        for header in ["webhook-id: evt_7", "webhook-timestamp: 1700000000", "content-type: application/json"] {
            assert!(asked.contains(&format!("\r\n{header}\r\n")), "{asked}");
        }
        assert!(asked.contains("\r\nwebhook-signature: v1,"), "{asked}");
    }

    #[tokio::test]
    async fn what_is_no_success_is_no_delivery_and_a_redirect_is_not_followed() {
        let redirect = b"HTTP/1.1 307 x\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_vec();
        let said = answered(redirect).await.1.unwrap_err();
        assert_eq!(said, "the receiver answered 307 Temporary Redirect, and redirects are not followed");
        for status in ["410 Gone", "404 Not Found", "503 Service Unavailable"] {
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            assert_eq!(answered(answer.into_bytes()).await.1.unwrap_err(), format!("the receiver answered {status}"));
        }
    }

    #[tokio::test]
    async fn of_an_answer_the_status_counts_and_its_length_is_limited_before_it() {
        let endless = b"HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\nxxx".to_vec();
        assert_eq!(answered(endless).await.1, Ok(()));
        let head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(ANSWER_HEAD_BYTES));
        assert!(
            answered(head.into_bytes()).await.1.unwrap_err().starts_with("the receiver did not answer as HTTP does")
        );
        assert!(answered(b"SSH-2.0\r\n\r\n".to_vec()).await.1.is_err());
    }

    #[tokio::test]
    async fn this_machine_is_asked_only_where_that_is_allowed_however_it_is_named() {
        for url in [
            "https://127.0.0.1:1/",
            "https://localhost:1/",
            "https://[::1]:1/",
            "https://2130706433:1/",
            "https://0x7f.1:1/",
        ] {
            let refused = poster(url, false).post(&event(), 0).await.unwrap_err();
            assert!(matches!(refused, PostError::NotPublic(_)), "{url}: {refused}");
            let tried = poster(url, true).post(&event(), 0).await.unwrap_err();
            assert!(matches!(tried, PostError::Unreachable(_)), "{url}: {tried}");
        }
    }

    #[test]
    fn plain_http_goes_to_this_machine_and_nowhere_else() {
        let post = poster("http://receiver.example/", true);
        assert!(post.permitted("127.0.0.1".parse().unwrap()).is_ok());
        assert!(matches!(post.permitted("10.0.0.1".parse().unwrap()), Err(PostError::Plain(_))));
        assert!(matches!(post.permitted("1.1.1.1".parse().unwrap()), Err(PostError::Plain(_))));
    }
}
