//! A server that answers updates in one, as it is told to, and a reader to whom it does.

use std::sync::Mutex;

use async_trait::async_trait;
use bulla::remote::{Part, Remote, RemoteError};
use bulla::trust::{Offline, UpdateError, update};
use bytes::Bytes;
use ring::rand::SystemRandom;
use serde_json::{Value, json};
use tuf_schema::model::Snapshot;
use tuf_schema::update_answer::Held;
use tuf_schema::verify::chain::{DocumentName, Trusted};
use tuf_schema::{BaseRole, PublicKey, Role, Sha256};

use crate::world::{Person, Server, add_signer, decode, gun};

/// One file of an answer: what its index says of it, and what is sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) role: String,
    pub(super) version: i64,
    pub(super) sha256: String,
    pub(super) length: usize,
    pub(super) base: Option<String>,
    pub(super) bytes: Vec<u8>,
}

impl Sent {
    pub(super) fn whole(role: &Role, document: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(document).unwrap();
        Self {
            role: role.to_string(),
            version: value["signed"]["version"].as_i64().unwrap(),
            sha256: Sha256::of(document).to_hex(),
            length: document.len(),
            base: None,
            bytes: document.to_vec(),
        }
    }

    pub(super) fn delta(role: &Role, document: &[u8], base: &[u8]) -> Self {
        let bytes = delta(document, base);
        Self { base: Some(Sha256::of(base).to_hex()), bytes, ..Self::whole(role, document) }
    }
}

/// What a document differs from another one in.
pub(super) fn delta(document: &[u8], base: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::with_ref_prefix(Vec::new(), 3, base).unwrap();
    std::io::Write::write_all(&mut encoder, document).unwrap();
    encoder.finish().unwrap()
}

/// The bytes of an answer, whether they are of the form or not.
pub(super) fn bytes(files: &[Sent]) -> Bytes {
    let listed = |sent: &Sent| {
        let (length, is_sent) = (sent.length, sent.bytes.len());
        let mut file = json!({
            "role": sent.role, "version": sent.version, "sha256": sent.sha256, "length": length, "sent": is_sent,
        });
        if let Some(base) = &sent.base {
            file["base"] = base.as_str().into();
        }
        file
    };
    let mut answer = json!({ "files": files.iter().map(listed).collect::<Vec<_>>() }).to_string().into_bytes();
    answer.push(b'\n');
    answer.extend(files.iter().flat_map(|sent| &sent.bytes));
    answer.into()
}

/// What an honest server sends.
pub(super) fn honest(server: &Server, held: &Held) -> Vec<Sent> {
    let state = server.state.lock().unwrap();
    let mut files = Vec::new();
    let newest = Sent::whole(&Role::Root, &state.current[&Role::Root]);
    let from = held.root.map_or(newest.version, |version| i64::from(version.number()) + 1);
    for version in from..newest.version {
        files.push(Sent::whole(&Role::Root, &state.served[&format!("{version}.root.json")]));
    }
    files.extend(Some(newest).filter(|newest| newest.version >= from));
    files.push(Sent::whole(&Role::Timestamp, &state.current[&Role::Timestamp]));
    let snapshot: Snapshot = decode(Role::Snapshot, &state.current[&Role::Snapshot]);
    let listed = snapshot.meta.keys().filter(|role| role.lists_targets());
    for role in std::iter::once(&Role::Snapshot).chain(listed) {
        let document = &state.current[role];
        let base = held.documents.get(role);
        if base == Some(&Sha256::of(document)) {
            continue;
        }
        let base = base.and_then(|base| state.served.get(&format!("{role}.{base}.json")));
        files.push(match base {
            Some(base) => Sent::delta(role, document, base),
            None => Sent::whole(role, document),
        });
    }
    files
}

/// What a server answers at once to whoever holds so much.
pub(super) type Answer<'a> = &'a (dyn Fn(&Held) -> Option<Bytes> + Sync);

/// A server that answers updates in one.
pub(super) struct AtOnce<'a> {
    pub(super) server: &'a Server,
    answer: Answer<'a>,
    asked: Mutex<Vec<String>>,
}

impl<'a> AtOnce<'a> {
    pub(super) fn new(server: &'a Server, answer: Answer<'a>) -> Self {
        Self { server, answer, asked: Mutex::default() }
    }

    /// What was asked for, with the digests of names left out.
    pub(super) fn asked(&self) -> Vec<String> {
        let without_digest =
            |name: &String| name.split('.').filter(|part| part.len() < 64).collect::<Vec<_>>().join(".");
        self.asked.lock().unwrap().iter().map(without_digest).collect()
    }
}

#[async_trait]
impl Remote for AtOnce<'_> {
    async fn fetch(&self, name: &DocumentName, cap: u64) -> Result<Option<Vec<u8>>, RemoteError> {
        self.asked.lock().unwrap().push(name.to_string());
        self.server.fetch(name, cap).await
    }

    async fn server_key(&self, role: BaseRole) -> Result<PublicKey, RemoteError> {
        self.server.server_key(role).await
    }

    async fn publish(&self, parts: Vec<Part>) -> Result<(), RemoteError> {
        self.asked.lock().unwrap().push("publish".into());
        self.server.publish(parts).await
    }

    async fn rotate_server_key(&self, role: BaseRole) -> Result<PublicKey, RemoteError> {
        self.server.rotate_server_key(role).await
    }

    async fn delete_all(&self) -> Result<(), RemoteError> {
        self.server.delete_all().await
    }

    fn answers_at_once(&self) -> bool {
        true
    }

    async fn lacking(&self, held: &Held, _: u64) -> Option<Bytes> {
        self.asked.lock().unwrap().push("at once".into());
        (self.answer)(held)
    }
}

/// A repository with a signer, in two states; the second one is served.
pub(super) struct Moved {
    pub(super) server: Server,
    pub(super) owner: Person,
    pub(super) bob: Person,
    old: Server,
}

impl Moved {
    pub(super) async fn new() -> Self {
        let (server, owner, bob) = (Server::new(), Person::new(), Person::new());
        owner.sign(&server, "1", b"one").await.unwrap();
        add_signer(&bob, &owner, &server, "bob", &[""]);
        for name in ["a", "b", "c", "d", "e"] {
            bob.sign(&server, name, name.as_bytes()).await.unwrap();
        }
        let old = Server::new();
        {
            let (state, mut kept) = (server.state.lock().unwrap(), old.state.lock().unwrap());
            (kept.served, kept.current) = (state.served.clone(), state.current.clone());
        }
        bob.sign(&server, "f", b"f").await.unwrap();
        Self { server, owner, bob, old }
    }

    /// Somebody who has read the first state.
    pub(super) async fn reader(&self) -> Person {
        let reader = Person::new();
        reader.read(&self.old).await.unwrap();
        reader
    }

    /// A server that serves the first state still.
    pub(super) fn before(&self) -> &Server {
        &self.old
    }

    /// A document of the first state.
    pub(super) fn old(&self, role: &Role) -> Vec<u8> {
        self.old.state.lock().unwrap().current[role].clone()
    }
}

/// What an update of the reader's ends with.
pub(super) async fn updated(reader: &Person, remote: &AtOnce<'_>) -> Result<Trusted, UpdateError> {
    let now = remote.server.now();
    let updated = update(&gun(), Ok(remote), &reader.cache(), Offline::Refuse, now, &SystemRandom::new()).await?;
    assert!(updated.not_kept.is_none());
    Ok(updated.trusted)
}

/// All that a reader believes, and what of it is new to it.
pub(super) fn believed(trusted: &Trusted) -> Vec<String> {
    let named = |role: &Role, document: &[u8]| format!("{role} {}", Sha256::of(document));
    let mut all = vec![
        named(&Role::Root, trusted.root().raw()),
        named(&Role::Timestamp, trusted.timestamp().raw()),
        named(&Role::Snapshot, trusted.snapshot().raw()),
    ];
    all.extend(trusted.walk().iter().map(|seen| named(seen.role, seen.document.raw())));
    all.extend(trusted.skipped().iter().map(|skipped| format!("skipped {}", skipped.role)));
    all.extend(trusted.fetched().map(|(role, _)| format!("new {role}")));
    all.push(format!("{:?}", trusted.reach()));
    all
}
