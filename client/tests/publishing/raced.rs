//! A repository that others make while we make it: their root is not signed into by the run that made another.

use async_trait::async_trait;
use bulla::publish::{PublishError, Published, Publisher, SignTags};
use bulla::remote::{Part, Remote, RemoteError};
use ring::rand::SystemRandom;
use tuf_schema::model::Root;
use tuf_schema::verify::chain::DocumentName;
use tuf_schema::{BaseRole, PublicKey};

use crate::world::{NoPause, Person, Server, add_signer, gun, manifest, tag};

/// A server that denies a repository until something is published to it, and answers that others were first.
struct Denying<'a> {
    server: &'a Server,
    asked: std::sync::atomic::AtomicBool,
    /// Whether it takes the upload before it says so.
    takes: bool,
}

impl Denying<'_> {
    fn was_asked(&self) -> bool {
        self.asked.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[async_trait]
impl Remote for Denying<'_> {
    async fn fetch(&self, name: &DocumentName, cap: u64) -> Result<Option<Vec<u8>>, RemoteError> {
        if self.was_asked() { self.server.fetch(name, cap).await } else { Ok(None) }
    }

    async fn server_key(&self, role: BaseRole) -> Result<PublicKey, RemoteError> {
        self.server.server_key(role).await
    }

    async fn publish(&self, parts: Vec<Part>) -> Result<(), RemoteError> {
        if self.asked.swap(true, std::sync::atomic::Ordering::Relaxed) {
            return self.server.publish(parts).await;
        }
        if self.takes {
            self.server.publish(parts).await?;
        }
        Err(RemoteError::VersionConflict)
    }

    async fn rotate_server_key(&self, role: BaseRole) -> Result<PublicKey, RemoteError> {
        self.server.rotate_server_key(role).await
    }

    async fn delete_all(&self) -> Result<(), RemoteError> {
        self.server.delete_all().await
    }
}

async fn sign(person: &Person, server: &Server, takes: bool) -> Result<Published, PublishError> {
    let remote = Denying { server, asked: false.into(), takes };
    let (gun, cache, mut keys, rng) = (gun(), person.cache(), person.keyring(), SystemRandom::new());
    let now = server.now();
    let mut publisher =
        Publisher { gun: &gun, remote: &remote, cache: &cache, keys: &mut keys, now, rng: &rng, pacing: &NoPause };
    publisher.publish(&SignTags::new([(tag("2"), manifest(b"two"))])).await
}

#[tokio::test]
async fn a_first_publish_signs_nothing_into_the_root_that_others_made_meanwhile() {
    let (server, others, ours) = (Server::new(), Person::new(), Person::new());
    others.sign(&server, "1", b"one").await.unwrap();
    add_signer(&ours, &others, &server, "ours", &[""]);
    let posts = server.posts();
    let error = sign(&ours, &server, false).await.unwrap_err();
    let PublishError::MadeByOthers { gun: of, metadata } = &error else { panic!("{error}") };
    assert_eq!((of, metadata), (&gun(), &ours.cache().place()));
    assert_eq!(server.posts(), posts);
    // If that is right: who signs again follows what was seen now.
    ours.sign(&server, "2", b"two").await.unwrap();
    assert_eq!(server.posts().len(), posts.len() + 1);
}

#[tokio::test]
async fn a_first_publish_that_was_taken_and_answered_with_a_conflict_goes_on_with_its_own_root() {
    let (server, ours) = (Server::new(), Person::new());
    sign(&ours, &server, true).await.unwrap();
    assert_eq!(server.current::<Root>("root").version.number(), 1);
    assert!(ours.read(&server).await.is_ok());
}
