//! A signer that is gone, or cannot open its keys: the server says so, loses nothing and makes no other key.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::time::Duration;

use e2e::http::{self, Answer};
use e2e::stack::{Kind, Stack};
use e2e::upload::{Story, server_key};

/// The fault is the server's side: a client must not be told that its update is invalid.
fn assert_server_fault(answer: &Answer) {
    let text = String::from_utf8_lossy(&answer.body);
    assert!((500..600).contains(&answer.status), "{}: {text}", answer.status);
    assert!(!answer.code().is_empty() && answer.code() != "INVALID_UPDATE", "{text}");
    assert!(answer.body.len() <= 1000, "clients read no more than 1,000 bytes of an error");
}

#[tokio::test]
async fn without_its_signer_the_server_serves_reads_and_refuses_publishes_as_its_own_fault() {
    let mut stack = Stack::start(Kind::Durable).await.unwrap();
    let mut story = Story::published(stack.port(), "example.com/orphaned").await.unwrap();
    let before = story.state().await.unwrap();
    stack.signer.as_mut().unwrap().kill().await.unwrap();
    assert_server_fault(&story.send_tag("while-it-was-down").await.unwrap());
    let key = http::get(stack.port(), "/v2/example.com/new/_trust/tuf/timestamp.key").await.unwrap();
    assert_server_fault(&key);
    assert_eq!(story.state().await.unwrap(), before, "reads go on, and nothing was stored");
    let health = http::get(stack.port(), "/_notary_server/health").await.unwrap();
    assert_eq!(health.status, 503);
    let checks: Vec<_> = health.json().as_object().unwrap().keys().cloned().collect();
    assert_eq!(checks, ["Trust operational"], "the store works, the signer does not");
    stack.restart_signer().await.unwrap();
    assert_eq!(story.send_tag("afterwards").await.unwrap().status, 200);
}

#[tokio::test]
async fn a_signer_that_cannot_open_its_keys_leads_to_no_other_key() {
    let mut stack = Stack::start(Kind::Durable).await.unwrap();
    let mut story = Story::published(stack.port(), "example.com/locked").await.unwrap();
    let pending = server_key(stack.port(), "example.com/pending", "timestamp").await.unwrap();
    let before = story.state().await.unwrap();
    stack.signer.as_mut().unwrap().kill().await.unwrap();
    stack.restart_signer_with("not the passphrase").await.unwrap();
    let refused = story.send_tag("locked-out").await.unwrap();
    assert_eq!((refused.status, refused.code()), (503, "UNAVAILABLE".into()));
    assert_eq!(refused.json()["errors"][0]["detail"], "signer");
    for gun in ["example.com/locked", "example.com/pending", "example.com/third"] {
        for role in ["timestamp", "snapshot"] {
            let answer = http::get(stack.port(), &format!("/v2/{gun}/_trust/tuf/{role}.key")).await.unwrap();
            assert!(answer.status >= 500 || gun == "example.com/locked", "{gun} {role}: {}", answer.status);
            assert!(answer.status >= 500 || is_key_of_root(&story, &answer).await, "{gun} {role}: another key");
        }
    }
    assert_eq!(story.state().await.unwrap(), before);
    stack.signer.as_mut().unwrap().kill().await.unwrap();
    stack.restart_signer().await.unwrap();
    let same = server_key(stack.port(), "example.com/pending", "timestamp").await.unwrap();
    assert_eq!(same.id(), pending.id(), "the key that was handed out before is handed out again");
    assert_eq!(story.send_tag("opened-again").await.unwrap().status, 200);
}

#[tokio::test]
async fn a_server_that_starts_without_its_signer_says_once_that_reads_are_served_and_publishes_are_not() {
    let mut stack = Stack::start(Kind::Durable).await.unwrap();
    stack.server.kill().await.unwrap();
    stack.signer.as_mut().unwrap().kill().await.unwrap();
    stack.restart_server().await.unwrap();
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..600 {
        tick.tick().await;
        let log = std::fs::read_to_string(stack.folder().join("server.log")).unwrap();
        let said = log.lines().filter(|line| line.contains("reads are served, publishes are 503")).count();
        if said > 0 {
            assert_eq!(said, 1, "{log}");
            return;
        }
    }
    panic!("{}", std::fs::read_to_string(stack.folder().join("server.log")).unwrap());
}

/// The public half of a key that the root names needs no passphrase.
async fn is_key_of_root(story: &Story, answer: &Answer) -> bool {
    let root = story.read("root.json").await.unwrap().json();
    let public = answer.json()["keyval"]["public"].clone();
    let keys = root["signed"]["keys"].as_object().cloned().unwrap_or_default();
    keys.values().any(|key| key["keyval"]["public"] == public)
}
