//! Documents that break one rule each: the exact refusal, nothing stored, and the next good publish works.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use e2e::http::Answer;
use e2e::stack::{Kind, Stack};
use e2e::upload::{Story, now};
use serde_json::{Value, json};
use tuf_schema::sign::SecretKey;
use tuf_schema::testing::{Publisher, root_key, secret_key, signed, signed_value, to_value};
use tuf_schema::{PublicKey, Role, SigningKey, Version};

/// What an upload must be answered: `code`, and `Name` and the beginning of `Msg` of an INVALID_UPDATE.
#[derive(Clone, Copy)]
enum Refusal {
    Code(&'static str),
    Invalid(&'static str, &'static str),
}

use Refusal::{Code, Invalid};

const MALFORMED: Refusal = Code("MALFORMED_JSON");

fn assert_refusal(what: &str, answer: &Answer, refusal: Refusal) {
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, 400, "{what}: {text}");
    assert!(answer.body.len() <= 1000, "{what}: clients read no more than 1,000 bytes of an error");
    match refusal {
        Code(code) => {
            assert_eq!(answer.code(), code, "{what}: {text}");
            assert!(!answer.json()["errors"][0]["message"].as_str().unwrap_or_default().is_empty(), "{what}: {text}");
        }
        Invalid(name, message) => {
            assert_eq!(answer.code(), "INVALID_UPDATE", "{what}: {text}");
            assert_eq!(answer.detail()["Name"], name, "{what}: {text}");
            let found = answer.detail()["Error"]["Msg"].as_str().unwrap_or_default().to_owned();
            assert!(found.starts_with(message), "{what}: {found:?} does not start with {message:?}");
        }
    }
}

/// A repository with one publish behind it, which must stay as it is under every refusal.
struct Target {
    story: Story,
    before: Vec<Vec<u8>>,
}

impl Target {
    async fn new(stack: &Stack, gun: &str) -> Self {
        let mut story = Story::published(stack.port(), gun).await.unwrap();
        let before = story.state().await.unwrap();
        story.publisher.next_targets();
        story.publisher.tag("second", b"the second image");
        Self { story, before }
    }

    async fn refuses(&self, what: &str, parts: &[(&str, &[u8])], refusal: Refusal) {
        let answer = self.story.send(parts).await.unwrap();
        assert_refusal(what, &answer, refusal);
        assert_eq!(self.story.state().await.unwrap(), self.before, "{what}: something was stored");
    }

    async fn refuses_targets(&self, what: &str, targets: &[u8], refusal: Refusal) {
        self.refuses(what, &[("targets", targets)], refusal).await;
    }

    /// Signs the next targets after `change` was made to their JSON.
    fn changed_targets(&self, change: impl FnOnce(&mut Value)) -> bytes::Bytes {
        let mut value = to_value(&self.story.publisher.targets);
        change(&mut value);
        signed_value(&value, &[&self.story.publisher.targets_key])
    }

    /// Signs the next root after `change` was made to its JSON.
    fn changed_root(&self, change: impl FnOnce(&mut Value)) -> bytes::Bytes {
        let mut value = to_value(&self.story.publisher.root);
        value["version"] = json!(2);
        change(&mut value);
        signed_value(&value, &[&self.story.publisher.root_key])
    }

    async fn accepts_the_next_publish(&self) {
        let targets = self.story.publisher.targets_bytes();
        let answer = self.story.send(&[("targets", &targets)]).await.unwrap();
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    }
}

fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    text.replacen(from, to, 1).into_bytes()
}

#[tokio::test]
async fn roles_that_do_not_exist_or_come_twice_are_refused() {
    let stack = Stack::start(Kind::Memory).await.unwrap();
    let target = Target::new(&stack, "example.com/roles").await;
    let good = target.story.publisher.targets_bytes();
    for role in ["foo", "targets/A", "targets/a/../b", "targets/", "Root"] {
        target.refuses(role, &[(role, &good)], Code("INVALID_ROLE")).await;
    }
    target.refuses("no name", &[("", &good)], Code("NO_FILENAME")).await;
    target.refuses("twice", &[("targets", &good), ("targets", &good)], Code("MALFORMED_UPLOAD")).await;
    target.refuses("twice", &[("targets", &good), ("targets.json", &good)], Code("MALFORMED_UPLOAD")).await;
    target.accepts_the_next_publish().await;
}

#[tokio::test]
async fn json_that_two_readers_could_understand_differently_is_refused() {
    let stack = Stack::start(Kind::Memory).await.unwrap();
    let target = Target::new(&stack, "example.com/json").await;
    let good = target.story.publisher.targets_bytes();
    let duplicate = replaced(&good, "\"length\":", "\"length\":1,\"length\":");
    target.refuses_targets("duplicate member", &duplicate, MALFORMED).await;
    target
        .refuses_targets("two signed", &replaced(&good, "{\"signed\":", "{\"signed\":{},\"signed\":"), MALFORMED)
        .await;
    for trailing in ["x", " ", "\n", "{}", "\0"] {
        let bytes = [good.as_ref(), trailing.as_bytes()].concat();
        // As the reference: it reads the first document of a part, and trips over the rest when it validates.
        let refusal = Invalid("ErrBadTargets", "invalid character");
        target.refuses_targets(&format!("trailing {trailing:?}"), &bytes, refusal).await;
    }
    let unknown = replaced(&good, "{\"signed\":", "{\"extra\":1,\"signed\":");
    target.refuses_targets("unknown envelope member", &unknown, MALFORMED).await;
    for text in ["", "null", "[]", "{}", "\u{feff}{}", "{\"signed\":null,\"signatures\":[]}"] {
        target.refuses_targets(text, text.as_bytes(), MALFORMED).await;
    }
    let unsigned = Invalid("ErrBadTargets", "tuf: data has no signatures");
    target.refuses_targets("no signatures", b"{\"signed\":{}}", unsigned).await;
    target.accepts_the_next_publish().await;
}

#[tokio::test]
async fn what_the_reference_could_not_read_again_is_refused_while_the_server_holds_the_snapshot_key() {
    let stack = Stack::start(Kind::Memory).await.unwrap();
    let target = Target::new(&stack, "example.com/encoding").await;
    let good = target.story.publisher.targets_bytes();
    let other = Invalid("ErrBadTargets", "targets is not encoded as Notary encodes it");
    let spaced = replaced(&good, "{\"signed\":", "{ \"signed\":");
    target.refuses_targets("white space", &spaced, other).await;
    target.refuses_targets("unknown member", &target.changed_targets(|t| t["extra"] = json!(1)), other).await;
    let date = |t: &mut Value, d: &str| t["expires"] = json!(d);
    for form in ["2036-01-01T00:00:00.500Z", "2036-01-01T00:00:00+00:00"] {
        target.refuses_targets(form, &target.changed_targets(|t| date(t, form)), other).await;
    }
    target.accepts_the_next_publish().await;
}

#[tokio::test]
async fn versions_outside_their_range_are_refused() {
    let stack = Stack::start(Kind::Memory).await.unwrap();
    let target = Target::new(&stack, "example.com/versions").await;
    let with = |v: Value| target.changed_targets(|t| t["version"] = v);
    let below = Invalid("ErrBadTargets", "targets type metadata invalid: version cannot be less than one");
    target.refuses_targets("-1", &with(json!(-1)), below).await;
    target.refuses_targets("0", &with(json!(0)), below).await;
    target.refuses_targets("text", &with(json!("1")), MALFORMED).await;
    let good = target.story.publisher.targets_bytes();
    let whole = "\"version\":2";
    target.refuses_targets("1.0", &replaced(&good, whole, "\"version\":2.0"), MALFORMED).await;
    target.refuses_targets("2^63", &replaced(&good, whole, "\"version\":9223372036854775808"), MALFORMED).await;
    let large = Invalid("ErrBadTargets", "targets type metadata invalid: version 2147483648 is above 2147483647");
    target.refuses_targets("2^31", &with(json!(2_147_483_648_u32)), large).await;
    let far = |message| Invalid("ErrBadTargets", message);
    let last = far("targets version 2147483647 is more than 10000 above 1");
    target.refuses_targets("2^31-1", &with(json!(2_147_483_647)), last).await;
    let step = far("targets version 10002 is more than 10000 above 1");
    target.refuses_targets("a step too far", &with(json!(10_002)), step).await;
    target.accepts_the_next_publish().await;
}

#[tokio::test]
async fn a_version_may_be_ten_thousand_above_the_stored_one_and_not_one_more() {
    let stack = Stack::start(Kind::Memory).await.unwrap();
    let mut story = Story::new(stack.port(), "example.com/steps").await.unwrap();
    story.publisher.targets.version = Version::new(10_001).unwrap();
    let first = Invalid("ErrBadTargets", "targets version 10001 is more than 10000 above 0");
    assert_refusal("first", &story.send_both().await.unwrap(), first);
    story.publisher.targets.version = Version::new(10_000).unwrap();
    assert_eq!(story.send_both().await.unwrap().status, 200);
    let send = async |story: &Story| {
        let targets = story.publisher.targets_bytes();
        story.send(&[("targets", &targets)]).await.unwrap()
    };
    story.publisher.targets.version = Version::new(20_001).unwrap();
    let next = Invalid("ErrBadTargets", "targets version 20001 is more than 10000 above 10000");
    assert_refusal("next", &send(&story).await, next);
    story.publisher.targets.version = Version::new(20_000).unwrap();
    assert_eq!(send(&story).await.status, 200);
}

#[tokio::test]
async fn a_root_is_one_above_the_stored_one() {
    let stack = Stack::start(Kind::Memory).await.unwrap();
    let target = Target::new(&stack, "example.com/rootstep").await;
    for version in [0, 3, 10_000] {
        let root = target.changed_root(|r| r["version"] = json!(version));
        let message = format!("Root modifications must increment the version. Current 1, new {version}");
        let answer = target.story.send(&[("root", &root)]).await.unwrap();
        assert_refusal("root version", &answer, Invalid("ErrBadRoot", ""));
        assert_eq!(answer.detail()["Error"]["Msg"], message);
    }
    target.refuses("the same", &[("root", &target.changed_root(|r| r["version"] = json!(1)))], Code("VERSION")).await;
    target.accepts_the_next_publish().await;
}

#[tokio::test]
async fn a_threshold_of_zero_is_refused_wherever_it_stands() {
    let stack = Stack::start(Kind::Memory).await.unwrap();
    let target = Target::new(&stack, "example.com/zero").await;
    for role in ["root", "targets", "snapshot", "timestamp"] {
        let root = target.changed_root(|r| r["roles"][role]["threshold"] = json!(0));
        let answer = target.story.send(&[("root", &root)]).await.unwrap();
        assert_refusal(role, &answer, Invalid("ErrBadRoot", "root type metadata invalid: invalid threshold"));
    }
    let delegation = json!({"keyids": null, "name": "targets/a", "paths": [""], "threshold": 0});
    let targets = target.changed_targets(|t| t["delegations"]["roles"] = json!([delegation]));
    let refusal =
        Invalid("ErrBadTargets", "targets type metadata invalid: invalid threshold specified for targets/a: 0");
    target.refuses_targets("delegation", &targets, refusal).await;
    target.accepts_the_next_publish().await;
}

#[tokio::test]
async fn a_threshold_that_the_keys_of_a_base_role_cannot_reach_is_refused() {
    let stack = Stack::start(Kind::Memory).await.unwrap();
    let target = Target::new(&stack, "example.com/unreachable").await;
    for role in ["root", "targets", "snapshot", "timestamp"] {
        let root = target.changed_root(|r| r["roles"][role]["threshold"] = json!(2));
        let answer = target.story.send(&[("root", &root)]).await.unwrap();
        // A root that does not reach its own threshold is refused for that first.
        let message = match role {
            "root" => "could not ",
            _ => "root type metadata invalid: ",
        };
        assert_refusal(role, &answer, Invalid("ErrBadRoot", message));
        target.refuses(role, &[("root", &root)], Invalid("ErrBadRoot", message)).await;
    }
    target.accepts_the_next_publish().await;
}

#[tokio::test]
async fn one_key_counts_once_towards_a_threshold_under_two_ids_too() {
    let stack = Stack::start(Kind::Memory).await.unwrap();
    let mut story = Story::new(stack.port(), "example.com/once").await.unwrap();
    let (gun, second) = (story.publisher.gun.clone(), secret_key());
    let certified = root_key(&gun, now());
    let bare = certified.public().bare().unwrap();
    let p = &mut story.publisher;
    for key in [certified.public(), &bare, second.public()] {
        p.root.keys.insert(key.id().clone(), key.clone());
    }
    p.root.targets.key_ids = vec![certified.public().id().clone(), bare.id().clone(), second.public().id().clone()];
    p.root.targets.threshold = 2.try_into().unwrap();
    let root = story.publisher.root_bytes();
    let targets = &story.publisher.targets;
    let refusal = Invalid("ErrBadTargets", "valid signatures did not meet threshold for targets");
    let cases: [(&str, Vec<&dyn SigningKey>); 3] = [
        ("one key", vec![&certified]),
        ("twice under one id", vec![&certified, &certified]),
        ("under two ids", vec![&certified, certified.key()]),
    ];
    for (what, keys) in cases {
        let answer = story.send(&[("root", &root), ("targets", &signed(targets, &keys))]).await.unwrap();
        assert_refusal(what, &answer, refusal);
        assert_eq!(story.read("root.json").await.unwrap().status, 404, "{what}");
    }
    let both = signed(targets, &[&certified, &second]);
    assert_eq!(story.send(&[("root", &root), ("targets", &both)]).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_signature_method_that_does_not_fit_the_key_does_not_count() {
    let stack = Stack::start(Kind::Memory).await.unwrap();
    let target = Target::new(&stack, "example.com/method").await;
    let good = target.story.publisher.targets_bytes();
    for method in ["eddsa", "rsapss", "rsapkcs1v15", "pycrypto-pkcs#1 pss", "ecdsa-sha2", "none"] {
        let bytes = replaced(&good, "\"method\":\"ecdsa\"", &format!("\"method\":\"{method}\""));
        let refusal = Invalid("ErrBadTargets", "valid signatures did not meet threshold for targets");
        target.refuses_targets(method, &bytes, refusal).await;
    }
    target.accepts_the_next_publish().await;
}

#[tokio::test]
async fn expired_documents_are_refused() {
    let stack = Stack::start(Kind::Memory).await.unwrap();
    let target = Target::new(&stack, "example.com/expired").await;
    let expire = |v: &mut Value| v["expires"] = json!("2020-01-02T03:04:05Z");
    let root = target.changed_root(expire);
    target
        .refuses("root", &[("root", &root)], Invalid("ErrBadRoot", "root expired at Thu Jan 2 03:04:05 UTC 2020"))
        .await;
    let targets = target.changed_targets(expire);
    let refusal = Invalid("ErrBadTargets", "targets expired at Thu Jan 2 03:04:05 UTC 2020");
    target.refuses_targets("targets", &targets, refusal).await;
    let key = secret_key();
    let delegating = target.changed_targets(|t| t["delegations"] = delegation_to(key.public()));
    let mut delegated = to_value(&target.story.publisher.targets);
    expire(&mut delegated);
    let delegated = signed_value(&delegated, &[&key]);
    let refusal = Invalid("ErrBadTargets", "targets/a expired at Thu Jan 2 03:04:05 UTC 2020");
    target.refuses("delegation", &[("targets", &delegating), ("targets/a", &delegated)], refusal).await;
    target.accepts_the_next_publish().await;
}

/// The delegations of a targets document that lets one key sign `targets/a`.
fn delegation_to(key: &PublicKey) -> Value {
    let public = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, key.public_bytes());
    let object = json!({"keytype": key.key_type().name(), "keyval": {"private": null, "public": public}});
    let id = key.id().as_str();
    json!({"keys": {id: object}, "roles": [{"keyids": [id], "name": "targets/a", "paths": [""], "threshold": 1}]})
}

/// A repository whose snapshot the publisher signs.
async fn client_snapshot(stack: &Stack, gun: &str) -> (Story, SecretKey) {
    let mut story = Story::new(stack.port(), gun).await.unwrap();
    let key = secret_key();
    let timestamp = e2e::upload::server_key(stack.port(), gun, "timestamp").await.unwrap();
    story.publisher = Publisher::new(&story.publisher.gun, key.public(), &timestamp, now());
    let parts = snapshot_parts(&story.publisher, &key, Version::FIRST);
    let sent: Vec<_> = parts.iter().map(|(name, bytes)| (*name, bytes.as_ref())).collect();
    let answer = story.send(&sent).await.unwrap();
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    (story, key)
}

fn snapshot_parts(publisher: &Publisher, key: &SecretKey, version: Version) -> Vec<(&'static str, bytes::Bytes)> {
    let (root, targets) = (publisher.root_bytes(), publisher.targets_bytes());
    let snapshot = publisher.snapshot(version, &[(Role::Root, &root), (Role::Targets, &targets)]);
    vec![("root", root), ("targets", targets), ("snapshot", signed(&snapshot, &[key]))]
}

#[tokio::test]
async fn a_snapshot_that_names_files_never_uploaded_is_refused() {
    let stack = Stack::start(Kind::Memory).await.unwrap();
    let (story, key) = client_snapshot(&stack, "example.com/phantom").await;
    let before = story.state().await.unwrap();
    let current = story.read("snapshot.json").await.unwrap().body;
    let mut value: Value = serde_json::from_slice(&current).unwrap();
    let phantom = value["signed"]["meta"]["targets"].clone();
    let mut send = async |change: &dyn Fn(&mut Value)| {
        let mut signed_part = value["signed"].take();
        signed_part["version"] = json!(2);
        let mut broken = signed_part.clone();
        change(&mut broken);
        value["signed"] = signed_part;
        let bytes = signed_value(&broken, &[&key]);
        story.send(&[("snapshot", &bytes)]).await.unwrap()
    };
    let delegation = |v: &mut Value| v["meta"]["targets/ghost"] = phantom.clone();
    let ghost = Invalid("ErrBadSnapshot", "the snapshot lists a targets/ghost that was never uploaded");
    assert_refusal("delegation", &send(&delegation).await, ghost);
    let other_targets = |v: &mut Value| {
        v["meta"]["targets"]["hashes"] = json!({"sha256": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="});
    };
    let other = Invalid("ErrBadSnapshot", "the snapshot lists a targets that was never uploaded");
    assert_refusal("targets", &send(&other_targets).await, other);
    let expired = |v: &mut Value| v["expires"] = json!("2020-01-02T03:04:05Z");
    let late = Invalid("ErrBadSnapshot", "snapshot expired at Thu Jan 2 03:04:05 UTC 2020");
    assert_refusal("expired", &send(&expired).await, late);
    let no_root = |v: &mut Value| _ = v["meta"].as_object_mut().unwrap().remove("root");
    let missing = Invalid("ErrBadSnapshot", "snapshot type metadata invalid: missing root sha256 checksum information");
    assert_refusal("root", &send(&no_root).await, missing);
    assert_eq!(story.state().await.unwrap(), before);
    assert_eq!(send(&|_: &mut Value| ()).await.status, 200, "the same snapshot with a higher version is good");
}

#[tokio::test]
async fn a_root_signed_by_foreign_keys_is_refused() {
    let stack = Stack::start(Kind::Memory).await.unwrap();
    let target = Target::new(&stack, "example.com/wrongroot").await;
    let p = &target.story.publisher;
    let foreign = root_key(&p.gun, now());
    let mut root = p.root.clone();
    root.version = Version::new(2).unwrap();
    let integrity = "could not validate the path to a trusted root: failed to validate integrity of roots";
    let rotation =
        "could not rotate trust to a new trusted root: failed to validate data with current trusted certificates";
    let by_foreign = signed(&root, &[&foreign]);
    target.refuses("foreign signature", &[("root", &by_foreign)], Invalid("ErrBadRoot", rotation)).await;
    root.keys.insert(foreign.public().id().clone(), foreign.public().clone());
    root.root.key_ids = vec![foreign.public().id().clone()];
    let taken_over = signed(&root, &[&foreign]);
    target.refuses("take-over", &[("root", &taken_over)], Invalid("ErrBadRoot", rotation)).await;
    let unsigned_by_itself = signed(&root, &[&p.root_key]);
    target.refuses("own key missing", &[("root", &unsigned_by_itself)], Invalid("ErrBadRoot", integrity)).await;
    target.accepts_the_next_publish().await;
}

#[tokio::test]
async fn names_that_climb_hide_or_overflow_are_no_guns() {
    let stack = Stack::start(Kind::Memory).await.unwrap();
    let story = Story::new(stack.port(), "example.com/guns").await.unwrap();
    let (root, targets) = (story.publisher.root_bytes(), story.publisher.targets_bytes());
    let long = "a".repeat(256);
    for gun in ["example.com/%2e%2e/x", "example.com/a%00b", "example.com/a%0Ab", long.as_str()] {
        let answer = e2e::http::publish(stack.port(), gun, &[("root", &root), ("targets", &targets)]).await.unwrap();
        assert_refusal(gun, &answer, Code("INVALID_GUN"));
        let read = e2e::http::get(stack.port(), &format!("/v2/{gun}/_trust/tuf/root.json")).await.unwrap();
        assert_eq!(read.status, 404, "{gun}");
        let key = e2e::http::get(stack.port(), &format!("/v2/{gun}/_trust/tuf/timestamp.key")).await.unwrap();
        assert!((400..500).contains(&key.status), "{gun}: {}", key.status);
    }
    let answer = e2e::http::get(stack.port(), "/v2/example.com/a/../guns/_trust/tuf/root.json").await.unwrap();
    assert_eq!(answer.status, 301, "a path that climbs is cleaned before it is routed");
    assert_eq!(story.send_both().await.unwrap().status, 200);
}
