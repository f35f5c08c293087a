//! Certificates that are renewed while the program runs.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, Command};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long anything may take before a test fails.
const LONGEST: Duration = Duration::from_secs(30);

/// A self-signed certificate and its key.
struct Leaf {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

fn leaf() -> Leaf {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    Leaf { certificate, key }
}

/// The real program, with certificates beside its configuration.
struct Program {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    port: u16,
    folder: TempDir,
}

impl Program {
    async fn start(leaf: &Leaf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = json!({
            "server": {"http_addr": "127.0.0.1:0", "tls_cert_file": "s.crt", "tls_key_file": "s.key"},
            "trust_service": {"type": "local"}, "storage": {"backend": "memory"}, "logging": {"level": "info"},
        });
        let path = folder.path().join("server.json");
        std::fs::write(&path, config.to_string()).unwrap();
        std::fs::write(folder.path().join("s.crt"), leaf.certificate.pem()).unwrap();
        std::fs::write(folder.path().join("s.key"), leaf.key.serialize_pem()).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_bulla-server"))
            .arg("-config")
            .arg(&path)
            .env_clear()
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut program = Self { child, log, port: 0, folder };
        let line: serde_json::Value = serde_json::from_str(&program.line_with("\"listening\"").await).unwrap();
        program.port = line["address"].as_str().unwrap().rsplit_once(':').unwrap().1.parse().unwrap();
        program
    }

    /// Waits for a line of the log with this in it.
    async fn line_with(&mut self, text: &str) -> String {
        let found = async {
            loop {
                let line = self.log.next_line().await.unwrap().unwrap();
                if line.contains(text) {
                    return line;
                }
            }
        };
        tokio::time::timeout(LONGEST, found).await.unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    async fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args([name, &id]).status().await.unwrap().success());
    }

    /// A connection, and the certificate that was shown on it.
    async fn connect(&self, trusted: &[&Leaf]) -> (TlsStream<TcpStream>, CertificateDer<'static>) {
        let mut roots = RootCertStore::empty();
        for leaf in trusted {
            roots.add(leaf.certificate.der().clone()).unwrap();
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned();
        (stream, shown)
    }
}

/// Asks on a connection that stays open.
async fn ping(stream: &mut TlsStream<TcpStream>) {
    stream.write_all(b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n{}") {
        let mut some = [0; 1024];
        let read = tokio::time::timeout(LONGEST, stream.read(&mut some)).await.unwrap().unwrap();
        assert_ne!(read, 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&some[..read]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_new_connections_and_open_ones_go_on() {
    let (old, new) = (leaf(), leaf());
    let both = [&old, &new];
    let mut program = Program::start(&old).await;
    let (mut kept, shown) = program.connect(&both).await;
    assert_eq!(shown, *old.certificate.der());
    ping(&mut kept).await;

    // the certificate without its key, as between the two writes of a renewal, and cut in its middle
    let whole = new.certificate.pem();
    for text in [&whole[..whole.len() / 2], &whole] {
        program.write("s.crt", text);
        program.signal("-HUP").await;
        let line = program.line_with("cannot be used").await;
        assert!(line.contains("\"error\"") && line.contains("server.tls_cert_file"), "{line}");
        assert_eq!(program.connect(&both).await.1, *old.certificate.der());
    }

    program.write("s.key", &new.key.serialize_pem());
    program.signal("-HUP").await;
    program.line_with("read again").await;
    assert_eq!(program.connect(&both).await.1, *new.certificate.der());
    ping(&mut kept).await;

    // and the connection from before the renewal does not hold up the stop
    program.signal("-TERM").await;
    let status = tokio::time::timeout(LONGEST, program.child.wait()).await.unwrap().unwrap();
    assert!(status.success());
}
