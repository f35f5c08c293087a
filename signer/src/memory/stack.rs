//! Wipes what work with secrets leaves on the stack: libraries compute with copies of keys there and leave them behind.

use std::hint::black_box;
use std::pin::pin;

/// How far below its caller work is expected to reach. Signing stays within a tenth of it, unoptimised code within a half.
const DEPTH_BYTES: usize = 128 * 1024;

/// Does the work, then wipes the stack that it used. What the work gives should hold secrets on the heap only.
pub(crate) fn wiped<T>(work: impl FnOnce() -> T) -> T {
    let done = apart(work);
    wipe();
    done
}

/// Does the work, and wipes the stack after each step of it.
pub(crate) async fn wiping<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    std::future::poll_fn(|context| wiped(|| work.as_mut().poll(context))).await
}

/// Keeps the work out of its caller's frame, so that its own lies where [`wipe`]'s will.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[inline(never)]
fn wipe() {
    // nobody may conclude that the zeros are not read
    black_box(&mut [0_u8; DEPTH_BYTES]);
    // vector registers are used for moving bytes, too
    let mut moved = [0_u8; 256];
    for bytes in [16, 32, 64, 128, 256] {
        let zeros = black_box([0_u8; 256]);
        if let (Some(to), Some(from)) = (moved.get_mut(..bytes), zeros.get(..bytes)) {
            black_box(to).copy_from_slice(black_box(from));
        }
    }
    black_box(&moved);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Leaves a pattern on the stack, some way down.
    #[inline(never)]
    fn leave() -> usize {
        let mut pattern = [0x5a_u8; 8192];
        black_box(&mut pattern);
        usize::from(pattern[100])
    }

    #[test]
    fn the_work_is_done_and_its_result_given() {
        assert_eq!(wiped(leave), 0x5a);
    }

    #[tokio::test]
    async fn work_that_waits_is_done_to_its_end() {
        let work = async {
            tokio::task::yield_now().await;
            leave()
        };
        assert_eq!(wiping(work).await, 0x5a);
    }
}
