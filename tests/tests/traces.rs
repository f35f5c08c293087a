//! Traces that a real server and a real signer export, and what becomes of requests when nobody takes them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

use std::time::Duration;

use e2e::collector::{Collected, Collector};
use e2e::http;
use e2e::process::{binary, free_port};
use e2e::stack::Stack;
use e2e::upload::Story;
use serde_json::json;
use tokio::process::Command;
use tonic::transport::Identity;

const GUN: &str = "example.com/traced";

/// Our client, with a trust directory of its own.
async fn bulla(stack: &Stack, arguments: &[&str]) {
    let mut command = Command::new(binary("bulla").unwrap());
    for role in ["ROOT", "TARGETS", "SNAPSHOT", "DELEGATION"] {
        command.env(format!("NOTARY_{role}_PASSPHRASE"), "a-passphrase-of-a-person");
    }
    let home = stack.folder().join("home");
    command.env("HOME", &home).arg("-s").arg(format!("https://localhost:{}", stack.port()));
    command.arg("--tlscacert").arg(stack.folder().join("pki/ca.crt")).arg("-d").arg(home.join("trust")).args(arguments);
    let output = command.kill_on_drop(true).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn of<'a>(spans: &'a [Collected], service: &str, name: &str) -> Vec<&'a Collected> {
    spans.iter().filter(|one| one.service == service && one.span.name == name).collect()
}

#[tokio::test]
async fn one_publish_of_a_client_is_one_trace_over_server_and_signer() {
    let collector = Collector::start().await.unwrap();
    let stack = Stack::start_traced_for_clients(collector.section()).await.unwrap();
    bulla(&stack, &["repo", "init", "-p", GUN]).await;
    let digest = "0".repeat(64);
    bulla(&stack, &["repo", "add-hash", "-p", GUN, "tag", "7", "--sha256", &digest]).await;
    // the spans of both processes come by themselves, the ends of the trace last
    let found = |spans: &[Collected]| {
        let publish = of(spans, "bulla-server", "UpdateTUF").last().copied()?.clone();
        let trace: Vec<Collected> =
            spans.iter().filter(|one| one.span.trace_id == publish.span.trace_id).cloned().collect();
        let signed = of(&trace, "bulla-server", "signer.sign").len();
        (signed > 0 && of(&trace, "bulla-signer", "Sign").len() == signed).then_some((publish, trace))
    };
    let (publish, trace) = collector.wait("trace of a publish over both", found).await.unwrap();
    assert_eq!(publish.text("bulla.gun").unwrap(), GUN);
    assert_eq!(publish.text("bulla.outcome").unwrap(), "ok");
    assert_eq!(publish.text("http.request.method").unwrap(), "POST");
    assert_eq!(publish.number("http.response.status_code").unwrap(), 200);
    assert!(!publish.text("bulla.request").unwrap().is_empty());
    for name in ["store.newest", "store.load", "store.commit", "signer.sign"] {
        let spans = of(&trace, "bulla-server", name);
        assert!(!spans.is_empty() && spans.iter().all(|one| one.span.parent_span_id == publish.span.span_id), "{name}");
    }
    let questions: Vec<_> = of(&trace, "bulla-server", "signer.sign");
    for sign in of(&trace, "bulla-signer", "Sign") {
        assert!(questions.iter().any(|question| question.span.span_id == sign.span.parent_span_id), "{sign:?}");
        assert_eq!(sign.text("bulla.gun").unwrap(), GUN);
        assert_eq!(sign.number("rpc.grpc.status_code"), Some(0));
        for name in ["store.find", "key.sign", "audit.record"] {
            let inner = of(&trace, "bulla-signer", name);
            assert!(inner.iter().any(|one| one.span.parent_span_id == sign.span.span_id), "{name}");
        }
    }
    for one in &trace {
        assert!(one.span.start_time_unix_nano > 0 && one.span.start_time_unix_nano <= one.span.end_time_unix_nano);
    }
}

#[tokio::test]
async fn a_trace_of_a_client_is_gone_on_with_and_no_token_and_no_query_is_told() {
    let collector = Collector::start().await.unwrap();
    let mut stack = Stack::start_traced(collector.section()).await.unwrap();
    Story::published(stack.port(), GUN).await.unwrap();
    let (token, query) = ("eyJ-a-token-of-somebody", "a-secret-of-the-query");
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let head = |trace: &str| {
        format!(
            "GET /v2/{GUN}/_trust/tuf/timestamp.json?token={query} HTTP/1.1\r\nAuthorization: Bearer {token}\r\n\
             traceparent: {trace}"
        )
    };
    assert_eq!(http::send(stack.port(), &head(traceparent), b"").await.unwrap().status, 200);
    // what is no header begins a trace of its own, and the request is answered
    assert_eq!(http::send(stack.port(), &head("00-hostile"), b"").await.unwrap().status, 200);
    // health is not traced
    assert_eq!(http::get(stack.port(), "/_notary_server/health").await.unwrap().status, 200);
    let id = stack.server.id().unwrap().to_string();
    // at the end what waits is sent
    assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    assert!(stack.server.end().await.unwrap().success());
    let spans = collector.spans();
    let mut reads = of(&spans, "bulla-server", "GetRole");
    let foreign = reads.pop().unwrap();
    assert!(foreign.span.parent_span_id.is_empty());
    let own = reads.pop().unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(&own.span.trace_id), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(hex(&own.span.parent_span_id), "b7ad6b7169203331");
    assert_eq!(of(&spans, "bulla-server", "store.read").last().unwrap().span.trace_id, foreign.span.trace_id);
    assert!(!spans.iter().any(|one| one.span.name.to_lowercase().contains("health")));
    for secret in [token, query, "Bearer"] {
        assert!(!collector.was_told(secret), "{secret}");
    }
}

#[tokio::test]
async fn spans_go_over_tls_to_a_collector_of_the_named_authority_and_to_no_other() {
    #[expect(clippy::disallowed_methods, reason = "certificates are made for real clocks")]
    let now = std::time::SystemTime::now();
    let folder = tempfile::tempdir().unwrap();
    for name in ["right", "other"] {
        certs_dev::DevelopmentPki::make(&[], now).unwrap().write(&folder.path().join(name)).unwrap();
    }
    let pem = |name: &str| std::fs::read(folder.path().join("right").join(name)).unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let identity = Identity::from_pem(pem("server.crt"), pem("server.key"));
    let collector = Collector::start_tls(identity).await.unwrap();
    for authority in ["right", "other"] {
        let mut section = collector.section();
        section["tls_ca_file"] = json!(folder.path().join(authority).join("ca.crt"));
        let stack = Stack::start_traced(section).await.unwrap();
        let gun = format!("example.com/{authority}");
        Story::published(stack.port(), &gun).await.unwrap();
        if authority == "right" {
            let of_both = |spans: &[Collected]| {
                (!of(spans, "bulla-server", "UpdateTUF").is_empty() && !of(spans, "bulla-signer", "Sign").is_empty())
                    .then_some(())
            };
            collector.wait("spans of both", of_both).await.unwrap();
        } else {
            dropped(&stack).await;
            assert!(!collector.was_told(&gun));
        }
    }
}

/// Waits until the server tells that it has dropped spans; gives back its metrics.
async fn dropped(stack: &Stack) -> String {
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    let mut told = String::new();
    for _ in 0..300 {
        tick.tick().await;
        told = String::from_utf8(http::get(stack.port(), "/metrics").await.unwrap().body).unwrap();
        let count = told.lines().find_map(|line| line.strip_prefix("bulla_spans_total{outcome=\"dropped\"} "));
        if count.is_some_and(|count| count != "0") {
            return told;
        }
    }
    panic!("no span was dropped: {told}");
}

#[tokio::test]
async fn without_a_collector_or_with_one_that_hangs_publishes_go_on_and_what_is_dropped_is_counted() {
    // connections to it are made, and never answered
    let hangs = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    for port in [free_port().unwrap(), hangs.local_addr().unwrap().port()] {
        let section = json!({"otlp_endpoint": format!("http://127.0.0.1:{port}")});
        let stack = Stack::start_traced(section).await.unwrap();
        let mut story = Story::published(stack.port(), GUN).await.unwrap();
        for number in 0..5 {
            let sent = tokio::time::timeout(Duration::from_secs(4), story.send_tag(&format!("tag-{number}"))).await;
            assert_eq!(sent.expect("a publish waits for the collector").unwrap().status, 200);
        }
        let told = dropped(&stack).await;
        assert!(told.contains("bulla_spans_total{outcome=\"exported\"} 0\n"), "{told}");
    }
}
