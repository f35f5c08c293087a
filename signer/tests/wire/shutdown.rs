//! SIGTERM in the midst of work: what was begun is done and answered, and nothing else is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::process::Started;
use crate::signer::{Place, id};

const TIMESTAMP: &[u8] = include_bytes!("../../testdata/timestamp.json");
const CLIENTS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_before_the_end_is_answered_and_nothing_is_done_unanswered() {
    let place = Place::new();
    let mut started = Started::new(&place);
    let answered = Arc::new(AtomicUsize::new(0));
    let mut working = Vec::new();
    for number in 0..CLIENTS {
        let (client, answered) = (started.client(&place).await, Arc::clone(&answered));
        working.push(tokio::spawn(async move {
            let (mut keys, mut signatures) = (Vec::new(), 0);
            for round in 0.. {
                let Ok(key) = client.create(&format!("a/{number}/{round}"), "timestamp").await else { break };
                keys.push(id(&key).to_owned());
                answered.fetch_add(1, Ordering::SeqCst);
                let Ok(_) = client.sign(Some(id(&key)), TIMESTAMP).await else { break };
                signatures += 1;
            }
            (keys, signatures)
        }));
    }
    while answered.load(Ordering::SeqCst) < 5 * CLIENTS {
        tokio::task::yield_now().await;
    }
    let log = started.terminate().await;
    let (mut keys, mut signatures) = (Vec::new(), 0);
    for worker in working {
        let (of_one, signatures_of_one) = worker.await.unwrap();
        keys.extend(of_one);
        signatures += signatures_of_one;
    }
    let done = |operation: &str| {
        let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.filter(|line| line["operation"] == operation && line["outcome"] == "ok").count()
    };
    assert!(signatures > CLIENTS, "{signatures}");
    assert_eq!((done("create"), done("sign")), (keys.len(), signatures), "done, and answered");

    let mut started = Started::new(&place);
    let client = started.client(&place).await;
    for key in keys {
        client.sign(Some(&key), TIMESTAMP).await.unwrap();
    }
}
