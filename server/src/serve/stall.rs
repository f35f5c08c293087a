//! A connection that fails when its peer takes no data for too long, or takes it too slowly.
//!
//! Requests have limits of their own; without these, a client that does not read its answer, or reads a byte now and
//! then, would keep a document in memory for ever.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// What a peer must take of an answer, in bytes a second, beside the time that it has in any case.
const SLOWEST_BYTES_PER_SECOND: u64 = 64 << 10;

pub(super) struct StallGuard<S> {
    stream: S,
    longest: Duration,
    /// Runs while a write waits.
    timer: Option<Pin<Box<Sleep>>>,
    /// What became of the answer since a write of it waited first.
    slow: Option<Slow>,
}

/// An answer that could not be written at once.
struct Slow {
    since: Instant,
    taken_bytes: u64,
}

impl<S> StallGuard<S> {
    pub(super) fn new(stream: S, longest: Duration) -> Self {
        Self { stream, longest, timer: None, slow: None }
    }

    /// When the present wait has been too long: by itself, or because the answer as a whole goes too slowly.
    fn end_of_wait(&mut self) -> Instant {
        let now = Instant::now();
        let slow = self.slow.get_or_insert(Slow { since: now, taken_bytes: 0 });
        let earned = Duration::from_secs(slow.taken_bytes / SLOWEST_BYTES_PER_SECOND);
        now.min(slow.since + earned) + self.longest
    }

    fn count(&mut self, outcome: &Poll<io::Result<usize>>) {
        if let (Poll::Ready(Ok(taken)), Some(slow)) = (outcome, &mut self.slow) {
            slow.taken_bytes = slow.taken_bytes.saturating_add(u64::try_from(*taken).unwrap_or(u64::MAX));
        }
    }

    /// Passes on the outcome of a write; one that waits too long has failed.
    fn guard<T>(&mut self, outcome: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.timer = None;
            return outcome;
        }
        let end = self.end_of_wait();
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for StallGuard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for StallGuard<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, data);
        self.count(&outcome);
        self.guard(outcome, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, data);
        self.count(&outcome);
        self.guard(outcome, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        // the answer is out of memory; the next one has a time of its own
        if outcome.is_ready() {
            self.slow = None;
        }
        self.guard(outcome, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(context);
        self.guard(outcome, context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_peer_that_takes_nothing_ends_the_connection() {
        let (near, _far) = tokio::io::duplex(16);
        let mut guarded = StallGuard::new(near, Duration::from_millis(10));
        let error = guarded.write_all(&[0; 100]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_peer_that_takes_a_byte_now_and_then_ends_the_connection() {
        let (near, mut far) = tokio::io::duplex(1);
        let mut guarded = StallGuard::new(near, Duration::from_millis(100));
        let reader = tokio::spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_millis(10));
            while far.read_u8().await.is_ok() {
                pace.tick().await;
            }
        });
        let error = guarded.write_all(&[0; 200]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(guarded);
        reader.await.unwrap();
    }

    #[tokio::test]
    async fn what_is_taken_earns_time_and_the_next_answer_begins_anew() {
        let (near, mut far) = tokio::io::duplex(16);
        let mut guarded = StallGuard::new(near, Duration::from_secs(60));
        let mut poll = async |data: &[u8]| {
            let outcome = std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut guarded).poll_write(context, data)));
            drop(outcome.await);
            guarded.slow.as_ref().map(|slow| slow.taken_bytes)
        };
        assert_eq!(poll(&[0; 16]).await, None);
        assert_eq!(poll(&[0; 16]).await, Some(0));
        far.read_exact(&mut [0; 16]).await.unwrap();
        assert_eq!(poll(&[0; 16]).await, Some(16));
        guarded.flush().await.unwrap();
        assert!(guarded.slow.is_none());
    }

    #[tokio::test]
    async fn a_peer_that_reads_gets_everything() {
        let (near, mut far) = tokio::io::duplex(16);
        let mut guarded = StallGuard::new(near, Duration::from_secs(60));
        let reader = tokio::spawn(async move {
            let mut read = Vec::new();
            far.read_to_end(&mut read).await.map(|_| read)
        });
        guarded.write_all(&[7; 100]).await.unwrap();
        drop(guarded);
        assert_eq!(reader.await.unwrap().unwrap(), [7; 100]);
    }
}
