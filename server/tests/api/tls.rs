//! TLS: the versions spoken, client certificates where they are demanded, and who resumes a session.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, ClientConfig, HandshakeKind, RootCertStore, SupportedProtocolVersion};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::server::{Answer, Server, exchange};

pub(crate) type Authority = CertifiedIssuer<'static, KeyPair>;

pub(crate) fn authority() -> Authority {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

pub(crate) struct Leaf {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

fn leaf(authority: &Authority) -> Leaf {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, authority).unwrap();
    Leaf { certificate, key }
}

async fn server(authority: &Authority, client_ca: Option<&Authority>) -> Server {
    server_with(authority, client_ca, json!({})).await
}

/// The same, with `sections` laid over its configuration.
pub(crate) async fn server_with(authority: &Authority, client_ca: Option<&Authority>, mut sections: Value) -> Server {
    let leaf = leaf(authority);
    let mut section = json!({"http_addr": "127.0.0.1:0", "tls_cert_file": "s.crt", "tls_key_file": "s.key"});
    let mut files = vec![("s.crt", leaf.certificate.pem()), ("s.key", leaf.key.serialize_pem())];
    if let Some(client_ca) = client_ca {
        section["client_ca_file"] = "ca.crt".into();
        files.push(("ca.crt", client_ca.pem()));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    sections["server"] = section;
    Server::start_with(sections, &files).await
}

pub(crate) fn config(
    authority: &Authority,
    version: &'static SupportedProtocolVersion,
    client: Option<&Leaf>,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match client {
        None => builder.with_no_client_auth(),
        Some(leaf) => {
            let chain = vec![CertificateDer::from(leaf.certificate.der().to_vec())];
            builder.with_client_auth_cert(chain, PrivateKeyDer::try_from(leaf.key.serialize_der()).unwrap()).unwrap()
        }
    })
}

/// How two connections of one client come about.
async fn handshakes(server: &Server, config: &Arc<ClientConfig>) -> [Option<HandshakeKind>; 2] {
    let mut kinds = [None, None];
    for kind in &mut kinds {
        let stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await.unwrap();
        *kind = stream.get_ref().1.handshake_kind();
        // tickets come behind the handshake
        let answer = exchange(stream, b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
        assert_eq!(answer.status, 200);
    }
    kinds
}

/// What a client that would take every suite agrees on with the server.
async fn suite(server: &Server, config: &Arc<ClientConfig>) -> Option<CipherSuite> {
    let stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await.unwrap();
    stream.get_ref().1.negotiated_cipher_suite().map(|suite| suite.suite())
}

async fn ping(
    server: &Server,
    authority: &Authority,
    version: &'static SupportedProtocolVersion,
    client: Option<&Leaf>,
) -> std::io::Result<Answer> {
    let config = config(authority, version, client);
    let stream = TcpStream::connect(("127.0.0.1", server.port)).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(config).connect(name, stream).await?;
    // with TLS 1.3 a refused certificate shows at the first read
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\n").await?;
    tokio::io::AsyncWriteExt::flush(&mut stream).await?;
    let mut nothing_yet = [0; 1];
    let refusal = tokio::io::AsyncReadExt::read(&mut stream, &mut nothing_yet);
    if let Ok(Err(error)) = tokio::time::timeout(std::time::Duration::from_millis(100), refusal).await {
        return Err(error);
    }
    Ok(exchange(stream, b"Connection: close\r\n\r\n").await)
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken() {
    let authority = authority();
    let server = server(&authority, None).await;
    for version in [&TLS12, &TLS13] {
        let answer = ping(&server, &authority, version, None).await.unwrap();
        assert_eq!((answer.status, answer.text()), (200, "{}"), "{version:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn of_the_suites_that_a_client_offers_aes_with_128_bits_is_taken() {
    let authority = authority();
    let server = server(&authority, None).await;
    for (version, expected) in [
        (&TLS12, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
        (&TLS13, CipherSuite::TLS13_AES_128_GCM_SHA256),
    ] {
        assert_eq!(suite(&server, &config(&authority, version, None)).await, Some(expected));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_connection_that_never_begins_to_speak_does_not_hold_up_the_stop() {
    let authority = authority();
    let server = server(&authority, None).await;
    let silent = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    // a later connection was answered, so the silent one was taken before
    assert_eq!(ping(&server, &authority, &TLS13, None).await.unwrap().status, 200);
    let stopped = tokio::time::timeout(std::time::Duration::from_secs(4), server.stop()).await;
    assert!(stopped.is_ok(), "the stop waited for a handshake");
    drop(silent);
}

#[tokio::test]
async fn where_client_certificates_are_demanded_one_of_that_ca_is_needed() {
    let (client_ca, authority) = (authority(), authority());
    let server = server(&authority, Some(&client_ca)).await;
    for version in [&TLS12, &TLS13] {
        assert!(ping(&server, &authority, version, None).await.is_err(), "{version:?} without a certificate");
        let foreign = leaf(&authority);
        assert!(ping(&server, &authority, version, Some(&foreign)).await.is_err(), "{version:?} with a foreign one");
        let good = leaf(&client_ca);
        assert_eq!(ping(&server, &authority, version, Some(&good)).await.unwrap().status, 200, "{version:?}");
    }
}

#[tokio::test]
async fn a_session_is_resumed_by_a_client_that_kept_its_ticket() {
    let authority = authority();
    let server = server(&authority, None).await;
    for version in [&TLS12, &TLS13] {
        let kinds = handshakes(&server, &config(&authority, version, None)).await;
        assert_eq!(kinds, [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)], "{version:?}");
    }
}

#[tokio::test]
async fn where_client_certificates_are_demanded_each_connection_shows_one() {
    let (client_ca, authority) = (authority(), authority());
    let server = server(&authority, Some(&client_ca)).await;
    let leaf = leaf(&client_ca);
    for version in [&TLS12, &TLS13] {
        let kinds = handshakes(&server, &config(&authority, version, Some(&leaf))).await;
        assert_eq!(kinds, [Some(HandshakeKind::Full), Some(HandshakeKind::Full)], "{version:?}");
    }
}

#[tokio::test]
async fn a_named_file_that_cannot_be_used_stops_the_start() {
    let section = |certificate: &str, key: &str| json!({"server": {"http_addr": ":0", "tls_cert_file": certificate, "tls_key_file": key}});
    let leaf = leaf(&authority());
    let other = self::leaf(&authority());
    let (certificate, key, foreign) = (leaf.certificate.pem(), leaf.key.serialize_pem(), other.key.serialize_pem());
    let files = [("s.crt", certificate.as_str()), ("s.key", &key), ("other.key", &foreign), ("empty", "")];
    for (sections, message) in [
        (section("missing.crt", "s.key"), "missing.crt, named by server.tls_cert_file"),
        (section("s.crt", "missing.key"), "missing.key, named by server.tls_key_file"),
        (section("empty", "s.key"), "empty, named by server.tls_cert_file, holds no PEM certificate"),
        (section("s.crt", "empty"), "holds no unencrypted PEM private key"),
        (section("s.crt", "other.key"), "the server's certificate and key cannot be used"),
    ] {
        let error = Server::start_with(sections, &files).await.ended().await.unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}
