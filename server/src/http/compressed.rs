//! Documents compressed for clients that take them so.
//!
//! docker asks for gzip with each request, so a document is compressed once and remembered: by its digest, which says that
//! it is the same for every repository. One is made at a time; who gets no turn is sent the document as it is. What could
//! not be remembered is not made, or each read would make it anew.
//!
//! Nothing secret is compressed beside what somebody else chose (BREACH): a document is what each of its readers may read.

use std::io::{Cursor, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tuf_schema::Sha256;
use zstd::zstd_safe::{CCtx, CParameter};

use super::error::ApiError;
use super::packing::Packing;
use crate::bounded::BoundedMap;

/// What all compressed documents may take.
const MEMORY_BYTES: usize = 32 << 20;

/// The part of the memory that one document may take.
const SHARE: usize = 4;

/// Documents above this size are compressed on a thread that may take its time.
const QUICK_BYTES: usize = 8 << 10;

/// The part of a document that must be saved: less is not worth the reader's work.
const WORTH: usize = 8;

/// What an entry takes beside its bytes.
const ENTRY_BYTES: usize = 128;

/// What zstd wants to have room for behind what it wrote: a block (RFC 8878, 3.1.1.2) and its head.
const ZSTD_BLOCK_BYTES: usize = (128 << 10) + 1024;

/// What both libraries take for usual. zstd's window is then within the 8 MiB that each reader has (RFC 9659).
const ZSTD_LEVEL: i32 = 3;
const GZIP_LEVEL: u32 = 6;

/// Compresses documents and remembers them.
pub(crate) struct Compressed {
    state: Arc<Mutex<State>>,
    /// What all of them may take.
    memory_bytes: usize,
}

struct State {
    /// Nothing where it is not worth it.
    made: BoundedMap<Key, Option<Bytes>>,
    /// Whether one is being made: readers of many documents must not take more than a core.
    is_at_work: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    sha256: Sha256,
    coding: Packing,
}

/// What there is for a document and a coding.
enum Found {
    /// This, or that it is not worth it.
    Made(Option<Bytes>),
    /// The right to make it.
    Turn(Turn),
    /// Others are at work.
    Busy,
}

/// The right to compress a document now, which ends when it is dropped.
struct Turn {
    key: Key,
    state: Arc<Mutex<State>>,
}

impl Default for Compressed {
    fn default() -> Self {
        Self::within(MEMORY_BYTES)
    }
}

impl Compressed {
    fn within(memory_bytes: usize) -> Self {
        let state = State { made: BoundedMap::new(memory_bytes), is_at_work: false };
        Self { state: Arc::new(Mutex::new(state)), memory_bytes }
    }

    /// A document in a coding, if that is worth sending and there is a turn to make it. `document` gives the bytes, and
    /// charges them for as long as they are held; it is asked only for what must be made.
    pub(super) async fn document(
        &self,
        sha256: Sha256,
        coding: Packing,
        document: impl FnOnce() -> Result<Bytes, ApiError>,
    ) -> Result<Option<Bytes>, ApiError> {
        match self.find(Key { sha256, coding }) {
            Found::Made(made) => Ok(made),
            Found::Turn(turn) => Ok(self.make(turn, document()?).await),
            Found::Busy => Ok(None),
        }
    }

    fn find(&self, key: Key) -> Found {
        let mut state = locked(&self.state);
        if let Some(made) = state.made.get(&key) {
            return Found::Made(made.clone());
        }
        if std::mem::replace(&mut state.is_at_work, true) {
            return Found::Busy;
        }
        Found::Turn(Turn { key, state: Arc::clone(&self.state) })
    }

    /// Makes and remembers one, also if nobody waits for it any more: the turn is taken until it is done.
    async fn make(&self, turn: Turn, document: Bytes) -> Option<Bytes> {
        let most = self.most_bytes(document.len());
        let is_quick = document.len() <= QUICK_BYTES;
        let work = move || {
            let made = compressed(turn.key.coding, &document, most);
            drop(document);
            turn.end(made.clone());
            made
        };
        if is_quick { work() } else { tokio::task::spawn_blocking(work).await.ok().flatten() }
    }

    /// How long a document of so many bytes may be when it is compressed.
    fn most_bytes(&self, document_bytes: usize) -> usize {
        document_bytes.saturating_sub(document_bytes / WORTH).min(self.memory_bytes / SHARE)
    }
}

impl Turn {
    fn end(self, made: Option<Bytes>) {
        let weight = made.as_ref().map_or(0, Bytes::len).saturating_add(ENTRY_BYTES);
        locked(&self.state).made.insert_weighing(self.key, made, weight);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        locked(&self.state).is_at_work = false;
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The document in this coding, if it is at most so long.
fn compressed(coding: Packing, document: &[u8], most: usize) -> Option<Bytes> {
    match coding {
        Packing::Gzip => gzip(document, most),
        Packing::Zstd => zstd(document, most),
    }
}

fn gzip(document: &[u8], most: usize) -> Option<Bytes> {
    // a place of this length, in which nothing more can be written
    let place = Cursor::new(vec![0; most].into_boxed_slice());
    let mut encoder = GzEncoder::new(place, Compression::new(GZIP_LEVEL));
    encoder.write_all(document).ok()?;
    let place = encoder.finish().ok()?;
    let length = usize::try_from(place.position()).ok()?;
    let mut made = place.into_inner().into_vec();
    made.truncate(length);
    Some(of_its_length(made))
}

fn zstd(document: &[u8], most: usize) -> Option<Bytes> {
    let mut context = CCtx::try_create()?;
    context.set_parameter(CParameter::CompressionLevel(ZSTD_LEVEL)).ok()?;
    // zstd gives up when a block might not fit, long before it does not
    let mut place = Vec::with_capacity(most.saturating_add(ZSTD_BLOCK_BYTES));
    let length = context.compress2(&mut place, document).ok()?;
    if length > most {
        return None;
    }
    Some(of_its_length(place))
}

/// The same in no more memory than it takes.
fn of_its_length(mut made: Vec<u8>) -> Bytes {
    made.shrink_to_fit();
    made.into()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use ring::rand::{SecureRandom as _, SystemRandom};

    use super::*;

    const BOTH: [Packing; 2] = [Packing::Gzip, Packing::Zstd];

    fn opened(coding: Packing, bytes: &[u8], length: usize) -> Vec<u8> {
        let mut document = Vec::with_capacity(length);
        match coding {
            Packing::Gzip => assert_eq!(GzDecoder::new(bytes).read_to_end(&mut document).unwrap(), length),
            Packing::Zstd => {
                zstd::zstd_safe::DCtx::create().decompress(&mut document, bytes).unwrap();
            }
        }
        document
    }

    /// So many lines of which no two are the same, and half of which can be saved.
    fn lines(count: u32) -> Bytes {
        (0..count).flat_map(|n| format!("{}\n", Sha256::of(&n.to_be_bytes())).into_bytes()).collect()
    }

    fn noise(bytes: usize) -> Bytes {
        let mut noise = vec![0; bytes];
        SystemRandom::new().fill(&mut noise).unwrap();
        noise.into()
    }

    async fn asked(compressed: &Compressed, coding: Packing, document: &Bytes) -> Option<Bytes> {
        compressed.document(Sha256::of(document), coding, || Ok(document.clone())).await.unwrap()
    }

    async fn remembered(compressed: &Compressed, coding: Packing, document: &Bytes) -> Option<Bytes> {
        let nobody = || panic!("it is remembered");
        compressed.document(Sha256::of(document), coding, nobody).await.unwrap()
    }

    #[tokio::test]
    async fn a_document_is_compressed_once_and_is_the_same_when_it_is_opened() {
        let compressed = Compressed::default();
        for document in [lines(100), lines(1000)] {
            for coding in BOTH {
                let made = asked(&compressed, coding, &document).await.unwrap();
                assert_eq!(opened(coding, &made, document.len()), document);
                assert_eq!(remembered(&compressed, coding, &document).await, Some(made));
            }
        }
    }

    #[tokio::test]
    async fn that_a_document_gets_no_shorter_is_remembered() {
        let compressed = Compressed::default();
        let document = noise(100_000);
        for coding in BOTH {
            assert_eq!(asked(&compressed, coding, &document).await, None);
            assert_eq!(remembered(&compressed, coding, &document).await, None);
        }
    }

    #[test]
    fn an_eighth_must_be_saved_and_one_byte_less_is_not_enough() {
        let document = lines(1000);
        for coding in BOTH {
            let made = compressed(coding, &document, document.len()).unwrap();
            assert_eq!(compressed(coding, &document, made.len()), Some(made.clone()), "{coding:?}");
            assert_eq!(compressed(coding, &document, made.len() - 1), None, "{coding:?}");
        }
        assert_eq!(Compressed::default().most_bytes(8000), 7000);
    }

    #[tokio::test]
    async fn what_is_remembered_has_an_end_and_one_document_takes_a_quarter_at_most() {
        let compressed = Compressed::within(64 << 10);
        assert_eq!(compressed.most_bytes(1 << 20), 16 << 10);
        assert_eq!(asked(&compressed, Packing::Gzip, &lines(1000)).await, None, "33,000 bytes");
        let documents: Vec<Bytes> = (300..310).map(lines).collect();
        for document in &documents {
            assert!(asked(&compressed, Packing::Gzip, document).await.is_some());
        }
        let state = locked(&compressed.state);
        let key = |document: &Bytes| Key { sha256: Sha256::of(document), coding: Packing::Gzip };
        let known = documents.iter().filter(|document| state.made.get(&key(document)).is_some()).count();
        assert!((4..10).contains(&known), "{known}");
        assert!(state.made.get(&key(&documents[9])).is_some(), "the last");
    }

    #[tokio::test]
    async fn one_is_made_at_a_time_and_what_was_made_is_there_meanwhile() {
        let compressed = Compressed::default();
        let key = |number: u8, coding| Key { sha256: Sha256::of(&[number]), coding };
        let document = lines(100);
        let made = asked(&compressed, Packing::Gzip, &document).await;
        let Found::Turn(turn) = compressed.find(key(1, Packing::Gzip)) else { panic!("a turn") };
        for other in [key(1, Packing::Gzip), key(1, Packing::Zstd), key(2, Packing::Gzip)] {
            assert!(matches!(compressed.find(other), Found::Busy), "{other:?}");
        }
        assert_eq!(remembered(&compressed, Packing::Gzip, &document).await, made);
        drop(turn);
        assert!(matches!(compressed.find(key(2, Packing::Gzip)), Found::Turn(_)));
    }

    #[tokio::test]
    async fn who_may_hold_no_document_ends_his_turn() {
        let compressed = Compressed::default();
        let document = lines(100);
        let refused = compressed.document(Sha256::of(&document), Packing::Gzip, || Err(ApiError::answers())).await;
        assert_eq!(refused.map_err(|error| error.code.as_str()), Err("UNAVAILABLE"));
        assert!(asked(&compressed, Packing::Gzip, &document).await.is_some());
    }
}
