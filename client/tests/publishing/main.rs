//! Signing against a trust server in memory: what is sent, with which keys, and what happens when others are faster.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod at_once;
mod deciding;
mod editing;
mod examining;
mod examining_directory;
mod first_contact;
mod hostile;
mod keeping;
mod kinds;
mod listing;
mod mending;
mod offline;
mod overtaken;
mod pinned;
mod raced;
mod renewing;
mod resuming;
mod revoking;
mod root_age;
mod rotating;
mod signers;
mod signing;
mod staging;
mod together;
mod waiting;
mod world;
