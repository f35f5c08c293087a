//! The keys that sign: made by the signer ahead of the clock, and kept in a file from one run to the next.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::task::JoinSet;
use tuf_schema::key::{KeyType, PublicKey};
use tuf_schema::signature::{Signature, SignatureMethod};

use crate::connection::connect;
use crate::documents::Kind;
use crate::proto::CreateKeyRequest;
use crate::proto::key_management_client::KeyManagementClient;
use crate::{Algorithm, Target};

/// How many are made at once.
const MADE_AT_ONCE: usize = 16;

/// A key of the signer, and what is signed with it next.
#[derive(Debug)]
pub(crate) struct Key {
    /// The id by which the signer knows it.
    pub(crate) id: String,
    kind: Kind,
    public: PublicKey,
    version: AtomicU64,
}

impl Key {
    /// The next document.
    pub(crate) fn next_document(&self) -> Vec<u8> {
        self.kind.document(self.version.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether the key made a signature over a document.
    pub(crate) fn verifies(&self, document: &[u8], method: &str, signature: Vec<u8>) -> bool {
        let signature =
            Signature { key_id: self.public.id().clone(), method: SignatureMethod::parse(method), bytes: signature };
        self.public.verifies(document, &signature)
    }
}

/// Has the signer make keys, each for a repository of its own, of snapshot and timestamp in turn.
pub(crate) async fn make(
    target: &Target,
    number: usize,
    algorithm: Algorithm,
    repositories: &str,
) -> anyhow::Result<Vec<Key>> {
    let channel = connect(target).await?;
    let mut numbers = 0..number;
    let mut making = JoinSet::new();
    let mut made = Vec::with_capacity(number);
    loop {
        for number in numbers.by_ref().take(MADE_AT_ONCE.saturating_sub(making.len())) {
            let mut signer = KeyManagementClient::new(channel.clone());
            let kind = Kind::of_number(number);
            let request = CreateKeyRequest {
                algorithm: algorithm.name().to_owned(),
                gun: format!("{repositories}-{number}"),
                role: kind.role().to_owned(),
            };
            making.spawn(async move { (kind, signer.create_key(request).await) });
        }
        let Some(answer) = making.join_next().await else { break };
        let (kind, answer) = answer?;
        let public = answer.context("a key was not made")?.into_inner();
        let id = public.key_info.and_then(|info| info.key_id).context("the answer names no key")?.id;
        made.push(key(id, kind, algorithm.name(), public.public_key, 0)?);
    }
    Ok(made)
}

/// One key on each line: id, role, algorithm, public half.
pub(crate) fn write(file: &Path, keys: &[Key]) -> anyhow::Result<()> {
    let mut text = String::new();
    for Key { id, kind, public, .. } in keys {
        let encoded = STANDARD.encode(public.public_bytes());
        writeln!(text, "{id} {} {} {encoded}", kind.role(), public.key_type().name())?;
    }
    Ok(std::fs::write(file, text)?)
}

/// What [`write()`] wrote; each key's first document is of `first_version`.
pub(crate) fn read(file: &Path, first_version: u64) -> anyhow::Result<Vec<Key>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let line = |line: &str| {
        let mut words = line.split(' ');
        let mut word = || words.next().with_context(|| format!("{}: not a key: {line}", file.display()));
        let (id, role, algorithm, public) = (word()?, word()?, word()?, word()?);
        let kind = Kind::parse(role).with_context(|| format!("{role} is no role of a signer's key"))?;
        key(id.to_owned(), kind, algorithm, STANDARD.decode(public)?, first_version)
    };
    let keys = text.lines().map(line).collect::<anyhow::Result<Vec<_>>>()?;
    ensure!(!keys.is_empty(), "{} has no keys", file.display());
    Ok(keys)
}

fn key(id: String, kind: Kind, algorithm: &str, public: Vec<u8>, version: u64) -> anyhow::Result<Key> {
    let public = PublicKey::new(KeyType::parse(algorithm), public);
    ensure!(public.id().as_str() == id, "the id {id} is not that of its public key");
    Ok(Key { id, kind, public, version: AtomicU64::new(version) })
}
