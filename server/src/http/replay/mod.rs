//! Every recorded request to the reference, sent to this server in the recorded order, over the recorded database
//! state: status, code and meaning of each answer are the reference's, or the difference is listed and reasoned.

mod answers;
mod captures;
mod differences;
mod state;

use std::collections::BTreeSet;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use self::answers::{Answer, Hashes};
use self::captures::{Capture, folder};
use self::differences::DIFFERENCES;
use self::state::{RecordedSigner, recorded_store, take_over_later_changes, take_over_later_publish};
use super::respond;
use crate::app::{App, Foundations};
use crate::clock::TestClock;
use crate::config::Config;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::signer::{Custody, KeyAlgorithm};
use crate::store::memory::MemoryStore;

/// When most of them were recorded: the tokens count, and the one that had expired has.
const RECORDED_AT: &str = "2026-11-21T21:03:38Z";

/// One server of the recordings, and what its answers said so far.
struct Replay {
    app: Arc<App>,
    hashes: Hashes,
    seen: BTreeSet<String>,
    /// What is wrong with the answers.
    faults: Vec<String>,
}

impl Replay {
    /// A server with `sections` laid over the usual configuration.
    fn new(foundations: Foundations, sections: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = json!({
            "server": {"http_addr": ":0"}, "trust_service": {"type": "local"}, "storage": {"backend": "memory"},
        });
        for (name, section) in sections.as_object().unwrap() {
            config[name] = section.clone();
        }
        std::fs::write(folder.path().join("bundle.crt"), captures::token_certificate()).unwrap();
        std::fs::write(folder.path().join("server.json"), config.to_string()).unwrap();
        let config = Config::load(&folder.path().join("server.json"), []).unwrap().0;
        let app = App::on(foundations, config, TestClock::at(RECORDED_AT), &mut Vec::new()).unwrap();
        Self { app: Arc::new(app), hashes: Hashes::default(), seen: BTreeSet::new(), faults: Vec::new() }
    }

    /// Sends each capture and compares.
    async fn run(&mut self, captures: impl IntoIterator<Item = Capture>) {
        for capture in captures {
            let found = self.send(&self.hashes.translate(&capture.request)).await;
            self.compare(&capture, &found);
            self.seen.insert(capture.name);
        }
    }

    fn compare(&mut self, capture: &Capture, found: &Answer) {
        let name = capture.name.as_str();
        let difference = DIFFERENCES.iter().find(|difference| difference.name == name);
        let recorded = capture.answer.as_ref();
        let same = recorded.map_or(Err("the reference gave no answer".to_owned()), |recorded| {
            self.hashes.learn(recorded, found);
            recorded.compare(found)
        });
        let fault = match (difference, same) {
            (None, Ok(())) => return,
            (None, Err(words)) => format!("{words}; found {found:?}"),
            (Some(_), Ok(())) => "listed as a difference and none any more".to_owned(),
            (Some(listed), Err(_)) if (found.status, found.code().as_str()) == (listed.status, listed.code) => return,
            (Some(_), Err(_)) => format!("differs otherwise than listed: {found:?}"),
        };
        self.faults.push(format!("{name}: {fault}"));
    }

    /// One request over a connection of its own.
    async fn send(&self, request: &[u8]) -> Answer {
        let (mut near, far) = tokio::io::duplex(1 << 20);
        let app = Arc::clone(&self.app);
        let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let app = Arc::clone(&app);
            async move {
                let answer = respond(&app, [192, 0, 2, 1].into(), request).await;
                let (head, body) = answer.into_parts();
                let bytes = body.collect().await?.to_bytes();
                Ok::<_, std::convert::Infallible>(hyper::Response::from_parts(head, Full::new(bytes)))
            }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(far), service));
        near.write_all(request).await.unwrap();
        if captures::is_cut(request) {
            near.shutdown().await.unwrap();
        }
        let mut answer = Vec::new();
        near.read_to_end(&mut answer).await.unwrap();
        Answer::parse(&answer).unwrap_or_else(|| panic!("no answer to {}", String::from_utf8_lossy(request)))
    }
}

fn on_recorded_state(signer: RecordedSigner) -> Foundations {
    on(recorded_store(TestClock::at(RECORDED_AT)), signer)
}

/// The same, after the publish that the last recordings show.
fn on_later_state(signer: RecordedSigner) -> Foundations {
    let store = recorded_store(TestClock::at(RECORDED_AT));
    take_over_later_publish(&store, &folder("client-requests"));
    on(store, signer)
}

fn on(store: Arc<MemoryStore>, signer: RecordedSigner) -> Foundations {
    Foundations {
        store,
        signer: Arc::new(signer),
        algorithm: KeyAlgorithm::Ecdsa,
        health: Health::new(true, true),
        database: None,
        metrics: Metrics::new(TestClock::at(RECORDED_AT)),
    }
}

fn token_auth(realm: &str, current_seconds: u32) -> Value {
    json!({
        "auth": {"type": "token", "options": {
            "realm": realm, "service": "notary-server", "issuer": "auth.example.com", "rootcertbundle": "bundle.crt",
        }},
        "repositories": {"gun_prefixes": ["example.com/", "other/"]},
        "caching": {"max_age": {"current_metadata": current_seconds, "consistent_metadata": 31_536_000}},
    })
}

/// All is well, and each listed difference of a folder names a capture that was replayed.
fn assert_as_recorded(folder: &str, replays: &[Replay]) {
    let faults: Vec<&String> = replays.iter().flat_map(|replay| &replay.faults).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    for listed in DIFFERENCES.iter().filter(|listed| listed.name.starts_with(folder)) {
        assert!(replays.iter().any(|replay| replay.seen.contains(listed.name)), "{} is no capture", listed.name);
        assert!(!listed.reason.is_empty(), "{}", listed.name);
    }
}

#[tokio::test]
async fn every_recorded_exchange_with_the_server_is_answered_as_the_reference_did_or_listed() {
    let (open, with_token): (Vec<_>, Vec<_>) = folder("http").into_iter().partition(|capture| capture.number() < 210);
    assert_eq!((open.len(), with_token.len()), (129, 20));
    let store = recorded_store(TestClock::at(RECORDED_AT));
    take_over_later_changes(&store, &open);
    let mut replay = Replay::new(on(store, RecordedSigner::of(&open)), json!({}));
    replay.run(open).await;
    let mut with_auth = Replay::new(
        on_recorded_state(RecordedSigner::of(&with_token)),
        token_auth("https://auth.example.com/token", 0),
    );
    with_auth.run(with_token).await;
    assert_as_recorded("http/", &[replay, with_auth]);
}

#[tokio::test]
async fn every_request_of_the_reference_s_client_is_answered_as_the_reference_did() {
    let (open, with_token): (Vec<_>, Vec<_>) =
        folder("client-requests").into_iter().partition(|capture| capture.number() < 32);
    let with_token: Vec<_> = with_token.into_iter().filter(|capture| !capture.is_of_the_token_service()).collect();
    assert_eq!((open.len(), with_token.len()), (31, 25));
    let mut replay = Replay::new(on_later_state(RecordedSigner::of(&open)), json!({}));
    replay.run(open).await;
    let mut with_auth =
        Replay::new(on_later_state(RecordedSigner::of(&with_token)), token_auth("http://127.0.0.1:24500/token", 300));
    with_auth.run(with_token.into_iter().map(Capture::with_token)).await;
    assert_as_recorded("client-requests/", &[replay, with_auth]);
}

#[tokio::test]
async fn with_the_signer_down_reads_are_the_reference_s_and_what_needs_it_is_listed() {
    let captures = folder("http-signer-down");
    assert_eq!(captures.len(), 6);
    let mut replay = Replay::new(on_later_state(RecordedSigner::down()), json!({}));
    replay.run(captures).await;
    assert_as_recorded("http-signer-down/", &[replay]);
}

#[tokio::test]
async fn with_storage_and_keys_in_memory_answers_are_the_reference_s() {
    let captures = folder("http-memory-local");
    assert_eq!(captures.len(), 10);
    let clock = TestClock::at("2026-11-21T21:03:44.7Z");
    let foundations = Foundations {
        store: Arc::new(MemoryStore::new(clock.clone())),
        signer: Arc::new(RecordedSigner::of(&captures).in_custody(Custody::Local)),
        algorithm: KeyAlgorithm::Ed25519,
        health: Health::new(false, false),
        database: None,
        metrics: Metrics::new(clock),
    };
    let mut replay = Replay::new(foundations, json!({}));
    replay.run(captures).await;
    assert_as_recorded("http-memory-local/", &[replay]);
}
