//! The memory that answers may hold while their clients read them: a document is in memory until the last byte of it is
//! sent, and a client that reads slowly must not cost more than one that reads fast.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::ApiError;
use crate::config::Limits;
use crate::rate::{Client, Share, ShareUsed, Shares};

/// Answers up to this size are not counted: every connection may hold one. Timestamps, snapshots and most targets are
/// smaller.
pub(super) const SMALL_ANSWER_BYTES: usize = 64 << 10;
/// The unit of the semaphore that counts the memory.
const UNIT_BYTES: usize = 1 << 10;

/// What all answers may hold together, and what those to one client may.
pub(crate) struct AnswerMemory {
    units: Arc<Semaphore>,
    of_clients: Shares<Client>,
    /// What answers to one subject may hold, in bytes.
    share_bytes: usize,
    /// What answers to one address may hold: all but one of the largest size, as many clients may share an address.
    address_bytes: usize,
}

/// The bytes of an answer and the memory they are charged.
struct Held {
    bytes: Bytes,
    _units: OwnedSemaphorePermit,
    _share: Share<Client>,
}

impl AnswerMemory {
    pub(crate) fn new(limits: &Limits) -> Self {
        let (total, largest) = (limits.answer_memory_bytes, limits.document_bytes);
        Self {
            units: Arc::new(Semaphore::new((total / UNIT_BYTES).min(Semaphore::MAX_PERMITS))),
            of_clients: Shares::default(),
            share_bytes: (total / 100).saturating_mul(limits.memory_share_percent).max(largest),
            address_bytes: total.saturating_sub(largest).max(largest),
        }
    }

    /// The same bytes, which hold their memory until the last copy of them is dropped.
    pub(super) fn hold(&self, client: Client, bytes: Bytes) -> Result<Bytes, ApiError> {
        if bytes.len() <= SMALL_ANSWER_BYTES {
            return Ok(bytes);
        }
        let most = match client {
            Client::Subject(_) => self.share_bytes,
            Client::Address(_) => self.address_bytes,
        };
        let mut share = self.of_clients.share(client, most);
        share.grow(bytes.len()).map_err(|ShareUsed| ApiError::answers_of_client())?;
        let units = u32::try_from(bytes.len() / UNIT_BYTES).map_err(|_| ApiError::answers())?;
        let units = Arc::clone(&self.units).try_acquire_many_owned(units).map_err(|_| ApiError::answers())?;
        Ok(Bytes::from_owner(Held { bytes, _units: units, _share: share }))
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEBIBYTE: usize = 1 << 20;

    fn memory(megabytes: usize) -> AnswerMemory {
        let limits =
            Limits { answer_memory_bytes: megabytes * MEBIBYTE, document_bytes: MEBIBYTE, ..Limits::default() };
        AnswerMemory::new(&limits)
    }

    fn code(held: Result<Bytes, ApiError>) -> Result<(), &'static str> {
        held.map(|_| ()).map_err(|error| error.code.as_str())
    }

    #[test]
    fn answers_hold_their_memory_until_they_are_sent_and_one_subject_holds_half() {
        let memory = memory(4);
        let document = Bytes::from(vec![b'x'; MEBIBYTE - (MEBIBYTE / 20)]);
        let hold = |subject: &str| memory.hold(Client::of_name(subject), document.clone());
        let held = [hold("alice").unwrap(), hold("alice").unwrap()];
        assert_eq!(code(hold("alice")), Err("TOOMANYREQUESTS"));
        let other = [hold("bob").unwrap(), hold("bob").unwrap()];
        assert_eq!(code(hold("carol")), Err("UNAVAILABLE"));
        assert_eq!(other[0], document);
        drop(held);
        assert_eq!(code(hold("alice")), Ok(()));
    }

    #[test]
    fn one_address_leaves_room_for_the_largest_answer_to_another() {
        let memory = memory(4);
        let document = Bytes::from(vec![b'x'; MEBIBYTE]);
        let hold = |last: u8| memory.hold(Client::of_address([192, 0, 2, last].into()), document.clone());
        let held = [hold(1).unwrap(), hold(1).unwrap(), hold(1).unwrap()];
        assert_eq!(code(hold(1)), Err("TOOMANYREQUESTS"));
        assert_eq!(code(hold(2)), Ok(()));
        drop(held);
    }

    #[test]
    fn small_answers_are_never_refused() {
        let memory = memory(1);
        let client = Client::of_name("alice");
        let _all = memory.hold(client, Bytes::from(vec![b'x'; MEBIBYTE])).unwrap();
        assert_eq!(code(memory.hold(client, Bytes::from(vec![b'x'; SMALL_ANSWER_BYTES]))), Ok(()));
        assert_eq!(code(memory.hold(client, Bytes::from(vec![b'x'; SMALL_ANSWER_BYTES + 1]))), Err("TOOMANYREQUESTS"));
    }
}
