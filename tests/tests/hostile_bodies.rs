//! Bodies that are cut short, endless or malformed: a clear answer, bounded memory, nothing stored.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use e2e::http::{self, Answer, BOUNDARY};
use e2e::stack::{Kind, Stack};
use e2e::upload::Story;
use serde_json::json;

const MIB: u64 = 1 << 20;
const GIB: usize = 1 << 30;

/// What the server may grow by: the limit of one document and as much as a process breathes.
const GROWTH: u64 = 64 * MIB + 20 * MIB;

/// The total that `limits.upload_memory_bytes` sets in these stories.
const TOTAL: u64 = 128 * MIB;

fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{}", String::from_utf8_lossy(&answer.body));
    assert!(answer.body.len() <= 1000, "clients read no more than 1,000 bytes of an error");
}

#[tokio::test]
async fn an_upload_cut_at_any_position_is_malformed_and_leaves_nothing() {
    let stack = Stack::start(Kind::Memory).await.unwrap();
    let mut story = Story::published(stack.port(), "example.com/cut").await.unwrap();
    let before = story.state().await.unwrap();
    story.publisher.next_targets();
    let targets = story.publisher.targets_bytes();
    let whole = http::multipart(&[("targets", &targets)]);
    // The line feed after the closing boundary, and the dashes' own line end, may be missing (RFC 2046, 5.1.1).
    let needed = whole.len() - "\r\n".len();
    for cut in 0..needed {
        let answer = http::post(story.port, story.gun(), &whole[..cut]).await.unwrap();
        assert_eq!(answer.status, 400, "cut at {cut} of {needed}: {}", String::from_utf8_lossy(&answer.body));
        let code = answer.code();
        assert!(matches!(code.as_str(), "MALFORMED_UPLOAD" | "NO_FILENAME"), "cut at {cut}: {code}");
    }
    assert_eq!(story.state().await.unwrap(), before);
    assert_eq!(http::post(story.port, story.gun(), &whole).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_connection_that_closes_before_its_length_stores_nothing() {
    let stack = Stack::start(Kind::Memory).await.unwrap();
    let mut story = Story::published(stack.port(), "example.com/short").await.unwrap();
    let before = story.state().await.unwrap();
    story.publisher.next_targets();
    let whole = http::multipart(&[("targets", &story.publisher.targets_bytes())]);
    for part in [0, 1, whole.len() / 2, whole.len() - 1] {
        let head = http::upload_head(story.gun(), whole.len());
        // The answer, if there is one, reaches nobody: what counts is the store.
        let _ = http::send_and_close(story.port, &head, &whole[..part]).await;
    }
    assert_eq!(story.state().await.unwrap(), before);
    assert_eq!(http::post(story.port, story.gun(), &whole).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_body_without_boundary_is_malformed() {
    let stack = Stack::start(Kind::Memory).await.unwrap();
    let mut story = Story::published(stack.port(), "example.com/none").await.unwrap();
    let before = story.state().await.unwrap();
    for kind in ["multipart/form-data", "multipart/form-data; boundary=", "application/json", "text/plain"] {
        let head =
            format!("POST /v2/{}/_trust/tuf/ HTTP/1.1\r\nContent-Type: {kind}\r\nContent-Length: 2", story.gun());
        assert_refused(&http::send(story.port, &head, b"{}").await.unwrap(), 400, "MALFORMED_UPLOAD");
    }
    assert_eq!(story.state().await.unwrap(), before);
    assert_eq!(story.send_tag("after").await.unwrap().status, 200);
}

/// The four ways to send a gigabyte: with its length or in chunks, in one part or in 100,000.
async fn gigabyte(port: u16, gun: &str, chunked: bool, many_parts: bool) -> Answer {
    let part = if many_parts { 10_000 } else { 1 << 20 };
    let mut piece = http::part_head("targets").into_bytes();
    piece.resize(part, b' ');
    piece.extend_from_slice(b"\r\n");
    let first = http::part_head("targets");
    if !many_parts {
        piece = vec![b' '; part];
    }
    let times = GIB / piece.len();
    let length = if chunked {
        piece = [format!("{:x}\r\n", piece.len()).into_bytes(), piece, b"\r\n".to_vec()].concat();
        "Transfer-Encoding: chunked".to_owned()
    } else {
        format!("Content-Length: {}", times * piece.len() + first.len())
    };
    let head = format!(
        "POST /v2/{gun}/_trust/tuf/ HTTP/1.1\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n{length}"
    );
    let opening = if chunked { format!("{:x}\r\n{first}\r\n", first.len()) } else { first };
    let (answer, sent) = http::flood_after(port, &head, opening.as_bytes(), &piece, times).await.unwrap();
    assert!(sent < GIB as u64 / 2, "the server read {sent} bytes before it refused");
    answer
}

#[tokio::test]
async fn a_gigabyte_is_refused_in_bounded_memory_however_it_is_sent() {
    let stack = Stack::start(Kind::Memory).await.unwrap();
    let mut story = Story::published(stack.port(), "example.com/giant").await.unwrap();
    let before = story.state().await.unwrap();
    let base = stack.server.peak_memory().unwrap();
    for (chunked, many_parts) in [(false, false), (true, false), (false, true), (true, true)] {
        let answer = gigabyte(stack.port(), story.gun(), chunked, many_parts).await;
        assert!(matches!(answer.status, 413 | 400), "chunked {chunked}, many parts {many_parts}: {answer:?}");
        assert!(!answer.code().is_empty(), "{answer:?}");
        let growth = stack.server.peak_memory().unwrap() - base;
        assert!(growth < GROWTH, "chunked {chunked}, many parts {many_parts}: grew by {} MiB", growth / MIB);
    }
    assert_eq!(story.state().await.unwrap(), before);
    assert_eq!(story.send_tag("after").await.unwrap().status, 200);
}

#[tokio::test]
async fn eight_gigabytes_at_once_stay_below_the_configured_total() {
    let limits = json!({"upload_memory_bytes": TOTAL});
    let stack = Stack::start_with(Kind::Memory, limits).await.unwrap();
    let mut story = Story::published(stack.port(), "example.com/flood").await.unwrap();
    let base = stack.server.peak_memory().unwrap();
    let gun = story.gun().to_owned();
    // With a length the server refuses unread, in many parts at the parts' limit: all four ways at once.
    let floods = (0..8).map(|number: usize| {
        let (gun, port) = (gun.clone(), stack.port());
        let (chunked, many_parts) = (number != 0, number == 1);
        tokio::spawn(async move { gigabyte(port, &gun, chunked, many_parts).await })
    });
    let mut busy = 0;
    for flood in floods.collect::<Vec<_>>() {
        let answer = flood.await.unwrap();
        assert!(matches!(answer.status, 413 | 400 | 429 | 503), "{answer:?}");
        busy += usize::from(matches!(answer.status, 429 | 503));
    }
    assert!(busy > 0, "eight uploads of 64 MiB each fitted into {} MiB", TOTAL / MIB);
    let growth = stack.server.peak_memory().unwrap() - base;
    assert!(growth < TOTAL, "grew by {} MiB", growth / MIB);
    assert_eq!(story.send_tag("after").await.unwrap().status, 200);
}
