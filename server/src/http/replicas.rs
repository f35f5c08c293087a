//! Two servers on one store: what one acknowledged, the other never denies. Whatever a process remembers is found by
//! content hash, or decides only what is signed when.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request};
use ring::rand::SystemRandom;
use serde_json::{Value, json};
use tuf_schema::model::{FileMeta, Timestamp};
use tuf_schema::testing::{Publisher, secret_key, signed};
use tuf_schema::update_answer::{UpdateFile, UpdateIndex};
use tuf_schema::{Gun, KeyType, PublicKey, Role, Sha256, UtcTime, Version};

use super::respond;
use crate::app::{App, Foundations};
use crate::clock::{Clock, TestClock};
use crate::config::Config;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::signer::local::LocalSigner;
use crate::signer::{KeyAlgorithm, RoleSigner};
use crate::store::memory::MemoryStore;
use crate::store::{MetadataStore, Stored};

const GUN: &str = "example.com/app";

struct Replica(App);

impl Replica {
    fn on(store: &Arc<dyn MetadataStore>, signer: &Arc<dyn RoleSigner>, clock: &Arc<TestClock>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.json");
        let config = json!({
            "server": {"http_addr": ":0"}, "trust_service": {"type": "local"}, "storage": {"backend": "memory"},
        });
        std::fs::write(&path, config.to_string()).unwrap();
        let (store, signer) = (Arc::clone(store), Arc::clone(signer));
        let health = Health::new(false, false);
        let metrics = Metrics::new(Arc::clone(clock) as _);
        let algorithm = KeyAlgorithm::Ed25519;
        let foundations = Foundations { store, signer, algorithm, health, database: None, metrics };
        let config = Config::load(&path, []).unwrap().0;
        Self(App::on(foundations, config, Arc::clone(clock) as _, &mut Vec::new()).unwrap())
    }

    async fn send(&self, method: Method, file: &str, body: Vec<u8>) -> (u16, Bytes) {
        self.request(method, &format!("tuf/{file}"), body).await
    }

    async fn request(&self, method: Method, resource: &str, body: Vec<u8>) -> (u16, Bytes) {
        let request = Request::builder()
            .method(method)
            .uri(format!("/v2/{GUN}/_trust/{resource}"))
            .header("content-type", "multipart/form-data; boundary=b")
            .body(Full::from(body))
            .unwrap();
        let answer = respond(&self.0, [192, 0, 2, 1].into(), request).await;
        let status = answer.status().as_u16();
        (status, answer.into_body().collect().await.unwrap().to_bytes())
    }

    async fn get(&self, file: &str) -> (u16, Bytes) {
        self.send(Method::GET, file, Vec::new()).await
    }

    /// What an update brings a client that holds the first root and these targets.
    async fn update(&self, targets: &[u8]) -> Vec<(UpdateFile, Bytes)> {
        let resource = format!("update?root=1&have=targets:{}", Sha256::of(targets));
        let (status, answer) = self.request(Method::GET, &resource, Vec::new()).await;
        assert_eq!(status, 200);
        UpdateIndex::take_apart(&answer).unwrap()
    }

    async fn publish(&self, parts: &[(&str, Bytes)]) -> u16 {
        let mut body = Vec::new();
        for (role, content) in parts {
            body.extend(format!("--b\r\nContent-Disposition: form-data; filename=\"{role}\"\r\n\r\n").bytes());
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--b--\r\n");
        self.send(Method::POST, "", body).await.0
    }

    async fn key(&self, role: &str) -> PublicKey {
        use base64::Engine as _;
        let key: Value = serde_json::from_slice(&self.get(&format!("{role}.key")).await.1).unwrap();
        let public = key["keyval"]["public"].as_str().unwrap();
        let public = base64::engine::general_purpose::STANDARD.decode(public).unwrap();
        PublicKey::new(KeyType::parse(key["keytype"].as_str().unwrap()), public)
    }
}

/// Two replicas, and a publisher of a repository that is there with so many tags.
async fn two_replicas(tags: usize) -> (Arc<TestClock>, Replica, Replica, Publisher) {
    let clock = TestClock::at("2026-11-21T21:05:00Z");
    let store: Arc<dyn MetadataStore> = Arc::new(MemoryStore::new(Arc::clone(&clock) as _));
    let signer: Arc<dyn RoleSigner> = Arc::new(LocalSigner::new(Arc::new(SystemRandom::new())));
    let (a, b) = (Replica::on(&store, &signer, &clock), Replica::on(&store, &signer, &clock));
    let (snapshot, timestamp) = (a.key("snapshot").await, b.key("timestamp").await);
    let mut publisher = Publisher::new(&Gun::parse(GUN).unwrap(), &snapshot, &timestamp, clock.now());
    (0..tags).for_each(|number| publisher.tag(&format!("first-{number}"), b"content"));
    let parts = [("root", publisher.root_bytes()), ("targets", publisher.targets_bytes())];
    assert_eq!(a.publish(&parts).await, 200);
    (clock, a, b, publisher)
}

#[tokio::test]
async fn what_one_replica_acknowledged_is_in_the_next_update_of_the_other() {
    let (_clock, a, b, mut publisher) = two_replicas(300).await;
    let mut before = a.get("targets.json").await.1;
    for round in 0..10 {
        let (writer, reader) = if round % 2 == 0 { (&b, &a) } else { (&a, &b) };
        assert_eq!(reader.update(&before).await.len(), 2, "nothing but timestamp and snapshot");
        publisher.tag(&format!("tag-{round}"), b"content");
        publisher.next_targets();
        let targets = publisher.targets_bytes();
        assert_eq!(writer.publish(&[("targets", targets.clone())]).await, 200);
        let update = reader.update(&before).await;
        let [(timestamp, _), (snapshot, _), (file, delta)] = update.as_slice() else { panic!("{update:?}") };
        for (file, name) in [(timestamp, "timestamp"), (snapshot, "snapshot"), (file, "targets")] {
            assert_eq!(file.sha256, Sha256::of(&writer.get(&format!("{name}.json")).await.1), "round {round}");
        }
        assert_eq!((file.base, file.sent), (Some(Sha256::of(&before)), delta.len() as u64));
        before = targets;
    }
    assert_eq!(a.send(Method::DELETE, "", Vec::new()).await.0, 200);
    assert_eq!(b.request(Method::GET, "update", Vec::new()).await.0, 404);
}

#[tokio::test]
async fn the_timestamp_of_an_update_is_signed_anew_once_it_is_expired() {
    let (clock, a, _b, _publisher) = two_replicas(0).await;
    let stored = a.get("timestamp.json").await.1;
    clock.advance_days(15);
    let update = a.update(b"").await;
    assert_ne!(update[0].1, stored);
    assert_eq!(update[0].1, a.get("timestamp.json").await.1);
}

#[tokio::test]
async fn an_update_of_a_repository_whose_snapshot_cannot_be_read_is_its_timestamp() {
    let clock = TestClock::at("2026-11-21T21:05:00Z");
    let memory = Arc::new(MemoryStore::new(Arc::clone(&clock) as _));
    let gun = Gun::parse(GUN).unwrap();
    let created_at = clock.now();
    let snapshot = Bytes::from_static(b"{\"signed\": 1}");
    let expires = UtcTime::parse("2026-12-01T00:00:00Z").unwrap();
    let timestamp = Timestamp { version: Version::FIRST, expires, snapshot: FileMeta::of(&snapshot) };
    let timestamp = signed(&timestamp, &[&secret_key()]);
    for (role, bytes) in [(Role::Snapshot, &snapshot), (Role::Timestamp, &timestamp)] {
        let stored = Stored { version: Version::FIRST, sha256: Sha256::of(bytes), bytes: bytes.clone(), created_at };
        memory.take_over(&gun, &role, stored);
    }
    let store: Arc<dyn MetadataStore> = memory;
    let signer: Arc<dyn RoleSigner> = Arc::new(LocalSigner::new(Arc::new(SystemRandom::new())));
    let replica = Replica::on(&store, &signer, &clock);
    assert_eq!(replica.get("timestamp.json").await, (200, timestamp.clone()));
    let update = replica.update(b"").await;
    let [(file, sent)] = update.as_slice() else { panic!("{update:?}") };
    assert_eq!((&file.role, sent), (&Role::Timestamp, &timestamp));
}

#[tokio::test]
async fn what_one_replica_acknowledged_the_other_serves_at_once_and_what_it_deleted_is_gone() {
    let (_clock, a, b, mut publisher) = two_replicas(0).await;
    let mut by_hash = Vec::new();
    for round in 0..20 {
        let (writer, reader) = if round % 2 == 0 { (&b, &a) } else { (&a, &b) };
        // the reader remembers what is current now
        assert_eq!(reader.get("targets.json").await.0, 200);
        publisher.tag(&format!("tag-{round}"), b"content");
        publisher.next_targets();
        let targets = publisher.targets_bytes();
        assert_eq!(writer.publish(&[("targets", targets.clone())]).await, 200);
        assert_eq!(reader.get("targets.json").await, (200, targets.clone()), "round {round}");
        for role in ["timestamp.json", "snapshot.json"] {
            assert_eq!(reader.get(role).await, writer.get(role).await, "round {round}");
        }
        let hash = format!("targets.{}.json", Sha256::of(&targets).to_hex());
        assert_eq!(reader.get(&hash).await, (200, targets));
        by_hash.push(hash);
    }
    assert_eq!(a.send(Method::DELETE, "", Vec::new()).await.0, 200);
    for file in
        by_hash.iter().map(String::as_str).chain(["root.json", "timestamp.json", "snapshot.json", "1.root.json"])
    {
        assert_eq!(b.get(file).await.0, 404, "{file}");
    }
}
