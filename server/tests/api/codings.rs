//! Uploads that are coded: what is announced, what is taken, and the exact refusal of everything else.

use serde_json::json;

use crate::repositories::unpublished;
use crate::server::{Server, multipart};

const GUN: &str = "example.com/app";

/// One frame with a checksum.
fn packed(content: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    std::io::Write::write_all(&mut encoder, content).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_packed_upload_stores_what_the_plain_one_would() {
    let server = Server::start().await;
    for (gun, coding) in [("example.com/a", "zstd"), ("example.com/b", "ZSTD"), ("example.com/c", "identity")] {
        let publisher = unpublished(&server, gun).await;
        let (root, targets) = (publisher.root_bytes(), publisher.targets_bytes());
        let body = multipart(&[("root", &root), ("targets", &targets)]);
        let sent = if coding == "identity" { body.clone() } else { packed(&body) };
        let answer = server.post_coded(gun, coding, &sent).await;
        assert_eq!((answer.status, answer.header("accept-encoding")), (200, None), "{}", answer.text());
        let stored = server.get(&format!("/v2/{gun}/_trust/tuf/targets.json")).await;
        assert_eq!(stored.body, targets);
    }
}

#[tokio::test]
async fn the_answer_to_a_ping_says_that_packed_uploads_are_taken_and_no_other_answer_does() {
    let server = Server::start().await;
    assert_eq!(server.get("/v2/").await.header("accept-encoding"), Some("zstd"));
    for path in ["/", "/v2", "/metrics", &format!("/v2/{GUN}/_trust/tuf/root.json")] {
        assert_eq!(server.get(path).await.header("accept-encoding"), None, "{path}");
    }
    let little = json!({"limits": {"document_bytes": 4096, "upload_memory_bytes": 10_000_000}});
    let little = Server::start_with(little, &[]).await;
    assert_eq!(little.get("/v2/").await.header("accept-encoding"), Some("identity"));
    let refused = little.post_coded(GUN, "zstd", &packed(&multipart(&[]))).await;
    refused.assert_refused(415, "UNSUPPORTED_CODING");
    assert_eq!(refused.header("accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn another_coding_is_refused_with_the_one_that_is_taken() {
    let server = Server::start().await;
    for coding in ["gzip", "zstd, zstd", "br, identity"] {
        let refused = server.post_coded(GUN, coding, &multipart(&[])).await;
        refused.assert_refused(415, "UNSUPPORTED_CODING");
        assert_eq!(refused.header("accept-encoding"), Some("zstd"));
        assert_eq!(refused.detail(), "the body is coded in a way that this server does not take");
    }
}

#[tokio::test]
async fn what_is_not_one_whole_frame_is_malformed_and_stores_nothing() {
    let server = Server::start().await;
    let publisher = unpublished(&server, GUN).await;
    let body = multipart(&[("root", &publisher.root_bytes()), ("targets", &publisher.targets_bytes())]);
    let frame = packed(&body);
    let mut checksum = frame.clone();
    *checksum.last_mut().unwrap() ^= 1;
    let window = [&[0x28, 0xb5, 0x2f, 0xfd, 0, (23 - 10) << 3 | 1][..], &[1, 0, 0]].concat();
    for (sent, why) in [
        (frame[..frame.len() - 1].to_vec(), "the body's zstd frame breaks off"),
        (Vec::new(), "the body's zstd frame breaks off"),
        ([frame.as_slice(), b"\n"].concat(), "the body goes on after its zstd frame"),
        ([frame.as_slice(), &frame].concat(), "the body goes on after its zstd frame"),
        (checksum, "the checksum of the body's zstd frame is another"),
        (window, "the window of the body's zstd frame is larger than 8388608 bytes"),
        (body.clone(), "the body is not the zstd frame that its coding says, or is damaged"),
    ] {
        let refused = server.post_coded(GUN, "zstd", &sent).await;
        refused.assert_refused(400, "MALFORMED_UPLOAD");
        assert_eq!(refused.detail(), why);
    }
    server.get(&format!("/v2/{GUN}/_trust/tuf/root.json")).await.assert_refused(404, "METADATA_NOT_FOUND");
    assert_eq!(server.post_coded(GUN, "zstd", &frame).await.status, 200);
}

#[tokio::test]
async fn a_body_that_unpacks_to_more_than_the_limit_is_refused_as_a_large_one_is() {
    let limits = json!({"limits": {"document_bytes": 65_536, "upload_memory_bytes": 67_108_864}});
    let server = Server::start_with(limits, &[]).await;
    for length in [65_537, 100 << 20] {
        let bomb = packed(&vec![b' '; length]);
        assert!(bomb.len() < 65_536, "{}", bomb.len());
        let refused = server.post_coded(GUN, "zstd", &bomb).await;
        refused.assert_refused(413, "UPLOAD_TOO_LARGE");
        assert_eq!(refused.detail(), "the body is larger than 65536 bytes");
    }
    // what is as large as it may be is read, and is no multipart body
    server.post_coded(GUN, "zstd", &packed(&[b' '; 65_536])).await.assert_refused(400, "MALFORMED_UPLOAD");
}
