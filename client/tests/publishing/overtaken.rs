//! Two readers with one cache: the slower one neither puts back what the faster one has replaced, nor is misled by it.

use std::sync::Mutex;

use async_trait::async_trait;
use bulla::remote::{Part, Remote, RemoteError};
use bulla::trust::{Offline, UpdateError, Updated, update};
use ring::rand::SystemRandom;
use tuf_schema::verify::StaleError;
use tuf_schema::verify::chain::{ChainError, DocumentName};
use tuf_schema::{BaseRole, PublicKey, Role, Version};

use crate::world::{Person, Server, gun};

/// A server during whose answers something happens, which may give an answer in its place.
struct Meanwhile<'a> {
    server: &'a Server,
    happens: &'a (dyn Fn(&DocumentName) -> Option<Vec<u8>> + Sync),
}

#[async_trait]
impl Remote for Meanwhile<'_> {
    async fn fetch(&self, name: &DocumentName, cap: u64) -> Result<Option<Vec<u8>>, RemoteError> {
        match (self.happens)(name) {
            Some(other) => Ok(Some(other)),
            None => self.server.fetch(name, cap).await,
        }
    }

    async fn server_key(&self, role: BaseRole) -> Result<PublicKey, RemoteError> {
        self.server.server_key(role).await
    }

    async fn publish(&self, parts: Vec<Part>) -> Result<(), RemoteError> {
        self.server.publish(parts).await
    }

    async fn rotate_server_key(&self, role: BaseRole) -> Result<PublicKey, RemoteError> {
        self.server.rotate_server_key(role).await
    }

    async fn delete_all(&self) -> Result<(), RemoteError> {
        self.server.delete_all().await
    }
}

/// What an update of the reader's ends with.
async fn updated(
    reader: &Person,
    server: &Server,
    happens: &(dyn Fn(&DocumentName) -> Option<Vec<u8>> + Sync),
) -> Result<Updated, UpdateError> {
    let remote = Meanwhile { server, happens };
    update(&gun(), Ok(&remote), &reader.cache(), Offline::Refuse, server.now(), &SystemRandom::new()).await
}

/// Keeps a document as another process of the reader's does.
fn keep(reader: &Person, role: &Role, bytes: &[u8]) {
    reader.cache().write(role, bytes, &SystemRandom::new()).unwrap();
}

#[tokio::test]
async fn a_timestamp_that_another_process_kept_meanwhile_is_not_replaced_by_an_older_one() {
    let (server, owner, reader) = (Server::new(), Person::new(), Person::new());
    let timestamp = || server.state.lock().unwrap().current[&Role::Timestamp].clone();
    owner.sign(&server, "1", b"one").await.unwrap();
    let oldest = timestamp();
    owner.sign(&server, "2", b"two").await.unwrap();
    let before = server.state.lock().unwrap().served.clone();
    let middle = timestamp();
    owner.sign(&server, "3", b"three").await.unwrap();
    let newest = timestamp();
    server.state.lock().unwrap().served = before;
    for (meanwhile, kept) in [(oldest, &middle), (newest.clone(), &newest)] {
        let happens = |name: &DocumentName| {
            if name.role == Role::Targets {
                keep(&reader, &Role::Timestamp, &meanwhile);
            }
            None
        };
        let updated = updated(&reader, &server, &happens).await;
        assert_eq!(updated.unwrap().trusted.timestamp().raw().as_ref(), middle);
        assert_eq!(&reader.cache().read(&Role::Timestamp).unwrap().unwrap(), kept);
        std::fs::remove_dir_all(reader.cache().place()).unwrap();
    }
}

/// A reader to whom an old timestamp is shown so many times, while another process of its keeps what is newest but for
/// the timestamp, which is kept last.
async fn overtaken(times: usize) -> Result<Updated, UpdateError> {
    let (server, owner, reader) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    reader.read(&server).await.unwrap();
    let old = server.state.lock().unwrap().current[&Role::Timestamp].clone();
    owner.sign(&server, "2", b"two").await.unwrap();
    let newest = server.state.lock().unwrap().current.clone();
    let left = Mutex::new(times);
    updated(&reader, &server, &|name| {
        let mut left = left.lock().unwrap();
        if name.role != Role::Timestamp || *left == 0 {
            return None;
        }
        *left -= 1;
        for role in [Role::Snapshot, Role::Targets] {
            keep(&reader, &role, &newest[&role]);
        }
        Some(old.clone())
    })
    .await
}

#[tokio::test]
async fn a_reader_whom_another_process_overtook_looks_again() {
    for times in [1, 5] {
        let trusted = overtaken(times).await.unwrap().trusted;
        assert_eq!(trusted.timestamp().model().version, Version::new(2).unwrap());
    }
}

#[tokio::test]
async fn a_server_that_goes_on_showing_something_old_is_refused() {
    let error = overtaken(6).await.unwrap_err();
    let UpdateError::Chain(ChainError::Stale(StaleError::Rollback { role, offered, trusted })) = error else {
        panic!("{error}");
    };
    let version = |number| Version::new(number).unwrap();
    assert_eq!((role, offered, trusted), (Role::Snapshot, version(1), version(2)));
}
