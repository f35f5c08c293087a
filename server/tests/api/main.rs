//! The HTTP API over real connections to a server in this process, keys and metadata in memory.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

mod binary;
mod check;
mod codings;
mod conditional;
mod console;
mod encodings;
mod health;
mod http2;
mod http2_attacks;
mod limits;
mod listing;
mod log;
mod metrics;
mod recorded;
mod repositories;
mod rotation;
mod server;
mod tls;
mod tokens;
mod updates;
mod uploads;
mod watch;
