//! `kill -9` of server and signer during a stream of publishes: what was acknowledged is there, nothing is half there.
//!
//! `KILL_ROUNDS` says how often (default 6; `make test-full` asks for 50).

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails where it stands")]

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::stack::{Kind, Stack};
use e2e::upload::Story;
use ring::rand::{SecureRandom, SystemRandom};
use tuf_schema::model::{FileMeta, Snapshot, Targets, Timestamp};
use tuf_schema::{Dialect, Envelope, Role, dialect::Document};

const PUBLISHERS: usize = 4;

fn rounds() -> usize {
    #[expect(clippy::disallowed_methods, reason = "the number of rounds is a choice of whoever runs the story")]
    let asked = std::env::var("KILL_ROUNDS").ok();
    asked.map_or(6, |text| text.parse().expect("KILL_ROUNDS is a number"))
}

fn random(below: u64) -> u64 {
    let mut bytes = [0; 8];
    SystemRandom::new().fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes) % below
}

/// A repository, and the tags whose publish was answered 200.
struct Ledger {
    story: Story,
    acknowledged: BTreeSet<String>,
    next: u32,
}

impl Ledger {
    /// Publishes one tag after the other until the server no longer answers 200.
    async fn publish_until_cut(mut self) -> Self {
        loop {
            let tag = format!("tag-{}", self.next);
            self.next += 1;
            match self.story.send_tag(&tag).await {
                Ok(answer) if answer.status == 200 => _ = self.acknowledged.insert(tag),
                _ => return self,
            }
        }
    }

    /// Checks what the server holds after its restart, and takes it over as the state to go on from.
    async fn check(&mut self) {
        let targets = current(&self.story).await;
        let held: BTreeSet<String> = targets.targets.keys().cloned().collect();
        let lost: Vec<_> = self.acknowledged.difference(&held).collect();
        assert!(lost.is_empty(), "{}: acknowledged and lost: {lost:?}", self.story.gun());
        self.story.publisher.targets = targets;
        let tag = format!("after-{}", self.next);
        let answer = self.story.send_tag(&tag).await.unwrap();
        assert_eq!(answer.status, 200, "{}: {}", self.story.gun(), String::from_utf8_lossy(&answer.body));
        self.acknowledged.insert(tag);
    }
}

async fn read<M: Document + Clone>(story: &Story, file: &str, role: Role, listed: Option<&FileMeta>) -> M {
    let answer = story.read(file).await.unwrap();
    assert_eq!(answer.status, 200, "{}: {file}", story.gun());
    if let Some(listed) = listed {
        listed.check(&answer.body).unwrap_or_else(|e| panic!("{}: {file}: {e}", story.gun()));
    }
    let envelope = Envelope::parse(Dialect::Notary, answer.body.into()).unwrap();
    envelope.decode::<M>(role).unwrap().claims().clone()
}

/// Walks from the timestamp to the targets by hash, as docker does: a half-stored publish breaks the walk.
async fn current(story: &Story) -> Targets {
    let timestamp: Timestamp = read(story, "timestamp.json", Role::Timestamp, None).await;
    let by_hash = |role: &str, meta: &FileMeta| format!("{role}.{}.json", meta.digests.sha256().unwrap());
    let snapshot_file = by_hash("snapshot", &timestamp.snapshot);
    let snapshot: Snapshot = read(story, &snapshot_file, Role::Snapshot, Some(&timestamp.snapshot)).await;
    let meta = &snapshot.meta[&Role::Targets];
    read(story, &by_hash("targets", meta), Role::Targets, Some(meta)).await
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_and_nothing_is_half_there_when_processes_are_killed() {
    let mut stack = Stack::start(Kind::Durable).await.unwrap();
    let mut ledgers = Vec::new();
    for number in 0..PUBLISHERS {
        let story = Story::published(stack.port(), &format!("example.com/killed/{number}")).await.unwrap();
        ledgers.push(Ledger { story, acknowledged: BTreeSet::from(["first".to_owned()]), next: 0 });
    }
    for round in 0..rounds() {
        let before: usize = ledgers.iter().map(|l| l.acknowledged.len()).sum();
        let running: Vec<_> = ledgers.drain(..).map(|ledger| tokio::spawn(ledger.publish_until_cut())).collect();
        // A random moment: the publishers never end by themselves, so this always runs out.
        let moment = Duration::from_millis(20 + random(200));
        let _ = tokio::time::timeout(moment, std::future::pending::<()>()).await;
        match round % 3 {
            0 => stack.server.kill().await.unwrap(),
            1 => stack.signer.as_mut().unwrap().kill().await.unwrap(),
            _ => {
                stack.signer.as_mut().unwrap().kill().await.unwrap();
                stack.server.kill().await.unwrap();
            }
        }
        for task in running {
            ledgers.push(task.await.unwrap());
        }
        if round % 3 != 0 {
            stack.restart_signer().await.unwrap();
        }
        if round % 3 != 1 {
            stack.restart_server().await.unwrap();
        }
        for ledger in &mut ledgers {
            ledger.check().await;
        }
        let after: usize = ledgers.iter().map(|l| l.acknowledged.len()).sum();
        assert!(after >= before + PUBLISHERS, "round {round}: nothing was published");
    }
}
