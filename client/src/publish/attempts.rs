//! How often a publish is tried while others publish, and how long it waits in between.

use std::time::Duration;

use async_trait::async_trait;
use ring::rand::SecureRandom;

/// How often a publish is tried when others publish at the same time.
pub const MAX_ATTEMPTS: u32 = 20;
/// The longest first wait; each further one may be twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The longest wait of all.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// What waits: the clock of the process, or none in a test.
#[async_trait]
pub trait Pacing: Send + Sync {
    /// Lets the time go by.
    async fn pause(&self, time: Duration);
}

/// Waits for as long as it says.
#[derive(Debug, Clone, Copy)]
pub struct RealTime;

#[async_trait]
impl Pacing for RealTime {
    async fn pause(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// How long to wait after the `failed`-th attempt, counted from 1: any time up to a bound that doubles, so that those who
/// met once do not meet again.
pub(super) fn wait_after(failed: u32, rng: &dyn SecureRandom) -> Duration {
    let doublings = failed.saturating_sub(1).min(16);
    let bound = FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT);
    let mut random = [0_u8; 2];
    // Without randomness it waits as long as it may, which is no worse.
    let share = if rng.fill(&mut random).is_ok() { u32::from(u16::from_be_bytes(random)) } else { u32::from(u16::MAX) };
    bound.saturating_mul(share).checked_div(u32::from(u16::MAX)).unwrap_or(bound)
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;

    use super::*;

    #[test]
    fn waits_are_bounded_and_the_bound_doubles() {
        let rng = SystemRandom::new();
        for (failed, bound) in [(1, 50), (2, 100), (3, 200), (6, 1600), (7, 2000), (20, 2000), (u32::MAX, 2000)] {
            let longest = (0..200).map(|_| wait_after(failed, &rng)).max().unwrap();
            assert!(longest <= Duration::from_millis(bound), "{failed}: {longest:?}");
            // of two hundred random shares one is above a half
            assert!(longest > Duration::from_millis(bound / 2), "{failed}: {longest:?}");
        }
    }
}
