//! What `/metrics` tells after requests.

use serde_json::json;

use crate::repositories::published;
use crate::server::{Server, multipart};

#[track_caller]
fn assert_has(page: &str, lines: &[&str]) {
    for line in lines {
        assert!(page.lines().any(|told| told == *line), "{line}\n{page}");
    }
}

#[tokio::test]
async fn requests_are_counted_by_operation_and_class_of_status() {
    let server = Server::start().await;
    published(&server, "example.com/app").await;
    for (gun, status) in [("app", 200), ("app", 200), ("other", 404)] {
        assert_eq!(server.get(&format!("/v2/example.com/{gun}/_trust/tuf/root.json")).await.status, status);
    }
    for _ in 0..2 {
        let answer = server.get("/metrics").await;
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        assert_has(
            answer.text(),
            &[
                "# TYPE bulla_request_seconds histogram",
                "bulla_request_seconds_bucket{operation=\"GetRole\",status=\"2xx\",le=\"+Inf\"} 2",
                "bulla_request_seconds_count{operation=\"GetRole\",status=\"2xx\"} 2",
                "bulla_request_seconds_count{operation=\"GetRole\",status=\"4xx\"} 1",
                "bulla_request_seconds_count{operation=\"GetKey\",status=\"2xx\"} 2",
                "bulla_request_seconds_count{operation=\"UpdateTUF\",status=\"2xx\"} 1",
                "notary_server_http_requests_total{code=\"200\",method=\"get\",operation=\"GetRole\"} 2",
            ],
        );
    }
}

#[tokio::test]
async fn publishes_are_counted_by_what_became_of_them() {
    let server = Server::start().await;
    let gun = "example.com/app";
    let publisher = published(&server, gun).await;
    let again = multipart(&[("targets", &publisher.targets_bytes())]);
    server.post(gun, &again).await.assert_refused(400, "VERSION");
    server.post("example.com/new", &again).await.assert_refused(400, "INVALID_UPDATE");
    // no upload at all, so that nothing is judged
    server.post(gun, b"nothing").await.assert_refused(400, "MALFORMED_UPLOAD");
    assert_has(
        server.get("/metrics").await.text(),
        &[
            "bulla_publishes_total{outcome=\"accepted\"} 1",
            "bulla_publishes_total{outcome=\"refused\"} 1",
            "bulla_publishes_total{outcome=\"conflict\"} 1",
            "bulla_publishes_total{outcome=\"overtaken\"} 0",
            "bulla_publishes_total{outcome=\"failed\"} 0",
            "bulla_request_seconds_count{operation=\"UpdateTUF\",status=\"4xx\"} 3",
        ],
    );
}

#[tokio::test]
async fn what_expires_is_counted_and_repositories_are_named_only_where_that_is_meant() {
    let bundle = rcgen::generate_simple_self_signed([]).unwrap().cert.pem();
    let auth = json!({"type": "token", "options": {
        "realm": "https://auth.example.com/token", "service": "notary-server",
        "issuer": "auth.example.com", "rootcertbundle": "bundle.crt",
    }});
    for (sections, is_named) in [
        (json!({}), true),
        (json!({"metrics": {"repository_names": false}}), false),
        (json!({"auth": auth}), false),
        (json!({"auth": auth, "metrics": {"repository_names": true}}), true),
    ] {
        let server = Server::start_with(sections.clone(), &[("bundle.crt", &bundle)]).await;
        let page = server.get("/metrics").await;
        assert_has(page.text(), &["bulla_expiring_within{role=\"root\",days=\"30\"} 0"]);
        assert_eq!(page.text().contains("# TYPE bulla_seconds_to_expiry gauge\n"), is_named, "{sections}");
    }
}
