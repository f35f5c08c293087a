//! What is wrong with repositories and with the trust directory, what soon will be, and the command that mends it.

mod command;
mod denied;
mod directory;
mod known;
mod repository;

pub use command::Command;
pub use denied::Denied;
pub use directory::{Leftover, examine_directory};
pub use known::known_repositories;
pub use repository::{Diagnosis, Finding, RoleState, examine};
