//! Answers, recorded and found, and when two of them mean the same.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: BTreeMap<String, String>,
    pub(super) body: String,
}

/// From the hash of a document that the reference made to that of the one that this server made in its place.
#[derive(Default)]
pub(super) struct Hashes(BTreeMap<String, String>);

impl Answer {
    /// None of no bytes.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        // the token service's answers were written down in another form; nobody compares them
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
        let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        let headers: BTreeMap<String, String> = lines.filter_map(header).collect();
        let is_chunked = headers.get("transfer-encoding").is_some_and(|value| value == "chunked");
        let body = if is_chunked { unchunked(body) } else { body.to_owned() };
        Some(Self { status, headers, body })
    }

    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.body).ok()
    }

    /// The code of the one error; empty without.
    pub(super) fn code(&self) -> String {
        self.json().and_then(|json| Some(json["errors"][0]["code"].as_str()?.to_owned())).unwrap_or_default()
    }

    /// Whether `found` means the same as this, which was recorded.
    pub(super) fn compare(&self, found: &Self) -> Result<(), String> {
        if self.status != found.status {
            return Err(format!("status {} and not {}", found.status, self.status));
        }
        for name in ["content-type", "location", "www-authenticate", "cache-control", "pragma", "allow"] {
            let (recorded, now) = (self.headers.get(name), found.headers.get(name));
            if recorded != now {
                return Err(format!("{name} is {now:?} and not {recorded:?}"));
            }
        }
        if self.headers.contains_key("last-modified") != found.headers.contains_key("last-modified") {
            return Err("last-modified".to_owned());
        }
        match (self.json(), found.json()) {
            (Some(recorded), Some(now)) if meaning(&recorded) == meaning(&now) => Ok(()),
            (None, None) if self.body.trim_end() == found.body.trim_end() => Ok(()),
            _ => Err("the body means something else".to_owned()),
        }
    }
}

impl Hashes {
    /// Compares what two timestamps say of their snapshots.
    pub(super) fn learn(&mut self, recorded: &Answer, found: &Answer) {
        let snapshot = |answer: &Answer| {
            let digest = answer.json()?["signed"]["meta"]["snapshot"]["hashes"]["sha256"].as_str()?.to_owned();
            Some(hex::encode(STANDARD.decode(digest).ok()?))
        };
        if let (Some(recorded), Some(found)) = (snapshot(recorded), snapshot(found)) {
            self.0.insert(recorded, found);
        }
    }

    /// The request, asking for our document where it asks for one that the reference made.
    pub(super) fn translate(&self, request: &[u8]) -> Vec<u8> {
        let Some(end) = request.iter().position(|byte| *byte == b'\r') else { return request.to_vec() };
        let (line, rest) = request.split_at(end);
        let mut line = String::from_utf8(line.to_vec()).unwrap();
        for (recorded, found) in &self.0 {
            line = line.replace(&format!("snapshot.{recorded}."), &format!("snapshot.{found}."));
        }
        [line.as_bytes(), rest].concat()
    }
}

/// What a document means, without what differs each time that a server makes one: signatures and dates of what the
/// server signs, the hash of its snapshot, and number, time and hash of changes to the repositories of the recordings.
fn meaning(document: &Value) -> Value {
    let mut meaning = document.clone();
    let kind = meaning["signed"]["_type"].as_str().unwrap_or_default().to_owned();
    if kind == "Timestamp" || kind == "Snapshot" {
        meaning["signed"]["expires"] = Value::Null;
        for signature in meaning["signatures"].as_array_mut().into_iter().flatten() {
            signature["sig"] = Value::Null;
        }
    }
    if kind == "Timestamp" {
        meaning["signed"]["meta"]["snapshot"] = Value::Null;
    }
    for record in meaning["records"].as_array_mut().into_iter().flatten() {
        let gun = record["GUN"].as_str().unwrap_or_default();
        if record["Category"] == "update" && (gun.starts_with("example.com/errors/") || gun.starts_with("m/")) {
            for member in ["ID", "CreatedAt", "SHA256"] {
                record[member] = Value::Null;
            }
        }
    }
    meaning
}

fn unchunked(body: &str) -> String {
    let mut whole = String::new();
    let mut rest = body;
    while let Some((length, tail)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            break;
        }
        whole.push_str(&tail[..length]);
        rest = &tail[length + 2..];
    }
    whole
}
