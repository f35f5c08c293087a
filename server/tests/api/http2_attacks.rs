//! HTTP/2 as no client speaks it: frames by hand, and how each connection ends that takes more than its share.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::http2::{connect, server};
use crate::server::Server;

/// How long a test waits for a frame before it fails.
const LONGEST: Duration = Duration::from_secs(120);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// `GET https://x/v2/`, compressed.
const PING: &[u8] = b"\x82\x87\x41\x01x\x44\x04/v2/";
/// `POST https://x/v2/a/b/_trust/tuf/`, compressed.
const UPLOAD: &[u8] = b"\x83\x87\x41\x01x\x44\x13/v2/a/b/_trust/tuf/\x5f\x1emultipart/form-data;boundary=b";

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING_FRAME: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

struct Raw {
    stream: TlsStream<TcpStream>,
    _server: Server,
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Raw {
    /// A connection on which nothing was said.
    async fn silent(sections: Value) -> Self {
        let (server, authority) = server(sections).await;
        Self { stream: connect(&server, &authority, &[b"h2"], 1).await, _server: server }
    }

    /// A connection whose client has these settings.
    async fn open(sections: Value, settings: &[u8]) -> Self {
        let mut raw = Self::silent(sections).await;
        raw.stream.write_all(PREFACE).await.unwrap();
        raw.send(SETTINGS, 0, 0, settings).await;
        raw
    }

    /// Sends a frame, if the connection is there still.
    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        if self.stream.write_all(&frame).await.is_ok() {
            let _may_be_closed = self.stream.flush().await;
        }
    }

    /// The next frame; `None` at the end of the connection.
    async fn next(&mut self) -> Option<Frame> {
        tokio::time::timeout(LONGEST, async {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.stream.read_exact(&mut payload).await.ok()?;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            Some(Frame { kind: head[3], flags: head[4], stream, payload })
        })
        .await
        .unwrap()
    }

    async fn next_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            match self.next().await? {
                frame if frame.kind == kind => return Some(frame),
                _ => {}
            }
        }
    }

    /// Waits until the server has read everything.
    async fn settle(&mut self) -> bool {
        self.send(PING_FRAME, 0, 0, &[0; 8]).await;
        self.next_of(PING_FRAME).await.is_some()
    }

    /// The reason that the connection ended for, where the server said one.
    async fn end(&mut self) -> Option<u32> {
        let mut reason = None;
        while let Some(frame) = self.next().await {
            if frame.kind == GOAWAY {
                reason = Some(code(&frame.payload[4..]));
            }
        }
        reason
    }
}

fn code(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[..4].try_into().unwrap())
}

#[tokio::test]
async fn a_hundred_requests_are_at_work_on_one_connection_and_the_next_is_refused() {
    let mut raw = Raw::open(json!({}), &[]).await;
    for number in 0..100 {
        raw.send(HEADERS, END_HEADERS, 2 * number + 1, UPLOAD).await;
    }
    assert!(raw.settle().await, "a hundred are let in, and none is answered");
    raw.send(HEADERS, END_HEADERS, 201, UPLOAD).await;
    let refused = raw.next_of(RST_STREAM).await.unwrap();
    assert_eq!((refused.stream, code(&refused.payload)), (201, REFUSED_STREAM));
    assert!(raw.settle().await, "the others go on");
}

#[tokio::test]
async fn requests_that_are_taken_back_at_once_end_the_connection() {
    let mut raw = Raw::open(json!({}), &[]).await;
    for number in 0..1000 {
        raw.send(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, PING).await;
        raw.send(RST_STREAM, 0, 2 * number + 1, &8_u32.to_be_bytes()).await;
    }
    assert!(matches!(raw.end().await, Some(ENHANCE_YOUR_CALM) | None));
}

#[tokio::test]
async fn a_client_may_take_back_a_hundred_requests_that_are_at_work_and_not_one_more() {
    let mut raw = Raw::open(json!({}), &[]).await;
    for number in 0..100 {
        raw.send(HEADERS, END_HEADERS, 2 * number + 1, UPLOAD).await;
        assert!(raw.settle().await);
        raw.send(RST_STREAM, 0, 2 * number + 1, &8_u32.to_be_bytes()).await;
        assert!(raw.settle().await, "{number}");
    }
    // one that is answered makes up for one of them
    raw.send(HEADERS, END_HEADERS | END_STREAM, 201, PING).await;
    raw.next_of(HEADERS).await.unwrap();
    for (stream, goes_on) in [(203, true), (205, false)] {
        raw.send(HEADERS, END_HEADERS, stream, UPLOAD).await;
        assert!(raw.settle().await);
        raw.send(RST_STREAM, 0, stream, &8_u32.to_be_bytes()).await;
        if goes_on {
            assert!(raw.settle().await, "{stream}");
        }
    }
    assert_eq!(raw.end().await, None, "it is not told, as it would be after a time without requests");
}

#[tokio::test]
async fn a_head_that_never_ends_ends_the_connection() {
    let mut raw = Raw::open(json!({}), &[]).await;
    raw.send(HEADERS, 0, 1, PING).await;
    for _ in 0..1000 {
        raw.send(CONTINUATION, 0, 1, b"\x40\x01x\x01y").await;
    }
    assert!(matches!(raw.end().await, Some(ENHANCE_YOUR_CALM) | None));
}

#[tokio::test]
async fn who_gives_an_answer_no_room_loses_the_connection() {
    let no_window = [0, 4, 0, 0, 0, 0];
    let mut raw = Raw::open(json!({"limits": {"request_seconds": 1}}), &no_window).await;
    raw.send(HEADERS, END_HEADERS | END_STREAM, 1, PING).await;
    assert_eq!(raw.next_of(HEADERS).await.unwrap().stream, 1);
    // other answers, and pings, are no reason to wait for longer
    let mut asked = 1;
    let waiting = async {
        while raw.settle().await {
            asked += 2;
            if asked < 150 {
                raw.send(HEADERS, END_HEADERS | END_STREAM, asked, PING).await;
            }
        }
    };
    tokio::time::timeout(LONGEST, waiting).await.unwrap();
}

#[tokio::test]
async fn a_connection_without_requests_ends_whatever_else_is_sent() {
    let mut raw = Raw::open(json!({"limits": {"header_seconds": 1, "handshake_seconds": 1}}), &[]).await;
    raw.send(HEADERS, END_HEADERS | END_STREAM, 1, PING).await;
    assert_eq!(raw.next_of(HEADERS).await.unwrap().stream, 1);
    let waiting = async {
        let mut is_told = false;
        loop {
            raw.send(PING_FRAME, 0, 0, &[0; 8]).await;
            match raw.next().await {
                Some(frame) => is_told |= frame.kind == GOAWAY,
                None => return is_told,
            }
        }
    };
    assert!(tokio::time::timeout(LONGEST, waiting).await.unwrap(), "the client is told first");
}

#[tokio::test]
async fn who_says_nothing_after_the_handshake_is_not_waited_for() {
    let mut raw = Raw::silent(json!({"limits": {"header_seconds": 1, "handshake_seconds": 1}})).await;
    while raw.next().await.is_some() {}
}

#[tokio::test]
async fn the_settings_say_what_a_client_may_do() {
    let mut raw = Raw::open(json!({}), &[]).await;
    let settings = raw.next_of(SETTINGS).await.unwrap();
    assert_eq!(settings.flags & ACK, 0);
    let settings: Vec<(u16, u32)> =
        settings.payload.chunks(6).map(|six| (u16::from_be_bytes([six[0], six[1]]), code(&six[2..]))).collect();
    // streams, window, longest head
    for setting in [(3, 100), (4, 128 << 10), (6, (64 + 32) << 10)] {
        assert!(settings.contains(&setting), "{setting:?} {settings:?}");
    }
}
