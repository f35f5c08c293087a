//! Two servers on one store: what one acknowledged, the other never denies. Whatever a process remembers is found by
//! content hash, or decides only what is signed when.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request};
use ring::rand::SystemRandom;
use serde_json::{Value, json};
use tuf_schema::testing::Publisher;
use tuf_schema::{Gun, KeyType, PublicKey, Sha256};

use super::{Health, respond};
use crate::app::{App, Foundations};
use crate::clock::{Clock, TestClock};
use crate::config::Config;
use crate::signer::local::LocalSigner;
use crate::signer::{KeyAlgorithm, RoleSigner};
use crate::store::MetadataStore;
use crate::store::memory::MemoryStore;

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
        let foundations = Foundations { store, signer, algorithm: KeyAlgorithm::Ed25519, health, database: None };
        let config = Config::load(&path, []).unwrap().0;
        Self(App::on(foundations, config, Arc::clone(clock) as _, &mut Vec::new()).unwrap())
    }

    async fn send(&self, method: Method, file: &str, body: Vec<u8>) -> (u16, Bytes) {
        let request = Request::builder()
            .method(method)
            .uri(format!("/v2/{GUN}/_trust/tuf/{file}"))
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

#[tokio::test]
async fn what_one_replica_acknowledged_the_other_serves_at_once_and_what_it_deleted_is_gone() {
    let clock = TestClock::at("2026-11-21T21:05:00Z");
    let store: Arc<dyn MetadataStore> = Arc::new(MemoryStore::new(Arc::clone(&clock) as _));
    let signer: Arc<dyn RoleSigner> = Arc::new(LocalSigner::new(Arc::new(SystemRandom::new())));
    let (a, b) = (Replica::on(&store, &signer, &clock), Replica::on(&store, &signer, &clock));
    let (snapshot, timestamp) = (a.key("snapshot").await, b.key("timestamp").await);
    let mut publisher = Publisher::new(&Gun::parse(GUN).unwrap(), &snapshot, &timestamp, clock.now());
    let parts = [("root", publisher.root_bytes()), ("targets", publisher.targets_bytes())];
    assert_eq!(a.publish(&parts).await, 200);
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
