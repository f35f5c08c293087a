//! A stand-in for an image registry: enough of the distribution protocol to push and resolve a tag, in memory.
//!
//! Plain HTTP, one thread a connection, no authentication. Not for anything but the demonstration.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use ring::digest::{SHA256, digest};

const MAX_BODY_BYTES: usize = 16 << 20;

/// Serves until the process ends.
pub(crate) fn serve(port: u16) -> anyhow::Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let contents = Arc::new(Mutex::new(Contents::default()));
    for stream in listener.incoming() {
        let (stream, contents) = (stream?, Arc::clone(&contents));
        std::thread::spawn(move || converse(&stream, &contents));
    }
    Ok("the listener ended".to_owned())
}

#[derive(Default)]
struct Contents {
    /// By path: `/v2/NAME/blobs/DIGEST`, `/v2/NAME/manifests/TAG-OR-DIGEST`.
    stored: HashMap<String, Stored>,
    uploads: u64,
}

#[derive(Clone)]
struct Stored {
    media_type: String,
    bytes: Vec<u8>,
}

struct Request {
    method: String,
    path: String,
    query: String,
    media_type: String,
    body: Vec<u8>,
}

struct Answer {
    status: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

fn converse(stream: &TcpStream, contents: &Mutex<Contents>) -> anyhow::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader)? {
        let head_only = request.method == "HEAD";
        let answer = contents.lock().unwrap_or_else(PoisonError::into_inner).answer(request);
        write_answer(stream, &answer, head_only)?;
    }
    Ok(())
}

impl Contents {
    fn answer(&mut self, request: Request) -> Answer {
        let Request { method, path, query, media_type, body } = request;
        match method.as_str() {
            "GET" | "HEAD" if path == "/v2/" => Answer::empty("200 OK", vec![]),
            "GET" | "HEAD" => match self.stored.get(&path) {
                Some(stored) => Answer {
                    status: "200 OK",
                    headers: vec![
                        ("Content-Type", stored.media_type.clone()),
                        ("Docker-Content-Digest", sha256(&stored.bytes)),
                    ],
                    body: stored.bytes.clone(),
                },
                None => Answer::empty("404 Not Found", vec![]),
            },
            "POST" if path.ends_with("/blobs/uploads/") => {
                self.uploads += 1;
                Answer::empty("202 Accepted", vec![("Location", format!("{path}{}", self.uploads))])
            }
            "PUT" => {
                let digest = sha256(&body);
                let places = if let Some((name, _)) = path.split_once("/blobs/uploads/") {
                    if query.replace("%3A", ":") != format!("digest={digest}") {
                        return Answer::empty("400 Bad Request", vec![]);
                    }
                    vec![format!("{name}/blobs/{digest}")]
                } else if let Some((name, _)) = path.split_once("/manifests/") {
                    vec![format!("{name}/manifests/{digest}"), path]
                } else {
                    return Answer::empty("404 Not Found", vec![]);
                };
                for place in places {
                    self.stored.insert(place, Stored { media_type: media_type.clone(), bytes: body.clone() });
                }
                Answer::empty("201 Created", vec![("Docker-Content-Digest", digest)])
            }
            _ => Answer::empty("405 Method Not Allowed", vec![]),
        }
    }
}

impl Answer {
    fn empty(status: &'static str, headers: Vec<(&'static str, String)>) -> Self {
        Self { status, headers, body: Vec::new() }
    }
}

/// `None` when the client has closed the connection or does not speak HTTP.
fn read_request(reader: &mut impl BufRead) -> anyhow::Result<Option<Request>> {
    // a client that tries TLS first sends a byte that begins no method, and then waits
    if !reader.fill_buf()?.first().is_some_and(u8::is_ascii_uppercase) {
        return Ok(None);
    }
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (method, target) = words.next().zip(words.next()).context("no request line")?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        media_type: "application/octet-stream".to_owned(),
        body: Vec::new(),
    };
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse()?,
            "content-type" => value.trim().clone_into(&mut request.media_type),
            _ => {}
        }
    }
    anyhow::ensure!(length <= MAX_BODY_BYTES, "a body of {length} bytes");
    request.body.resize(length, 0);
    reader.read_exact(&mut request.body)?;
    Ok(Some(request))
}

fn write_answer(mut stream: &TcpStream, answer: &Answer, head_only: bool) -> io::Result<()> {
    let mut text = format!("HTTP/1.1 {}\r\nContent-Length: {}\r\n", answer.status, answer.body.len());
    for (name, value) in &answer.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    if !head_only {
        bytes.extend_from_slice(&answer.body);
    }
    stream.write_all(&bytes)
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(digest(&SHA256, bytes)))
}
