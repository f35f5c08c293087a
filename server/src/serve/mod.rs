//! Connections: accepting, TLS, limits of time and number, and a stop that lets requests end.

mod stall;
pub(crate) mod tls;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use ring::rand::SystemRandom;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::sync::{Semaphore, mpsc, watch};
use tracing::{debug, error, info, warn};

use crate::admin;
use crate::app::{App, StartError};
use crate::clock::Clock;
use crate::config::Config;
use crate::http;
use crate::logging::STARTUP;
use crate::rate::{Client, Share};
use crate::watched::{Look, Watched};
use stall::StallGuard;
use tls::Tls;

/// How long the loop rests when the system has no more connections to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long the database may take to be closed. That has nothing to do with how long requests may take: whoever gives
/// them little wants the log of SQLite in its file all the same, and a database that hangs must not keep the process.
const CLOSING: Duration = Duration::from_secs(8);

/// Serves `config` on `listener` until `shutdown` is ready, then lets the requests at work end.
///
/// # Errors
/// [`StartError`] when a file, the database or the signer's settings cannot be used. What fails later is answered to
/// the client and logged.
pub async fn run(
    config: Config,
    listener: TcpListener,
    clock: Arc<dyn Clock>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), StartError> {
    let (_never, no_looks) = mpsc::channel(1);
    run_watching(config, listener, clock, shutdown, no_looks).await
}

/// The same, and with each message of `looks` the files of certificates, keys and authorities are read again.
///
/// # Errors
/// As [`run`].
pub async fn run_watching(
    config: Config,
    listener: TcpListener,
    clock: Arc<dyn Clock>,
    shutdown: impl Future<Output = ()>,
    looks: mpsc::Receiver<()>,
) -> Result<(), StartError> {
    let (tls, files_of_tls) = config.listen.tls.as_ref().map(Tls::start).transpose()?.unzip();
    let (is_open, settings) = (config.auth.is_none(), config.renewal);
    let (app, mut watched) = App::new(config, clock).await?;
    let app = Arc::new(app);
    watched.extend(files_of_tls);
    if is_open {
        warn!(target: STARTUP, "no authentication: who reaches the port may read, publish and delete everything");
    }
    match listener.local_addr() {
        Ok(address) if tls.is_none() && !address.ip().is_loopback() => {
            warn!(target: STARTUP, %address, "listening without TLS on an address that others reach: put a proxy with TLS before it");
        }
        Ok(address) => info!(%address, tls = tls.is_some(), "listening"),
        Err(error) => warn!(%error, "the address listened on cannot be told"),
    }
    let renewal = tokio::spawn({
        let app = Arc::clone(&app);
        async move { app.reader.renew_in_background(settings, &SystemRandom::new()).await }
    });
    let survey = tokio::spawn({
        let app = Arc::clone(&app);
        async move { app.survey.run(settings, &SystemRandom::new()).await }
    });
    let missing = tokio::spawn({
        let app = Arc::clone(&app);
        async move { admin::tell_missing(&*app.store, &*app.signer, &app.clock).await }
    });
    let watching = tokio::spawn(look_at_files(watched, looks));
    let connections = GracefulShutdown::new();
    let (stop, stopping) = watch::channel(());
    accept(&app, listener, tls, &connections, stopping, shutdown).await;
    drop(stop);
    info!("stopping: no new connections, requests at work may end");
    if tokio::time::timeout(app.limits.stop, connections.shutdown()).await.is_err() {
        warn!("some requests did not end in time and were broken off");
    }
    // an update that is half made is not stored
    for task in [renewal, survey, watching, missing] {
        task.abort();
        // its end, so that nothing asks the database any more when it is closed
        drop(task.await);
    }
    if tokio::time::timeout(CLOSING, app.close()).await.is_err() {
        warn!("the database was not closed in time; what was acknowledged is stored");
    }
    info!("stopped");
    Ok(())
}

/// Opens the database, which makes its tables, and closes it again.
///
/// # Errors
/// As [`run`].
pub async fn make_tables(config: Config, clock: Arc<dyn Clock>) -> Result<(), StartError> {
    let (app, _watched) = App::new(config, clock).await?;
    app.close().await;
    Ok(())
}

/// Listens on an address as the reference writes it: `host:port`, and without a host on every address.
///
/// # Errors
/// [`StartError::Listen`].
pub async fn bind(address: &str) -> Result<TcpListener, StartError> {
    let failed = |source| StartError::Listen { address: address.to_owned(), source };
    let Some(port) = address.strip_prefix(':') else { return TcpListener::bind(address).await.map_err(failed) };
    match TcpListener::bind(format!("[::]:{port}")).await {
        Ok(listener) => Ok(listener),
        // a machine without IPv6
        Err(_) => TcpListener::bind(format!("0.0.0.0:{port}")).await.map_err(failed),
    }
}

/// Whether [`bind`] could make something of an address; nothing is listened on.
///
/// # Errors
/// [`StartError::Listen`] when it has no port, a port that is none, or a host that nobody knows.
pub(crate) async fn resolve(address: &str) -> Result<(), StartError> {
    let failed = |source| StartError::Listen { address: address.to_owned(), source };
    let whole = address.strip_prefix(':').map_or_else(|| address.to_owned(), |port| format!("[::]:{port}"));
    match lookup_host(whole).await.map_err(failed)?.next() {
        Some(_) => Ok(()),
        None => Err(failed(io::Error::new(io::ErrorKind::NotFound, "the host has no address"))),
    }
}

/// Reads files again whenever it is told to, for as long as somebody may tell.
async fn look_at_files(watched: Vec<Watched>, mut looks: mpsc::Receiver<()>) {
    while looks.recv().await.is_some() {
        for files in &watched {
            match files.look() {
                Look::Same => {}
                Look::Renewed => info!(files = files.keys(), "read again, as they have changed"),
                Look::Refused(error) => {
                    let error: &(dyn std::error::Error + 'static) = &error;
                    error!(
                        files = files.keys(),
                        error, "these files have changed and cannot be used: what they held before stays in force"
                    );
                }
            }
        }
    }
}

async fn accept(
    app: &Arc<App>,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    connections: &GracefulShutdown,
    stopping: watch::Receiver<()>,
    shutdown: impl Future<Output = ()>,
) {
    let slots = Arc::new(Semaphore::new(app.limits.connections));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let next = async {
            // connections above the limit wait in the system's queue
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = &mut shutdown => return,
            next = next => next,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Some(share) = share_of(app, peer) else {
                    debug!(%peer, "more connections from this address than limits.connections_per_address");
                    continue;
                };
                let (app, tls, watcher) = (Arc::clone(app), tls.clone(), connections.watcher());
                let stopping = stopping.clone();
                tokio::spawn(async move {
                    let _held = (slot, share);
                    connection(&app, tls, watcher, stopping, stream, peer).await;
                });
            }
            Err(error) => {
                warn!(%error, "a connection could not be accepted");
                if is_exhaustion(&error) {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// A connection's share of those that its address may have open; `None` when it has them all. Trusted proxies have no
/// such limit.
fn share_of(app: &App, peer: SocketAddr) -> Option<Share<Client>> {
    let limits = &app.limits;
    let is_proxy = limits.trusted_proxies.iter().any(|network| network.contains(peer.ip()));
    let most = if is_proxy { usize::MAX } else { limits.connections_per_address };
    let mut share = app.connection_shares.share(Client::of_address(peer.ip()), most);
    share.grow(1).ok().map(|()| share)
}

/// Whether the system is out of something, as against one connection that was gone before it was taken.
fn is_exhaustion(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

async fn connection(
    app: &Arc<App>,
    tls: Option<Arc<Tls>>,
    watcher: Watcher,
    mut stopping: watch::Receiver<()>,
    stream: TcpStream,
    peer: SocketAddr,
) {
    // answers are written whole; waiting for more would only delay them
    let _best_effort = stream.set_nodelay(true);
    let stream = StallGuard::new(stream, app.limits.request);
    let Some(tls) = tls else { return talk(app, watcher, stream, peer).await };
    let handshake = tokio::time::timeout(app.limits.handshake, tls.acceptor().accept(stream));
    let outcome = tokio::select! {
        outcome = handshake => outcome,
        // nothing was asked yet, so nothing is lost
        _ = stopping.changed() => return,
    };
    match outcome {
        Ok(Ok(stream)) => talk(app, watcher, stream, peer).await,
        Ok(Err(error)) => debug!(%peer, %error, "TLS handshake failed"),
        Err(_) => debug!(%peer, "TLS handshake took too long"),
    }
}

async fn talk<S>(app: &Arc<App>, watcher: Watcher, stream: S, peer: SocketAddr)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| {
        let app = Arc::clone(app);
        async move { Ok::<_, std::convert::Infallible>(http::respond(&app, peer.ip(), request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(app.limits.header)
        .max_buf_size(app.limits.head_bytes())
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        debug!(%peer, %error, "connection ended");
    }
}
