//! The metadata server: validates uploads, makes snapshots and timestamps through the signer, serves what was stored.

pub mod admin;
mod app;
pub mod auth;
mod bounded;
mod catch_up;
pub mod chain;
pub mod chance;
pub mod check;
pub mod clock;
pub mod config;
mod days;
mod expiry;
mod gun_turns;
mod health;
mod http;
pub mod keys;
mod links;
pub mod logging;
mod metrics;
mod printable;
pub mod publish;
mod rate;
pub mod read;
mod renew;
mod repositories;
mod serve;
pub mod signer;
mod spans;
pub mod store;
mod watched;
pub mod webhooks;

pub use app::StartError;
pub use serve::{Listeners, make_tables, run, run_watching};
