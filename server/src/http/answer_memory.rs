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

/// Memory that an answer is charged; given back when dropped.
pub(super) struct Charge {
    _units: OwnedSemaphorePermit,
    _share: Share<Client>,
}

/// What an answer is charged while it is put together; given back when dropped.
pub(super) struct Growing<'a> {
    memory: &'a AnswerMemory,
    client: Client,
    charges: Vec<Charge>,
    /// What is not charged yet, in bytes: a small answer, at most.
    uncharged: usize,
}

/// Bytes of an answer and the memory that the answer is charged.
struct Held {
    bytes: Bytes,
    _charge: Arc<Charge>,
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
        let charge = self.charge(client, bytes.len())?;
        Ok(Held::all([bytes], charge).next().unwrap_or_default())
    }

    /// The same for the parts of one answer, which hold the memory of all of them until the last is dropped.
    pub(super) fn hold_all(&self, client: Client, parts: Vec<Bytes>) -> Result<Vec<Bytes>, ApiError> {
        let bytes = parts.iter().fold(0_usize, |sum, part| sum.saturating_add(part.len()));
        let charge = self.charge(client, bytes)?;
        Ok(Held::all(parts, charge).collect())
    }

    /// The memory for so many bytes; `None` for a small answer, which needs none.
    pub(super) fn charge(&self, client: Client, bytes: usize) -> Result<Option<Charge>, ApiError> {
        if bytes <= SMALL_ANSWER_BYTES {
            return Ok(None);
        }
        let mut share = self.of_clients.share(client, self.most_bytes(client));
        share.grow(bytes).map_err(|ShareUsed| ApiError::answers_of_client())?;
        let units = u32::try_from(bytes / UNIT_BYTES).map_err(|_| ApiError::answers())?;
        let units = Arc::clone(&self.units).try_acquire_many_owned(units).map_err(|_| ApiError::answers())?;
        Ok(Some(Charge { _units: units, _share: share }))
    }

    /// The memory for an answer whose size is known bit by bit.
    pub(super) fn growing(&self, client: Client) -> Growing<'_> {
        Growing { memory: self, client, charges: Vec::new(), uncharged: 0 }
    }

    /// What all answers to a client may hold together.
    pub(super) fn most_bytes(&self, client: Client) -> usize {
        match client {
            Client::Subject(_) => self.share_bytes,
            Client::Address(_) => self.address_bytes,
        }
    }
}

impl Growing<'_> {
    /// Charges so many bytes more.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), ApiError> {
        self.uncharged = self.uncharged.saturating_add(bytes);
        if let Some(charge) = self.memory.charge(self.client, self.uncharged)? {
            self.charges.push(charge);
            self.uncharged = 0;
        }
        Ok(())
    }
}

impl Held {
    fn all(parts: impl IntoIterator<Item = Bytes>, charge: Option<Charge>) -> impl Iterator<Item = Bytes> {
        let charge = charge.map(Arc::new);
        parts.into_iter().map(move |bytes| match &charge {
            Some(charge) => Bytes::from_owner(Self { bytes, _charge: Arc::clone(charge) }),
            None => bytes,
        })
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
    fn the_parts_of_an_answer_count_together_and_until_the_last_is_sent() {
        let memory = memory(1);
        let client = Client::of_name("alice");
        let small = || vec![Bytes::from(vec![b'x'; MEBIBYTE / 20]); 20];
        let mut parts = memory.hold_all(client, small()).unwrap();
        assert_eq!(parts, small());
        assert_eq!(code(memory.hold_all(client, small()).map(|_| Bytes::new())), Err("TOOMANYREQUESTS"));
        parts.truncate(1);
        assert_eq!(code(memory.hold_all(client, small()).map(|_| Bytes::new())), Err("TOOMANYREQUESTS"));
        drop(parts);
        assert!(memory.hold_all(client, small()).is_ok());
    }

    #[test]
    fn what_grows_bit_by_bit_is_charged_as_if_it_were_there_at_once() {
        let memory = memory(1);
        let client = Client::of_name("alice");
        let mut growing = memory.growing(client);
        for _ in 0..32 {
            growing.grow(MEBIBYTE / 32).unwrap();
        }
        assert_eq!(growing.grow(1).map_err(|error| error.code.as_str()), Err("TOOMANYREQUESTS"));
        drop(growing);
        assert!(memory.hold(client, Bytes::from(vec![b'x'; MEBIBYTE])).is_ok());
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
