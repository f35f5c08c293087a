//! Backups: taken while publishes go on, restored, and what is said when server and signer are not of one time.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use e2e::http;
use e2e::scratch::{Engine, Scratch};
use e2e::stack::{Kind, PASSPHRASE, Stack};
use e2e::upload::Story;
use serde_json::Value;
use tempfile::TempDir;
use tuf_schema::model::Targets;
use tuf_schema::{Dialect, Envelope, Role};

/// Copies one half's SQLite file as docs/operations.md says; false where there is no `sqlite3`.
async fn back_up(stack: &Stack, half: &str, folder: &Path) -> bool {
    let name = format!("{half}.db");
    Scratch::at(stack.folder().join(&name)).back_up(&Scratch::at(folder.join(&name))).await.unwrap()
}

async fn restored(folder: &Path) -> Stack {
    Stack::start_on(&folder.join("server.db"), &folder.join("signer.db"), PASSPHRASE).await.unwrap()
}

/// What `admin verify` finds wrong, and its status.
async fn verified(stack: &Stack) -> (Vec<Value>, i32) {
    findings(stack.command(&["admin", "verify", "--output", "json"]).await.unwrap())
}

fn findings(output: Output) -> (Vec<Value>, i32) {
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    (lines.filter(|line| line["weight"] == "finding").collect(), output.status.code().unwrap())
}

/// The tags that a server serves.
async fn targets_of(port: u16, gun: &str) -> Targets {
    let answer = http::get(port, &format!("/v2/{gun}/_trust/tuf/targets.json")).await.unwrap();
    assert_eq!(answer.status, 200, "{gun}");
    let envelope = Envelope::parse(Dialect::Notary, answer.body.into()).unwrap();
    envelope.decode::<Targets>(Role::Targets).unwrap().claims().clone()
}

/// Waits until the server's log has a line with all of `words`.
async fn logged(stack: &Stack, words: &[&str]) -> String {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..600 {
        tick.tick().await;
        let log = std::fs::read_to_string(stack.folder().join("server.log")).unwrap();
        if let Some(line) = log.lines().find(|line| words.iter().all(|word| line.contains(word))) {
            return line.to_owned();
        }
    }
    std::fs::read_to_string(stack.folder().join("server.log")).unwrap()
}

/// What was answered 200, by repository.
type Ledger = Arc<Mutex<BTreeMap<String, BTreeSet<String>>>>;

/// Publishes tag after tag, and after each ten a repository of its own, until told to stop.
async fn publish(mut story: Story, ledger: Ledger, stop: Arc<AtomicBool>) -> Story {
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let tag = format!("tag-{number}");
        number += 1;
        assert_eq!(story.send_tag(&tag).await.unwrap().status, 200);
        ledger.lock().unwrap().entry(story.gun().to_owned()).or_default().insert(tag);
        if number % 10 == 0 {
            let new = Story::published(story.port, &format!("{}/{number}", story.gun())).await.unwrap();
            ledger.lock().unwrap().entry(new.gun().to_owned()).or_default().insert("first".to_owned());
        }
    }
    story
}

#[tokio::test]
async fn a_backup_taken_during_publishes_holds_what_was_acknowledged_before_and_serves() {
    for engine in Engine::all().unwrap() {
        let folder = TempDir::new().unwrap();
        let database = Scratch::new(&engine, folder.path()).await.unwrap();
        let copy = Scratch::new(&engine, folder.path()).await.unwrap();
        let signer_copy = folder.path().join("signer.db");
        let stack = Stack::start_over(database.storage(), &signer_copy).await.unwrap();
        let (ledger, stop) = (Ledger::default(), Arc::new(AtomicBool::new(false)));
        let mut publishers = Vec::new();
        for number in 0..4 {
            let story = Story::published(stack.port(), &format!("example.com/saved/{number}")).await.unwrap();
            publishers.push(tokio::spawn(publish(story, Arc::clone(&ledger), Arc::clone(&stop))));
        }
        let acknowledged = loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let now = ledger.lock().unwrap().clone();
            if now.values().map(BTreeSet::len).sum::<usize>() >= 60 {
                break now;
            }
        };
        // The server first: each key that it names was made before, and so is in the signer's.
        let is_done = database.back_up(&copy).await.unwrap() && back_up(&stack, "signer", folder.path()).await;
        stop.store(true, Ordering::Relaxed);
        let mut stories = Vec::new();
        for publisher in publishers {
            stories.push(publisher.await.unwrap());
        }
        if !is_done {
            continue;
        }
        assert!(*ledger.lock().unwrap() != acknowledged, "nothing was published during the backup");
        drop(stack);

        let stack = Stack::start_over(copy.storage(), &signer_copy).await.unwrap();
        assert_eq!(verified(&stack).await, (Vec::new(), 0), "{engine:?}");
        for (gun, tags) in &acknowledged {
            let served: BTreeSet<String> = targets_of(stack.port(), gun).await.targets.into_keys().collect();
            let lost: Vec<_> = tags.difference(&served).collect();
            assert!(lost.is_empty(), "{engine:?}: {gun}: acknowledged before the backup and not in it: {lost:?}");
        }
        for mut story in stories {
            story.port = stack.port();
            story.publisher.targets = targets_of(story.port, story.gun()).await;
            let answer = story.send_tag("after-the-restore").await.unwrap();
            assert_eq!(answer.status, 200, "{engine:?}: {}", String::from_utf8_lossy(&answer.body));
        }
    }
}

#[tokio::test]
async fn with_an_older_signer_the_server_comes_up_serves_and_says_whose_keys_are_missing() {
    let stack = Stack::start(Kind::Durable).await.unwrap();
    let mut known = Story::published(stack.port(), "example.com/known").await.unwrap();
    let folder = TempDir::new().unwrap();
    if !back_up(&stack, "signer", folder.path()).await {
        return;
    }
    let mut lost = Story::published(stack.port(), "example.com/lost").await.unwrap();
    assert!(back_up(&stack, "server", folder.path()).await);
    drop(stack);

    let stack = restored(folder.path()).await;
    (known.port, lost.port) = (stack.port(), stack.port());
    let line = logged(&stack, &["does not hold the timestamp keys", "example.com/lost"]).await;
    let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| Value::String(line.clone()));
    assert_eq!((&line["level"], &line["repositories"]), (&"warning".into(), &1.into()), "{line}");
    assert!(!line.to_string().contains("example.com/known"), "{line}");
    assert_eq!(lost.read("targets.json").await.unwrap().status, 200, "what is stored is served");
    assert_eq!(known.send_tag("goes-on").await.unwrap().status, 200);
    let refused = lost.send_tag("cannot-be-signed").await.unwrap();
    assert_ne!(refused.status, 200);
    let (findings, status) = verified(&stack).await;
    let told: Vec<_> = findings.iter().map(|line| (line["code"].as_str(), line["gun"].as_str())).collect();
    assert_eq!((told, status), (vec![(Some("key_not_held"), Some("example.com/lost"))], 2));
}

#[tokio::test]
async fn with_an_older_server_database_the_signers_keys_go_on_signing() {
    let stack = Stack::start(Kind::Durable).await.unwrap();
    let mut known = Story::published(stack.port(), "example.com/known").await.unwrap();
    let folder = TempDir::new().unwrap();
    if !back_up(&stack, "server", folder.path()).await {
        return;
    }
    assert_eq!(known.send_tag("after-the-backup").await.unwrap().status, 200);
    let mut lost = Story::published(stack.port(), "example.com/lost").await.unwrap();
    assert!(back_up(&stack, "signer", folder.path()).await);
    drop(stack);

    let stack = restored(folder.path()).await;
    assert_eq!(verified(&stack).await, (Vec::new(), 0));
    let listed = folder.path().join("signer-keys.json");
    std::fs::write(&listed, stack.signer_keys().await.unwrap()).unwrap();
    let arguments = ["admin", "verify", "--output", "json", "--signer-keys", listed.to_str().unwrap()];
    let (findings, status) = findings(stack.command(&arguments).await.unwrap());
    let told: Vec<_> = findings.iter().map(|line| (line["code"].as_str(), line["gun"].as_str())).collect();
    // What was published to the other a moment after the backup is within what clocks may differ by.
    let lost_one = (Some("not_stored"), Some("example.com/lost"));
    assert!(told.contains(&lost_one) && status == 2, "{told:?}");
    (known.port, lost.port) = (stack.port(), stack.port());
    // The publishers hold what the server lost, and publish it again.
    assert_eq!(known.send_tag("published-again").await.unwrap().status, 200);
    assert_eq!(lost.read("root.json").await.unwrap().status, 404);
    assert_eq!(lost.send_both().await.unwrap().status, 200, "with the keys that its root names");
}

/// Where a copy stands and nothing is: a backup never overwrites another.
#[tokio::test]
async fn a_backup_into_a_file_that_is_there_is_refused() {
    let stack = Stack::start(Kind::Durable).await.unwrap();
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join("server.db");
    std::fs::write(&copy, b"an older backup").unwrap();
    let server = Scratch::at(stack.folder().join("server.db"));
    assert!(!matches!(server.back_up(&Scratch::at(copy.clone())).await, Ok(true)));
    assert_eq!(std::fs::read(&copy).unwrap(), b"an older backup");
}
