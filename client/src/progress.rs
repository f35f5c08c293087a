//! How far a run has come, for whoever watches it.

/// Somebody who may be told how far a run has come.
pub trait Progress: Send + Sync {
    /// `done` of `all` steps are done, and the next is `what`.
    fn at(&self, done: usize, all: usize, what: &str);

    /// Something was said on the way that is worth keeping.
    fn said(&self, line: &str);
}

/// Nobody watches.
#[derive(Debug, Clone, Copy)]
pub struct Unwatched;

impl Progress for Unwatched {
    fn at(&self, _: usize, _: usize, _: &str) {}

    fn said(&self, _: &str) {}
}
