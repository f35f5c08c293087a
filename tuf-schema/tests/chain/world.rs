//! A server and a cache that are maps, repositories of the reference, and repositories made here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tuf_schema::model::{FileMeta, KeyGrant, Snapshot, Timestamp};
use tuf_schema::sign::{CertifiedKey, SecretKey};
use tuf_schema::testing::{Publisher, root_key, secret_key, signed};
use tuf_schema::verify::Pin;
use tuf_schema::verify::chain::{Answer, Chain, ChainError, DocumentName, Request, Trusted, Which};
use tuf_schema::version::Version;
use tuf_schema::{Gun, Role, Sha256, SigningKey as _, UtcTime};

pub(crate) fn at(text: &str) -> UtcTime {
    UtcTime::parse(text).unwrap()
}

pub(crate) fn now() -> UtcTime {
    at("2026-11-22T00:00:00Z")
}

pub(crate) fn version(number: i64) -> Version {
    Version::new(number).unwrap()
}

pub(crate) fn gun() -> Gun {
    Gun::parse("registry.test:5000/team/app").unwrap()
}

/// Documents by the name a server has for them, what a client has cached, and every name that was fetched.
#[derive(Default, Clone)]
pub(crate) struct World {
    pub(crate) served: BTreeMap<String, Bytes>,
    pub(crate) cached: BTreeMap<String, Bytes>,
    pub(crate) down: bool,
    pub(crate) pin: Pin,
    pub(crate) fetched: Vec<String>,
}

impl World {
    /// Serves a document under all of its names.
    pub(crate) fn serve(&mut self, role: &str, number: u32, bytes: &Bytes) {
        self.served.insert(format!("{role}.json"), bytes.clone());
        self.served.insert(format!("{role}.{}.json", Sha256::of(bytes)), bytes.clone());
        self.served.insert(format!("{number}.{role}.json"), bytes.clone());
    }

    pub(crate) fn update_at(&mut self, gun: &Gun, now: UtcTime) -> Result<Trusted, ChainError> {
        let mut chain = Chain::new(gun.clone(), now).pinned(self.pin.clone());
        self.fetched.clear();
        while let Some(request) = chain.request() {
            let answer = match &request {
                Request::Cached(role) => self.cached.get(role.as_str()).cloned(),
                Request::Fetch { .. } if self.down => {
                    chain.feed(Answer::Unreachable)?;
                    continue;
                }
                Request::Fetch { name, cap } => {
                    self.fetched.push(short(name));
                    let bytes = self.served.get(&name.to_string()).cloned();
                    assert!(bytes.as_ref().is_none_or(|b| b.len() as u64 <= *cap), "a client would not read so much");
                    bytes
                }
            };
            let fed = chain.feed(answer.map_or(Answer::Absent, Answer::Bytes));
            if let Some(root) = chain.newer_root() {
                self.cached.insert("root".into(), root.clone());
            }
            if let Err(e) = fed {
                assert!(chain.finish().is_none(), "a failed update has no result");
                return Err(e);
            }
        }
        let trusted = chain.finish().expect("a complete update has a result");
        for (role, bytes) in trusted.fetched() {
            self.cached.insert(role.to_string(), bytes.clone());
        }
        Ok(trusted)
    }

    pub(crate) fn update(&mut self) -> Result<Trusted, ChainError> {
        self.update_at(&gun(), now())
    }

    /// Why an update is refused; what was kept before is kept as it was.
    pub(crate) fn refused(&mut self) -> ChainError {
        let before = self.cached.clone();
        let error = self.update().unwrap_err();
        assert_eq!(self.cached, before);
        error
    }
}

/// The name without the digest.
pub(crate) fn short(name: &DocumentName) -> String {
    match &name.which {
        Which::Digest(_) => format!("{}.#.json", name.role),
        Which::Current | Which::Version(_) => name.to_string(),
    }
}

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures")
}

pub(crate) fn read_versions(directory: &Path, prefix: &str, world: &mut World) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            read_versions(&path, &format!("{prefix}{name}/"), world);
            continue;
        }
        let Some((number, leaf)) = name.split_once('.') else { continue };
        let Some(leaf) = leaf.strip_suffix(".json") else { continue };
        let bytes = Bytes::from(std::fs::read(&path).unwrap());
        let role = format!("{prefix}{leaf}");
        let number: u32 = number.parse().unwrap();
        let newest = world.cached.get(&format!("newest {role}")).and_then(|b| b.first().copied()).unwrap_or(0);
        let current = world.served.get(&format!("{role}.json")).cloned();
        world.serve(&role, number, &bytes);
        if u32::from(newest) > number {
            world.served.insert(format!("{role}.json"), current.unwrap());
        } else {
            world.cached.insert(format!("newest {role}"), Bytes::from(vec![u8::try_from(number).unwrap()]));
        }
    }
}

/// A repository of the reference with all its versions served.
pub(crate) fn real(name: &str) -> (Gun, World) {
    let mut world = World::default();
    let (directory, gun) = match name.strip_prefix("extra/") {
        Some(extra) => (fixtures().join("tuf-extra").join(extra), format!("example.com/{}", extra.replace('-', "/"))),
        None => (fixtures().join("tuf").join(name).join("versions"), format!("example.com/fix/{name}")),
    };
    read_versions(&directory, "", &mut world);
    world.cached.clear();
    (Gun::parse(&gun).unwrap(), world)
}

pub(crate) struct Repository {
    pub(crate) publisher: Publisher,
    pub(crate) snapshot_key: SecretKey,
    pub(crate) timestamp_key: SecretKey,
    pub(crate) number: i64,
    pub(crate) snapshot: Snapshot,
    pub(crate) timestamp: Timestamp,
    /// The signed root, made once for each version: signatures are random.
    pub(crate) root: Option<(Version, Bytes)>,
}

impl Repository {
    pub(crate) fn new() -> Self {
        let (snapshot_key, timestamp_key) = (secret_key(), secret_key());
        let mut publisher = Publisher::new(&gun(), snapshot_key.public(), timestamp_key.public(), now());
        publisher.tag("1", b"one");
        let snapshot = Snapshot { version: version(1), expires: publisher.root.expires, meta: BTreeMap::new() };
        let timestamp = Timestamp { version: version(1), expires: publisher.root.expires, snapshot: FileMeta::of(b"") };
        Self { publisher, snapshot_key, timestamp_key, number: 0, snapshot, timestamp, root: None }
    }

    /// Publishes the publisher's root and targets as they are now, with the next snapshot and timestamp, which `adjust`
    /// may change first; what is `extra` is listed and served as well.
    pub(crate) fn publish_with(
        &mut self,
        world: &mut World,
        extra: &[(Role, Bytes)],
        adjust: impl FnOnce(&mut Snapshot, &mut Timestamp),
    ) {
        self.number += 1;
        let number = u32::try_from(self.number).unwrap();
        let root = match self.root.take() {
            Some((version, bytes)) if version == self.publisher.root.version => bytes,
            _ => self.publisher.root_bytes(),
        };
        self.root = Some((self.publisher.root.version, root.clone()));
        let targets = self.publisher.targets_bytes();
        world.serve("root", self.publisher.root.version.number(), &root);
        world.serve("targets", self.publisher.targets.version.number(), &targets);
        self.snapshot.version = version(self.number);
        self.snapshot.expires = self.publisher.root.expires;
        for (role, bytes) in [(Role::Root, &root), (Role::Targets, &targets)] {
            self.snapshot.meta.insert(role, FileMeta::of(bytes));
        }
        for (role, bytes) in extra {
            world.serve(role.as_str(), number, bytes);
            self.snapshot.meta.insert(role.clone(), FileMeta::of(bytes));
        }
        self.timestamp.version = version(self.number);
        self.timestamp.expires = self.publisher.root.expires;
        adjust(&mut self.snapshot, &mut self.timestamp);
        let snapshot = signed(&self.snapshot, &[&self.snapshot_key]);
        self.timestamp.snapshot = FileMeta::of(&snapshot);
        let timestamp = signed(&self.timestamp, &[&self.timestamp_key]);
        world.serve("snapshot", number, &snapshot);
        world.serve("timestamp", number, &timestamp);
    }

    pub(crate) fn publish(&mut self, world: &mut World) {
        self.publish_with(world, &[], |_, _| {});
    }

    /// Rotates the root key; the old one signs too.
    pub(crate) fn rotate_root(&mut self) -> Bytes {
        self.rotate_root_to(root_key(&gun(), now()))
    }

    pub(crate) fn rotate_root_to(&mut self, new: CertifiedKey<SecretKey>) -> Bytes {
        let old = std::mem::replace(&mut self.publisher.root_key, new);
        let new = self.publisher.root_key.public().clone();
        let root = &mut self.publisher.root;
        root.version = root.version.next().unwrap();
        root.keys.insert(new.id().clone(), new.clone());
        root.root = KeyGrant::single(new.id().clone());
        let bytes = signed(root, &[&self.publisher.root_key, &old]);
        self.root = Some((root.version, bytes.clone()));
        bytes
    }
}

pub(crate) fn published() -> (Repository, World) {
    let (mut repository, mut world) = (Repository::new(), World::default());
    repository.publish(&mut world);
    (repository, world)
}

/// A repository, and a reader who has read it.
pub(crate) fn read_once() -> (Repository, World) {
    let (repository, mut world) = published();
    world.update().unwrap();
    (repository, world)
}
