//! What protects secrets in the memory of this process. Freed memory is wiped by the allocator, which the binary sets.

pub mod process;
pub mod shielded;
pub(crate) mod stack;
