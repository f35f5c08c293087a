//! Plain HTTP requests whose every byte a story decides.

use anyhow::Context as _;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The head as text.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// `code` of the one error in the body; empty when there is no such body.
    #[must_use]
    pub fn code(&self) -> String {
        let errors = self.json()["errors"].clone();
        let single = errors.as_array().filter(|list| list.len() == 1).and_then(|list| list.first());
        single.and_then(|e| e["code"].as_str()).unwrap_or_default().to_owned()
    }

    /// `detail` of the one error in the body.
    #[must_use]
    pub fn detail(&self) -> Value {
        self.json().pointer("/errors/0/detail").cloned().unwrap_or_default()
    }

    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        let split = bytes.windows(4).position(|w| w == b"\r\n\r\n").context("the answer has no head")?;
        let (head, rest) = bytes.split_at(split);
        let head = String::from_utf8(head.to_vec())?;
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        let body = rest.get(4..).unwrap_or_default().to_vec();
        Ok(Self { status, head, body })
    }
}

/// Sends `head` (request line and headers, without the empty line) and `body`, and reads until the server closes.
///
/// The answer may come before the whole body is sent; then the rest is not.
pub async fn send(port: u16, head: &str, body: &[u8]) -> anyhow::Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let (mut from, mut to) = stream.split();
    let write = async {
        to.write_all(format!("{head}\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes()).await?;
        to.write_all(body).await?;
        to.flush().await
    };
    let mut answer = Vec::new();
    let read = from.read_to_end(&mut answer);
    // A server that refuses early closes while the body is still on its way: what it said counts.
    let (_, read) = tokio::join!(write, read);
    if answer.is_empty() {
        read.context("no answer")?;
    }
    Answer::parse(&answer)
}

/// GET `path`.
pub async fn get(port: u16, path: &str) -> anyhow::Result<Answer> {
    send(port, &format!("GET {path} HTTP/1.1"), b"").await
}

/// POST an upload of `parts` (file name, bytes) into `gun`.
pub async fn publish(port: u16, gun: &str, parts: &[(&str, &[u8])]) -> anyhow::Result<Answer> {
    post(port, gun, &multipart(parts)).await
}

/// POST `body` as multipart with [`BOUNDARY`] into `gun`.
pub async fn post(port: u16, gun: &str, body: &[u8]) -> anyhow::Result<Answer> {
    send(port, &upload_head(gun, body.len()), body).await
}

/// The head of an upload of `length` bytes.
#[must_use]
pub fn upload_head(gun: &str, length: usize) -> String {
    format!(
        "POST /v2/{gun}/_trust/tuf/ HTTP/1.1\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n\
         Content-Length: {length}"
    )
}

/// The boundary of every upload; it occurs in no document.
pub const BOUNDARY: &str = "bulla-story-boundary";

/// A multipart body as the reference's client writes it.
#[must_use]
pub fn multipart(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, bytes) in parts {
        body.extend_from_slice(part_head(name).as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

/// What stands before the bytes of a part.
#[must_use]
pub fn part_head(name: &str) -> String {
    format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    )
}

/// Sends `head`, `opening`, and then `piece` again and again, `times` times or until the server closes; says what it
/// answered and how many bytes went out.
pub async fn flood_after(
    port: u16,
    head: &str,
    opening: &[u8],
    piece: &[u8],
    times: usize,
) -> anyhow::Result<(Answer, u64)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let (mut from, mut to) = stream.split();
    let mut sent = 0_u64;
    let write = async {
        to.write_all(format!("{head}\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes()).await?;
        to.write_all(opening).await?;
        for _ in 0..times {
            to.write_all(piece).await?;
            sent = sent.saturating_add(piece.len() as u64);
        }
        to.flush().await
    };
    let mut answer = Vec::new();
    let (_, read) = tokio::join!(write, from.read_to_end(&mut answer));
    if answer.is_empty() {
        read.context("no answer")?;
    }
    Ok((Answer::parse(&answer)?, sent))
}

/// Sends `head` and `body` and closes without waiting for an answer.
pub async fn send_and_close(port: u16, head: &str, body: &[u8]) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(format!("{head}\r\nHost: localhost\r\n\r\n").as_bytes()).await?;
    stream.write_all(body).await?;
    Ok(stream.shutdown().await?)
}
