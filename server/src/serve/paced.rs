//! An answer over HTTP/2: it holds the place of its request until its last byte was sent, and has an end.
//!
//! A receiver that gives a stream no room is never written to, so what guards the connection does not see it. Each
//! answer is watched by itself, by the same rule, and the connection of one that is taken too slowly is broken off.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::Response;
use tokio::sync::watch;

use super::at_work::AtWork;
use super::stall::Slow;
use crate::http::{Answer, AnswerBody};

/// Answers are sent in pieces of this size, each of which is progress: a second's worth of it.
const PIECE_BYTES: usize = 64 << 10;

/// The body of an answer, in pieces.
pub(super) struct PacedBody {
    body: AnswerBody,
    /// What is left of a part.
    part: Bytes,
    /// Nothing where there is no request to hold a place.
    answering: Option<Arc<Answering>>,
}

/// What is there until the last byte was sent.
struct Answering {
    sent_bytes: watch::Sender<usize>,
    request: Arc<AtWork>,
}

/// A piece that waits to be sent.
struct Piece {
    bytes: Bytes,
    answering: Arc<Answering>,
}

/// The same answer, for a request that had no place.
pub(super) fn refusal(answer: Answer) -> Response<PacedBody> {
    answer.map(|body| PacedBody { body, part: Bytes::new(), answering: None })
}

/// The same answer; a receiver that takes none of it for `longest`, or all of it too slowly, loses its connection.
pub(super) fn paced(answer: Answer, request: Arc<AtWork>, longest: Duration) -> Response<PacedBody> {
    if answer.body().is_end_stream() {
        request.answered();
        return refusal(answer);
    }
    let requests = Arc::clone(request.requests());
    let (sent_bytes, sent) = watch::channel(0);
    tokio::spawn(async move {
        if is_too_slow(sent, longest).await {
            requests.break_off();
        }
    });
    let answering = Some(Arc::new(Answering { sent_bytes, request }));
    answer.map(|body| PacedBody { body, part: Bytes::new(), answering })
}

/// Watches what is sent, until nobody holds anything of the answer any more.
async fn is_too_slow(mut sent: watch::Receiver<usize>, longest: Duration) -> bool {
    let mut slow = Slow::new(longest);
    let mut counted = 0_usize;
    loop {
        tokio::select! {
            () = slow.end() => return true,
            progress = tokio::time::timeout(longest, sent.changed()) => match progress {
                Err(_) => return true,
                Ok(Err(_)) => return false,
                Ok(Ok(())) => {
                    let bytes = *sent.borrow_and_update();
                    slow.count(bytes.saturating_sub(counted));
                    counted = bytes;
                }
            },
        }
    }
}

impl Body for PacedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        while self.part.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => self.part = frame.into_data().unwrap_or_default(),
                None => return Poll::Ready(None),
            }
        }
        let length = self.part.len().min(PIECE_BYTES);
        let bytes = self.part.split_to(length);
        let bytes = match &self.answering {
            // nobody asks for a part of an answer whose stream was reset
            Some(answering) => {
                answering.request.answered();
                Bytes::from_owner(Piece { bytes, answering: Arc::clone(answering) })
            }
            None => bytes,
        };
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.part.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let of_part = u64::try_from(self.part.len()).unwrap_or(u64::MAX);
        SizeHint::with_exact(self.body.size_hint().lower().saturating_add(of_part))
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let length = self.bytes.len();
        self.answering.sent_bytes.send_modify(|sent| *sent = sent.saturating_add(length));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(50);
    const NEVER: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn who_takes_nothing_is_too_slow() {
        let (_held, sent) = watch::channel(0);
        assert!(is_too_slow(sent, SOON).await);
    }

    #[tokio::test]
    async fn who_takes_a_byte_now_and_then_is_too_slow() {
        let (held, sent) = watch::channel(0);
        let watching = tokio::spawn(is_too_slow(sent, SOON));
        let mut pace = tokio::time::interval(SOON / 10);
        while !watching.is_finished() {
            pace.tick().await;
            held.send_modify(|sent| *sent += 1);
        }
        assert!(watching.await.unwrap());
    }

    #[tokio::test]
    async fn what_was_taken_fast_is_no_reason_to_stop() {
        let (held, sent) = watch::channel(0);
        held.send_modify(|sent| *sent += 1000 * PIECE_BYTES);
        assert!(tokio::time::timeout(NEVER, is_too_slow(sent, SOON)).await.unwrap());
    }

    #[tokio::test]
    async fn an_answer_that_was_sent_is_watched_no_more() {
        let (held, sent) = watch::channel(0);
        held.send_modify(|sent| *sent += 1);
        drop(held);
        assert!(!is_too_slow(sent, NEVER).await);
    }

    #[tokio::test]
    async fn a_body_comes_in_pieces_and_says_how_much_is_left() {
        use http_body_util::BodyExt as _;
        let answer = Answer::new(AnswerBody::from(Bytes::from(vec![b'x'; PIECE_BYTES + 1])));
        let mut body = refusal(answer).into_body();
        for (length, left) in [(PIECE_BYTES, 1), (1, 0)] {
            assert!(!body.is_end_stream());
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap().len(), length);
            assert_eq!(body.size_hint().exact(), Some(left));
        }
        assert!(body.is_end_stream() && body.frame().await.is_none());
    }
}
