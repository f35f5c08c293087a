//! Content trust for container images: keeps people's keys, signs tags and says which digest a tag stands for.
//!
//! Works in docker's own directories, so that docker and notary go on where this client stops. The binary adds only
//! arguments and printing.

pub mod bundle;
pub mod cache;
pub mod changelist;
pub mod config;
pub mod credentials;
pub mod decision;
pub mod doctor;
pub mod engine;
mod entries;
pub mod exposure;
pub mod gun_list;
pub mod image;
pub mod keys;
pub mod lock;
pub mod paths;
pub mod policy;
pub mod progress;
pub mod proxy;
pub mod publish;
pub mod push_tag;
pub mod registry;
pub mod remote;
pub mod removal;
pub mod renew;
mod root_certificate;
pub mod rotate;
pub mod session;
pub mod shares;
pub mod signers;
pub mod signing;
pub mod signing_session;
mod spelling;
#[cfg(test)]
mod testing;
pub mod threshold;
pub mod tls;
pub mod trust;
