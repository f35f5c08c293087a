//! Two looks at one large document at the same time, where each of them takes milliseconds.

use std::thread;

/// The size from which a thread is worth its while; it takes some tens of microseconds to begin.
const LARGE: usize = 128 << 10;

/// What `beside` and `here` give for a document of `size` bytes: where it is large, `beside` is run on a thread of its own.
pub(crate) fn both<A: Send, B>(size: usize, beside: impl Fn() -> A + Sync, here: impl FnOnce() -> B) -> (A, B) {
    if size < LARGE {
        return (beside(), here());
    }
    thread::scope(|scope| {
        let running = thread::Builder::new().spawn_scoped(scope, &beside);
        let here = here();
        // A system that has no more threads to give must not change what comes of it.
        let beside = running.ok().and_then(|running| running.join().ok()).unwrap_or_else(&beside);
        (beside, here)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_large_is_looked_at_on_two_threads_and_what_is_small_on_one() {
        let this = thread::current().id();
        let threads = |size| both(size, || thread::current().id(), || thread::current().id());
        assert_eq!(threads(LARGE - 1), (this, this));
        let (beside, here) = threads(LARGE);
        assert_ne!(beside, this);
        assert_eq!(here, this);
    }
}
