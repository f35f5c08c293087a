//! Metrics, readiness and liveness at an address of their own.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server::Server;

/// A server with metrics at an address of their own, and `limits`.
async fn watched(limits: serde_json::Value) -> Server {
    Server::start_with(json!({"metrics": {"http_addr": "127.0.0.1:0"}, "limits": limits}), &[]).await
}

#[tokio::test]
async fn an_address_for_metrics_tells_metrics_readiness_and_liveness_and_nothing_else() {
    let server = watched(json!({})).await;
    let page = server.watch("GET", "/metrics").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(page.text().contains("# TYPE bulla_request_seconds histogram\n"), "{}", page.text());
    for (path, said) in [("/ready", "ready\n"), ("/ready?publish", "ready\n"), ("/live", "live\n")] {
        let answer = server.watch("GET", path).await;
        assert_eq!((answer.status, answer.text()), (200, said), "{path}");
    }
    for path in ["/", "/v2/", "/_notary_server/health", "/v2/example.com/app/_trust/tuf/root.json", "//metrics"] {
        let answer = server.watch("GET", path).await;
        assert_eq!((answer.status, answer.text()), (404, "only /metrics, /ready and /live\n"), "{path}");
    }
    for method in ["HEAD", "POST", "PATCH"] {
        assert_eq!(server.watch(method, "/metrics").await.status, 405, "{method}");
    }
}

#[tokio::test]
async fn with_an_address_for_metrics_the_other_one_tells_none_of_them() {
    let server = watched(json!({})).await;
    server.get("/metrics").await.assert_refused(404, "METADATA_NOT_FOUND");
    for path in ["/ready", "/live", "/_notary_server/health"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
    assert_eq!(Server::start().await.get("/metrics").await.status, 200, "without one it does");
}

#[tokio::test]
async fn the_head_of_a_request_for_metrics_may_not_take_longer_than_any_other() {
    let server = watched(json!({"header_seconds": 1})).await;
    let mut slow = server.connect_to_watch().await;
    slow.write_all(b"GET /metrics HTTP/1.1\r\n").await.unwrap();
    let mut said = Vec::new();
    // closed by the server, with or without an answer
    let _reset = slow.read_to_end(&mut said).await;
    assert!(!said.starts_with(b"HTTP/1.1 200"), "{said:?}");
}

#[tokio::test]
async fn one_address_cannot_hold_every_connection_to_metrics_and_clients_hold_none_of_them() {
    let server = watched(json!({"connections": 2, "connections_per_address": 1})).await;
    let ask = b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut client = server.connect_from(1).await;
    client.write_all(ask).await.unwrap();
    client.read_exact(&mut [0; 12]).await.unwrap();
    let mut first = server.connect_to_watch().await;
    first.write_all(ask).await.unwrap();
    first.read_exact(&mut [0; 12]).await.unwrap();
    let mut second = server.connect_to_watch().await;
    let _may_be_closed = second.write_all(ask).await;
    let read = second.read(&mut [0; 12]).await;
    assert!(matches!(read, Ok(0) | Err(_)), "a second connection was served: {read:?}");
}

#[tokio::test]
async fn a_server_stops_while_somebody_holds_a_connection_to_metrics() {
    let server = watched(json!({"stop_seconds": 1})).await;
    let _held = server.connect_to_watch().await;
    server.stop().await;
}
