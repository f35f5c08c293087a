//! Who is let in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::Code;

use crate::pki::{Authority, Pair};
use crate::signer::{Client, Running, Settings, id, refusal};
use bulla_signer::grpc::INSECURE_SERVICE;

/// Whether the signer answers a client with this certificate, and how it refuses.
///
/// In TLS 1.3 a client learns of its refusal with the first answer it waits for.
async fn ask(signer: &Running, pair: Option<&Pair>) -> Result<i32, String> {
    let client = Client::connect(signer, pair).await.map_err(|error| format!("{error:?}"))?;
    client.health("").await.map_err(|status| format!("{status:?}"))
}

fn settings(server: &str) -> Settings {
    Settings { server: server.to_owned(), ..Settings::default() }
}

#[tokio::test]
async fn who_connects_and_says_nothing_keeps_nobody_else_out() {
    let signer = Running::start().await;
    let mut idle = Vec::new();
    // more than there are places for all
    for _ in 0..300 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        idle.push(socket.connect(signer.address).await.unwrap());
    }
    assert_eq!(ask(&signer, Some(&signer.place.authority.issue("server.test"))).await, Ok(1));
    let mut rest = Vec::new();
    let last = idle.last_mut().unwrap().read_to_end(&mut rest);
    tokio::time::timeout(Duration::from_secs(5), last).await.expect("closed at once").unwrap();
}

#[tokio::test]
async fn a_client_without_a_certificate_is_not_let_in() {
    let signer = Running::start().await;
    let text = ask(&signer, None).await.unwrap_err();
    assert!(text.contains("CertificateRequired"), "{text}");
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_not_let_in() {
    let signer = Running::start().await;
    let stranger = Authority::new(signer.place.path(), "other").issue("server.test");
    let text = ask(&signer, Some(&stranger)).await.unwrap_err();
    assert!(text.contains("UnknownCA") || text.contains("DecryptError"), "{text}");
}

#[tokio::test]
async fn a_name_that_is_not_listed_may_do_nothing_and_is_told_why() {
    let signer = Running::start().await;
    let other = signer.place.authority.issue("other.test");
    let client = Client::connect(&signer, Some(&other)).await.unwrap();
    for answer in [
        client.create("registry.test/app", "timestamp").await.map(|_| ()),
        client.sign(Some("0000"), b"{}").await.map(|_| ()),
        client.describe("0000").await.map(|_| ()),
        client.delete("0000").await,
        client.health("").await.map(|_| ()),
    ] {
        let (code, text) = refusal(answer);
        assert_eq!(code, Code::PermissionDenied);
        assert!(text.contains("other.test") && text.contains("server.allowed_clients"), "{text}");
    }
}

#[tokio::test]
async fn a_client_who_is_not_listed_does_not_keep_its_connection() {
    let signer = Running::start().await;
    let other = signer.place.authority.issue("other.test");
    let mut stream = handshake(&signer, &other).await;
    let listening = async {
        let mut said = Vec::new();
        // it ends in an error, as nobody says goodbye to a refused client
        let _ = stream.read_to_end(&mut said).await;
    };
    tokio::time::timeout(Duration::from_secs(20), listening).await.expect("it stays open");
}

#[tokio::test]
async fn a_dns_name_of_the_certificate_is_enough() {
    let signer =
        Running::with(&settings(r#", "client_ca_file": "ca.crt", "allowed_clients": ["alt.other.test"]"#)).await;
    let other = signer.place.authority.issue("other.test");
    assert_eq!(ask(&signer, Some(&other)).await, Ok(1));
}

#[tokio::test]
async fn without_a_list_every_certificate_of_the_authority_is_let_in() {
    let signer = Running::with(&settings(r#", "client_ca_file": "ca.crt""#)).await;
    let other = signer.place.authority.issue("other.test");
    assert_eq!(ask(&signer, Some(&other)).await, Ok(1));
    let stranger = Authority::new(signer.place.path(), "other").issue("server.test");
    assert!(ask(&signer, Some(&stranger)).await.is_err());
}

#[tokio::test]
async fn a_client_s_own_certificate_may_stand_in_the_authority_s_place() {
    // as in installations of the reference that name the peer's certificate file
    let list = r#", "client_ca_file": "ca-server.test.crt", "allowed_clients": ["server.test"]"#;
    let place = crate::signer::Place::new();
    let listed = place.authority.issue("server.test");
    let signer = Running::in_place(place, &settings(list)).await;
    assert_eq!(ask(&signer, Some(&listed)).await, Ok(1));
    let text = ask(&signer, Some(&signer.place.server)).await.unwrap_err();
    assert!(text.contains("UnknownCA"), "another certificate of the same authority: {text}");
}

#[tokio::test]
async fn a_client_s_own_certificate_vouches_for_no_other() {
    let list = r#", "client_ca_file": "ca-server.test.crt", "allowed_clients": ["server.test"]"#;
    let place = crate::signer::Place::new();
    let child = place.authority.usurper("server.test").issue("server.test");
    let signer = Running::in_place(place, &settings(list)).await;
    let text = ask(&signer, Some(&child)).await.unwrap_err();
    assert!(text.contains("UnknownCA"), "{text}");
}

#[tokio::test]
async fn a_client_s_own_certificate_is_let_in_until_it_expires() {
    let list = r#", "client_ca_file": "ca-server.test.crt", "allowed_clients": ["server.test"]"#;
    let place = crate::signer::Place::new();
    let expired = place.authority.issue_expired("server.test");
    let signer = Running::in_place(place, &settings(list)).await;
    let text = ask(&signer, Some(&expired)).await.unwrap_err();
    assert!(text.contains("CertificateExpired"), "{text}");
}

#[tokio::test]
async fn any_certificate_is_let_in_by_the_insecure_key_and_it_shows() {
    let signer = Running::with(&settings(r#", "insecure_allow_any_client": true"#)).await;
    let stranger = Authority::new(signer.place.path(), "other").issue("anybody");
    let client = Client::connect(&signer, Some(&stranger)).await.unwrap();
    client.create("registry.test/app", "timestamp").await.unwrap();
    assert_eq!(client.health("").await.unwrap(), 1);
    assert_eq!(client.health(INSECURE_SERVICE).await.unwrap(), 2);
    assert!(get(signer.http, "/ready").await.contains("insecure"));
    let metrics = get(signer.http, "/metrics").await;
    assert!(metrics.contains("bulla_signer_insecure_any_client 1"), "{metrics}");
    assert!(
        metrics.contains(r#"bulla_signer_key_uses_total{operation="create",role="timestamp",outcome="ok"} 1"#),
        "{metrics}"
    );

    let text = ask(&signer, None).await.unwrap_err();
    assert!(text.contains("CertificateRequired"), "a certificate is demanded all the same: {text}");
}

#[tokio::test]
async fn requests_are_counted_and_timed_without_naming_keys_or_repositories() {
    let signer = Running::start().await;
    let client = signer.client().await;
    let key = client.create("registry.test/app", "timestamp").await.unwrap();
    client.sign(Some("0000"), b"").await.unwrap_err();
    client.sign(None, b"").await.unwrap_err();
    let metrics = get(signer.http, "/metrics").await;
    for line in [
        r#"bulla_signer_requests_total{method="CreateKey",code="Ok"} 1"#,
        r#"bulla_signer_requests_total{method="Sign",code="NotFound"} 1"#,
        r#"bulla_signer_requests_total{method="Sign",code="InvalidArgument"} 1"#,
        r#"bulla_signer_request_seconds_count{method="Sign"} 2"#,
        r#"bulla_signer_request_seconds_bucket{le="10.0",method="Sign"} 2"#,
        r#"bulla_signer_build_info{version=""#,
        r#"bulla_signer_certificate_not_after_seconds{file="server.tls_cert_file"} "#,
        r#"bulla_signer_certificate_not_after_seconds{file="server.client_ca_file"} "#,
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    assert!(!metrics.contains(id(&key)) && !metrics.contains("registry.test"), "{metrics}");
}

#[tokio::test]
async fn readiness_and_metrics_are_answered_and_nothing_else() {
    let signer = Running::start().await;
    assert!(get(signer.http, "/ready").await.starts_with("HTTP/1.1 200 OK"));
    assert!(get(signer.http, "/metrics").await.contains("bulla_signer_ready 1"));
    assert!(get(signer.http, "/").await.starts_with("HTTP/1.1 404"));
}

/// A connection on which nothing is asked.
async fn handshake(signer: &Running, pair: &Pair) -> TlsStream<TcpStream> {
    let mut authorities = RootCertStore::empty();
    authorities.add(CertificateDer::from_pem_file(signer.place.authority.file()).unwrap()).unwrap();
    let chain = vec![CertificateDer::from_pem_file(&pair.certificate).unwrap()];
    let mut tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(authorities)
        .with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(&pair.key).unwrap())
        .unwrap();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(signer.address).await.unwrap();
    TlsConnector::from(Arc::new(tls)).connect("localhost".try_into().unwrap(), stream).await.unwrap()
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
