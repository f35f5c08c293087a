//! Sizes that a client accepts when nothing trusted says how long a document is (the reference's caps).

/// Bytes of a timestamp.
pub const MAX_TIMESTAMP_BYTES: u64 = 1 << 20;

/// Bytes of any other document whose length is not listed.
pub const MAX_DOCUMENT_BYTES: u64 = 100 << 20;

/// Bytes of a public key that a server answers.
pub const MAX_KEY_BYTES: u64 = 256 << 10;

/// Bytes of an error that a client reads.
pub const MAX_ERROR_BYTES: u64 = 1 << 10;

/// Roots that a client follows in one update, so that a hostile server cannot keep it busy for ever.
pub const MAX_ROOT_STEPS: usize = 1024;

/// Delegated roles that a client visits in one update.
pub const MAX_DELEGATED_ROLES: usize = 10_000;
