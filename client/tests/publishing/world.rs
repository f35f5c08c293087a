//! A trust server in memory and people with trust directories.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;

use async_trait::async_trait;
use bulla::cache::Cache;
use bulla::config::EnvironmentPassphrases;
use bulla::image::Tag;
use bulla::keys::{KeyRole, Keyring, Passphrases, Prompt};
use bulla::paths::TrustDirectory;
use bulla::publish::{Edit, EditError, Pacing, PublishError, Published, Publisher, SignTags};
use bulla::registry::Manifest;
use bulla::remote::{Part, Remote, RemoteError};
use bulla::signers::SignersError;
use bulla::trust::{Offline, UpdateError, released, update};
use ring::rand::SystemRandom;
use tuf_schema::model::{DelegatedRole, FileMeta, Snapshot, Targets, Timestamp};
use tuf_schema::sign::{Passphrase, SecretKey};
use tuf_schema::testing::{secret_key, signed};
use tuf_schema::verify::chain::{DocumentName, Trusted};
use tuf_schema::verify::limits::MAX_DOCUMENT_BYTES;
use tuf_schema::version::Version;
use tuf_schema::{BaseRole, DelegationName, Dialect, Envelope, Gun, PublicKey, Role, Sha256, SigningKey as _, UtcTime};

pub(crate) fn gun() -> Gun {
    Gun::parse("registry.test:5000/team/app").unwrap()
}

pub(crate) fn now() -> UtcTime {
    UtcTime::parse("2026-11-22T00:00:00Z").unwrap()
}

pub(crate) fn tag(text: &str) -> Tag {
    Tag::parse(text).unwrap()
}

pub(crate) fn manifest(content: &[u8]) -> Manifest {
    Manifest { digest: Sha256::of(content), length: content.len() as u64 }
}

pub(crate) fn decode<M: tuf_schema::dialect::Document>(role: Role, bytes: &[u8]) -> M {
    let envelope = Envelope::parse(Dialect::Notary, bytes.to_vec().into()).unwrap();
    let document = envelope.decode::<M>(role).unwrap();
    M::decode(Dialect::Notary, document.role(), document.message()).unwrap()
}

/// A trust server that holds snapshot and timestamp keys, unless the root names a snapshot key of others.
pub(crate) struct Server {
    pub(crate) snapshot: SecretKey,
    pub(crate) timestamp: SecretKey,
    pub(crate) state: Mutex<State>,
    /// The time for the server and for all who talk to it.
    pub(crate) clock: Mutex<UtcTime>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) served: BTreeMap<String, Vec<u8>>,
    pub(crate) current: BTreeMap<Role, Vec<u8>>,
    pub(crate) posts: Vec<Vec<Part>>,
    /// How many publishes are still to be answered with a conflict.
    pub(crate) conflicts: usize,
    pub(crate) down: bool,
    /// What publishes are answered in place of being done.
    pub(crate) refusals: Vec<RemoteError>,
    /// What publishes are answered after they were done.
    pub(crate) lost_answers: Vec<RemoteError>,
    /// Whether publishes are answered with success and not done.
    pub(crate) forgets: bool,
    pub(crate) makes_no_keys: bool,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self { snapshot: secret_key(), timestamp: secret_key(), state: Mutex::default(), clock: Mutex::new(now()) }
    }

    pub(crate) fn now(&self) -> UtcTime {
        *self.clock.lock().unwrap()
    }

    pub(crate) fn store(&self, state: &mut State, parts: &[Part]) {
        for part in parts {
            state.current.insert(part.role.clone(), part.bytes.clone());
        }
        let number = i64::try_from(state.posts.len()).unwrap() + 1;
        if !parts.iter().any(|part| part.role == Role::Snapshot) {
            let listed = state.current.iter().filter(|(role, _)| !matches!(role, Role::Snapshot | Role::Timestamp));
            let meta = listed.map(|(role, bytes)| (role.clone(), FileMeta::of(bytes))).collect();
            let snapshot =
                Snapshot { version: Version::new(number).unwrap(), expires: self.now().plus_seconds(9999), meta };
            state.current.insert(Role::Snapshot, signed(&snapshot, &[&self.snapshot]).to_vec());
        }
        let timestamp = Timestamp {
            version: Version::new(number).unwrap(),
            expires: self.now().plus_seconds(9999),
            snapshot: FileMeta::of(&state.current[&Role::Snapshot]),
        };
        state.current.insert(Role::Timestamp, signed(&timestamp, &[&self.timestamp]).to_vec());
        for (role, bytes) in &state.current {
            state.served.insert(format!("{role}.json"), bytes.clone());
            state.served.insert(format!("{role}.{}.json", Sha256::of(bytes)), bytes.clone());
        }
    }

    /// Stores `targets` as signed by the owner's repository key.
    pub(crate) fn replace_targets(&self, owner: &Person, targets: &Targets) {
        let mut keys = owner.keyring();
        let stored = keys.list().unwrap().into_iter().find(|key| key.role == KeyRole::Targets).unwrap();
        let bytes = signed(targets, &[keys.open(&stored).unwrap()]).to_vec();
        let parts = vec![Part { role: Role::Targets, bytes }];
        let mut state = self.state.lock().unwrap();
        self.store(&mut state, &parts);
        state.posts.push(parts);
    }

    /// Signs snapshot and timestamp anew, as servers do by themselves.
    pub(crate) fn renew_own(&self) {
        let mut state = self.state.lock().unwrap();
        self.store(&mut state, &[]);
    }

    pub(crate) fn posts(&self) -> Vec<BTreeSet<String>> {
        let state = self.state.lock().unwrap();
        state.posts.iter().map(|parts| parts.iter().map(|part| part.role.to_string()).collect()).collect()
    }

    pub(crate) fn current<M: tuf_schema::dialect::Document>(&self, role: &str) -> M {
        let role = Role::parse(role).unwrap();
        decode(role.clone(), &self.state.lock().unwrap().current[&role])
    }
}

#[async_trait]
impl Remote for Server {
    async fn fetch(&self, name: &DocumentName, cap: u64) -> Result<Option<Vec<u8>>, RemoteError> {
        assert!(cap <= MAX_DOCUMENT_BYTES);
        let state = self.state.lock().unwrap();
        if state.down {
            return Err(RemoteError::Unreachable { server: "n.test".into(), why: "refused".into() });
        }
        Ok(state.served.get(&name.to_string()).cloned())
    }

    async fn server_key(&self, role: BaseRole) -> Result<PublicKey, RemoteError> {
        let key = if role == BaseRole::Snapshot { &self.snapshot } else { &self.timestamp };
        Ok(key.public().clone())
    }

    async fn publish(&self, parts: Vec<Part>) -> Result<(), RemoteError> {
        let mut state = self.state.lock().unwrap();
        if state.conflicts > 0 {
            state.conflicts -= 1;
            return Err(RemoteError::VersionConflict);
        }
        if let Some(refusal) = state.refusals.pop() {
            return Err(refusal);
        }
        if state.forgets {
            return Ok(());
        }
        self.store(&mut state, &parts);
        state.posts.push(parts);
        state.lost_answers.pop().map_or(Ok(()), Err)
    }

    async fn rotate_server_key(&self, role: BaseRole) -> Result<PublicKey, RemoteError> {
        if self.state.lock().unwrap().makes_no_keys {
            return Err(RemoteError::Status(503));
        }
        self.server_key(role).await
    }

    async fn delete_all(&self) -> Result<(), RemoteError> {
        let mut state = self.state.lock().unwrap();
        (state.served, state.current) = Default::default();
        Ok(())
    }
}

/// Lets no time go by.
pub(crate) struct NoPause;

#[async_trait]
impl Pacing for NoPause {
    async fn pause(&self, _: std::time::Duration) {}
}

pub(crate) struct Nobody;

impl Prompt for Nobody {
    fn secret(&self, _: &str) -> std::io::Result<Passphrase> {
        Err(std::io::ErrorKind::NotConnected.into())
    }

    fn say(&self, _: &str) {}
}

/// A person with a trust directory.
pub(crate) struct Person {
    home: tempfile::TempDir,
}

impl Person {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn directory(&self) -> TrustDirectory {
        TrustDirectory::new(self.home.path().join("trust"))
    }

    pub(crate) fn cache(&self) -> Cache {
        Cache::new(self.directory(), gun())
    }

    pub(crate) fn keyring(&self) -> Keyring {
        self.keyring_with("root passphrase")
    }

    pub(crate) fn keyring_with(&self, root: &str) -> Keyring {
        let set = |text: &str| vec![Passphrase::from_text(text.to_owned())];
        let environment = EnvironmentPassphrases {
            root: set(root),
            targets: set("repository passphrase"),
            snapshot: set("repository passphrase"),
            signer: set("repository passphrase"),
        };
        Keyring::new(self.directory(), Passphrases::new(environment, Box::new(Nobody)))
    }

    pub(crate) async fn sign(&self, server: &Server, name: &str, content: &[u8]) -> Result<Published, PublishError> {
        self.sign_with(self.keyring(), server, name, content).await
    }

    pub(crate) async fn sign_with(
        &self,
        keys: Keyring,
        server: &Server,
        name: &str,
        content: &[u8],
    ) -> Result<Published, PublishError> {
        self.publish_with(keys, server, &SignTags::new([(tag(name), manifest(content))])).await
    }

    pub(crate) async fn publish(&self, server: &Server, edit: &dyn Edit) -> Result<Published, PublishError> {
        self.publish_with(self.keyring(), server, edit).await
    }

    pub(crate) async fn publish_with(
        &self,
        keys: Keyring,
        server: &Server,
        edit: &dyn Edit,
    ) -> Result<Published, PublishError> {
        self.publishing_with(keys, server, async |publisher| publisher.publish(edit).await).await
    }

    /// Works with a publisher of this person's.
    pub(crate) async fn publishing<T>(&self, server: &Server, work: impl AsyncFnOnce(&mut Publisher<'_>) -> T) -> T {
        self.publishing_with(self.keyring(), server, work).await
    }

    async fn publishing_with<T>(
        &self,
        mut keys: Keyring,
        server: &Server,
        work: impl AsyncFnOnce(&mut Publisher<'_>) -> T,
    ) -> T {
        let (gun, cache, rng, now) = (gun(), self.cache(), SystemRandom::new(), server.now());
        let mut publisher =
            Publisher { gun: &gun, remote: server, cache: &cache, keys: &mut keys, now, rng: &rng, pacing: &NoPause };
        work(&mut publisher).await
    }

    pub(crate) async fn read(&self, server: &Server) -> Result<Trusted, UpdateError> {
        let updated =
            update(&gun(), Ok(server), &self.cache(), Offline::Refuse, server.now(), &SystemRandom::new()).await?;
        assert!(updated.not_kept.is_none());
        Ok(updated.trusted)
    }

    pub(crate) fn key_files(&self) -> usize {
        std::fs::read_dir(self.directory().private()).map_or(0, Iterator::count)
    }
}

/// Whether a pull by somebody new would find a tag.
pub(crate) async fn is_released(server: &Server, name: &str) -> bool {
    let trusted = Person::new().read(server).await.unwrap();
    released(&trusted, &tag(name)).is_ok_and(|found| found.is_some())
}

/// What is wrong with the signers, if a publish failed for that.
pub(crate) fn signers_error(error: &PublishError) -> Option<&SignersError> {
    match error {
        PublishError::Edit(EditError::Signers(why)) => Some(why),
        _ => None,
    }
}

/// Adds a signer as docker does: `targets/NAME` and `targets/releases`, both with its key.
pub(crate) fn add_signer(person: &Person, owner: &Person, server: &Server, name: &str, paths: &[&str]) {
    let rng = SystemRandom::new();
    let mut keys = person.keyring();
    let stored = keys.create(KeyRole::Signer(name.to_owned()), None, &rng).unwrap();
    let public = keys.open(&stored).unwrap().public().clone();
    delegate(&public, owner, server, name, paths);
}

/// The same for a key of any kind.
pub(crate) fn delegate(public: &PublicKey, owner: &Person, server: &Server, name: &str, paths: &[&str]) {
    let mut targets: Targets = server.current("targets");
    targets.version = targets.version.next().unwrap();
    targets.delegations.keys.insert(public.id().clone(), public.clone());
    for role in [format!("targets/{name}"), "targets/releases".to_owned()] {
        targets.delegations.roles.push(DelegatedRole {
            name: DelegationName::parse(&role).unwrap(),
            key_ids: vec![public.id().clone()],
            threshold: std::num::NonZeroU32::MIN,
            paths: paths.iter().map(|p| (*p).to_owned()).collect(),
        });
    }
    server.replace_targets(owner, &targets);
}

/// Every file of a person's cache, by name.
pub(crate) fn cached(person: &Person) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut directories = vec![person.directory().repository_metadata(&gun())];
    let mut files = BTreeMap::new();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten() {
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

pub(crate) fn roles(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
