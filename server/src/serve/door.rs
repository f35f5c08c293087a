//! A door: an address that connections come in at, with TLS or without, and with limits of time and number of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use hyper::Request;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tracing::{debug, warn};

use super::http2;
use super::stall::StallGuard;
use super::tls::{self, Tls};
use crate::app::App;
use crate::config::Limits;
use crate::http::{self, Answer, Console, NoPlace};
use crate::rate::{Client, Share, Shares};

/// How long the loop rests when the system has no more connections to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections of those who watch. They are few, and what they hold is in no account of memory.
const MOST_WATCHERS: usize = 64;
/// Connections of browsers, of which each opens up to six.
const MOST_VISITORS: usize = 64;

/// Who comes in at a door.
enum Guests {
    Clients,
    Watchers,
    Visitors(Box<Console>),
}

/// Connections of one door do not take the place of those of another: clients that hold all of theirs leave it to be
/// seen that they do.
pub(super) struct Door {
    app: Arc<App>,
    guests: Guests,
    /// Without it the door is for plain HTTP.
    tls: Option<Arc<Tls>>,
    slots: Arc<Semaphore>,
    shares: Shares<Client>,
}

/// One of the places for connections, and a share of those of its address; given back when dropped.
pub(super) struct Place {
    _slot: OwnedSemaphorePermit,
    _share: Share<Client>,
}

impl Door {
    /// For everybody.
    pub(super) fn for_clients(app: &Arc<App>, tls: Option<Arc<Tls>>) -> Arc<Self> {
        Self::new(app, Guests::Clients, tls, app.limits.connections)
    }

    /// For those who watch this process.
    pub(super) fn for_watchers(app: &Arc<App>) -> Arc<Self> {
        Self::new(app, Guests::Watchers, None, app.limits.connections.min(MOST_WATCHERS))
    }

    /// For those who look at the console.
    pub(super) fn for_visitors(app: &Arc<App>, console: Console, tls: Option<Arc<Tls>>) -> Arc<Self> {
        Self::new(app, Guests::Visitors(Box::new(console)), tls, app.limits.connections.min(MOST_VISITORS))
    }

    fn new(app: &Arc<App>, guests: Guests, tls: Option<Arc<Tls>>, most: usize) -> Arc<Self> {
        let slots = Arc::new(Semaphore::new(most));
        Arc::new(Self { app: Arc::clone(app), guests, tls, slots, shares: Shares::default() })
    }

    /// Lets connections in, for ever.
    pub(super) async fn accept(
        self: &Arc<Self>,
        listener: TcpListener,
        connections: &GracefulShutdown,
        stopping: &watch::Receiver<()>,
    ) {
        loop {
            // connections above the limit wait in the system's queue
            // nobody closes the semaphore
            let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let Some(share) = self.share_of(peer) else {
                        debug!(%peer, "more connections from this address than limits.connections_per_address");
                        continue;
                    };
                    let (door, watcher, stopping) = (Arc::clone(self), connections.watcher(), stopping.clone());
                    tokio::spawn(async move {
                        let _held = Place { _slot: slot, _share: share };
                        door.connection(watcher, stopping, stream, peer).await;
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

    /// A connection's share of those that its address may have open; `None` when it has them all. Trusted proxies have
    /// no such limit.
    fn share_of(&self, peer: SocketAddr) -> Option<Share<Client>> {
        let limits = &self.app.limits;
        let is_proxy = limits.trusted_proxies.iter().any(|network| network.contains(peer.ip()));
        let most = if is_proxy { usize::MAX } else { limits.connections_per_address };
        let mut share = self.shares.share(Client::of_address(peer.ip()), most);
        share.grow(1).ok().map(|()| share)
    }

    /// A place as another connection from `peer` would take, if there is one now.
    pub(super) fn place(&self, peer: SocketAddr) -> Result<Place, NoPlace> {
        let slot = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| NoPlace::OfAll)?;
        let share = self.share_of(peer).ok_or(NoPlace::OfAddress)?;
        Ok(Place { _slot: slot, _share: share })
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.app.limits
    }

    async fn connection(
        self: Arc<Self>,
        watcher: Watcher,
        mut stopping: watch::Receiver<()>,
        stream: TcpStream,
        peer: SocketAddr,
    ) {
        // answers are written whole; waiting for more would only delay them
        let _best_effort = stream.set_nodelay(true);
        let stream = StallGuard::new(stream, self.app.limits.request);
        let Some(tls) = &self.tls else { return self.talk(watcher, stream, peer).await };
        let handshake = tokio::time::timeout(self.app.limits.handshake, tls.acceptor().accept(stream));
        let outcome = tokio::select! {
            outcome = handshake => outcome,
            // nothing was asked yet, so nothing is lost
            _ = stopping.changed() => return,
        };
        match outcome {
            Ok(Ok(stream)) if tls::is_http2(&stream) => {
                // for the one who waits for the end of all connections
                let _counted = watcher;
                http2::talk(self, stopping, stream, peer).await;
            }
            Ok(Ok(stream)) => self.talk(watcher, stream, peer).await,
            Ok(Err(error)) => debug!(%peer, %error, "TLS handshake failed"),
            Err(_) => debug!(%peer, "TLS handshake took too long"),
        }
    }

    /// Speaks HTTP/1.1.
    async fn talk<S>(&self, watcher: Watcher, stream: S, peer: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(async |request| Ok::<_, std::convert::Infallible>(self.answer(peer, request).await));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.app.limits.header)
            .max_buf_size(self.app.limits.head_bytes())
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection).await {
            debug!(%peer, %error, "connection ended");
        }
    }

    /// Answers one request.
    pub(super) async fn answer<B>(&self, peer: SocketAddr, request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        match &self.guests {
            Guests::Clients => http::respond(&self.app, peer.ip(), request).await,
            Guests::Watchers => http::tell(&self.app, &request).await,
            Guests::Visitors(console) => console.answer(&self.app, peer.ip(), &request).await,
        }
    }
}

/// Whether the system is out of something, as against one connection that was gone before it was taken.
fn is_exhaustion(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}
