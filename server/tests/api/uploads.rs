//! Uploads that are cut, malformed, too large or too many: the exact refusal, and nothing stored.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::repositories::unpublished;
use crate::server::{BOUNDARY, Server, multipart};

const GUN: &str = "example.com/app";

async fn assert_nothing_was_stored(server: &Server) {
    server.get(&format!("/v2/{GUN}/_trust/tuf/root.json")).await.assert_refused(404, "METADATA_NOT_FOUND");
}

#[tokio::test]
async fn an_upload_cut_anywhere_is_malformed_and_stores_nothing() {
    let server = Server::start().await;
    let publisher = unpublished(&server, GUN).await;
    let whole = multipart(&[("root", &publisher.root_bytes()), ("targets", &publisher.targets_bytes())]);
    // the line end after the closing boundary is not needed
    let needed = whole.len() - 2;
    for end in (0..needed).filter(|end| end % 7 == 0 || needed - end < 100) {
        let answer = server.post(GUN, &whole[..end]).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "MALFORMED_UPLOAD"), "cut at {end}");
    }
    assert_nothing_was_stored(&server).await;
    assert_eq!(server.post(GUN, &whole).await.status, 200);
}

#[tokio::test]
async fn a_body_that_breaks_off_before_its_length_is_malformed() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    let head = format!(
        "POST /v2/{GUN}/_trust/tuf/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\
         Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n--{BOUNDARY}--\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    // a half-closed connection may get the answer or none, but never a publish
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&answer));
    assert_nothing_was_stored(&server).await;
}

#[tokio::test]
async fn a_role_that_comes_twice_is_named() {
    let server = Server::start().await;
    let publisher = unpublished(&server, GUN).await;
    let (root, targets) = (publisher.root_bytes(), publisher.targets_bytes());
    for second in ["targets", "targets.json"] {
        let body = multipart(&[("root", &root), ("targets", &targets), (second, &targets)]);
        let answer = server.post(GUN, &body).await;
        answer.assert_refused(400, "MALFORMED_UPLOAD");
        assert_eq!(answer.detail(), "the role targets is uploaded twice");
    }
    assert_nothing_was_stored(&server).await;
}

#[tokio::test]
async fn names_that_are_no_gun_are_refused_with_the_reason_and_read_as_missing() {
    let server = Server::start().await;
    let long = "a".repeat(256);
    for (name, reason) in [
        ("a%2F..%2Fb", "a GUN cannot contain the path segment \"..\""),
        ("a%2F%2Fb", "a GUN cannot contain the path segment \"\""),
        ("a%00b", "a GUN cannot contain '\\0'"),
        (long.as_str(), "a GUN has at most 255 characters, this one has 256"),
    ] {
        let answer = server.post(name, &multipart(&[])).await;
        answer.assert_refused(400, "INVALID_GUN");
        assert_eq!(answer.detail(), reason);
        for path in ["tuf/root.json", "tuf/timestamp.key", "changefeed?records=1"] {
            server.get(&format!("/v2/{name}/_trust/{path}")).await.assert_refused(404, "METADATA_NOT_FOUND");
        }
    }
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused_by_its_length_or_when_it_passes_it() {
    let limits = json!({"limits": {"document_bytes": 4096, "upload_memory_bytes": 10_000_000}});
    let server = Server::start_with(limits, &[]).await;
    let large = multipart(&[("root", &[b' '; 8192])]);
    let answer = server.post(GUN, &large).await;
    answer.assert_refused(413, "UPLOAD_TOO_LARGE");
    assert_eq!(answer.detail(), "the body is larger than 4096 bytes");

    let chunked = format!(
        "POST /v2/{GUN}/_trust/tuf/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\
         Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n{:x}\r\n",
        large.len()
    );
    let answer = server.send(&[chunked.as_bytes(), &large, b"\r\n0\r\n\r\n"].concat()).await;
    answer.assert_refused(413, "UPLOAD_TOO_LARGE");
    assert_nothing_was_stored(&server).await;
}

#[tokio::test]
async fn a_promised_gigabyte_is_refused_before_a_byte_of_it_came() {
    let server = Server::start().await;
    let head = format!(
        "POST /v2/{GUN}/_trust/tuf/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\
         Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
    );
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 413");
}

#[tokio::test]
async fn more_parts_than_allowed_are_refused() {
    let server = Server::start_with(json!({"limits": {"parts": 2}}), &[]).await;
    let publisher = unpublished(&server, GUN).await;
    let (root, targets) = (publisher.root_bytes(), publisher.targets_bytes());
    let three = multipart(&[("root", &root), ("targets", &targets), ("timestamp", b"{}")]);
    let answer = server.post(GUN, &three).await;
    answer.assert_refused(400, "MALFORMED_UPLOAD");
    assert_eq!(answer.detail(), "the body has more than 2 parts");
    let two = multipart(&[("root", &root), ("targets", &targets)]);
    assert_eq!(server.post(GUN, &two).await.status, 200);

    let many = multipart(&vec![("root", b"".as_slice()); 100_000]);
    server.post(GUN, &many).await.assert_refused(400, "MALFORMED_UPLOAD");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever_for_a_request_and_leaves_the_database_closed() {
    let database = tempfile::tempdir().unwrap();
    let path = database.path().join("server.db");
    let sections = json!({
        "trust_service": {"type": "local", "ephemeral": true}, "storage": {"backend": "sqlite", "db_url": path},
        "limits": {"stop_seconds": 1},
    });
    let mut server = Server::start_with(sections, &[]).await;
    let _unpublished = unpublished(&server, GUN).await;
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    let head = format!(
        "POST /v2/{GUN}/_trust/tuf/ HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\
         Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.read_exact(&mut [0; 25]).await.unwrap();
    server.begin_to_stop();
    server.ended().await.unwrap();
    // SQLite takes its log into the file when the last connection is closed
    assert!(path.is_file() && !database.path().join("server.db-wal").exists());
}

#[tokio::test]
async fn a_stop_lets_a_request_end() {
    let mut server = Server::start().await;
    let publisher = unpublished(&server, GUN).await;
    let body = multipart(&[("root", &publisher.root_bytes()), ("targets", &publisher.targets_bytes())]);
    let head = format!(
        "POST /v2/{GUN}/_trust/tuf/ HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\
         Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut going_on = [0; 25];
    stream.read_exact(&mut going_on).await.unwrap();
    assert_eq!(&going_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    server.begin_to_stop();
    stream.write_all(&body).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    server.ended().await.unwrap();
}
