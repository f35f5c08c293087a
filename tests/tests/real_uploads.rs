//! Uploads that real clients send and that look odd: each is answered 200 and stays readable.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use e2e::stack::{Kind, Stack};
use e2e::upload::{Story, now, server_key};
use serde_json::{Value, json};
use tuf_schema::sign::SecretKey;
use tuf_schema::testing::{Publisher, root_key, secret_key, signed, signed_value, to_value};
use tuf_schema::{Digests, KeyId, Role, SigningKey, Version};

fn version(number: i64) -> Version {
    Version::new(number).unwrap()
}

async fn accepted(story: &Story, parts: &[(&str, &[u8])]) {
    let answer = story.send(parts).await.unwrap();
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
}

/// Every role by name answers 200, and what the snapshot lists is what is served.
async fn readable(story: &Story, roles: &[(&str, &[u8])]) {
    let answer = story.read("snapshot.json").await.unwrap();
    assert_eq!(answer.status, 200);
    let snapshot = answer.json();
    assert_eq!(story.read("timestamp.json").await.unwrap().status, 200);
    for (role, bytes) in roles {
        let served = story.read(&format!("{role}.json")).await.unwrap();
        assert_eq!(served.status, 200, "{role}");
        assert_eq!(served.body, *bytes, "{role} is not served byte for byte");
        let listed = snapshot["signed"]["meta"][role]["hashes"]["sha256"].as_str().unwrap_or_default().to_owned();
        let digest = base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            Digests::of(&served.body).sha256().unwrap().as_bytes(),
        );
        assert_eq!(listed, digest, "{role} in the snapshot");
    }
}

#[tokio::test]
async fn the_first_root_may_be_version_one() {
    let stack = Stack::start(Kind::Memory).await.unwrap();
    let story = Story::new(stack.port(), "example.com/first/one").await.unwrap();
    let (root, targets) = (story.publisher.root_bytes(), story.publisher.targets_bytes());
    accepted(&story, &[("root", &root), ("targets", &targets)]).await;
    readable(&story, &[("root", &root), ("targets", &targets)]).await;
}

/// `notary init`, `notary key rotate`, then the first publish.
#[tokio::test]
async fn the_first_root_may_be_version_two() {
    let stack = Stack::start(Kind::Memory).await.unwrap();
    let mut story = Story::new(stack.port(), "example.com/first/two").await.unwrap();
    story.publisher.root.version = version(2);
    story.publisher.targets.version = version(2);
    let (root, targets) = (story.publisher.root_bytes(), story.publisher.targets_bytes());
    accepted(&story, &[("root", &root), ("targets", &targets)]).await;
    readable(&story, &[("root", &root), ("targets", &targets)]).await;
    assert_eq!(story.read("2.root.json").await.unwrap().status, 200);
    assert_eq!(story.read("1.root.json").await.unwrap().status, 404);
}

/// What `notary init -p` sends: targets 2, and a snapshot of its own.
#[tokio::test]
async fn first_targets_two_with_a_client_made_snapshot_one_or_two() {
    let stack = Stack::start(Kind::Memory).await.unwrap();
    for number in [1, 2] {
        let gun = format!("example.com/first/snapshot/{number}");
        let (mut story, key) = with_own_snapshot_key(&stack, &gun).await;
        story.publisher.targets.version = version(2);
        let (root, targets) = (story.publisher.root_bytes(), story.publisher.targets_bytes());
        let model = story.publisher.snapshot(version(number), &[(Role::Root, &root), (Role::Targets, &targets)]);
        let snapshot = signed(&model, &[&key]);
        accepted(&story, &[("root", &root), ("targets", &targets), ("snapshot", &snapshot)]).await;
        readable(&story, &[("root", &root), ("targets", &targets)]).await;
        assert_eq!(story.read("snapshot.json").await.unwrap().body, snapshot);
    }
}

async fn with_own_snapshot_key(stack: &Stack, gun: &str) -> (Story, SecretKey) {
    let mut story = Story::new(stack.port(), gun).await.unwrap();
    let key = secret_key();
    let timestamp = server_key(stack.port(), gun, "timestamp").await.unwrap();
    story.publisher = Publisher::new(&story.publisher.gun, key.public(), &timestamp, now());
    (story, key)
}

/// What docker sends when a push changed no metadata.
#[tokio::test]
async fn an_upload_without_parts_makes_a_new_snapshot_and_timestamp() {
    let stack = Stack::start(Kind::Memory).await.unwrap();
    let story = Story::published(stack.port(), "example.com/empty").await.unwrap();
    accepted(&story, &[]).await;
    for role in ["snapshot", "timestamp"] {
        let document = story.read(&format!("{role}.json")).await.unwrap().json();
        assert_eq!(document["signed"]["version"], 2, "{role}");
    }
    assert_eq!(story.read("targets.json").await.unwrap().json()["signed"]["version"], 1);
}

/// What `notary key rotate GUN root` sends.
#[tokio::test]
async fn a_root_alone_makes_a_new_snapshot_and_timestamp() {
    let stack = Stack::start(Kind::Memory).await.unwrap();
    let mut story = Story::published(stack.port(), "example.com/rootonly").await.unwrap();
    let targets = story.read("targets.json").await.unwrap().body;
    let fresh = root_key(&story.publisher.gun, now());
    let p = &mut story.publisher;
    p.root.version = version(2);
    p.root.keys.insert(fresh.public().id().clone(), fresh.public().clone());
    p.root.root.key_ids = vec![fresh.public().id().clone()];
    let root = signed(&p.root, &[&fresh, &p.root_key]);
    accepted(&story, &[("root", &root)]).await;
    readable(&story, &[("root", &root), ("targets", &targets)]).await;
    assert_eq!(story.read("1.root.json").await.unwrap().status, 200, "older roots stay readable");
}

/// Targets with one delegation whose JSON a story decides.
fn delegating(publisher: &Publisher, number: i64, keys: &[&tuf_schema::PublicKey], role: Value) -> bytes::Bytes {
    let mut value = to_value(&publisher.targets);
    value["version"] = json!(number);
    let object = |key: &tuf_schema::PublicKey| {
        let public = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, key.public_bytes());
        json!({"keytype": key.key_type().name(), "keyval": {"private": null, "public": public}})
    };
    let listed = keys.iter().map(|key| (key.id().as_str().to_owned(), object(key))).collect();
    value["delegations"] = json!({"keys": Value::Object(listed), "roles": [role]});
    signed_value(&value, &[&publisher.targets_key])
}

#[tokio::test]
async fn a_delegation_may_have_no_keys_or_fewer_than_its_threshold() {
    let stack = Stack::start(Kind::Memory).await.unwrap();
    let story = Story::published(stack.port(), "example.com/fewkeys").await.unwrap();
    let none = json!({"keyids": null, "name": "targets/a", "paths": [""], "threshold": 1});
    let targets = delegating(&story.publisher, 2, &[], none);
    accepted(&story, &[("targets", &targets)]).await;
    readable(&story, &[("targets", &targets)]).await;
    let key = secret_key();
    let one = json!({"keyids": [id(key.public().id())], "name": "targets/a", "paths": [""], "threshold": 2});
    let targets = delegating(&story.publisher, 3, &[key.public()], one);
    accepted(&story, &[("targets", &targets)]).await;
    readable(&story, &[("targets", &targets)]).await;
}

fn id(id: &KeyId) -> String {
    id.as_str().to_owned()
}

/// What `notary delegation remove` leaves after the last one.
#[tokio::test]
async fn the_list_of_delegations_may_be_null() {
    let stack = Stack::start(Kind::Memory).await.unwrap();
    let story = Story::published(stack.port(), "example.com/nullroles").await.unwrap();
    let mut value = to_value(&story.publisher.targets);
    value["version"] = json!(2);
    value["delegations"] = json!({"keys": {}, "roles": null});
    let targets = signed_value(&value, &[&story.publisher.targets_key]);
    accepted(&story, &[("targets", &targets)]).await;
    readable(&story, &[("targets", &targets)]).await;
}

/// Clients ignore what lies outside; the server takes it, as the delegation's owner cannot know of the change.
#[tokio::test]
async fn a_delegation_may_still_list_targets_outside_its_narrowed_paths() {
    let stack = Stack::start(Kind::Memory).await.unwrap();
    let mut story = Story::published(stack.port(), "example.com/narrowed").await.unwrap();
    let key = secret_key();
    let role = |paths: &[&str]| json!({"keyids": [id(key.public().id())], "name": "targets/a", "paths": paths, "threshold": 1});
    story.publisher.tag("prod/1", b"outside");
    let mut delegated = story.publisher.targets.clone();
    delegated.version = Version::FIRST;
    let first = signed(&delegated, &[&key]);
    let wide = delegating(&story.publisher, 2, &[key.public()], role(&[""]));
    accepted(&story, &[("targets", &wide), ("targets/a", &first)]).await;
    let narrow = delegating(&story.publisher, 3, &[key.public()], role(&["qa/"]));
    accepted(&story, &[("targets", &narrow)]).await;
    delegated.version = version(2);
    let second = signed(&delegated, &[&key]);
    accepted(&story, &[("targets/a", &second)]).await;
    readable(&story, &[("targets", &narrow), ("targets/a", &second)]).await;
}

/// The version counter of what the server makes goes on when the upload carries a timestamp of its own, which is dropped.
#[tokio::test]
async fn an_uploaded_timestamp_is_read_and_dropped() {
    let stack = Stack::start(Kind::Memory).await.unwrap();
    let story = Story::published(stack.port(), "example.com/owntimestamp").await.unwrap();
    let current = story.read("snapshot.json").await.unwrap().body;
    let own = signed(&story.publisher.timestamp(version(77), &current), &[&secret_key()]);
    accepted(&story, &[("timestamp", &own)]).await;
    assert_eq!(story.read("timestamp.json").await.unwrap().json()["signed"]["version"], 2);
}
