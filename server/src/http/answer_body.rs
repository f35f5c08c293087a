//! The body of an answer: bytes that are there already, in one part or in several that nobody copies together.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Parts, sent one after another.
#[derive(Debug, Default)]
pub(crate) struct AnswerBody {
    first: Option<Bytes>,
    /// Without memory of its own where there is one part.
    others: vec::IntoIter<Bytes>,
    /// What is still to be sent.
    bytes: u64,
}

impl AnswerBody {
    /// A body of several parts.
    pub(super) fn of_parts(parts: Vec<Bytes>) -> Self {
        let bytes = parts.iter().fold(0_u64, |sum, part| sum.saturating_add(part.len() as u64));
        Self { first: None, others: parts.into_iter(), bytes }
    }
}

impl From<Bytes> for AnswerBody {
    fn from(bytes: Bytes) -> Self {
        Self { bytes: bytes.len() as u64, first: Some(bytes), others: Vec::new().into_iter() }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            let part = self.first.take().or_else(|| self.others.next());
            // an empty part is no frame: one of nothing would end an answer of HTTP/1.1
            let Some(part) = part.filter(|part| !part.is_empty()) else {
                if self.others.as_slice().is_empty() {
                    return Poll::Ready(None);
                }
                continue;
            };
            self.bytes = self.bytes.saturating_sub(part.len() as u64);
            return Poll::Ready(Some(Ok(Frame::data(part))));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.bytes == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn parts_are_sent_in_order_and_empty_ones_not_at_all() {
        let parts = ["", "a", "", "", "bc", ""].map(Bytes::from).to_vec();
        let mut body = AnswerBody::of_parts(parts);
        assert_eq!(body.size_hint().exact(), Some(3));
        for (part, left) in [("a", 2), ("bc", 0)] {
            assert!(!body.is_end_stream());
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), part);
            assert_eq!(body.size_hint().exact(), Some(left));
        }
        assert!(body.is_end_stream() && body.frame().await.is_none());
    }

    #[tokio::test]
    async fn one_part_is_sent_as_it_is_and_nothing_is_an_end() {
        let mut body = AnswerBody::from(Bytes::from_static(b"whole"));
        assert_eq!(body.size_hint().exact(), Some(5));
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "whole");
        assert!(body.is_end_stream() && body.frame().await.is_none());
        for mut empty in [AnswerBody::default(), Bytes::new().into(), AnswerBody::of_parts(Vec::new())] {
            assert!(empty.is_end_stream() && empty.frame().await.is_none());
        }
    }
}
