//! Publishing into memory: what is refused and why, what is accepted, who wins.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use ring::rand::SystemRandom;
use tuf_schema::model::{FileMeta, Snapshot};
use tuf_schema::sign::SecretKey;
use tuf_schema::testing::{self, Publisher as Author, signed};
use tuf_schema::{Gun, KeyId, PublicKey, Role, Signature, SigningKey as _, UtcTime, Version};

use super::*;
use crate::clock::TestClock;
use crate::read::Reader;
use crate::signer::local::LocalSigner;
use crate::signer::{Custody, KeyAlgorithm, ServerRole, SignerError};
use crate::store::memory::MemoryStore;
use crate::store::{Change, ChangeQuery, Stored};

mod accepted;
mod background;
mod by_hash;
mod disturbed_store;
mod healing;
mod races;
mod refused;
mod renewal;
mod replay;
mod signer_trouble;

/// A server in memory.
struct Stack {
    gun: Gun,
    clock: Arc<TestClock>,
    store: Arc<MemoryStore>,
    signer: Arc<TestSigner>,
    publisher: Arc<Publisher>,
    reader: Reader,
}

/// A local signer that can be disturbed, and that may pass for a remote one.
struct TestSigner {
    keys: LocalSigner,
    custody: Custody,
    clock: Arc<TestClock>,
    trouble: std::sync::Mutex<Trouble>,
    /// How often it was asked to sign.
    signatures: AtomicU32,
    /// How often it was asked for a key.
    questions: AtomicU32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Trouble {
    None,
    /// Nothing answers.
    Down,
    /// Keys are known and cannot be opened.
    WrongPassphrase,
    /// Keys are known and are gone when they should sign.
    Forgets,
    /// It signs so often, and then nothing answers.
    DiesAfter(u32),
    /// It does not hold this key.
    Lacks(KeyId),
    /// It takes questions and never answers.
    Hangs,
    /// Each signature takes a minute.
    IsSlow,
}

impl TestSigner {
    fn new(custody: Custody, clock: Arc<TestClock>) -> Arc<Self> {
        Arc::new(Self {
            keys: LocalSigner::new(Arc::new(SystemRandom::new())),
            custody,
            clock,
            trouble: std::sync::Mutex::new(Trouble::None),
            signatures: AtomicU32::new(0),
            questions: AtomicU32::new(0),
        })
    }

    fn suffers(&self, trouble: Trouble) {
        *self.trouble.lock().unwrap() = trouble;
    }

    fn trouble(&self) -> Trouble {
        self.trouble.lock().unwrap().clone()
    }

    fn check_up(&self) -> Result<(), SignerError> {
        match self.trouble() {
            Trouble::Down | Trouble::DiesAfter(0) => Err(SignerError::Unavailable("connection refused".into())),
            Trouble::None
            | Trouble::WrongPassphrase
            | Trouble::Forgets
            | Trouble::DiesAfter(_)
            | Trouble::Lacks(_)
            | Trouble::Hangs
            | Trouble::IsSlow => Ok(()),
        }
    }
}

#[async_trait]
impl RoleSigner for TestSigner {
    async fn create_key(&self, gun: &Gun, role: ServerRole, algorithm: KeyAlgorithm) -> Result<PublicKey, SignerError> {
        self.check_up()?;
        self.keys.create_key(gun, role, algorithm).await
    }

    async fn public_key(&self, id: &KeyId) -> Result<Option<PublicKey>, SignerError> {
        self.questions.fetch_add(1, Ordering::SeqCst);
        self.check_up()?;
        match self.trouble() {
            Trouble::WrongPassphrase => Err(SignerError::WrongPassphrase { message: "alias x".to_owned() }),
            Trouble::Lacks(lost) if lost == *id => Ok(None),
            Trouble::Hangs => std::future::pending().await,
            _ => self.keys.public_key(id).await,
        }
    }

    async fn sign(&self, gun: &Gun, key: &PublicKey, content: &[u8]) -> Result<Signature, SignerError> {
        self.check_up()?;
        match self.trouble() {
            Trouble::Forgets => return Err(SignerError::NotHeld(key.id().clone())),
            Trouble::DiesAfter(signatures) => self.suffers(Trouble::DiesAfter(signatures - 1)),
            Trouble::IsSlow => self.clock.advance_seconds(60),
            _ => {}
        }
        self.signatures.fetch_add(1, Ordering::SeqCst);
        self.keys.sign(gun, key, content).await
    }

    async fn check(&self) -> Result<(), SignerError> {
        self.check_up()
    }

    fn custody(&self) -> Custody {
        self.custody
    }
}

impl Stack {
    fn new() -> Self {
        Self::with_custody(Custody::Remote)
    }

    fn with_custody(custody: Custody) -> Self {
        let clock = TestClock::at("2026-11-21T21:05:00.25Z");
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let signer = TestSigner::new(custody, clock.clone());
        let (limits, chance) = (PublishLimits::default(), Arc::new(SystemRandom::new()));
        let publisher = Publisher::new(store.clone(), signer.clone(), clock.clone(), limits, chance);
        let reader = Reader::new(store.clone(), signer.clone(), clock.clone());
        let gun = Gun::parse("example.com/app").unwrap();
        Self { gun, clock, store, signer, publisher: Arc::new(publisher), reader }
    }

    async fn key(&self, role: ServerRole) -> PublicKey {
        self.signer.create_key(&self.gun, role, KeyAlgorithm::Ecdsa).await.unwrap()
    }

    /// A repository whose snapshot the server signs.
    async fn author(&self) -> Author {
        let (snapshot, timestamp) = (self.key(ServerRole::Snapshot).await, self.key(ServerRole::Timestamp).await);
        Author::new(&self.gun, &snapshot, &timestamp, self.clock.now())
    }

    /// A repository whose snapshot its author signs.
    async fn author_with_snapshot_key(&self) -> (Author, SecretKey) {
        let key = testing::secret_key();
        let timestamp = self.key(ServerRole::Timestamp).await;
        (Author::new(&self.gun, key.public(), &timestamp, self.clock.now()), key)
    }

    async fn publish(&self, parts: Vec<UploadPart>) -> Result<(), PublishError> {
        self.publisher.publish(&Access::for_tests(self.gun.clone()), Upload { parts }).await
    }

    /// Root and targets of a new repository, published.
    async fn published(&self) -> Author {
        let author = self.author().await;
        self.publish(vec![root(&author), targets(&author)]).await.unwrap();
        author
    }

    async fn latest(&self, role: &Role) -> Option<Stored> {
        self.store.latest(&self.gun, role).await.unwrap()
    }

    async fn latest_version(&self, role: &Role) -> u32 {
        self.latest(role).await.map_or(0, |stored| stored.version.number())
    }

    async fn current(&self, role: &Role) -> Option<Stored> {
        self.reader.current(&Access::for_tests(self.gun.clone()), role).await.unwrap()
    }

    async fn changes(&self) -> Vec<Change> {
        self.store.changes(&ChangeQuery { gun: None, change_id: 0, records: 0 }).await.unwrap()
    }

    /// Everything that a publish could have changed.
    async fn state(&self) -> (Vec<Option<Stored>>, Vec<Change>) {
        let mut newest = Vec::new();
        for name in ["root", "targets", "snapshot", "timestamp", "targets/a", "targets/a/b", "targets/releases"] {
            newest.push(self.latest(&role(name)).await);
        }
        (newest, self.changes().await)
    }

    /// The refusal of an upload that leaves everything as it was.
    async fn refusal(&self, parts: Vec<UploadPart>) -> PublishError {
        let before = self.state().await;
        let error = self.publish(parts).await.unwrap_err();
        assert_eq!(self.state().await, before, "something of a refused upload was stored");
        error
    }
}

fn role(name: &str) -> Role {
    Role::parse(name).unwrap()
}

fn version(number: i64) -> Version {
    Version::new(number).unwrap()
}

fn part(role: Role, bytes: impl Into<Bytes>) -> UploadPart {
    UploadPart { role, bytes: bytes.into() }
}

fn root(author: &Author) -> UploadPart {
    part(Role::Root, author.root_bytes())
}

fn targets(author: &Author) -> UploadPart {
    part(Role::Targets, author.targets_bytes())
}

/// A snapshot that lists exactly `listed`.
fn snapshot_of(listed: &[&UploadPart], number: i64, expires: UtcTime) -> Snapshot {
    let meta = listed.iter().map(|part| (part.role.clone(), FileMeta::of(&part.bytes))).collect::<BTreeMap<_, _>>();
    Snapshot { version: version(number), expires, meta }
}

/// That snapshot, signed.
fn snapshot(listed: &[&UploadPart], number: i64, author: &Author, key: &SecretKey) -> UploadPart {
    part(Role::Snapshot, signed(&snapshot_of(listed, number, author.root.expires), &[key]))
}

/// The name and the message that the client is told.
fn told(error: &PublishError) -> (&'static str, String) {
    let name = match error {
        PublishError::BadRoot(_) => "ErrBadRoot",
        PublishError::BadTargets(_) => "ErrBadTargets",
        PublishError::BadSnapshot(_) => "ErrBadSnapshot",
        PublishError::BadHierarchy { .. } => "ErrBadHierarchy",
        PublishError::Validation(_) => "ErrValidation",
        PublishError::VersionConflict { .. } | PublishError::Overtaken { .. } => "VERSION",
        PublishError::MalformedJson { .. } => "MALFORMED_JSON",
        PublishError::DoesNotFit { .. } => "INVALID_GUN",
        PublishError::Signer(_) | PublishError::Store(_) | PublishError::Unwritable(_) => "5xx",
    };
    (name, error.to_string())
}

fn assert_told(error: &PublishError, name: &str, message: &str) {
    assert_eq!(told(error), (told_name(name), message.to_owned()));
}

fn told_name(name: &str) -> &'static str {
    ["ErrBadRoot", "ErrBadTargets", "ErrBadSnapshot", "ErrBadHierarchy", "ErrValidation"]
        .into_iter()
        .find(|known| *known == name)
        .unwrap()
}
