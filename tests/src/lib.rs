//! What the stories of this crate share: Bulla as real processes on loopback, and uploads made for them.

#![expect(clippy::missing_errors_doc, reason = "every function of the stories fails with whatever went wrong")]

pub mod collector;
pub mod http;
pub mod process;
pub mod scratch;
pub mod stack;
pub mod summary;
pub mod upload;
