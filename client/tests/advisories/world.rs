//! A repository of which an attacker may hold any key, the server that shows it, and a reader with a cache.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;

use async_trait::async_trait;
use bulla::cache::Cache;
use bulla::paths::TrustDirectory;
use bulla::remote::{Part, Remote, RemoteError};
use bulla::trust::{Offline, UpdateError, update};
use bytes::Bytes;
use ring::rand::SystemRandom;
use tuf_schema::model::{DelegatedRole, Delegations, FileMeta, KeyGrant, Snapshot, Targets, Timestamp};
use tuf_schema::sign::SecretKey;
use tuf_schema::testing::{Publisher, root_key, secret_key, signed};
use tuf_schema::verify::chain::{ChainError, DocumentName, Trusted};
use tuf_schema::version::Version;
use tuf_schema::{BaseRole, DelegationName, Gun, PublicKey, Role, Sha256, SigningKey as _, UtcTime};

pub(crate) fn gun() -> Gun {
    Gun::parse("registry.test:5000/team/app").unwrap()
}

pub(crate) fn now() -> UtcTime {
    UtcTime::parse("2026-11-22T00:00:00Z").unwrap()
}

pub(crate) fn version(number: i64) -> Version {
    Version::new(number).unwrap()
}

/// The delegation that every repository here has.
pub(crate) fn bob() -> Role {
    Role::Delegation(bob_name())
}

fn bob_name() -> DelegationName {
    DelegationName::parse("targets/bob").unwrap()
}

/// What a server shows, by name, and what was asked for.
#[derive(Default)]
pub(crate) struct Server {
    pub(crate) shown: Mutex<BTreeMap<String, Bytes>>,
    pub(crate) asked: Mutex<Vec<DocumentName>>,
}

impl Server {
    /// Shows a document under all of its names.
    pub(crate) fn show(&self, role: &Role, number: Version, bytes: &Bytes) {
        let mut shown = self.shown.lock().unwrap();
        let digest = Sha256::of(bytes);
        for name in [format!("{role}.json"), format!("{role}.{digest}.json"), format!("{number}.{role}.json")] {
            shown.insert(name, bytes.clone());
        }
    }

    /// What it shows for a role now.
    pub(crate) fn current(&self, role: &Role) -> Bytes {
        self.shown.lock().unwrap()[&format!("{role}.json")].clone()
    }

    /// Shows something else under the name by which readers ask for the current document.
    pub(crate) fn exchange(&self, role: &Role, bytes: &Bytes) {
        let digest = Sha256::of(&self.current(role));
        let mut shown = self.shown.lock().unwrap();
        shown.insert(format!("{role}.{digest}.json"), bytes.clone());
        shown.insert(format!("{role}.json"), bytes.clone());
    }
}

#[async_trait]
impl Remote for Server {
    async fn fetch(&self, name: &DocumentName, cap: u64) -> Result<Option<Vec<u8>>, RemoteError> {
        self.asked.lock().unwrap().push(name.clone());
        match self.shown.lock().unwrap().get(&name.to_string()) {
            // As over https: one byte more than may come ends it.
            Some(bytes) if bytes.len() as u64 > cap => Err(RemoteError::TooLong { most: cap }),
            found => Ok(found.map(|bytes| bytes.to_vec())),
        }
    }

    async fn server_key(&self, _: BaseRole) -> Result<PublicKey, RemoteError> {
        Err(RemoteError::Status(404))
    }

    async fn rotate_server_key(&self, _: BaseRole) -> Result<PublicKey, RemoteError> {
        Err(RemoteError::Status(404))
    }

    async fn delete_all(&self) -> Result<(), RemoteError> {
        Err(RemoteError::Status(404))
    }

    async fn publish(&self, _: Vec<Part>) -> Result<(), RemoteError> {
        Err(RemoteError::Status(404))
    }
}

/// A repository with all of its keys.
pub(crate) struct Repository {
    pub(crate) publisher: Publisher,
    pub(crate) snapshot_key: SecretKey,
    pub(crate) timestamp_key: SecretKey,
    pub(crate) bob_key: SecretKey,
    /// What the delegation lists.
    pub(crate) bob: Targets,
    /// The version of the next snapshot and timestamp.
    pub(crate) number: i64,
    /// The last root that was signed: signatures are random.
    root: Option<(Version, Bytes)>,
}

/// Changes a document after it was signed and before it is listed.
pub(crate) type Forge<'a> = &'a dyn Fn(&Repository, &Role, Bytes) -> Bytes;

/// No document is changed.
pub(crate) fn honest(_: &Repository, _: &Role, bytes: Bytes) -> Bytes {
    bytes
}

impl Repository {
    pub(crate) fn new() -> Self {
        let (snapshot_key, timestamp_key, bob_key) = (secret_key(), secret_key(), secret_key());
        let mut publisher = Publisher::new(&gun(), snapshot_key.public(), timestamp_key.public(), now());
        publisher.tag("1", b"one");
        let mut bob = publisher.targets.clone();
        bob.targets.clear();
        publisher.targets.delegations = Delegations {
            keys: BTreeMap::from([(bob_key.public().id().clone(), bob_key.public().clone())]),
            roles: vec![DelegatedRole {
                name: bob_name(),
                key_ids: vec![bob_key.public().id().clone()],
                threshold: std::num::NonZeroU32::MIN,
                paths: vec![String::new()],
            }],
        };
        Self { publisher, snapshot_key, timestamp_key, bob_key, bob, number: 1, root: None }
    }

    /// Publishes the next versions of everything.
    pub(crate) fn publish(&mut self, server: &Server) {
        self.publish_with(server, &|_, _| {}, &honest);
    }

    /// The same with a snapshot and timestamp that are changed before they are signed, and documents that are after.
    pub(crate) fn publish_with(
        &mut self,
        server: &Server,
        adjust: &dyn Fn(&mut Snapshot, &mut Timestamp),
        forge: Forge<'_>,
    ) {
        let number = version(self.number);
        self.number += 1;
        let expires = self.publisher.root.expires;
        let mut meta = BTreeMap::new();
        for (role, bytes, own) in [
            (Role::Root, self.root_bytes(), self.publisher.root.version),
            (Role::Targets, self.publisher.targets_bytes(), self.publisher.targets.version),
            (bob(), signed(&self.bob, &[&self.bob_key]), self.bob.version),
        ] {
            let bytes = forge(self, &role, bytes);
            server.show(&role, own, &bytes);
            meta.insert(role, FileMeta::of(&bytes));
        }
        let mut snapshot = Snapshot { version: number, expires, meta };
        let mut timestamp = Timestamp { version: number, expires, snapshot: FileMeta::of(b"") };
        adjust(&mut snapshot, &mut timestamp);
        let bytes = forge(self, &Role::Snapshot, signed(&snapshot, &[&self.snapshot_key]));
        server.show(&Role::Snapshot, number, &bytes);
        // Unless a test has it say something else.
        if timestamp.snapshot == FileMeta::of(b"") {
            timestamp.snapshot = FileMeta::of(&bytes);
        }
        let bytes = forge(self, &Role::Timestamp, signed(&timestamp, &[&self.timestamp_key]));
        server.show(&Role::Timestamp, number, &bytes);
    }

    fn root_bytes(&mut self) -> Bytes {
        let version = self.publisher.root.version;
        if let Some((_, bytes)) = self.root.as_ref().filter(|(signed, _)| *signed == version) {
            return bytes.clone();
        }
        let bytes = self.publisher.root_bytes();
        self.root = Some((version, bytes.clone()));
        bytes
    }

    /// Goes on to a root under another key, signed by both.
    pub(crate) fn rotate_root(&mut self) {
        let old = std::mem::replace(&mut self.publisher.root_key, root_key(&gun(), now()));
        let new = self.publisher.root_key.public().clone();
        let root = &mut self.publisher.root;
        root.version = root.version.next().unwrap();
        root.keys.insert(new.id().clone(), new.clone());
        root.root = KeyGrant::single(new.id().clone());
        self.root = Some((root.version, signed(root, &[&self.publisher.root_key, &old])));
    }

    /// Goes on to the next version of root with the same keys.
    pub(crate) fn next_root(&mut self) {
        let root = &mut self.publisher.root;
        root.version = root.version.next().unwrap();
    }

    /// Goes on to the next versions of targets and of the delegation.
    pub(crate) fn next_targets(&mut self) {
        self.publisher.next_targets();
        self.bob.version = self.bob.version.next().unwrap();
    }
}

/// A reader with a trust directory.
pub(crate) struct Reader(tempfile::TempDir);

impl Reader {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn cache(&self) -> Cache {
        Cache::new(TrustDirectory::new(self.0.path().to_owned()), gun())
    }

    pub(crate) async fn read(&self, server: &Server) -> Result<Trusted, UpdateError> {
        self.read_at(server, now()).await
    }

    pub(crate) async fn read_at(&self, server: &Server, now: UtcTime) -> Result<Trusted, UpdateError> {
        server.asked.lock().unwrap().clear();
        let (cache, rng) = (self.cache(), SystemRandom::new());
        let updated = update(&gun(), Ok(server), &cache, Offline::Refuse, now, &rng).await?;
        assert!(updated.not_kept.is_none());
        Ok(updated.trusted)
    }

    /// Why a reader refuses what a server shows, with every file as it was before.
    pub(crate) async fn refusal(&self, server: &Server) -> UpdateError {
        let before = self.files();
        let error = self.read(server).await.unwrap_err();
        assert_eq!(self.files(), before, "{error}");
        error
    }

    /// The same for whoever has read it before and for whoever is new.
    pub(crate) async fn refused(&self, server: &Server) -> ChainError {
        let new = chain_error(Self::new().refusal(server).await);
        let error = chain_error(self.refusal(server).await);
        assert_eq!(error.to_string(), new.to_string());
        error
    }

    /// Every file of the trust directory.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut directories = vec![self.0.path().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                } else {
                    files.insert(path.clone(), std::fs::read(path).unwrap());
                }
            }
        }
        files
    }

    /// The names of the cached documents.
    pub(crate) fn documents(&self) -> BTreeSet<String> {
        let place = self.cache().place();
        let name = |path: PathBuf| Some(path.strip_prefix(&place).ok()?.to_str()?.to_owned());
        self.files().into_keys().filter_map(name).collect()
    }
}

/// A repository, its server, and a reader who has read it.
pub(crate) async fn read_once() -> (Repository, Server, Reader) {
    let (mut repository, server, reader) = (Repository::new(), Server::default(), Reader::new());
    repository.publish(&server);
    reader.read(&server).await.unwrap();
    assert_eq!(reader.documents().len(), 5);
    (repository, server, reader)
}

/// The reason that the update gave.
pub(crate) fn chain_error(error: UpdateError) -> ChainError {
    match error {
        UpdateError::Chain(error) => error,
        other => ChainError::CachedRoot(Box::new(unexpected(&other))),
    }
}

#[expect(clippy::panic, reason = "a test fails where it stands")]
fn unexpected(error: &UpdateError) -> ChainError {
    panic!("{error}")
}
