//! The metadata server: validates uploads, makes snapshots and timestamps through the signer, serves what was stored.

pub mod app;
pub mod auth;
mod bounded;
pub mod clock;
pub mod config;
mod gun_turns;
mod http;
pub mod keys;
mod links;
pub mod publish;
pub mod read;
mod renew;
pub mod signer;
pub mod store;
