//! The memory that uploads hold: what one is charged, and what one repository and one client may hold of it.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tuf_schema::Gun;

use super::coding::Codings;
use super::unpacking;
use crate::config::Limits;
use crate::rate::{Client, Repository, Share, ShareUsed, Shares};

/// What an upload is charged with the first byte of its body, for the buffers of its connection.
pub(super) const BASE_CHARGE_BYTES: usize = 512 << 10;
/// Memory is charged in pieces of this size.
pub(super) const CHARGE_BYTES: usize = 64 << 10;
/// What many uploads at once cost beside their charges: stacks, tasks, and heap that is free and not given back.
pub(super) const KEPT_BACK_BYTES: usize = 24 << 20;
/// The unit of the semaphore that counts the memory.
const UNIT_BYTES: usize = 1 << 10;

/// The memory that all uploads at work may hold together, and what one of them may hold for itself.
#[derive(Debug, Clone)]
pub(crate) struct UploadMemory {
    units: Arc<Semaphore>,
    of_guns: Shares<Repository>,
    of_clients: Shares<Client>,
    /// What one repository may hold, and one subject, in bytes.
    pub(super) share_bytes: usize,
    /// What one address may hold: all but one upload of the largest size, as many clients may share an address.
    address_bytes: usize,
    /// How bodies may be coded.
    codings: Codings,
}

/// A share of the memory, given back when dropped.
#[derive(Debug)]
pub(super) struct Charge {
    units: Arc<Semaphore>,
    held: OwnedSemaphorePermit,
    of_gun: Share<Repository>,
    of_client: Share<Client>,
    codings: Codings,
    bytes: usize,
}

/// Why there is no room in the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoRoom {
    #[error("the memory for uploads is in use")]
    InUse,
    #[error("other uploads {} hold its share of the memory for uploads; try again later", .0.as_str())]
    Share(Sharer),
}

/// Whose share of the memory is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sharer {
    Repository,
    Client,
}

impl Sharer {
    fn as_str(self) -> &'static str {
        match self {
            Self::Repository => "to this repository",
            Self::Client => "of this client",
        }
    }
}

impl UploadMemory {
    /// Of the configured total, what the process needs beside the bodies is kept back, so that the total is what it
    /// grows by.
    pub(crate) fn new(limits: &Limits) -> Self {
        let total = limits.upload_memory_bytes;
        let bytes = total.saturating_sub(KEPT_BACK_BYTES.min(total / 4));
        let largest = longest_charge(limits);
        let units = bytes.div_ceil(UNIT_BYTES).min(Semaphore::MAX_PERMITS);
        let share_bytes = (bytes / 100).saturating_mul(limits.memory_share_percent).max(largest);
        let address_bytes = bytes.saturating_sub(largest).max(largest);
        // a body that could never be unpacked is better sent as it is
        let has_room = largest.saturating_add(unpacking::MOST_BYTES) <= share_bytes.min(address_bytes);
        Self {
            units: Arc::new(Semaphore::new(units)),
            of_guns: Shares::default(),
            of_clients: Shares::default(),
            share_bytes,
            address_bytes,
            codings: if has_room { Codings::Zstd } else { Codings::Identity },
        }
    }

    /// How bodies may be coded.
    pub(super) fn codings(&self) -> Codings {
        self.codings
    }

    /// A share of nothing yet, for an upload to `gun` by `client`.
    pub(super) fn charge(&self, gun: &Gun, client: Client) -> Result<Charge, NoRoom> {
        let of_client = match client {
            Client::Subject(_) => self.share_bytes,
            Client::Address(_) => self.address_bytes,
        };
        Ok(Charge {
            units: Arc::clone(&self.units),
            held: take(&self.units, 0)?,
            of_gun: self.of_guns.share(Repository::of(gun), self.share_bytes),
            of_client: self.of_clients.share(client, of_client),
            codings: self.codings,
            bytes: 0,
        })
    }
}

impl Charge {
    /// How bodies may be coded.
    pub(super) fn codings(&self) -> Codings {
        self.codings
    }

    /// What it is charged.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Charges so many bytes more.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), NoRoom> {
        self.of_gun.grow(bytes).map_err(|ShareUsed| NoRoom::Share(Sharer::Repository))?;
        self.of_client.grow(bytes).map_err(|ShareUsed| NoRoom::Share(Sharer::Client))?;
        self.held.merge(take(&self.units, bytes)?);
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }
}

/// The most that one upload is charged, what unpacks it left out.
pub(super) fn longest_charge(limits: &Limits) -> usize {
    memory_for(limits.document_bytes, limits.head_bytes())
        .div_ceil(CHARGE_BYTES)
        .saturating_mul(CHARGE_BYTES)
        .saturating_add(BASE_CHARGE_BYTES)
}

fn take(units: &Arc<Semaphore>, bytes: usize) -> Result<OwnedSemaphorePermit, NoRoom> {
    let wanted = u32::try_from(bytes.div_ceil(UNIT_BYTES)).map_err(|_| NoRoom::InUse)?;
    Arc::clone(units).try_acquire_many_owned(wanted).map_err(|_| NoRoom::InUse)
}

/// What a body of this length holds in memory: itself, and the connection's read buffer, which grows with what it reads
/// up to its own limit and exists twice while it grows.
pub(super) fn memory_for(length: usize, head_bytes: usize) -> usize {
    length.saturating_add(length.min(head_bytes).saturating_mul(2))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::http) fn limits(document_bytes: usize) -> Limits {
        Limits { document_bytes, ..Limits::default() }
    }

    pub(in crate::http) fn memory_of(bytes: usize) -> UploadMemory {
        UploadMemory::new(&Limits { upload_memory_bytes: bytes, ..limits(1000) })
    }

    pub(in crate::http) fn charge(memory: &UploadMemory, gun: &str, subject: &str) -> Charge {
        memory.charge(&Gun::parse(gun).unwrap(), Client::of_name(subject)).unwrap()
    }

    #[test]
    fn the_least_memory_lets_in_one_upload_of_the_largest_size() {
        for document_bytes in [1 << 10, 1 << 19, 1 << 21, 12 << 20, 64 << 20] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("server.json");
            let config = serde_json::json!({
                "server": {"http_addr": ":0"}, "trust_service": {"type": "local"}, "storage": {"backend": "memory"},
                "limits": {"document_bytes": document_bytes, "upload_memory_bytes": 1},
            });
            std::fs::write(&path, config.to_string()).unwrap();
            let Err(crate::config::ConfigError::OutOfRange { min, .. }) = crate::config::Config::load(&path, []) else {
                panic!("a total of one byte was taken");
            };
            let least = usize::try_from(min).unwrap();
            let limits = Limits { upload_memory_bytes: least, ..limits(document_bytes) };
            let mut charge = charge(&UploadMemory::new(&limits), "g", "alice");
            assert!(charge.grow(longest_charge(&limits)).is_ok(), "{document_bytes}");
        }
    }

    #[test]
    fn one_repository_and_one_subject_hold_a_share_of_the_memory() {
        const MEBIBYTE: usize = 1 << 20;
        let memory = memory_of(8 * MEBIBYTE);
        let most = memory.share_bytes;
        assert_eq!(most / MEBIBYTE, 2, "half of 6 MiB, rounded down by less than a percent");
        let mut first = charge(&memory, "g", "alice");
        first.grow(most).unwrap();
        assert!(matches!(first.grow(1), Err(NoRoom::Share(Sharer::Repository))));
        assert!(matches!(charge(&memory, "g", "bob").grow(1), Err(NoRoom::Share(Sharer::Repository))));
        assert!(matches!(charge(&memory, "h", "alice").grow(1), Err(NoRoom::Share(Sharer::Client))));
        let mut other = charge(&memory, "h", "bob");
        other.grow(most).unwrap();
        drop(first);
        assert!(charge(&memory, "g", "alice").grow(most).is_ok());
    }

    #[test]
    fn one_address_leaves_room_for_the_largest_upload_of_another() {
        let limits = Limits { upload_memory_bytes: 16 << 20, ..limits(1 << 20) };
        let memory = UploadMemory::new(&limits);
        let at = |address: &str, gun: &str| {
            let client = Client::of_address(address.parse().unwrap());
            memory.charge(&Gun::parse(gun).unwrap(), client).unwrap()
        };
        let mut held = Vec::new();
        for number in 0.. {
            let mut upload = at("192.0.2.1", &format!("g{number}"));
            match upload.grow(longest_charge(&limits)) {
                Ok(()) => held.push(upload),
                Err(error) => {
                    assert!(matches!(error, NoRoom::Share(Sharer::Client)), "{error}");
                    break;
                }
            }
        }
        assert!(held.len() > 1);
        assert!(at("192.0.2.2", "h").grow(longest_charge(&limits)).is_ok());
    }

    #[test]
    fn a_share_is_never_less_than_the_largest_upload() {
        let limits = Limits { upload_memory_bytes: 3 << 20, memory_share_percent: 1, ..limits(1 << 19) };
        assert!(charge(&UploadMemory::new(&limits), "g", "alice").grow(longest_charge(&limits)).is_ok());
    }
}
