//! Readers for whom something is pinned: what the configuration says reaches every update.

use std::path::Path;

use bulla::cache::Cache;
use bulla::config::{Config, Flags};
use bulla::publish::{PublishError, Publisher, SignTags};
use bulla::trust::{Offline, UpdateError, anchors, update};
use ring::rand::SystemRandom;
use tuf_schema::verify::chain::ChainError;
use tuf_schema::verify::{Pin, PinError};

use crate::world::{NoPause, Person, Server, cached, gun, manifest, tag};

/// The cache of a person under what `bulla.json` of the trust directory pins.
fn cache(person: &Person, pins: &str) -> Cache {
    let directory = person.directory();
    std::fs::create_dir_all(directory.as_path()).unwrap();
    std::fs::write(directory.own_file(), format!("{{\"pins\": {pins}}}")).unwrap();
    let flags = Flags { trust_directory: Some(directory.as_path().to_owned()), ..Flags::default() };
    let home = |name: &str| (name == "HOME").then(|| Path::new("/nonexistent").into());
    Config::read(&flags, home).unwrap().cache(&gun()).unwrap()
}

async fn read(cache: &Cache, server: &Server) -> Result<(), UpdateError> {
    let updated = update(&gun(), Ok(server), cache, Offline::Refuse, server.now(), &SystemRandom::new()).await?;
    assert!(updated.not_kept.is_none());
    Ok(())
}

#[tokio::test]
async fn what_pin_show_prints_lets_the_repository_in_and_no_other() {
    let (server, owner, reader) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    let shown = anchors(&owner.read(&server).await.unwrap(), &gun(), server.now());
    let [anchor] = shown.as_slice() else { panic!("{shown:?}") };
    assert_eq!((anchor.subject.as_str(), anchor.subject == anchor.issuer), (&*format!("CN={}", gun()), true));
    let pinned = format!("{{\"certs\": {{\"{}\": [\"{}\"]}}, \"disable_tofu\": true}}", gun(), anchor.id);
    read(&cache(&reader, &pinned), &server).await.unwrap();
    // The same name made anew by somebody else.
    let (other, fresh) = (Server::new(), Person::new());
    Person::new().sign(&other, "1", b"evil").await.unwrap();
    let error = read(&cache(&fresh, &pinned), &other).await.unwrap_err();
    assert!(matches!(error, UpdateError::Chain(ChainError::Pin(PinError::Mismatch(_)))), "{error}");
    assert_eq!(cached(&fresh).len(), 0, "what was refused is not kept");
}

#[tokio::test]
async fn a_pin_that_came_after_the_cached_root_is_held_against_it() {
    let (server, owner, reader) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    reader.read(&server).await.unwrap();
    let before = cached(&reader);
    let pins = format!("{{\"certs\": {{\"{}\": [\"{}\"]}}}}", gun(), "0".repeat(64));
    let error = read(&cache(&reader, &pins), &server).await.unwrap_err();
    assert!(matches!(error, UpdateError::Chain(ChainError::Pin(PinError::Mismatch(_)))), "{error}");
    assert_eq!(cached(&reader), before);
}

#[tokio::test]
async fn with_first_use_off_nothing_is_believed_without_a_pin() {
    let (server, owner, reader) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    let cache = cache(&reader, "{\"disable_tofu\": true}");
    assert!(matches!(cache.pin(), Pin::NoFirstUse));
    let error = read(&cache, &server).await.unwrap_err();
    assert!(matches!(error, UpdateError::Chain(ChainError::Pin(PinError::FirstUseOff(_)))), "{error}");
    assert_eq!(cached(&reader).len(), 0);
}

#[tokio::test]
async fn a_root_that_is_not_what_is_pinned_is_not_published_by_its_maker() {
    let (server, owner) = (Server::new(), Person::new());
    let pins = format!("{{\"certs\": {{\"{}\": [\"{}\"]}}}}", gun(), "0".repeat(64));
    let (cache, mut keys, rng) = (cache(&owner, &pins), owner.keyring(), SystemRandom::new());
    let (gun, now) = (gun(), server.now());
    let mut publisher =
        Publisher { gun: &gun, remote: &server, cache: &cache, keys: &mut keys, now, rng: &rng, pacing: &NoPause };
    let error = publisher.publish(&SignTags::new([(tag("1"), manifest(b"one"))])).await.unwrap_err();
    assert!(matches!(error, PublishError::Pin(_)), "{error}");
    assert!(server.posts().is_empty());
    assert_eq!(cached(&owner).len(), 0);
}
