//! Reads on connections that are never used twice, as docker reads: the whole of a TLS connection for each request of a
//! timestamp, or of all that a pull checks.
//!
//! In place of `wrk` for this measure: its handshakes cost several times what a server's do, so that on one machine it
//! measures itself. Threads and blocking sockets, because nothing here waits but for the server.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::digest;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use crate::pinned::PinnedCertificate;
use crate::prepare::repository;
use e2e::summary::Summary;

/// What one reading asks for.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Check {
    /// The timestamp alone.
    Timestamp,
    /// What docker asks for without a cache: that there is a server, root, timestamp, snapshot and targets.
    Cold,
    /// What it asks for when it has them all: that there is a server, and the timestamp.
    Warm,
}

/// What to read, and how long.
pub(crate) struct Reading {
    /// `host:port` of the server.
    pub(crate) authority: String,
    pub(crate) check: Check,
    /// Repositories, asked in turn.
    pub(crate) repositories: usize,
    /// Connections at once.
    pub(crate) connections: usize,
    /// For how long.
    pub(crate) limit: Duration,
}

/// Reads until the time is over, believing only the server's own certificate, and resuming no session.
pub(crate) fn read(reading: &Reading, certificate: &Path) -> anyhow::Result<Summary> {
    let pinned = Arc::new(PinnedCertificate::read(certificate)?);
    let mut config = ClientConfig::builder().dangerous().with_custom_certificate_verifier(pinned).with_no_client_auth();
    config.resumption = Resumption::disabled();
    let config = Arc::new(config);
    let mut summary = Summary::empty();
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..reading.connections)
            .map(|first| {
                scope.spawn({
                    let config = Arc::clone(&config);
                    move || one_reader(reading, first, &config)
                })
            })
            .collect();
        for reader in readers {
            let part = reader.join().ok().context("a reader ended")??;
            summary.add(part);
        }
        anyhow::Ok(())
    })?;
    summary.sort();
    Ok(summary)
}

fn one_reader(reading: &Reading, first: usize, config: &Arc<ClientConfig>) -> anyhow::Result<Summary> {
    let host = reading.authority.rsplit_once(':').context("an authority has a port")?.0.to_owned();
    let name = ServerName::try_from(host)?;
    let mut summary = Summary::empty();
    let started = Instant::now();
    let mut number = first;
    let asker = Asker { authority: &reading.authority, name, config };
    while started.elapsed() < reading.limit {
        let files = format!("/v2/{}/_trust/tuf/", repository(number % reading.repositories));
        number = number.wrapping_add(1);
        let asked = Instant::now();
        match asker.check(reading.check, &files) {
            Ok(()) => summary.count(asked.elapsed()),
            Err(_) => summary.count_error(),
        }
    }
    summary.lasted(started.elapsed());
    Ok(summary)
}

struct Asker<'a> {
    authority: &'a str,
    name: ServerName<'static>,
    config: &'a Arc<ClientConfig>,
}

impl Asker<'_> {
    fn check(&self, check: Check, files: &str) -> anyhow::Result<()> {
        if !matches!(check, Check::Timestamp) {
            self.read("/v2/")?;
        }
        if matches!(check, Check::Cold) {
            self.document(files, "root.json")?;
        }
        let timestamp = self.document(files, "timestamp.json")?;
        if matches!(check, Check::Cold) {
            let snapshot = self.listed(files, &timestamp, "snapshot")?;
            self.listed(files, &snapshot, "targets")?;
        }
        Ok(())
    }

    fn document(&self, files: &str, file: &str) -> anyhow::Result<Vec<u8>> {
        let document = self.read(&format!("{files}{file}"))?;
        anyhow::ensure!(document.ends_with(b"}"), "{file} is not whole");
        Ok(document)
    }

    /// A file by the hash that `parent` lists, which it must have.
    fn listed(&self, files: &str, parent: &[u8], role: &str) -> anyhow::Result<Vec<u8>> {
        let parent: serde_json::Value = serde_json::from_slice(parent)?;
        let listed = parent.pointer(&format!("/signed/meta/{role}/hashes/sha256")).and_then(serde_json::Value::as_str);
        let hash = BASE64.decode(listed.with_context(|| format!("no hash of {role} is listed"))?)?;
        let document = self.document(files, &format!("{role}.{}.json", hex::encode(&hash)))?;
        anyhow::ensure!(digest::digest(&digest::SHA256, &document).as_ref() == hash, "{role} is another");
        Ok(document)
    }

    /// One connection, one request: the body of an answer of 200.
    fn read(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        let mut tcp = TcpStream::connect(self.authority)?;
        tcp.set_nodelay(true)?;
        let mut connection = ClientConnection::new(Arc::clone(self.config), self.name.clone())?;
        let mut stream = rustls::Stream::new(&mut connection, &mut tcp);
        let host = self.authority;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())?;
        let mut answer = Vec::with_capacity(4096);
        match stream.read_to_end(&mut answer) {
            Ok(_) => {}
            // Go's server closes without a TLS goodbye when the client asked for the close: what came before counts.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {}
            Err(error) => return Err(error.into()),
        }
        anyhow::ensure!(answer.starts_with(b"HTTP/1.1 200"), "{path} was refused");
        body(&answer).with_context(|| format!("the answer for {path} is not whole"))
    }
}

/// The body of an answer, in chunks or not.
fn body(answer: &[u8]) -> Option<Vec<u8>> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, mut rest) = (answer.get(..end)?.to_ascii_lowercase(), answer.get(end + 4..)?);
    if !head.windows(26).any(|window| window == b"transfer-encoding: chunked") {
        return Some(rest.to_vec());
    }
    let mut whole = Vec::with_capacity(rest.len());
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(rest.get(..line)?).ok()?, 16).ok()?;
        if length == 0 {
            return Some(whole);
        }
        let from = line + 2;
        whole.extend_from_slice(rest.get(from..from.checked_add(length)?)?);
        rest = rest.get(from.checked_add(length)?.checked_add(2)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_in_chunks_is_put_together_and_one_that_breaks_off_is_none() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let answer = format!("{head}3\r\n{{\"a\r\n2\r\n\"}}\r\n0\r\n\r\n");
        assert_eq!(body(answer.as_bytes()).unwrap(), b"{\"a\"}");
        assert_eq!(body(&answer.as_bytes()[..answer.len() - 6]), None);
        assert_eq!(body(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").unwrap(), b"{}");
    }
}
