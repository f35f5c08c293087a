//! Reads on connections that are never used twice, as docker reads: the whole of a TLS connection for each request.
//!
//! In place of `wrk` for this measure: its handshakes cost several times what a server's do, so that on one machine it
//! measures itself. Threads and blocking sockets, because nothing here waits but for the server.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use crate::pinned::PinnedCertificate;
use crate::prepare::repository;
use e2e::summary::Summary;

/// What to read, and how long.
pub(crate) struct Reading {
    /// `host:port` of the server.
    pub(crate) authority: String,
    /// Repositories, asked in turn for their timestamp.
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
    while started.elapsed() < reading.limit {
        let path = format!("/v2/{}/_trust/tuf/timestamp.json", repository(number % reading.repositories));
        number = number.wrapping_add(1);
        let asked = Instant::now();
        match one_request(&reading.authority, &name, config, &path) {
            Ok(true) => summary.count(asked.elapsed()),
            Ok(false) | Err(_) => summary.count_error(),
        }
    }
    summary.lasted(started.elapsed());
    Ok(summary)
}

/// One connection, one request; whether the answer was 200 and whole.
fn one_request(
    authority: &str,
    name: &ServerName<'static>,
    config: &Arc<ClientConfig>,
    path: &str,
) -> anyhow::Result<bool> {
    let mut tcp = TcpStream::connect(authority)?;
    tcp.set_nodelay(true)?;
    let mut connection = ClientConnection::new(Arc::clone(config), name.clone())?;
    let mut stream = rustls::Stream::new(&mut connection, &mut tcp);
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::with_capacity(4096);
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        // Go's server closes without a TLS goodbye when the client asked for the close: what came before counts.
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {}
        Err(error) => return Err(error.into()),
    }
    Ok(answer.starts_with(b"HTTP/1.1 200") && answer.ends_with(b"}"))
}
