//! An upload by its meaning, and as bytes for one of the two sides.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::http::BOUNDARY;
use serde_json::{Map, Value, json};
use tuf_schema::json;

use crate::keys::{KeyName, Keys, ServerRole};
use crate::repository::{Repository, Root, Targets};
use crate::side::Place;

/// What a document says.
#[derive(Clone)]
pub(crate) enum Content {
    Root(Root),
    Targets(Targets),
    /// Lists every targets role of the repository, this many versions above the stored one.
    Snapshot {
        step: i64,
        expires: String,
    },
    /// This many versions above the stored one.
    Timestamp {
        step: i64,
        expires: String,
    },
}

/// A change of the part that is signed, before it is signed.
pub(crate) type Edit = Arc<dyn Fn(&mut Value) + Send + Sync>;
/// A change of the signatures.
pub(crate) type Tamper = Arc<dyn Fn(&mut Vec<Value>) + Send + Sync>;
/// A change of the finished bytes.
pub(crate) type Mark = Arc<dyn Fn(Vec<u8>) -> Vec<u8> + Send + Sync>;

/// One document of an upload.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) role: String,
    /// The header lines of the part.
    pub(crate) head: String,
    pub(crate) content: Content,
    pub(crate) signers: Vec<KeyName>,
    pub(crate) edits: Vec<Edit>,
    /// Edits that leave no place for others, so that they come last.
    pub(crate) last_edits: Vec<Edit>,
    pub(crate) tampers: Vec<Tamper>,
    pub(crate) marks: Vec<Mark>,
}

/// How a server's key is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// GET.
    Current,
    /// POST.
    Next,
}

/// An upload by its meaning.
#[derive(Clone)]
pub(crate) struct Draft {
    /// Another name than the repository's to send it to.
    pub(crate) gun: Option<String>,
    pub(crate) parts: Vec<Part>,
    pub(crate) content_type: Option<String>,
    /// Before the first boundary.
    pub(crate) preamble: &'static str,
    /// After the closing boundary.
    pub(crate) epilogue: &'static str,
    /// Only so many thousandths of the body are sent.
    pub(crate) cut: Option<usize>,
    /// Keys of the server that it needs.
    pub(crate) asks: Vec<(ServerRole, u32, Ask)>,
    /// The role that a break is about.
    pub(crate) subject: String,
    /// What the repository is once it is accepted.
    pub(crate) next: Repository,
}

/// A document as one side gets it.
#[derive(Debug, Clone)]
pub(crate) struct Sealed {
    pub(crate) role: String,
    pub(crate) bytes: Vec<u8>,
}

/// An upload as one side gets it.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) gun: String,
    pub(crate) content_type: Option<String>,
    pub(crate) documents: Vec<Sealed>,
    pub(crate) body: Vec<u8>,
    /// How long the body says it is.
    pub(crate) length: usize,
}

/// The header lines of a part, as the reference's client writes them.
pub(crate) fn head(file_name: &str) -> String {
    format!(
        "Content-Disposition: form-data; name=\"files\"; filename=\"{file_name}\"\r\n\
         Content-Type: application/octet-stream\r\n"
    )
}

/// The role that a part's header names; its document's own, when it names none.
fn named_role(part: &Part) -> String {
    let name = part.head.split_once("filename=\"").and_then(|(_, rest)| rest.split_once('"'));
    let name = name.map(|(name, _)| name.strip_suffix(".json").unwrap_or(name)).filter(|name| !name.is_empty());
    name.unwrap_or(&part.role).to_owned()
}

impl Part {
    pub(crate) fn new(role: &str, content: Content, signers: Vec<KeyName>) -> Self {
        let (edits, last_edits, tampers, marks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { role: role.to_owned(), head: head(role), content, signers, edits, last_edits, tampers, marks }
    }
}

impl Draft {
    pub(crate) fn new(next: Repository) -> Self {
        let content_type = Some(format!("multipart/form-data; boundary={BOUNDARY}"));
        let (parts, asks, subject) = (Vec::new(), Vec::new(), String::new());
        Self { gun: None, parts, content_type, preamble: "", epilogue: "", cut: None, asks, subject, next }
    }

    pub(crate) fn part(&mut self, role: &str) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| part.role == role)
    }

    /// Changes the part that is signed of the subject's document.
    pub(crate) fn edit(&mut self, change: impl Fn(&mut Value) + Send + Sync + 'static) {
        let subject = self.subject.clone();
        self.edit_of(&subject, change);
    }

    /// Changes the subject's document after all others that change it: to what has no members that they could change.
    pub(crate) fn edit_last(&mut self, change: impl Fn(&mut Value) + Send + Sync + 'static) {
        let subject = self.subject.clone();
        self.part(&subject).map(|part| part.last_edits.push(Arc::new(change))).unwrap_or_default();
    }

    pub(crate) fn edit_of(&mut self, role: &str, change: impl Fn(&mut Value) + Send + Sync + 'static) {
        self.part(role).map(|part| part.edits.push(Arc::new(change))).unwrap_or_default();
    }

    /// Changes the signatures of the subject's document.
    pub(crate) fn tamper(&mut self, change: impl Fn(&mut Vec<Value>) + Send + Sync + 'static) {
        let subject = self.subject.clone();
        self.part(&subject).map(|part| part.tampers.push(Arc::new(change))).unwrap_or_default();
    }

    /// Changes the bytes of the subject's document.
    pub(crate) fn mark(&mut self, change: impl Fn(Vec<u8>) -> Vec<u8> + Send + Sync + 'static) {
        let subject = self.subject.clone();
        self.part(&subject).map(|part| part.marks.push(Arc::new(change))).unwrap_or_default();
    }

    /// Replaces the first `from` in the bytes of the subject's document.
    pub(crate) fn replace(&mut self, from: &'static str, to: &'static str) {
        self.mark(move |bytes| String::from_utf8_lossy(&bytes).replacen(from, to, 1).into_bytes());
    }

    /// The upload as bytes for the side whose `place` this is.
    pub(crate) fn seal(&self, keys: &Keys, place: &Place) -> anyhow::Result<Sent> {
        let mut sealed: BTreeMap<usize, Sealed> = BTreeMap::new();
        // A snapshot lists the others and a timestamp lists the snapshot.
        let rank = |part: &Part| match part.content {
            Content::Root(_) | Content::Targets(_) => 0,
            Content::Snapshot { .. } => 1,
            Content::Timestamp { .. } => 2,
        };
        let mut order: Vec<_> = self.parts.iter().enumerate().collect();
        order.sort_by_key(|(_, part)| rank(part));
        for (at, part) in order {
            let mut known: BTreeMap<&str, &[u8]> = BTreeMap::new();
            known.extend(place.stored.iter().map(|(role, bytes)| (role.as_str(), bytes.as_slice())));
            known.extend(sealed.values().map(|done| (done.role.as_str(), done.bytes.as_slice())));
            let bytes = self.document(part, keys, place, &known)?;
            sealed.insert(at, Sealed { role: named_role(part), bytes });
        }
        let mut body = self.preamble.as_bytes().to_vec();
        for (part, document) in self.parts.iter().zip(sealed.values()) {
            body.extend_from_slice(format!("--{BOUNDARY}\r\n{}\r\n", part.head).as_bytes());
            body.extend_from_slice(&document.bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{BOUNDARY}--\r\n{}", self.epilogue).as_bytes());
        if let Some(thousandths) = self.cut {
            // At least the closing boundary is gone.
            let most = body.len().saturating_sub(self.epilogue.len() + BOUNDARY.len() + 4);
            body.truncate((body.len() * thousandths / 1000).min(most));
        }
        let gun = self.gun.clone().unwrap_or_else(|| self.next.gun.clone());
        let (content_type, length) = (self.content_type.clone(), body.len());
        Ok(Sent { gun, content_type, documents: sealed.into_values().collect(), body, length })
    }

    fn document(
        &self,
        part: &Part,
        keys: &Keys,
        place: &Place,
        known: &BTreeMap<&str, &[u8]>,
    ) -> anyhow::Result<Vec<u8>> {
        let key_of = |name: KeyName| match name {
            KeyName::Server(role, number) => {
                place.server_keys.get(&(role, number)).cloned().with_context(|| format!("{name:?} was not asked for"))
            }
            _ => keys.public(name),
        };
        let mut body = match &part.content {
            Content::Root(root) => root.body(&key_of)?,
            Content::Targets(targets) => targets.body(&key_of)?,
            Content::Snapshot { step, expires } => {
                let roles = self.next.targets.iter().filter(|(_, targets)| targets.version > 0);
                let roles = roles.map(|(role, _)| role.as_str()).chain(["root"]);
                let listed = roles.filter_map(|role| Some((role.to_owned(), listing(known.get(role)?))));
                let meta: Map<String, Value> = listed.collect();
                let version = place.version("snapshot") + step;
                json!({"_type": "Snapshot", "expires": expires, "meta": meta, "version": version})
            }
            Content::Timestamp { step, expires } => {
                let meta: Map<String, Value> =
                    known.get("snapshot").map(|bytes| ("snapshot".to_owned(), listing(bytes))).into_iter().collect();
                let version = place.version("timestamp") + step;
                json!({"_type": "Timestamp", "expires": expires, "meta": meta, "version": version})
            }
        };
        for edit in part.edits.iter().chain(&part.last_edits) {
            edit(&mut body);
        }
        // What has no canonical form is signed as it is; nobody gets so far as to check that.
        let message = json::canonical(&body).or_else(|_| serde_json::to_vec(&body))?;
        let mut signatures = Vec::new();
        for signer in &part.signers {
            signatures.push(keys.signature(*signer, &message)?);
        }
        for tamper in &part.tampers {
            tamper(&mut signatures);
        }
        let wire = |value: &Value| json::wire(value).or_else(|_| serde_json::to_vec(value));
        let mut bytes = b"{\"signed\":".to_vec();
        bytes.extend(wire(&body)?);
        bytes.extend(b",\"signatures\":");
        bytes.extend(wire(&Value::Array(signatures))?);
        bytes.extend(b"}");
        for mark in &part.marks {
            bytes = mark(bytes);
        }
        Ok(bytes)
    }
}

/// How snapshots and timestamps list a document.
fn listing(bytes: &[u8]) -> Value {
    let digest = |algorithm| STANDARD.encode(ring::digest::digest(algorithm, bytes));
    let (short, long) = (digest(&ring::digest::SHA256), digest(&ring::digest::SHA512));
    json!({"hashes": {"sha256": short, "sha512": long}, "length": bytes.len()})
}
