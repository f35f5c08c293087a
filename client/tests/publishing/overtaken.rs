//! Two readers with one cache: the slower one does not put back what the faster one has replaced.

use async_trait::async_trait;
use bulla::cache::Cache;
use bulla::remote::{Part, Remote, RemoteError};
use bulla::trust::{Offline, update};
use ring::rand::SystemRandom;
use tuf_schema::verify::chain::DocumentName;
use tuf_schema::{BaseRole, PublicKey, Role};

use crate::world::{Person, Server, gun};

/// A server during whose answers another process keeps a timestamp.
struct Meanwhile<'a> {
    server: &'a Server,
    cache: Cache,
    timestamp: Vec<u8>,
}

#[async_trait]
impl Remote for Meanwhile<'_> {
    async fn fetch(&self, name: &DocumentName, cap: u64) -> Result<Option<Vec<u8>>, RemoteError> {
        if name.role == Role::Targets {
            self.cache.write(&Role::Timestamp, &self.timestamp, &SystemRandom::new()).unwrap();
        }
        self.server.fetch(name, cap).await
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
        let remote = Meanwhile { server: &server, cache: reader.cache(), timestamp: meanwhile };
        let updated =
            update(&gun(), Ok(&remote), &reader.cache(), Offline::Refuse, server.now(), &SystemRandom::new()).await;
        assert_eq!(updated.unwrap().trusted.timestamp().raw().as_ref(), middle);
        assert_eq!(&reader.cache().read(&Role::Timestamp).unwrap().unwrap(), kept);
        std::fs::remove_dir_all(reader.cache().place()).unwrap();
    }
}
