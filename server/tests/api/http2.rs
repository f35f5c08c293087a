//! HTTP/2: the same answers and the same limits as over HTTP/1.1.

use std::sync::Arc;

use bulla_server::clock::{Clock as _, SystemClock};
use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use hyper::{Method, Request};
use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tuf_schema::Gun;
use tuf_schema::testing::Publisher;

use crate::repositories::server_key;
use crate::server::{Answer, BOUNDARY, Server, multipart};
use crate::tls::{Authority, authority, config, server_with};

const GUN: &str = "example.com/app";
const HTTP_2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// A server with TLS and these sections, and whom its certificate is from.
pub(crate) async fn server(sections: Value) -> (Server, Authority) {
    let authority = authority();
    (server_with(&authority, None, sections).await, authority)
}

/// A connection whose client asked for these protocols, from the address 127.0.0.`client`.
pub(crate) async fn connect(
    server: &Server,
    authority: &Authority,
    protocols: &[&[u8]],
    client: u8,
) -> TlsStream<TcpStream> {
    let mut config = config(authority, &TLS13, None).as_ref().clone();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = server.connect_from(client).await;
    // frames are small, and each is waited for
    stream.set_nodelay(true).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

/// A client with one connection.
struct Client(SendRequest<Bytes>);

impl Client {
    async fn connect(server: &Server, authority: &Authority) -> Self {
        Self::connect_from(server, authority, 1).await
    }

    async fn connect_from(server: &Server, authority: &Authority, client: u8) -> Self {
        let stream = connect(server, authority, &[HTTP_2], client).await;
        let (send, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Self(send)
    }

    /// Sends a head; what comes back is for the body and for the answer.
    async fn begin(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (ResponseFuture, SendStream<Bytes>) {
        let mut request = Request::builder().method(method).uri(format!("https://localhost{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut ready = self.0.clone().ready().await.unwrap();
        ready.send_request(request.body(()).unwrap(), false).unwrap()
    }

    async fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let (answer, mut body) = self.begin(Method::GET, path, headers).await;
        body.send_data(Bytes::new(), true).unwrap();
        whole(answer).await
    }

    /// An upload of which nothing was sent yet.
    async fn begin_upload(&mut self, gun: &str) -> (ResponseFuture, SendStream<Bytes>) {
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        self.begin(Method::POST, &format!("/v2/{gun}/_trust/tuf/"), &[("content-type", &content_type)]).await
    }

    async fn post(&mut self, gun: &str, body: Vec<u8>) -> Answer {
        let (answer, mut stream) = self.begin_upload(gun).await;
        stream.send_data(body.into(), true).unwrap();
        whole(answer).await
    }
}

async fn whole(answer: ResponseFuture) -> Answer {
    let (head, mut stream) = answer.await.unwrap().into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data.unwrap();
        body.extend_from_slice(&data);
        stream.flow_control().release_capacity(data.len()).unwrap();
    }
    let headers = head.headers.iter().filter(|(name, _)| *name != "date");
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    Answer { status: head.status.as_u16(), headers, body }
}

/// An upload of nothing, of this length.
fn padded(length: usize) -> Vec<u8> {
    let end = multipart(&[]);
    [" ".repeat(length - end.len() - 2).as_bytes(), b"\r\n", &end].concat()
}

#[tokio::test]
async fn who_asks_for_http2_gets_it_and_who_does_not_speaks_http_1_1() {
    let (server, authority) = server(json!({})).await;
    for (asked, agreed) in [
        (vec![HTTP_2, HTTP_1_1], Some(HTTP_2)),
        (vec![HTTP_1_1, HTTP_2], Some(HTTP_2)),
        (vec![HTTP_1_1], Some(HTTP_1_1)),
        (vec![], None),
    ] {
        let stream = connect(&server, &authority, &asked, 1).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed, "{asked:?}");
        if agreed != Some(HTTP_2) {
            let head = b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            assert_eq!(crate::server::exchange(stream, head).await.status, 200);
        }
    }
    assert_eq!(Client::connect(&server, &authority).await.get("/v2/", &[]).await.status, 200);
}

#[tokio::test]
async fn what_is_published_over_http2_is_read_with_tags_and_codings_as_over_http_1_1() {
    let (server, authority) = server(json!({})).await;
    let mut client = Client::connect(&server, &authority).await;
    let path = |file: &str| format!("/v2/{GUN}/_trust/tuf/{file}");
    let snapshot = server_key(&client.get(&path("snapshot.key"), &[]).await);
    let timestamp = server_key(&client.get(&path("timestamp.key"), &[]).await);
    let mut publisher = Publisher::new(&Gun::parse(GUN).unwrap(), &snapshot, &timestamp, SystemClock.now());
    for number in 0..1500 {
        publisher.tag(&format!("{number}-{}", "x".repeat(300)), b"content");
    }
    let targets = publisher.targets_bytes();
    assert!(targets.len() > 500_000, "more than a window and many pieces");
    let answer = client.post(GUN, multipart(&[("root", &publisher.root_bytes()), ("targets", &targets)])).await;
    assert_eq!((answer.status, answer.text()), (200, ""));

    let answer = client.get(&path("targets.json"), &[]).await;
    assert_eq!((answer.status, answer.body == targets), (200, true));
    assert_eq!(answer.header("content-length"), Some(targets.len().to_string().as_str()));
    let tag = answer.header("etag").unwrap();
    let held = client.get(&path("targets.json"), &[("if-none-match", tag)]).await;
    assert_eq!((held.status, held.header("etag"), held.body.len()), (304, Some(tag), 0));
    let packed = client.get(&path("targets.json"), &[("accept-encoding", "gzip")]).await;
    assert_eq!((packed.header("content-encoding"), &packed.body[..2]), (Some("gzip"), &[0x1f, 0x8b][..]));
    assert_ne!(packed.header("etag"), Some(tag));
    client.get("/v2/example.com/none/_trust/tuf/root.json", &[]).await.assert_refused(404, "METADATA_NOT_FOUND");
}

#[tokio::test]
async fn a_body_may_be_as_long_over_http2_and_the_first_byte_more_is_413() {
    let (server, authority) = server(json!({"limits": {"document_bytes": 300_000}})).await;
    let mut client = Client::connect(&server, &authority).await;
    client.post(GUN, padded(300_000)).await.assert_refused(400, "INVALID_UPDATE");
    client.post(GUN, padded(300_001)).await.assert_refused(413, "UPLOAD_TOO_LARGE");

    // a length that is promised is refused before the body comes, and what comes of it then is no mistake
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    let headers = [("content-type", content_type.as_str()), ("content-length", "300001")];
    let (answer, mut body) = client.begin(Method::POST, &format!("/v2/{GUN}/_trust/tuf/"), &headers).await;
    whole(answer).await.assert_refused(413, "UPLOAD_TOO_LARGE");
    body.send_data(padded(300_001).into(), true).unwrap();
    assert_eq!(client.get("/v2/", &[]).await.status, 200, "the connection goes on");
}

#[tokio::test]
async fn a_head_has_room_for_a_token_and_32_kibibytes_and_a_hundred_fields() {
    let (server, authority) = server(json!({"limits": {"token_bytes": 1024}})).await;
    let mut client = Client::connect(&server, &authority).await;
    // names, values and 32 bytes for each (RFC 9113, 6.5.2)
    let others: usize = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", "/v2/")]
        .map(|(name, value)| name.len() + value.len() + 32)
        .iter()
        .sum();
    // the library refuses a head of just that size
    let longest = 1024 + (32 << 10) - 1 - others - 1 - 32;
    for (length, status) in [(longest, 200), (longest + 1, 431)] {
        let (answer, _body) = client.begin(Method::GET, "/v2/", &[("x", &"y".repeat(length))]).await;
        assert_eq!(answer.await.unwrap().status().as_u16(), status, "{length}");
    }
    for (number, status) in [(100, 200), (101, 431)] {
        let names: Vec<String> = (0..number).map(|n| format!("x{n}")).collect();
        let fields: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "y")).collect();
        assert_eq!(client.get("/v2/", &fields).await.status, status, "{number}");
    }
}

#[tokio::test]
async fn a_request_beside_others_takes_the_place_of_a_connection() {
    // two of the four are held: by the connection, and by the one that is waited for
    let (server, authority) = server(json!({"limits": {"connections": 4}})).await;
    let mut client = Client::connect(&server, &authority).await;
    let mut held = Vec::new();
    for number in 0..3 {
        held.push(client.begin_upload(&format!("example.com/{number}")).await);
    }
    let refused = client.get("/v2/", &[]).await;
    refused.assert_refused(503, "UNAVAILABLE");
    assert_eq!((refused.detail(), refused.header("retry-after")), (json!("connections"), Some("5")));
    let (answer, mut body) = held.pop().unwrap();
    body.send_data(multipart(&[]).into(), true).unwrap();
    whole(answer).await.assert_refused(400, "INVALID_UPDATE");
    assert_eq!(client.get("/v2/", &[]).await.status, 200, "a place that was given back");
}

#[tokio::test]
async fn a_request_that_was_answered_keeps_its_place_while_its_body_comes() {
    let (server, authority) = server(json!({"limits": {"connections": 4, "document_bytes": 300_000}})).await;
    let mut client = Client::connect(&server, &authority).await;
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    let headers = [("content-type", content_type.as_str()), ("content-length", "300001")];
    let mut held = Vec::new();
    for _ in 0..3 {
        let (answer, body) = client.begin(Method::POST, &format!("/v2/{GUN}/_trust/tuf/"), &headers).await;
        whole(answer).await.assert_refused(413, "UPLOAD_TOO_LARGE");
        held.push(body);
    }
    client.get("/v2/", &[]).await.assert_refused(503, "UNAVAILABLE");
    held.pop().unwrap().send_data(padded(300_001).into(), true).unwrap();
    for attempt in 1.. {
        // until the server has read to the end of it
        if client.get("/v2/", &[]).await.status == 200 {
            break;
        }
        assert!(attempt < 1000, "the place was not given back");
    }
}

#[tokio::test]
async fn one_address_has_as_many_requests_at_once_as_connections() {
    let (server, authority) = server(json!({"limits": {"connections": 10, "connections_per_address": 2}})).await;
    let mut client = Client::connect(&server, &authority).await;
    let _held = [client.begin_upload("example.com/0").await, client.begin_upload("example.com/1").await];
    let refused = client.get("/v2/", &[]).await;
    refused.assert_refused(429, "TOOMANYREQUESTS");
    let detail = "other requests from this address hold its share of the connections; try again later";
    assert_eq!((refused.detail(), refused.header("retry-after")), (json!(detail), Some("5")));
    let mut other = Client::connect_from(&server, &authority, 2).await;
    assert_eq!(other.get("/v2/", &[]).await.status, 200);
}

#[tokio::test]
async fn a_server_that_stops_lets_requests_end_and_takes_no_more() {
    let (mut server, authority) = server(json!({})).await;
    let mut client = Client::connect(&server, &authority).await;
    let (answer, mut body) = client.begin_upload(GUN).await;
    assert_eq!(client.get("/v2/", &[]).await.status, 200, "the upload came before");
    server.begin_to_stop();
    // until the server has said so
    while let Ok(mut ready) = client.0.clone().ready().await {
        let request = Request::builder().uri("https://localhost/v2/").body(()).unwrap();
        let Ok((next, _)) = ready.send_request(request, true) else { break };
        if next.await.is_err() {
            break;
        }
    }
    body.send_data(multipart(&[]).into(), true).unwrap();
    whole(answer).await.assert_refused(400, "INVALID_UPDATE");
    server.ended().await.unwrap();
}
