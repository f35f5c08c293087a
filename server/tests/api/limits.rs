//! What one client and one repository may use: the exact answer to whoever asks for more, and room for the others.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::repositories::{published, unpublished};
use crate::server::{Answer, BOUNDARY, Server, multipart};

const GUN: &str = "example.com/app";

pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").into_bytes()
}

#[track_caller]
pub(crate) fn assert_too_many(answer: &Answer, detail: &str, wait_seconds: &str) {
    answer.assert_refused(429, "TOOMANYREQUESTS");
    assert_eq!(answer.json()["errors"][0]["message"], "too many requests");
    assert_eq!(answer.detail(), detail);
    assert_eq!(answer.header("retry-after"), Some(wait_seconds));
}

#[tokio::test]
async fn publishes_to_one_repository_have_a_rate_and_empty_ones_count() {
    let server = Server::start_with(json!({"limits": {"gun_publishes_per_minute": 3}}), &[]).await;
    published(&server, GUN).await;
    let empty = multipart(&[]);
    assert_eq!(server.post(GUN, &empty).await.status, 200, "an empty publish makes a snapshot and a timestamp");
    assert_eq!(server.post(GUN, &empty).await.status, 200);
    let refused = server.post(GUN, &empty).await;
    assert_too_many(&refused, "more than 3 publishes to one repository a minute; try again in 20 seconds", "20");
    let deletion = server.request("DELETE", &format!("/v2/{GUN}/_trust/tuf/"), &[]).await;
    deletion.assert_refused(429, "TOOMANYREQUESTS");
    published(&server, "example.com/other").await;
    assert_eq!(server.get(&format!("/v2/{GUN}/_trust/tuf/timestamp.json")).await.status, 200, "reads go on");
}

#[tokio::test]
async fn an_upload_above_the_rate_is_refused_unread() {
    let server = Server::start_with(json!({"limits": {"gun_publishes_per_minute": 1}}), &[]).await;
    server.post(GUN, &multipart(&[])).await.assert_refused(400, "INVALID_UPDATE");
    let head = format!(
        "POST /v2/{GUN}/_trust/tuf/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\
         Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
    );
    let mut stream = server.connect_from(1).await;
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 429");
}

#[tokio::test]
async fn questions_for_the_keys_of_one_repository_have_a_rate() {
    let server = Server::start_with(json!({"limits": {"gun_key_requests_per_minute": 4}}), &[]).await;
    published(&server, GUN).await;
    let path = format!("/v2/{GUN}/_trust/tuf/timestamp.key");
    assert_eq!(server.get(&path).await.status, 200);
    assert_eq!(server.request("POST", &path, &[]).await.status, 200);
    let detail = "more than 4 questions for the keys of one repository a minute; try again in 15 seconds";
    assert_too_many(&server.get(&path).await, detail, "15");
    server.request("POST", &path, &[]).await.assert_refused(429, "TOOMANYREQUESTS");
    assert_eq!(server.get("/v2/example.com/other/_trust/tuf/timestamp.key").await.status, 200);
}

#[tokio::test]
async fn new_keys_for_one_repository_have_a_rate_and_keys_in_use_do_not_count() {
    let server = Server::start_with(json!({"limits": {"gun_new_keys_per_hour": 3}}), &[]).await;
    published(&server, GUN).await;
    let path = format!("/v2/{GUN}/_trust/tuf/snapshot.key");
    for _ in 0..5 {
        assert_eq!(server.get(&path).await.status, 200, "the published root names it");
    }
    assert_eq!(server.request("POST", &path, &[]).await.status, 200);
    let refused = server.request("POST", &path, &[]).await;
    assert_too_many(&refused, "more than 3 new keys for one repository an hour; try again in 1200 seconds", "1200");
    assert_eq!(server.get(&path).await.status, 200);
}

#[tokio::test]
async fn keys_of_repositories_that_are_never_published_have_a_rate_by_client() {
    let server = Server::start_with(json!({"limits": {"client_new_keys_per_hour": 10}}), &[]).await;
    let ask = async |client: u8, number: usize| {
        server.send_from(client, &get(&format!("/v2/example.com/{number}/_trust/tuf/timestamp.key"))).await
    };
    for number in 0..10 {
        assert_eq!(ask(1, number).await.status, 200);
    }
    assert_too_many(&ask(1, 10).await, "more than 10 new keys for one client an hour; try again in 360 seconds", "360");
    assert_eq!(ask(2, 10).await.status, 200, "another client");
}

#[tokio::test]
async fn reads_of_one_repository_have_a_rate() {
    let server = Server::start_with(json!({"limits": {"gun_reads_per_minute": 2}}), &[]).await;
    published(&server, GUN).await;
    let path = format!("/v2/{GUN}/_trust/tuf/timestamp.json");
    assert_eq!(server.get(&path).await.status, 200);
    assert_eq!(server.get(&format!("/v2/{GUN}/_trust/changefeed?records=1")).await.status, 200);
    assert_too_many(
        &server.get(&path).await,
        "more than 2 reads of one repository a minute; try again in 30 seconds",
        "30",
    );
    server.get("/v2/example.com/other/_trust/tuf/root.json").await.assert_refused(404, "METADATA_NOT_FOUND");
    assert_eq!(server.get("/_notary_server/health").await.status, 200, "health has no rate");
}

#[tokio::test]
async fn requests_from_one_address_have_a_rate_of_their_own() {
    let server = Server::start_with(json!({"limits": {"address_requests_per_minute": 2}}), &[]).await;
    assert_eq!(server.send_from(1, &get("/v2/")).await.status, 200);
    server.send_from(1, &get("/nothing")).await.assert_refused(404, "METADATA_NOT_FOUND");
    let refused = server.send_from(1, &get("/v2/")).await;
    assert_too_many(&refused, "more than 2 requests from one address a minute; try again in 30 seconds", "30");
    assert_eq!(server.send_from(2, &get("/v2/")).await.status, 200);
}

#[tokio::test]
async fn what_a_trusted_proxy_says_of_its_clients_counts_and_what_others_say_does_not() {
    let limits = json!({"limits": {"address_requests_per_minute": 1, "trusted_proxies": ["127.0.0.9"]}});
    let server = Server::start_with(limits, &[]).await;
    let ask = async |peer: u8, forwarded: &str| {
        let head = format!("GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: {forwarded}\r\n\r\n");
        server.send_from(peer, head.as_bytes()).await.status
    };
    assert_eq!([ask(9, "192.0.2.1").await, ask(9, "192.0.2.2").await], [200, 200]);
    assert_eq!([ask(9, "192.0.2.1").await, ask(9, "192.0.2.7, 192.0.2.2").await], [429, 429]);
    assert_eq!([ask(2, "192.0.2.3").await, ask(2, "192.0.2.4").await], [200, 429]);
}

/// An upload that sent so much of its body and goes no further.
async fn unfinished(server: &Server, client: u8, gun: &str, bytes: usize) -> TcpStream {
    let mut stream = server.connect_from(client).await;
    stream.write_all(unfinished_head(gun, bytes).as_bytes()).await.unwrap();
    stream.write_all(&vec![b'a'; bytes]).await.unwrap();
    stream
}

fn unfinished_head(gun: &str, bytes: usize) -> String {
    format!(
        "POST /v2/{gun}/_trust/tuf/ HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\
         Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n",
        bytes + 1
    )
}

fn upload(gun: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /v2/{gun}/_trust/tuf/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn slow_uploads_to_one_repository_leave_memory_for_the_others() {
    let limits = json!({"limits": {"document_bytes": 1_048_576, "upload_memory_bytes": 16_777_216}});
    let server = Server::start_with(limits, &[]).await;
    let publisher = published(&server, GUN).await;
    let body = multipart(&[("targets", &publisher.targets_bytes())]);
    let mut slow = Vec::new();
    let refused = loop {
        assert!(slow.len() < 50, "one repository got all of the memory");
        slow.push(unfinished(&server, 1, GUN, 300_000).await);
        let answer = server.post(GUN, &body).await;
        if answer.status == 429 {
            break answer;
        }
        answer.assert_refused(400, "VERSION");
    };
    let detail = "other uploads to this repository hold its share of the memory for uploads; try again later";
    assert_too_many(&refused, detail, "5");
    assert!(slow.len() > 2, "a share is more than one upload: {}", slow.len());
    published(&server, "example.com/other").await;
    drop(slow);
    for attempt in 1.. {
        // until the server has seen that the others are gone
        let answer = server.post(GUN, &body).await;
        if answer.status != 429 {
            answer.assert_refused(400, "VERSION");
            break;
        }
        assert!(attempt < 1000, "the memory was not given back");
    }
}

#[tokio::test]
async fn slow_uploads_from_one_address_leave_memory_for_another_and_all_together_end_at_the_total() {
    let limits = json!({"limits": {"document_bytes": 1_048_576, "upload_memory_bytes": 16_777_216}});
    let server = Server::start_with(limits, &[]).await;
    let publisher = published(&server, GUN).await;
    let body = multipart(&[("targets", &publisher.targets_bytes())]);
    let mut slow = Vec::new();
    for (client, bytes, status, code) in [(1, 300_000, 429, "TOOMANYREQUESTS"), (2, 1000, 503, "UNAVAILABLE")] {
        let refused = loop {
            assert!(slow.len() < 100, "uploads are not counted");
            slow.push(unfinished(&server, client, &format!("example.com/{}", slow.len()), bytes).await);
            let answer = server.send_from(client, &upload(GUN, &body)).await;
            if answer.code() != "VERSION" {
                break answer;
            }
        };
        refused.assert_refused(status, code);
        assert_eq!(refused.header("retry-after"), Some("5"));
        if client == 1 {
            let other = server.send_from(2, &upload(GUN, &body)).await;
            other.assert_refused(400, "VERSION");
        } else {
            assert_eq!(refused.detail(), "uploads");
        }
    }
}

#[tokio::test]
async fn one_address_cannot_hold_every_connection() {
    let limits = json!({"limits": {"connections": 4, "connections_per_address": 2}});
    let server = Server::start_with(limits, &[]).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = server.connect_from(1).await;
        stream.write_all(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        stream.read_exact(&mut [0; 12]).await.unwrap();
        held.push(stream);
    }
    let mut third = server.connect_from(1).await;
    let _may_be_closed = third.write_all(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let read = third.read(&mut [0; 12]).await;
    assert!(matches!(read, Ok(0) | Err(_)), "a third connection was served: {read:?}");
    assert_eq!(server.send_from(2, &get("/v2/")).await.status, 200);
    drop(held);
    for attempt in 1.. {
        let mut next = server.connect_from(1).await;
        let _may_be_closed = next.write_all(&get("/v2/")).await;
        if next.read(&mut [0; 12]).await.is_ok_and(|read| read > 0) {
            break;
        }
        assert!(attempt < 1000, "closed connections count still");
    }
}

#[tokio::test]
async fn slow_readers_at_one_address_leave_memory_for_another() {
    let limits = json!({"limits": {"document_bytes": 1_048_576, "answer_memory_bytes": 3_145_728}});
    let server = Server::start_with(limits, &[]).await;
    let mut publisher = unpublished(&server, GUN).await;
    for number in 0..1500 {
        publisher.tag(&format!("{number}-{}", "x".repeat(300)), b"content");
    }
    let (root, targets) = (publisher.root_bytes(), publisher.targets_bytes());
    assert!(targets.len() > 500_000, "larger than what sockets take at once");
    assert_eq!(server.post(GUN, &multipart(&[("root", &root), ("targets", &targets)])).await.status, 200);
    let path = format!("/v2/{GUN}/_trust/tuf/targets.json");
    let mut slow = Vec::new();
    let refused = loop {
        assert!(slow.len() < 50, "answers that nobody reads hold no memory");
        // asks again and again on one connection, so that its buffers are full, and reads nothing
        let mut stream = server.connect_from(1).await;
        for _ in 0..20 {
            let asked = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
            stream.write_all(asked.as_bytes()).await.unwrap();
        }
        stream.peek(&mut [0]).await.unwrap();
        slow.push(stream);
        let answer = server.send_from(1, &get(&path)).await;
        if answer.status != 200 {
            break answer;
        }
    };
    let detail = "other answers to this client hold its share of the memory for answers; try again later";
    assert_too_many(&refused, detail, "5");
    assert_eq!(server.send_from(2, &get(&path)).await.status, 200);
    let small = format!("/v2/{GUN}/_trust/tuf/timestamp.json");
    assert_eq!(server.send_from(1, &get(&small)).await.status, 200, "small answers are not counted");
}
