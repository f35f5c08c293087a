//! Serving: the addresses that are listened on, what is done in the background, and a stop that lets requests end.

mod at_work;
mod door;
mod http2;
mod paced;
mod stall;
pub(crate) mod tls;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use ring::rand::SystemRandom;
use tokio::net::{TcpListener, lookup_host};
use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

use crate::admin;
use crate::app::{App, StartError};
use crate::clock::Clock;
use crate::config::Config;
use crate::http::Console;
use crate::logging::STARTUP;
use crate::spans;
use crate::watched::{Look, Watched};
use door::Door;
use tls::Tls;

/// How long the database may take to be closed. That has nothing to do with how long requests may take: whoever gives
/// them little wants the log of SQLite in its file all the same, and a database that hangs must not keep the process.
const CLOSING: Duration = Duration::from_secs(8);

/// What is listened on.
#[derive(Debug)]
pub struct Listeners {
    /// For clients.
    pub public: TcpListener,
    /// For those who watch, where `metrics.http_addr` is set.
    pub metrics: Option<TcpListener>,
    /// For those who administer, where `console.http_addr` is set.
    pub console: Option<TcpListener>,
}

impl Listeners {
    /// Listens on the addresses that `config` names.
    ///
    /// # Errors
    /// [`StartError::Listen`] for the first that cannot be listened on.
    pub async fn bind(config: &Config) -> Result<Self, StartError> {
        let public = bind(&config.listen.address).await?;
        let metrics = bind_some(config.metrics.address.as_ref()).await?;
        let console = bind_some(config.console.as_ref().map(|console| &console.address)).await?;
        Ok(Self { public, metrics, console })
    }
}

/// Serves `config` on `listeners` until `shutdown` is ready, then lets the requests at work end.
///
/// # Errors
/// [`StartError`] when a file, the database or the signer's settings cannot be used. What fails later is answered to
/// the client and logged.
pub async fn run(
    config: Config,
    listeners: Listeners,
    clock: Arc<dyn Clock>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), StartError> {
    let (_never, no_looks) = mpsc::channel(1);
    run_watching(config, listeners, clock, shutdown, no_looks).await
}

/// The same, and with each message of `looks` the files of certificates, keys and authorities are read again.
///
/// # Errors
/// As [`run`].
pub async fn run_watching(
    config: Config,
    listeners: Listeners,
    clock: Arc<dyn Clock>,
    shutdown: impl Future<Output = ()>,
    looks: mpsc::Receiver<()>,
) -> Result<(), StartError> {
    let (tls, files_of_tls) = config.listen.tls.as_ref().map(Tls::start).transpose()?.unzip();
    let (is_open, settings) = (config.auth.is_none(), config.renewal);
    let (console, token) = config.console.as_ref().map(Console::start).transpose()?.unzip();
    let is_console_local = config.console.as_ref().is_some_and(|console| console.is_local);
    let (tracer, export) = spans::start(config.tracing.as_ref(), &clock)?;
    let (app, mut watched) = App::new(config, clock).await?;
    let app = Arc::new(app.traced_by(tracer));
    watched.extend(files_of_tls);
    watched.extend(token);
    if is_open {
        warn!(target: STARTUP, "no authentication: who reaches the port may read, publish and delete everything");
    }
    let Listeners { public, metrics, console: console_listener } = listeners;
    match public.local_addr() {
        Ok(address) if tls.is_none() && !address.ip().is_loopback() => {
            warn!(target: STARTUP, %address, "listening without TLS on an address that others reach: put a proxy with TLS before it");
        }
        Ok(address) => info!(%address, tls = tls.is_some(), "listening"),
        Err(error) => warn!(%error, "the address listened on cannot be told"),
    }
    if let Some(Ok(address)) = metrics.as_ref().map(TcpListener::local_addr) {
        info!(%address, "telling metrics, readiness and liveness");
    }
    if let Some(Ok(address)) = console_listener.as_ref().map(TcpListener::local_addr) {
        info!(%address, tls = !is_console_local, "showing the console");
    }
    let renewal = tokio::spawn({
        let app = Arc::clone(&app);
        async move { app.reader.renew_in_background(settings, &SystemRandom::new()).await }
    });
    let survey = tokio::spawn({
        let app = Arc::clone(&app);
        async move { app.survey.run(settings, &SystemRandom::new()).await }
    });
    let webhooks = tokio::spawn({
        let app = Arc::clone(&app);
        async move { app.webhooks.run(&app.survey).await }
    });
    let missing = tokio::spawn({
        let app = Arc::clone(&app);
        async move { admin::tell_missing(&*app.store, &*app.signer, &app.clock).await }
    });
    let watching = tokio::spawn(look_at_files(watched, looks));
    let connections = GracefulShutdown::new();
    let (stop, stopping) = watch::channel(());
    let visitors = console.map(|console| Door::for_visitors(&app, console, tls.clone().filter(|_| !is_console_local)));
    let (clients, watchers) = (Door::for_clients(&app, tls), Door::for_watchers(&app));
    tokio::select! {
        () = clients.accept(public, &connections, &stopping) => {}
        () = accept_some(Some(&watchers), metrics, &connections, &stopping) => {}
        () = accept_some(visitors.as_ref(), console_listener, &connections, &stopping) => {}
        () = shutdown => {}
    }
    drop(stop);
    info!("stopping: no new connections, requests at work may end");
    if tokio::time::timeout(app.limits.stop, connections.shutdown()).await.is_err() {
        warn!("some requests did not end in time and were broken off");
    }
    // an update that is half made is not stored
    for task in [renewal, survey, webhooks, watching, missing] {
        task.abort();
        // its end, so that nothing asks the database any more when it is closed
        drop(task.await);
    }
    app.webhooks.give_back().await;
    if tokio::time::timeout(CLOSING, app.close()).await.is_err() {
        warn!("the database was not closed in time; what was acknowledged is stored");
    }
    if let Some(export) = export {
        export.end().await;
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
async fn bind(address: &str) -> Result<TcpListener, StartError> {
    let failed = |source| StartError::Listen { address: address.to_owned(), source };
    let Some(port) = address.strip_prefix(':') else { return TcpListener::bind(address).await.map_err(failed) };
    match TcpListener::bind(format!("[::]:{port}")).await {
        Ok(listener) => Ok(listener),
        // a machine without IPv6
        Err(_) => TcpListener::bind(format!("0.0.0.0:{port}")).await.map_err(failed),
    }
}

async fn bind_some(address: Option<&String>) -> Result<Option<TcpListener>, StartError> {
    match address {
        Some(address) => bind(address).await.map(Some),
        None => Ok(None),
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

/// Lets in who comes to a door that is not always there; without a listener for it, does nothing for ever.
async fn accept_some(
    door: Option<&Arc<Door>>,
    listener: Option<TcpListener>,
    connections: &GracefulShutdown,
    stopping: &watch::Receiver<()>,
) {
    match door.zip(listener) {
        Some((door, listener)) => door.accept(listener, connections, stopping).await,
        None => std::future::pending().await,
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
