//! Whether the server lives, can serve reads, and can take publishes.

use serde_json::json;

use crate::server::Server;

/// A server whose signer is away.
async fn without_signer() -> Server {
    let trust = json!({"type": "remote", "hostname": "127.0.0.1", "port": "1", "key_algorithm": "ecdsa"});
    Server::start_with(json!({"trust_service": trust}), &[]).await
}

#[tokio::test]
async fn a_server_that_lacks_nothing_lives_and_is_ready() {
    let server = Server::start().await;
    for (path, said) in [("/live", "live\n"), ("/ready", "ready\n"), ("/ready?publish", "ready\n")] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.text()), (200, said), "{path}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    }
}

#[tokio::test]
async fn without_its_signer_a_server_lives_and_is_ready_to_read_and_not_to_publish() {
    let server = without_signer().await;
    assert_eq!(server.get("/live").await.status, 200);
    let to_read = server.get("/ready").await;
    assert_eq!(to_read.status, 200);
    let lines: Vec<_> = to_read.text().lines().collect();
    assert_eq!(lines.first(), Some(&"ready to read, not to publish"));
    assert!(lines.iter().any(|line| line.starts_with("signer (to publish): ") && !line.ends_with(": ok")), "{lines:?}");
    let to_publish = server.get("/ready?publish").await;
    assert_eq!(to_publish.status, 503);
    assert!(to_publish.text().starts_with("not ready\n"), "{}", to_publish.text());
    let health = server.get("/_notary_server/health").await;
    assert_eq!(health.status, 503);
    assert!(health.json()["Trust operational"].is_string(), "{}", health.text());
    let page = server.get("/metrics").await;
    assert!(page.text().contains("bulla_condition{condition=\"signer\"} 0\n"), "{}", page.text());
}

#[tokio::test]
async fn what_tells_of_the_process_is_asked_for_by_get_only() {
    let server = Server::start().await;
    for path in ["/live", "/ready"] {
        for (method, status) in [("HEAD", 404), ("POST", 404), ("PATCH", 405)] {
            assert_eq!(server.request(method, path, &[]).await.status, status, "{method} {path}");
        }
    }
}
