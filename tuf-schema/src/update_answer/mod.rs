//! The one-response update: what a client says that it holds, and the index of what one answer brings it.
//!
//! An answer is one line of JSON, the index, and then the bytes of each file in the index's order: the file, or where the
//! index names a base one zstd frame made with that base as its prefix. Nothing in an answer is believed for being in it.
//! It stands in for requests whose documents are then judged as they always are.

mod index;
mod request;

pub use index::{IndexFault, MAX_FILES, MAX_INDEX_BYTES, UpdateFile, UpdateIndex};
pub use request::{Held, HeldFault, MAX_HELD, MAX_QUERY_BYTES};

/// The header by which a server says, in its answer to `/v2/`, that it answers updates in one response.
pub const HEADER: &str = "bulla-trust-update";
/// The value of [`HEADER`] for what is described here.
pub const HEADER_VALUE: &str = "v1";
/// What the content of an answer is called.
pub const CONTENT_TYPE: &str = "application/vnd.bulla.update.v1";
/// The largest base of a delta, and the largest file that is sent as one, in bytes.
pub const MAX_DELTA_DOCUMENT_BYTES: u64 = 64 << 20;
/// The base-two logarithm of the largest window of a delta: two of the largest documents, and what decoders take unasked.
pub const MAX_WINDOW_LOG: u32 = 27;
