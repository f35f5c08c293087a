//! Who may do what: bearer tokens in, [`Access`] out.

pub mod access;

pub use access::{Access, Admin, CatalogAccess, Permit, Pull, Push, Right};
