//! Processes of ours that work on one repository at once: who comes second waits, before anything is read.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bulla::changelist::{Change, Changelist};
use bulla::lock::Lock;
use bulla::publish::{Pacing, Publisher, RootOf};
use ring::rand::SystemRandom;
use tuf_schema::model::{Target, Targets};
use tuf_schema::{Digests, Role};

use crate::world::{NoPause, Person, Server, gun};

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
