//! Publishing and reading a repository: status, body and headers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bulla_server::clock::{Clock as _, SystemClock};
use serde_json::json;
use tuf_schema::testing::Publisher;
use tuf_schema::{Gun, KeyType, PublicKey, Sha256};

use crate::server::{Answer, Server, multipart};

/// A repository with one publish behind it.
pub(crate) async fn published(server: &Server, gun: &str) -> Publisher {
    let publisher = unpublished(server, gun).await;
    let (root, targets) = (publisher.root_bytes(), publisher.targets_bytes());
    let answer = server.post(gun, &multipart(&[("root", &root), ("targets", &targets)])).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    publisher
}

pub(crate) async fn unpublished(server: &Server, gun: &str) -> Publisher {
    let snapshot = server_key(&server.get(&format!("/v2/{gun}/_trust/tuf/snapshot.key")).await);
    let timestamp = server_key(&server.get(&format!("/v2/{gun}/_trust/tuf/timestamp.key")).await);
    let now = SystemClock.now();
    Publisher::new(&Gun::parse(gun).unwrap(), &snapshot, &timestamp, now)
}

pub(crate) fn server_key(answer: &Answer) -> PublicKey {
    let key = answer.json();
    let public = STANDARD.decode(key["keyval"]["public"].as_str().unwrap()).unwrap();
    PublicKey::new(KeyType::parse(key["keytype"].as_str().unwrap()), public)
}

#[tokio::test]
async fn what_was_published_is_served_byte_for_byte_by_name_version_and_hash() {
    let server = Server::start().await;
    let gun = "registry.test:5000/deep/er/app";
    let publisher = unpublished(&server, gun).await;
    let (root, targets) = (publisher.root_bytes(), publisher.targets_bytes());
    let answer = server.post(gun, &multipart(&[("targets", &targets), ("root", &root)])).await;
    assert_eq!((answer.status, answer.text()), (200, ""));
    assert_eq!(answer.header("content-length"), Some("0"));
    assert_eq!(answer.header("content-type"), None);

    let current = server.get(&format!("/v2/{gun}/_trust/tuf/root.json")).await;
    assert_eq!((current.status, current.body.as_slice()), (200, root.as_ref()));
    assert_eq!(current.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(current.header("cache-control"), Some("public, max-age=300, s-maxage=300, must-revalidate"));
    assert!(current.header("last-modified").unwrap().ends_with(" GMT"), "{current:?}");

    let hash = Sha256::of(&targets).to_hex();
    for name in [format!("targets.{hash}"), "1.targets".into(), "01.targets".into()] {
        let kept = server.get(&format!("/v2/{gun}/_trust/tuf/{name}.json")).await;
        assert_eq!((kept.status, kept.body.as_slice()), (200, targets.as_ref()), "{name}");
        assert_eq!(kept.header("cache-control"), Some("public, max-age=2592000, s-maxage=2592000"));
    }
    for role in ["snapshot", "timestamp"] {
        assert_eq!(server.get(&format!("/v2/{gun}/_trust/tuf/{role}.json")).await.status, 200, "{role}");
    }
}

#[tokio::test]
async fn a_hash_leads_to_nothing_of_another_repository_or_role() {
    let server = Server::start().await;
    let publisher = published(&server, "example.com/one").await;
    published(&server, "example.com/two").await;
    let root = server.get("/v2/example.com/one/_trust/tuf/root.json").await;
    let hash = Sha256::of(&root.body).to_hex();
    assert_eq!(server.get(&format!("/v2/{}/_trust/tuf/root.{hash}.json", publisher.gun)).await.status, 200);
    for path in ["example.com/one/_trust/tuf/timestamp", "example.com/two/_trust/tuf/root"] {
        server.get(&format!("/v2/{path}.{hash}.json")).await.assert_refused(404, "METADATA_NOT_FOUND");
    }
}

#[tokio::test]
async fn a_role_nobody_published_is_not_found_beside_roles_that_are() {
    let server = Server::start().await;
    published(&server, "example.com/app").await;
    for name in ["targets/releases", "0.root", "2.root", "targets/A", "2147483648.root"] {
        let answer = server.get(&format!("/v2/example.com/app/_trust/tuf/{name}.json")).await;
        answer.assert_refused(404, "METADATA_NOT_FOUND");
        assert_eq!(answer.detail(), json!({}), "{name}");
    }
}

#[tokio::test]
async fn a_post_without_parts_makes_a_new_timestamp() {
    let server = Server::start().await;
    published(&server, "example.com/app").await;
    let answer = server.post("example.com/app", &multipart(&[])).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(server.get("/v2/example.com/app/_trust/tuf/2.timestamp.json").await.status, 200);
}

#[tokio::test]
async fn a_stale_version_is_told_the_current_one() {
    let server = Server::start().await;
    let publisher = published(&server, "example.com/app").await;
    let answer = server.post("example.com/app", &multipart(&[("targets", &publisher.targets_bytes())])).await;
    answer.assert_refused(400, "VERSION");
    assert_eq!(answer.detail(), json!({"Role": "targets", "Current": 1}));
}

#[tokio::test]
async fn the_feed_tells_what_was_published_and_deleted() {
    let server = Server::start().await;
    published(&server, "example.com/app").await;
    published(&server, "example.com/other").await;
    let timestamp = server.get("/v2/example.com/app/_trust/tuf/timestamp.json").await;
    for _ in 0..2 {
        let answer = server.request("DELETE", "/v2/example.com/app/_trust/tuf/", &[]).await;
        assert_eq!((answer.status, answer.text()), (200, ""));
    }
    server.get("/v2/example.com/app/_trust/tuf/root.json").await.assert_refused(404, "METADATA_NOT_FOUND");

    let feed = server.get("/v2/example.com/app/_trust/changefeed?records=10").await.json();
    assert_eq!(feed["count"], 2);
    let update = &feed["records"][0];
    assert_eq!(update["SHA256"], Sha256::of(&timestamp.body).to_hex());
    assert_eq!((&update["ID"], &update["Version"], &update["Category"]), (&json!("1"), &json!(1), &json!("update")));
    assert_eq!(feed["records"][1]["Category"], "deletion");
    assert_eq!(feed["records"][1]["Version"], 0);
    let members: Vec<&String> = update.as_object().unwrap().keys().collect();
    assert_eq!(members, ["Category", "CreatedAt", "GUN", "ID", "SHA256", "Version"]);

    let all = server.get("/v2/_trust/changefeed?records=-2").await.json();
    assert_eq!(all["count"], 2);
    assert_eq!(all["records"][1]["ID"], "3");
    let later = server.get("/v2/_trust/changefeed?records=10&change_id=1").await.json();
    assert_eq!(later["records"][0]["GUN"], "example.com/other");
}

#[tokio::test]
async fn after_a_deletion_the_server_goes_on_above_the_deleted_versions() {
    let server = Server::start().await;
    let gun = "example.com/app";
    let publisher = published(&server, gun).await;
    assert_eq!(server.post(gun, &multipart(&[])).await.status, 200);
    let path = |name: &str| format!("/v2/{gun}/_trust/tuf/{name}");
    assert_eq!(server.request("DELETE", &path(""), &[]).await.status, 200);
    let (root, targets) = (publisher.root_bytes(), publisher.targets_bytes());
    assert_eq!(server.post(gun, &multipart(&[("root", &root), ("targets", &targets)])).await.status, 200);
    for role in ["snapshot", "timestamp"] {
        let current = server.get(&path(&format!("{role}.json"))).await;
        assert_eq!(current.json()["signed"]["version"], 3, "{role}");
        assert_eq!(server.get(&path(&format!("3.{role}.json"))).await.body, current.body);
        server.get(&path(&format!("2.{role}.json"))).await.assert_refused(404, "METADATA_NOT_FOUND");
    }
    assert_eq!(server.get(&path("targets.json")).await.body, targets);
}

#[tokio::test]
async fn a_key_that_was_asked_for_is_handed_out_again_until_it_signs() {
    let server = Server::start().await;
    let path = "/v2/example.com/app/_trust/tuf/timestamp.key";
    let first = server.get(path).await;
    assert_eq!(first.status, 200);
    let text = first.text();
    assert!(
        text.starts_with("{\"keytype\":\"ed25519\",\"keyval\":{\"public\":\"") && text.ends_with("\"private\":null}}")
    );
    let rotated = server.request("POST", path, &[]).await;
    assert_eq!(rotated.status, 200);
    assert_eq!(rotated.body, server.get(path).await.body);
}

#[tokio::test]
async fn an_age_of_zero_forbids_caching() {
    let sections = json!({"caching": {"max_age": {"current_metadata": 0, "consistent_metadata": 31_536_000}}});
    let server = Server::start_with(sections, &[]).await;
    published(&server, "example.com/app").await;
    let current = server.get("/v2/example.com/app/_trust/tuf/root.json").await;
    assert_eq!(current.header("cache-control"), Some("max-age=0, no-cache, no-store"));
    assert_eq!(current.header("pragma"), Some("no-cache"));
    let kept = server.get("/v2/example.com/app/_trust/tuf/1.root.json").await;
    assert_eq!(kept.header("cache-control"), Some("public, max-age=31536000, s-maxage=31536000"));
}

#[tokio::test]
async fn requests_are_counted_by_operation() {
    let server = Server::start().await;
    published(&server, "example.com/app").await;
    server.get("/v2/example.com/none/_trust/tuf/root.json").await.assert_refused(404, "METADATA_NOT_FOUND");
    let metrics = server.get("/metrics").await;
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for line in [
        "notary_server_http_requests_total{code=\"200\",method=\"post\",operation=\"UpdateTUF\"} 1\n",
        "notary_server_http_requests_total{code=\"200\",method=\"get\",operation=\"GetKey\"} 2\n",
        "notary_server_http_requests_total{code=\"404\",method=\"get\",operation=\"GetRole\"} 1\n",
    ] {
        assert!(metrics.text().contains(line), "{line}{}", metrics.text());
    }
}

#[tokio::test]
async fn names_outside_the_prefixes_are_not_served() {
    let sections = json!({"repositories": {"gun_prefixes": ["example.com/team/"]}});
    let server = Server::start_with(sections, &[]).await;
    published(&server, "example.com/team/app").await;
    for path in ["root.json", "timestamp.key"] {
        let answer = server.get(&format!("/v2/example.com/teams/_trust/tuf/{path}")).await;
        answer.assert_refused(404, "METADATA_NOT_FOUND");
        assert!(answer.detail().is_null());
    }
    let answer = server.post("example.com/team", &multipart(&[])).await;
    answer.assert_refused(400, "INVALID_GUN");
    assert_eq!(answer.detail(), "Require GUNs with prefix: [example.com/team/]");
}
