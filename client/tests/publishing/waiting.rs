//! Processes of ours that work on one repository at once: who comes second waits, before anything is read.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bulla::changelist::{Change, Changelist};
use bulla::keys::Keyring;
use bulla::keys::passphrase::{EnvironmentPassphrases, Passphrases, Prompt};
use bulla::lock::Lock;
use bulla::publish::{Pacing, Publisher, RootOf, SignTags};
use ring::rand::SystemRandom;
use tuf_schema::model::{Target, Targets};
use tuf_schema::sign::Passphrase;
use tuf_schema::{Digests, Role};

use crate::world::{NoPause, Person, Server, gun, manifest, tag};

/// At which pause the other process ends.
const LAST: u32 = 3;

/// Another process that holds a lock, and ends while somebody waits. The server is not to be asked before.
struct Other<'a> {
    held: Mutex<Option<Lock>>,
    server: &'a Server,
    pauses: AtomicU32,
}

impl<'a> Other<'a> {
    async fn holding(path: &Path, server: &'a Server) -> Self {
        let held = Lock::wait(path, &NoPause).await.unwrap();
        server.state.lock().unwrap().down = true;
        Self { held: Mutex::new(Some(held)), server, pauses: AtomicU32::new(0) }
    }

    fn was_waited_for(&self) -> bool {
        self.pauses.load(Ordering::Relaxed) == LAST
    }
}

#[async_trait]
impl Pacing for Other<'_> {
    async fn pause(&self, _: Duration) {
        if self.pauses.fetch_add(1, Ordering::Relaxed) + 1 == LAST {
            self.held.lock().unwrap().take();
            self.server.state.lock().unwrap().down = false;
        }
    }
}

fn list(person: &Person) -> Changelist {
    Changelist::new(&person.directory(), &gun())
}

#[tokio::test]
async fn a_publish_waits_for_another_process_before_it_reads_anything() {
    let repository: fn(&Person) -> PathBuf = |owner| owner.cache().lock();
    for lock in [repository, |owner| list(owner).publishing_lock()] {
        let (server, owner, rng) = (Server::new(), Person::new(), SystemRandom::new());
        owner.sign(&server, "1", b"one").await.unwrap();
        let target = Target { length: 3, digests: Digests::of(b"two"), custom: None };
        let change = Change::AddTarget { role: Role::Targets, name: "2".into(), target };
        list(&owner).append(&[change], server.now(), &rng).unwrap();
        let other = Other::holding(&lock(&owner), &server).await;
        let (gun, cache, mut keys, now) = (gun(), owner.cache(), owner.keyring(), server.now());
        let mut publisher =
            Publisher { gun: &gun, remote: &server, cache: &cache, keys: &mut keys, now, rng: &rng, pacing: &other };
        publisher.publish_staged(&list(&owner), &|_| {}, &|_, _| {}).await.unwrap();
        assert!(other.was_waited_for());
        assert_eq!(server.current::<Targets>("targets").targets.len(), 2);
    }
}

#[tokio::test]
async fn a_repository_is_begun_after_another_process_has_let_go() {
    let (server, owner, rng) = (Server::new(), Person::new(), SystemRandom::new());
    let other = Other::holding(&owner.cache().lock(), &server).await;
    let (gun, cache, mut keys, now) = (gun(), owner.cache(), owner.keyring(), server.now());
    let mut publisher =
        Publisher { gun: &gun, remote: &server, cache: &cache, keys: &mut keys, now, rng: &rng, pacing: &other };
    publisher.initialise(&RootOf::default()).await.unwrap();
    assert!(other.was_waited_for());
}

/// Keeps what it is told, and types nothing.
struct Listener(Arc<Mutex<Vec<String>>>);

impl Prompt for Listener {
    fn secret(&self, _: &str) -> std::io::Result<Passphrase> {
        Err(std::io::ErrorKind::NotConnected.into())
    }

    fn say(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

#[tokio::test]
async fn who_cannot_lock_is_warned_once_and_publishes_all_the_same() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    let lock = owner.cache().lock();
    std::fs::remove_file(&lock).unwrap();
    // Nobody can make a file there, whoever runs this.
    std::os::unix::fs::symlink("/sys/kernel/.bulla-publish.lock", &lock).unwrap();
    let said = Arc::new(Mutex::new(Vec::new()));
    let passphrase = || vec![Passphrase::from_text("repository passphrase".to_owned())];
    let environment = EnvironmentPassphrases { targets: passphrase(), snapshot: passphrase(), ..Default::default() };
    let listener = Box::new(Listener(Arc::clone(&said)));
    let mut keys = Keyring::new(owner.directory(), Passphrases::new(environment, listener));
    let (gun, cache, rng, now) = (gun(), owner.cache(), SystemRandom::new(), server.now());
    let mut publisher =
        Publisher { gun: &gun, remote: &server, cache: &cache, keys: &mut keys, now, rng: &rng, pacing: &NoPause };
    for tag_name in ["2", "3"] {
        publisher.publish(&SignTags::new([(tag(tag_name), manifest(b"two"))])).await.unwrap();
    }
    assert_eq!(server.current::<Targets>("targets").targets.len(), 3);
    let expected = format!(
        "Warning: {} cannot be locked: nothing keeps others who use this directory from publishing at the same time",
        lock.display()
    );
    assert_eq!(*said.lock().unwrap(), [expected]);
}
