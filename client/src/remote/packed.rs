//! Uploads in fewer bytes: one zstd frame, for a trust server that says that it takes it.

use std::io::Write as _;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use reqwest::multipart::Form;
use reqwest::{RequestBuilder, Response};
use zstd::stream::write::Encoder;

use super::auth::is_of;

/// What the coding is called, in what the server says and in what it is sent.
const CODING: &str = "zstd";
/// Documents that together have no more than this are sent as they are: a line needs little time for them.
pub(super) const SMALL_UPLOAD_BYTES: usize = 16 << 10;
/// Digests and signatures hardly pack better with more.
const LEVEL: i32 = 1;
/// The largest window: 2 MiB, of which a server may refuse more than 8 (RFC 9659).
const MAX_WINDOW_LOG: u32 = 21;

/// Whether a server says in its answer at `/v2/` that it takes packed uploads (RFC 7694).
pub(super) fn is_taken(ping: &Response, asked: &str) -> bool {
    let said = ping.headers().get_all(ACCEPT_ENCODING).iter().filter(|_| is_of(ping, asked));
    said.filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| coding.trim().eq_ignore_ascii_case(CODING))
}

/// An upload, packed. It can be sent any number of times.
pub(super) struct Packed {
    content_type: String,
    frame: Bytes,
}

impl Packed {
    /// Packs a form; `None` when its parts cannot be read, which those in memory always can.
    pub(super) async fn of(form: Form) -> Option<Self> {
        let content_type = format!("multipart/form-data; boundary={}", form.boundary());
        let pieces: Vec<Bytes> = form.into_stream().try_collect().await.ok()?;
        Some(Self { content_type, frame: frame(&pieces)? })
    }

    /// A request with this body.
    pub(super) fn body_of(&self, request: RequestBuilder) -> RequestBuilder {
        let request = request.header(CONTENT_TYPE, self.content_type.as_str()).header(CONTENT_ENCODING, CODING);
        request.body(self.frame.clone())
    }
}

/// One frame that says how long its content is, so that nobody needs more memory for it than that, and has a checksum.
fn frame(pieces: &[Bytes]) -> Option<Bytes> {
    let length = pieces.iter().fold(0_u64, |sum, piece| sum.saturating_add(piece.len() as u64));
    let mut encoder = Encoder::new(Vec::new(), LEVEL).ok()?;
    encoder.set_pledged_src_size(Some(length)).ok()?;
    encoder.include_checksum(true).ok()?;
    if length > 1 << MAX_WINDOW_LOG {
        encoder.window_log(MAX_WINDOW_LOG).ok()?;
    }
    for piece in pieces {
        encoder.write_all(piece).ok()?;
    }
    encoder.finish().ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tuf_schema::{Gun, Role};

    use super::*;
    use crate::credentials::Credentials;
    use crate::remote::http::HttpRemote;
    use crate::remote::{Action, Part, Remote as _, RemoteError, TrustServer};
    use crate::testing::{self, Scripted};
    use crate::tls::Scheme;
    use crate::tls::tests_support::client_of;

    const TAKEN: (&str, &str) = ("Accept-Encoding", "zstd");

    /// A server that says this at `/v2/`, and answers its uploads with these, the last one again and again.
    async fn taking(status: &str, headers: &[(&str, &str)], uploads: &[String]) -> (Scripted, HttpRemote) {
        let (ping, uploads, count) = (testing::answer(status, headers, ""), uploads.to_vec(), AtomicUsize::new(0));
        let server = Scripted::start(move |line| {
            if line.starts_with("POST") {
                let number = count.fetch_add(1, Ordering::Relaxed).min(uploads.len() - 1);
                return uploads[number].clone();
            }
            ping.clone()
        })
        .await;
        let address = TrustServer::of_test(&format!("http://{}", server.address));
        let (client, gun) = (client_of(Scheme::PlainOnLoopback), Gun::parse("a.test/b").unwrap());
        let remote = HttpRemote::connect(client, &address, &gun, Credentials::Anonymous, Action::Admin).await.unwrap();
        (server, remote)
    }

    fn targets(bytes: usize) -> Vec<Part> {
        vec![Part { role: Role::Targets, bytes: vec![b'x'; bytes] }]
    }

    fn done() -> String {
        testing::answer("200 OK", &[], "")
    }

    /// Of each upload that came, whether it was packed.
    fn were_packed(server: &Scripted) -> Vec<bool> {
        let requests = server.full_requests();
        let uploads = requests.iter().filter(|request| request.starts_with("POST"));
        uploads.map(|request| request.contains("content-encoding: zstd")).collect()
    }

    #[tokio::test]
    async fn a_large_upload_is_packed_where_the_server_says_that_it_takes_that_and_nowhere_else() {
        let basic = ("WWW-Authenticate", "Basic realm=\"x\"");
        for (status, headers, bytes, is_packed) in [
            ("200 OK", &[TAKEN][..], SMALL_UPLOAD_BYTES + 1, true),
            ("200 OK", &[TAKEN], SMALL_UPLOAD_BYTES, false),
            ("401 Unauthorized", &[TAKEN, basic], SMALL_UPLOAD_BYTES + 1, true),
            ("200 OK", &[("Accept-Encoding", "gzip, Zstd")], SMALL_UPLOAD_BYTES + 1, true),
            ("200 OK", &[("Accept-Encoding", "identity")], SMALL_UPLOAD_BYTES + 1, false),
            ("200 OK", &[("Accept-Encoding", "zstd;q=0")], SMALL_UPLOAD_BYTES + 1, false),
            ("200 OK", &[], SMALL_UPLOAD_BYTES + 1, false),
            ("401 Unauthorized", &[basic], SMALL_UPLOAD_BYTES + 1, false),
        ] {
            let (server, remote) = taking(status, headers, &[done()]).await;
            // a plain one may be larger than what the test's server reads
            let published = remote.publish(targets(bytes)).await;
            assert!(published.is_ok() || !is_packed, "{published:?}");
            assert_eq!(were_packed(&server), [is_packed], "{status} {headers:?} {bytes}");
        }
    }

    #[tokio::test]
    async fn what_is_announced_by_another_server_does_not_count() {
        let other = Scripted::start(|_| testing::answer("200 OK", &[TAKEN], "")).await;
        let elsewhere = format!("http://{}/v2/", other.address);
        let (server, remote) = taking("302 Found", &[("Location", &elsewhere)], &[done()]).await;
        let _ = remote.publish(targets(SMALL_UPLOAD_BYTES + 1)).await;
        assert_eq!(were_packed(&server), [false]);
    }

    #[tokio::test]
    async fn who_refuses_the_coding_is_sent_the_plain_upload_once_and_then_always() {
        let refused = testing::answer("415 Unsupported Media Type", &[], "");
        let (server, remote) = taking("200 OK", &[TAKEN], std::slice::from_ref(&refused)).await;
        let refusal = remote.publish(targets(SMALL_UPLOAD_BYTES + 1)).await;
        assert!(matches!(refusal, Err(RemoteError::Status(415) | RemoteError::Unreachable { .. })), "{refusal:?}");
        assert_eq!(were_packed(&server), [true, false]);
        let _ = remote.publish(targets(SMALL_UPLOAD_BYTES + 1)).await;
        assert_eq!(were_packed(&server), [true, false, false]);
    }

    #[tokio::test]
    async fn a_busy_server_is_sent_the_packed_upload_again_and_a_malformed_one_ends_it() {
        let busy = testing::answer("503 Service Unavailable", &[("Retry-After", "0")], "");
        let malformed = testing::answer("400 Bad Request", &[], r#"{"errors":[{"message":"m"}]}"#);
        let (server, remote) = taking("200 OK", &[TAKEN], &[busy, malformed]).await;
        let refusal = remote.publish(targets(SMALL_UPLOAD_BYTES + 1)).await;
        assert!(matches!(&refusal, Err(RemoteError::Rejected(why)) if why == "m"), "{refusal:?}");
        assert_eq!(were_packed(&server), [true, true]);
        let bodies: Vec<_> =
            server.full_requests().iter().filter_map(|r| Some(r.split_once("\r\n\r\n")?.1.to_owned())).collect();
        assert_eq!(bodies[1], bodies[2]);
    }

    #[tokio::test]
    async fn what_is_packed_is_the_form() {
        for bytes in [0, 1 << 17, 3 << 20] {
            let content: Bytes = (0..bytes).map(|n: u32| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
            let part = reqwest::multipart::Part::stream_with_length(content.clone(), content.len() as u64);
            let part = part.file_name("targets/releases").mime_str("application/octet-stream").unwrap();
            let packed = Packed::of(Form::new().part("files", part)).await.unwrap();
            let boundary = packed.content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
            let head = "Content-Disposition: form-data; name=\"files\"; filename=\"targets/releases\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n";
            let (start, end) = (format!("--{boundary}\r\n{head}"), format!("\r\n--{boundary}--\r\n"));
            let whole = [start.as_bytes(), &content, end.as_bytes()].concat();
            let length = zstd::zstd_safe::get_frame_content_size(&packed.frame).unwrap();
            assert_eq!(length, Some(whole.len() as u64));
            assert_eq!(zstd::stream::decode_all(packed.frame.as_ref()).unwrap(), whole);
        }
    }
}
