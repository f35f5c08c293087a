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
use tokio::time::{Sleep, sleep};

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
pub(super) struct Slow {
    /// When all of it must be taken.
    end: Pin<Box<Sleep>>,
    /// What was taken and has not put off the end yet.
    unpaid_bytes: u64,
}

impl Slow {
    /// An answer that has `longest` in any case.
    pub(super) fn new(longest: Duration) -> Self {
        Self { end: Box::pin(sleep(longest)), unpaid_bytes: 0 }
    }

    /// Counts what the peer took; each second's worth puts the end off by a second.
    pub(super) fn count(&mut self, taken: usize) {
        self.unpaid_bytes = self.unpaid_bytes.saturating_add(u64::try_from(taken).unwrap_or(u64::MAX));
        let earned = Duration::from_secs(self.unpaid_bytes / SLOWEST_BYTES_PER_SECOND);
        if !earned.is_zero() {
            self.unpaid_bytes %= SLOWEST_BYTES_PER_SECOND;
            let end = self.end.deadline() + earned;
            self.end.as_mut().reset(end);
        }
    }

    /// Ready when the peer has had all the time that it earned.
    pub(super) fn end(&mut self) -> Pin<&mut Sleep> {
        self.end.as_mut()
    }
}

impl<S> StallGuard<S> {
    pub(super) fn new(stream: S, longest: Duration) -> Self {
        Self { stream, longest, timer: None, slow: None }
    }

    /// Counts what the peer took of a slow answer.
    fn count(&mut self, outcome: &Poll<io::Result<usize>>) {
        let (Poll::Ready(Ok(taken)), Some(slow)) = (outcome, &mut self.slow) else { return };
        slow.count(*taken);
    }

    /// Passes on the outcome of a write; one that waits too long has failed.
    fn guard<T>(&mut self, outcome: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.timer = None;
            return outcome;
        }
        let longest = self.longest;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(longest)));
        let slow = self.slow.get_or_insert_with(|| Slow::new(longest));
        if timer.as_mut().poll(context).is_pending() {
            ready!(slow.end().poll(context));
        }
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
        const SECOND: usize = 64 << 10;
        let (near, mut far) = tokio::io::duplex(SECOND);
        let mut guarded = StallGuard::new(near, Duration::from_secs(60));
        assert_eq!(poll_write(&mut guarded, SECOND).await, None);
        assert_eq!(poll_write(&mut guarded, SECOND).await, Some(0));
        let end = guarded.slow.as_ref().unwrap().end.deadline();
        far.read_exact(&mut [0; SECOND]).await.unwrap();
        assert_eq!(poll_write(&mut guarded, 7).await, Some(7));
        assert_eq!(poll_write(&mut guarded, SECOND).await, Some(0));
        assert_eq!(guarded.slow.as_ref().unwrap().end.deadline() - end, Duration::from_secs(1));
        guarded.flush().await.unwrap();
        assert!(guarded.slow.is_none());
    }

    /// Tries to write so many bytes, once, and tells what has not put off the end yet.
    async fn poll_write(guarded: &mut StallGuard<tokio::io::DuplexStream>, bytes: usize) -> Option<u64> {
        let data = vec![0; bytes];
        let tried = std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut *guarded).poll_write(context, &data)));
        drop(tried.await);
        guarded.slow.as_ref().map(|slow| slow.unpaid_bytes)
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
