//! The update in one answer: the bytes that the ordinary routes give, of one state, and never more than was asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tuf_schema::model::{DelegatedRole, Delegations, KeyGrant, Targets};
use tuf_schema::sign::SecretKey;
use tuf_schema::testing::{Publisher, secret_key, signed};
use tuf_schema::update_answer::{MAX_HELD, UpdateFile, UpdateIndex};
use tuf_schema::{DelegationName, Sha256, SigningKey as _, Version};
use zstd::zstd_safe::DCtx;

use crate::limits::{assert_too_many, get};
use crate::repositories::{published, unpublished};
use crate::server::{Answer, Server, multipart};

const GUN: &str = "example.com/app";

/// The files of an answer and the bytes that were sent for each.
type Files = Vec<(UpdateFile, Bytes)>;

#[track_caller]
fn files(answer: &Answer) -> Files {
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.header("content-type"), Some("application/vnd.bulla.update.v1"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
    UpdateIndex::take_apart(&Bytes::copy_from_slice(&answer.body)).unwrap()
}

async fn update(server: &Server, query: &str) -> Files {
    files(&server.get(&format!("/v2/{GUN}/_trust/update?{query}")).await)
}

async fn ordinary(server: &Server, file: &str) -> Vec<u8> {
    let answer = server.get(&format!("/v2/{GUN}/_trust/tuf/{file}.json")).await;
    assert_eq!(answer.status, 200, "{file}");
    answer.body
}

fn have(role: &str, bytes: &[u8]) -> String {
    format!("have={role}:{}", Sha256::of(bytes))
}

fn listed(files: &Files) -> Vec<String> {
    files.iter().map(|(file, _)| format!("{}.{}", file.version, file.role)).collect()
}

fn of_role<'a>(files: &'a Files, role: &str) -> &'a (UpdateFile, Bytes) {
    files.iter().find(|(file, _)| file.role.as_str() == role).unwrap_or_else(|| panic!("no {role}"))
}

/// The document, from the bytes that were sent and the base that the index names.
fn rebuilt((file, sent): &(UpdateFile, Bytes), base: &[u8]) -> Vec<u8> {
    assert_eq!(file.base, Some(Sha256::of(base)));
    let mut document = Vec::with_capacity(usize::try_from(file.length).unwrap());
    let mut context = DCtx::create();
    context.ref_prefix(base).unwrap();
    context.decompress(&mut document, sent).unwrap();
    document
}

#[track_caller]
fn assert_whole((file, sent): &(UpdateFile, Bytes), bytes: &[u8]) {
    assert_eq!((file.base, sent.as_ref()), (None, bytes), "{}", file.role);
    assert_eq!((file.sha256, file.length), (Sha256::of(bytes), bytes.len() as u64));
}

/// A publisher whose targets have so many tags.
pub(crate) async fn with_tags(server: &Server, gun: &str, tags: usize) -> Publisher {
    let mut publisher = unpublished(server, gun).await;
    (0..tags).for_each(|number| publisher.tag(&format!("tag-{number}"), number.to_string().as_bytes()));
    let (root, targets) = (publisher.root_bytes(), publisher.targets_bytes());
    publish(server, gun, &[("root", &root), ("targets", &targets)]).await;
    publisher
}

async fn publish(server: &Server, gun: &str, parts: &[(&str, &[u8])]) {
    let answer = server.post(gun, &multipart(parts)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Signs one more tag; the targets that were published, and those that are published now.
async fn one_more_tag(server: &Server, publisher: &mut Publisher) -> (Vec<u8>, Bytes) {
    let gun = publisher.gun.as_str().to_owned();
    let before = server.get(&format!("/v2/{gun}/_trust/tuf/targets.json")).await.body;
    publisher.tag("tag-7", b"another content");
    publisher.next_targets();
    let targets = publisher.targets_bytes();
    publish(server, &gun, &[("targets", &targets)]).await;
    (before, targets)
}

/// Delegates to roles, children after their parents, each with a key of its own; returns what is published for each.
async fn delegated(server: &Server, publisher: &mut Publisher, names: &[&str]) -> BTreeMap<String, Bytes> {
    let mut documents: BTreeMap<String, (Targets, SecretKey)> = BTreeMap::new();
    publisher.next_targets();
    for name in names {
        let name = DelegationName::parse(name).unwrap();
        let key = secret_key();
        let role = DelegatedRole {
            name: name.clone(),
            key_ids: vec![key.public().id().clone()],
            threshold: NonZeroU32::MIN,
            paths: vec![String::new()],
        };
        let parent = match documents.get_mut(name.parent().as_str()) {
            Some((parent, _)) => parent,
            None => &mut publisher.targets,
        };
        parent.delegations.keys.insert(key.public().id().clone(), key.public().clone());
        parent.delegations.roles.push(role);
        let (targets, delegations) = (BTreeMap::new(), Delegations::default());
        let document = Targets { version: Version::FIRST, expires: publisher.targets.expires, targets, delegations };
        documents.insert(name.as_str().to_owned(), (document, key));
    }
    let mut bytes: BTreeMap<String, Bytes> =
        documents.into_iter().map(|(name, (document, key))| (name, signed(&document, &[&key]))).collect();
    bytes.insert("targets".to_owned(), publisher.targets_bytes());
    let parts: Vec<_> = bytes.iter().map(|(name, bytes)| (name.as_str(), bytes.as_ref())).collect();
    publish(server, publisher.gun.as_str(), &parts).await;
    bytes
}

/// Publishes a root of the next version.
async fn next_root(server: &Server, publisher: &mut Publisher) {
    publisher.root.version = publisher.root.version.next().unwrap();
    publish(server, publisher.gun.as_str(), &[("root", &publisher.root_bytes())]).await;
}

#[tokio::test]
async fn who_holds_nothing_is_sent_what_the_ordinary_routes_serve_from_the_top_down() {
    let server = Server::start().await;
    let mut publisher = with_tags(&server, GUN, 3).await;
    next_root(&server, &mut publisher).await;
    let names = ["targets/releases", "targets/a", "targets/a/b"];
    delegated(&server, &mut publisher, &names).await;
    let files = update(&server, "").await;
    let roles =
        ["2.root", "3.timestamp", "3.snapshot", "2.targets", "1.targets/a", "1.targets/a/b", "1.targets/releases"];
    assert_eq!(listed(&files), roles);
    for file in &files {
        assert_whole(file, &ordinary(&server, file.0.role.as_str()).await);
    }
}

#[tokio::test]
async fn who_holds_everything_is_sent_the_timestamp() {
    let server = Server::start().await;
    let mut publisher = with_tags(&server, GUN, 3).await;
    delegated(&server, &mut publisher, &["targets/a"]).await;
    let all = update(&server, "").await;
    let held = all.iter().map(|(file, _)| format!("have={}:{}", file.role, file.sha256)).collect::<Vec<_>>().join("&");
    let files = update(&server, &format!("root=1&{held}")).await;
    assert_eq!(listed(&files), ["2.timestamp"]);
    assert_whole(&files[0], &ordinary(&server, "timestamp").await);
    assert_eq!(listed(&update(&server, "root=7").await), ["2.timestamp", "2.snapshot", "2.targets", "1.targets/a"]);
}

#[tokio::test]
async fn each_root_after_the_one_that_is_held_is_sent() {
    let server = Server::start().await;
    let mut publisher = with_tags(&server, GUN, 1).await;
    for _ in 0..4 {
        next_root(&server, &mut publisher).await;
    }
    let files = update(&server, "root=2").await;
    assert_eq!(listed(&files), ["3.root", "4.root", "5.root", "5.timestamp", "5.snapshot", "1.targets"]);
    for (number, file) in (3..).zip(&files[..3]) {
        assert_whole(file, &ordinary(&server, &format!("{number}.root")).await);
    }
    assert_eq!(listed(&update(&server, "root=5").await)[0], "5.timestamp");
    assert_eq!(listed(&update(&server, "").await)[..2], ["5.root", "5.timestamp"]);
}

#[tokio::test]
async fn an_answer_is_of_one_state_while_others_publish() {
    let server = Server::start().await;
    let mut publisher = with_tags(&server, GUN, 1).await;
    let done = AtomicBool::new(false);
    let publishing = async {
        for _ in 0..40 {
            one_more_tag(&server, &mut publisher).await;
        }
        done.store(true, Ordering::Relaxed);
    };
    let sha256_in = |document: &Bytes, role: &str| {
        let document: Value = serde_json::from_slice(document).unwrap();
        let hash = document["signed"]["meta"][role]["hashes"]["sha256"].as_str().unwrap();
        STANDARD.decode(hash).unwrap()
    };
    let reading = async {
        let mut versions = BTreeSet::new();
        while !done.load(Ordering::Relaxed) {
            let files = update(&server, "").await;
            let [timestamp, snapshot, targets] =
                ["timestamp", "snapshot", "targets"].map(|role| of_role(&files, role).clone());
            assert_eq!(sha256_in(&timestamp.1, "snapshot"), Sha256::of(&snapshot.1).as_bytes());
            assert_eq!(sha256_in(&snapshot.1, "targets"), Sha256::of(&targets.1).as_bytes());
            versions.insert(targets.0.version);
        }
        versions
    };
    let ((), versions) = tokio::join!(publishing, reading);
    assert!(versions.len() > 2, "they took turns: {versions:?}");
}

#[tokio::test]
async fn after_one_tag_of_a_hundred_thousand_changed_less_than_fifty_kilobytes_are_sent() {
    let server = Server::start().await;
    let mut publisher = with_tags(&server, GUN, 100_000).await;
    let snapshot = ordinary(&server, "snapshot").await;
    let (before, targets) = one_more_tag(&server, &mut publisher).await;
    assert!(targets.len() > 9_000_000, "{}", targets.len());
    let query = format!("root=1&{}&{}", have("targets", &before), have("snapshot", &snapshot));
    for _made_and_remembered in 0..2 {
        let answer = server.get(&format!("/v2/{GUN}/_trust/update?{query}")).await;
        assert!(answer.body.len() < 50_000, "{}", answer.body.len());
        let files = files(&answer);
        assert_eq!(listed(&files), ["2.timestamp", "2.snapshot", "2.targets"]);
        assert_eq!(rebuilt(of_role(&files, "targets"), &before), targets);
        assert_eq!(of_role(&files, "targets").0.sha256, Sha256::of(&targets));
        assert_whole(of_role(&files, "snapshot"), &ordinary(&server, "snapshot").await);
    }
}

#[tokio::test]
async fn a_delegation_and_a_long_snapshot_are_sent_as_deltas_too() {
    let server = Server::start().await;
    let mut publisher = with_tags(&server, GUN, 1).await;
    let names: Vec<String> = (0..120).map(|number| format!("targets/{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    delegated(&server, &mut publisher, &names).await;
    let before = ordinary(&server, "snapshot").await;
    publish(&server, GUN, &[]).await;
    let files = update(&server, &format!("root=1&{}", have("snapshot", &before))).await;
    assert_eq!(rebuilt(of_role(&files, "snapshot"), &before), ordinary(&server, "snapshot").await);
}

#[tokio::test]
async fn a_base_that_is_not_stored_or_of_another_repository_or_role_is_no_base() {
    let server = Server::start().await;
    let mut publisher = with_tags(&server, GUN, 500).await;
    let (before, targets) = one_more_tag(&server, &mut publisher).await;
    // the same tags, so that a delta would be small
    let mut other = with_tags(&server, "example.com/other", 500).await;
    let (_, others) = one_more_tag(&server, &mut other).await;
    let snapshot = ordinary(&server, "1.snapshot").await;
    for base in [others.as_ref(), b"never seen", &snapshot, &ordinary(&server, "root").await] {
        let files = update(&server, &format!("root=1&{}", have("targets", base))).await;
        assert_whole(of_role(&files, "targets"), &targets);
    }
    let files = update(&server, &format!("root=1&{}", have("targets", &before))).await;
    assert_eq!(rebuilt(of_role(&files, "targets"), &before), targets, "its own is one");
}

#[tokio::test]
async fn a_delta_of_another_repository_is_not_sent_though_the_document_is_the_same() {
    let server = Server::start().await;
    let mut publisher = with_tags(&server, GUN, 500).await;
    let (before, targets) = one_more_tag(&server, &mut publisher).await;
    let query = format!("root=1&{}", have("targets", &before));
    assert_eq!(rebuilt(of_role(&update(&server, &query).await, "targets"), &before), targets);
    let gun = "example.com/other";
    let mut other = unpublished(&server, gun).await;
    let key = publisher.targets_key.public();
    other.root.keys.insert(key.id().clone(), key.clone());
    other.root.targets = KeyGrant::single(key.id().clone());
    publish(&server, gun, &[("root", &other.root_bytes()), ("targets", &targets)]).await;
    let files = files(&server.get(&format!("/v2/{gun}/_trust/update?{query}")).await);
    assert_whole(of_role(&files, "targets"), &targets);
}

#[tokio::test]
async fn a_deleted_repository_is_no_base_and_its_deltas_are_not_served() {
    let server = Server::start().await;
    let mut publisher = with_tags(&server, GUN, 500).await;
    let (before, _) = one_more_tag(&server, &mut publisher).await;
    let query = format!("root=1&{}", have("targets", &before));
    assert!(of_role(&update(&server, &query).await, "targets").0.base.is_some());
    assert_eq!(server.request("DELETE", &format!("/v2/{GUN}/_trust/tuf/"), &[]).await.status, 200);
    server.get(&format!("/v2/{GUN}/_trust/update?{query}")).await.assert_refused(404, "METADATA_NOT_FOUND");
    let mut next = with_tags(&server, GUN, 500).await;
    let (_, targets) = one_more_tag(&server, &mut next).await;
    assert_whole(of_role(&update(&server, &query).await, "targets"), &targets);
}

#[tokio::test]
async fn two_hundred_documents_may_be_held_and_one_more_is_refused() {
    let server = Server::start().await;
    published(&server, GUN).await;
    let query = |count: usize| {
        let all: Vec<_> = (0..count).map(|number| have(&format!("targets/{number}"), b"")).collect();
        all.join("&")
    };
    assert_eq!(update(&server, &query(MAX_HELD)).await.len(), 4);
    let refused = server.get(&format!("/v2/{GUN}/_trust/update?{}", query(MAX_HELD + 1))).await;
    refused.assert_refused(400, "INVALID_PARAMETERS");
    assert_eq!(refused.detail(), "have is there more than 200 times");
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused_with_its_reason() {
    let server = Server::start().await;
    published(&server, GUN).await;
    let digest = Sha256::of(b"");
    for (query, reason) in [
        ("root=0", "root is no version from 1 to 2147483647"),
        ("root=1&root=1", "root is there twice"),
        ("have=targets", "have is no role and sha256 digest in hexadecimal with a colon between"),
        (&format!("have=mirror:{digest}"), "\"mirror\" is not the name of a role"),
        (&format!("have=targets:{digest}&have=targets:{digest}"), "have names targets twice"),
    ] {
        let refused = server.get(&format!("/v2/{GUN}/_trust/update?{query}")).await;
        refused.assert_refused(400, "INVALID_PARAMETERS");
        assert_eq!(refused.detail(), reason);
    }
}

#[tokio::test]
async fn an_unknown_repository_is_not_found_as_on_the_ordinary_routes() {
    let server = Server::start().await;
    published(&server, GUN).await;
    for name in ["example.com/none", "EXAMPLE.com/%20"] {
        let refused = server.get(&format!("/v2/{name}/_trust/update?root=1")).await;
        assert_eq!(refused, server.get(&format!("/v2/{name}/_trust/tuf/timestamp.json")).await);
        refused.assert_refused(404, "METADATA_NOT_FOUND");
    }
    let sections = json!({"repositories": {"gun_prefixes": ["example.com/team/"]}});
    let server = Server::start_with(sections, &[]).await;
    let refused = server.get("/v2/example.com/other/_trust/update").await;
    assert_eq!(refused, server.get("/v2/example.com/other/_trust/tuf/timestamp.json").await);
}

#[tokio::test]
async fn other_methods_lead_where_those_of_a_file_lead() {
    let server = Server::start().await;
    published(&server, GUN).await;
    for method in ["HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
        let [update, file] = [format!("/v2/{GUN}/_trust/update"), format!("/v2/{GUN}/_trust/tuf/root.json")];
        assert_eq!(server.request(method, &update, &[]).await, server.request(method, &file, &[]).await, "{method}");
    }
}

#[tokio::test]
async fn the_answer_to_a_ping_says_that_there_are_updates_and_no_other_answer_does() {
    let server = Server::start().await;
    published(&server, GUN).await;
    let header = |answer: &Answer| answer.header("bulla-trust-update").map(ToOwned::to_owned);
    assert_eq!(header(&server.get("/v2/").await).as_deref(), Some("v1"));
    for path in ["/", "/v2", "/metrics", "/v2/_trust/changefeed?records=1", &format!("/v2/{GUN}/_trust/tuf/root.json")]
    {
        assert_eq!(header(&server.get(path).await), None, "{path}");
    }
}

#[tokio::test]
async fn an_update_counts_as_one_read_of_its_repository_under_its_own_name() {
    let server = Server::start_with(json!({"limits": {"gun_reads_per_minute": 2}}), &[]).await;
    published(&server, GUN).await;
    let path = format!("/v2/{GUN}/_trust/update");
    assert_eq!(server.get(&path).await.status, 200);
    assert_eq!(server.get(&path).await.status, 200);
    let detail = "more than 2 reads of one repository a minute; try again in 30 seconds";
    assert_too_many(&server.get(&path).await, detail, "30");
    let counted = "notary_server_http_requests_total{code=\"200\",method=\"get\",operation=\"GetUpdate\"} 2\n";
    assert!(server.get("/metrics").await.text().contains(counted));
}

#[tokio::test]
async fn what_has_no_room_in_an_answer_is_left_out() {
    let rooms: [(usize, &[&str]); 3] = [
        (0, &["2.timestamp"]),
        (30_000, &["2.timestamp", "2.snapshot", "1.targets/a"]),
        (200_000, &["2.timestamp", "2.snapshot", "2.targets", "1.targets/a"]),
    ];
    for (bytes, roles) in rooms {
        let server = Server::start_with(json!({"limits": {"update_bytes": bytes}}), &[]).await;
        let mut publisher = with_tags(&server, GUN, 500).await;
        delegated(&server, &mut publisher, &["targets/a"]).await;
        assert_eq!(listed(&update(&server, "root=1").await), roles, "{bytes}");
    }
}

#[tokio::test]
async fn documents_that_are_larger_than_deltas_are_made_of_are_sent_whole() {
    // of about 46 kB, and 37 kB once a fifth of the tags is gone
    for (largest, tags, is_delta) in
        [(100_000, 500, true), (42_000, 500, false), (100_000, 400, true), (42_000, 400, false), (20_000, 400, false)]
    {
        let server = Server::start_with(json!({"limits": {"delta_bytes": largest}}), &[]).await;
        let mut publisher = with_tags(&server, GUN, 500).await;
        (tags..500).for_each(|number| drop(publisher.targets.targets.remove(&format!("tag-{number}"))));
        let (before, targets) = one_more_tag(&server, &mut publisher).await;
        assert!((43_000..60_000).contains(&before.len()), "{}", before.len());
        assert_eq!((30_000..42_000).contains(&targets.len()), tags == 400, "{}", targets.len());
        let files = update(&server, &format!("root=1&{}", have("targets", &before))).await;
        assert_eq!(of_role(&files, "targets").0.base.is_some(), is_delta, "{largest}, {tags} tags");
    }
}

#[tokio::test]
async fn where_no_deltas_are_made_the_whole_document_is_sent() {
    let server = Server::start_with(json!({"limits": {"deltas": 0}}), &[]).await;
    let mut publisher = with_tags(&server, GUN, 500).await;
    let (before, targets) = one_more_tag(&server, &mut publisher).await;
    let files = update(&server, &format!("root=1&{}", have("targets", &before))).await;
    assert_whole(of_role(&files, "targets"), &targets);
}

#[tokio::test]
async fn an_update_that_is_not_read_holds_its_memory_and_a_delta_takes_little_of_it() {
    let limits = json!({"limits": {"document_bytes": 1_048_576, "answer_memory_bytes": 2_097_152}});
    let server = Server::start_with(limits, &[]).await;
    let mut publisher = with_tags(&server, GUN, 8500).await;
    let (before, targets) = one_more_tag(&server, &mut publisher).await;
    assert!((700_000..1_000_000).contains(&targets.len()), "two do not fit: {}", targets.len());
    let whole = format!("/v2/{GUN}/_trust/update");
    let mut slow = Vec::new();
    let refused = loop {
        assert!(slow.len() < 50, "answers that nobody reads hold no memory");
        // asks again and again on one connection, so that its buffers are full, and reads nothing
        let mut stream = server.connect_from(1).await;
        for _ in 0..20 {
            stream.write_all(format!("GET {whole} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
        }
        stream.peek(&mut [0]).await.unwrap();
        slow.push(stream);
        let answer = server.send_from(1, &get(&whole)).await;
        if answer.status != 200 {
            break answer;
        }
    };
    let detail = "other answers to this client hold its share of the memory for answers; try again later";
    assert_too_many(&refused, detail, "5");
    let delta = server.send_from(1, &get(&format!("{whole}?root=1&{}", have("targets", &before)))).await;
    assert_eq!(rebuilt(of_role(&files(&delta), "targets"), &before), targets);
}
