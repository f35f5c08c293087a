//! Connections: TCP, then a TLS handshake that may not take long, then what the certificate says.

use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use super::handshakes::Handshakes;
use super::peer::Peer;
use crate::config::AllowedClients;
use crate::tls::{InForce, Tls};

/// The longest time a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client who may not ask anything is listened to: enough to be told why.
const REFUSED_TIMEOUT: Duration = Duration::from_secs(5);
/// How many handshakes may go on at once, of all addresses; further connections wait in the listener.
const MAX_HANDSHAKES: usize = 256;
/// The pause after the system refused a connection, such as for want of file descriptors.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

/// A connection whose client showed a certificate that was accepted.
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    peer: Peer,
    /// When a client who was not admitted is listened to no longer.
    end: Option<Pin<Box<Sleep>>>,
    tls: Arc<Tls>,
    /// What the client was let in by, most recently.
    in_force: Arc<InForce>,
}

/// Takes connections until the stream is dropped.
pub(super) fn connections(
    listener: TcpListener,
    tls: Arc<Tls>,
    allowed: Arc<AllowedClients>,
) -> ReceiverStream<std::io::Result<Connection>> {
    let (sender, receiver) = mpsc::channel(MAX_HANDSHAKES);
    tokio::spawn(async move {
        tokio::select! {
            () = accept(listener, tls, allowed, sender.clone()) => {}
            () = sender.closed() => {}
        }
    });
    ReceiverStream::new(receiver)
}

async fn accept(
    listener: TcpListener,
    tls: Arc<Tls>,
    allowed: Arc<AllowedClients>,
    ready: mpsc::Sender<std::io::Result<Connection>>,
) {
    let (places, handshakes) = (Arc::new(Semaphore::new(MAX_HANDSHAKES)), Handshakes::default());
    loop {
        // the semaphore is never closed
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                continue;
            }
        };
        let Some(under_way) = handshakes.begin(address.ip()) else {
            tracing::debug!(%address, "a client was not let in: too many of its handshakes are under way");
            continue;
        };
        let (tls, allowed, ready) = (Arc::clone(&tls), Arc::clone(&allowed), ready.clone());
        tokio::spawn(async move {
            let _places = (place, under_way);
            if let Some(connection) = handshake(stream, &tls, &allowed).await {
                // an error means that the signer is ending
                let _ = ready.send(Ok(connection)).await;
            }
        });
    }
}

async fn handshake(stream: TcpStream, tls: &Arc<Tls>, allowed: &AllowedClients) -> Option<Connection> {
    let address = stream.peer_addr().map_or_else(|_| "?".to_owned(), |address| address.to_string());
    // small messages go back and forth: waiting to fill a packet would only cost time
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, address, "the delay of small packets stays on");
    }
    let in_force = tls.in_force();
    let stream = match tokio::time::timeout(HANDSHAKE_TIMEOUT, in_force.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::warn!(%error, address, "a client was not let in");
            return None;
        }
        Err(_) => {
            tracing::warn!(address, "a client did not finish its handshake in time");
            return None;
        }
    };
    // the verifier demands a certificate, so there is one
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first)?;
    let peer = Peer::of(certificate, allowed);
    let end = (!peer.is_admitted()).then(|| Box::pin(tokio::time::sleep(REFUSED_TIMEOUT)));
    Some(Connection { stream, peer, end, tls: Arc::clone(tls), in_force })
}

impl Connection {
    /// Whether the client's certificate is good by what is in force now; connections last for weeks.
    fn is_still_let_in(&mut self) -> bool {
        let in_force = self.tls.in_force();
        if Arc::ptr_eq(&in_force, &self.in_force) {
            return true;
        }
        let is_let_in = self.stream.get_ref().1.peer_certificates().is_some_and(|chain| in_force.takes(chain));
        if is_let_in {
            self.in_force = in_force;
        } else {
            tracing::warn!("a client is let in no longer: its certificate does not fit server.client_ca_file any more");
        }
        is_let_in
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        if self.end.as_mut().is_some_and(|end| end.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Err(ErrorKind::TimedOut.into()));
        }
        if !self.is_still_let_in() {
            return Poll::Ready(Err(ErrorKind::PermissionDenied.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
