//! The requests of one connection of HTTP/2 that are at work, and what each of them takes of the server.
//!
//! The first takes the place of its connection, as over HTTP/1.1, and each that comes beside it a place as another
//! connection would. So no client holds more of the server by putting its requests into one connection.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

use super::door::{Door, Place};
use crate::http::NoPlace;

/// How many requests more than it takes answers to a client may take back. Each costs us its work and the client nothing,
/// not even a connection; people who press Ctrl-C, and proxies before them, take back a few.
const MOST_TAKEN_BACK: usize = 100;

/// What all requests of one connection share.
pub(super) struct Requests {
    door: Arc<Door>,
    peer: SocketAddr,
    /// The place of the connection itself.
    own: Arc<Semaphore>,
    at_work: watch::Sender<usize>,
    taken_back: AtomicUsize,
    broken_off: Notify,
}

/// One request, until the last byte of its answer was sent and no more of its body is waited for.
pub(super) struct AtWork {
    requests: Arc<Requests>,
    _place: Taken,
    is_answered: AtomicBool,
}

/// What a request holds.
enum Taken {
    OfConnection { _own: OwnedSemaphorePermit },
    OfDoor { _place: Place },
}

/// The body of a request, which is read, or thrown away, while the request has its place.
pub(super) struct AskedBody {
    body: Incoming,
    _request: Arc<AtWork>,
}

impl Requests {
    pub(super) fn new(door: Arc<Door>, peer: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            door,
            peer,
            own: Arc::new(Semaphore::new(1)),
            at_work: watch::Sender::new(0),
            taken_back: AtomicUsize::new(0),
            broken_off: Notify::new(),
        })
    }

    /// Lets a request in, if there is a place for it.
    pub(super) fn begin(self: &Arc<Self>) -> Result<Arc<AtWork>, NoPlace> {
        let place = match Arc::clone(&self.own).try_acquire_owned() {
            Ok(own) => Taken::OfConnection { _own: own },
            Err(_) => Taken::OfDoor { _place: self.door.place(self.peer)? },
        };
        self.at_work.send_modify(|number| *number = number.saturating_add(1));
        Ok(Arc::new(AtWork { requests: Arc::clone(self), _place: place, is_answered: AtomicBool::new(false) }))
    }

    /// Ready when none was at work for so long.
    pub(super) async fn idle(&self, longest: Duration) {
        let mut at_work = self.at_work.subscribe();
        loop {
            // cannot fail, as the sender is here
            drop(at_work.wait_for(|number| *number == 0).await);
            if tokio::time::timeout(longest, at_work.changed()).await.is_err() {
                return;
            }
        }
    }

    /// Has the connection broken off.
    pub(super) fn break_off(&self) {
        self.broken_off.notify_one();
    }

    /// Ready when the connection is to be broken off.
    pub(super) async fn broken_off(&self) {
        self.broken_off.notified().await;
    }
}

impl AtWork {
    pub(super) fn requests(&self) -> &Arc<Requests> {
        &self.requests
    }

    /// Its answer is being taken, which makes up for one that was taken back.
    pub(super) fn answered(&self) {
        if !self.is_answered.swap(true, Ordering::Relaxed) {
            let less = |number: usize| Some(number.saturating_sub(1));
            let _always = self.requests.taken_back.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let is_taken_back = !self.is_answered.load(Ordering::Relaxed);
        if is_taken_back && self.requests.taken_back.fetch_add(1, Ordering::Relaxed) >= MOST_TAKEN_BACK {
            self.requests.break_off();
        }
        self.requests.at_work.send_modify(|number| *number = number.saturating_sub(1));
    }
}

impl AskedBody {
    pub(super) fn new(body: Incoming, request: Arc<AtWork>) -> Self {
        Self { body, _request: request }
    }
}

impl Body for AskedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
