//! How an SQL database is named, opened, migrated and talked to: what server and signer have in common below their
//! stores. Knows nothing of metadata or of keys.

#![forbid(unsafe_code)]

pub mod dsn;
