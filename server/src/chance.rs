//! Chance as a parameter: waits that differ, so that those who would collide do not, and names that nobody else has.

use std::time::Duration;

use ring::rand::SecureRandom;

/// Draws numbers.
pub trait Chance: Send + Sync {
    /// Any number, each as likely as the others.
    fn draw(&self) -> u64;
}

impl<R: SecureRandom + Send + Sync> Chance for R {
    fn draw(&self) -> u64 {
        let mut bytes = [0; 8];
        // A system without randomness cannot keep its waits apart, and has worse troubles.
        let _zero_then = self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

/// A random part of `longest`, in whole microseconds.
pub(crate) fn part_of(longest: Duration, chance: &dyn Chance) -> Duration {
    let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(chance.draw().checked_rem(micros.saturating_add(1)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Drawn(u64);

    impl Chance for Drawn {
        fn draw(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn a_part_is_never_more_than_the_whole() {
        let longest = Duration::from_micros(10);
        for (drawn, micros) in [(0, 0), (10, 10), (11, 0), (u64::MAX, u64::MAX % 11)] {
            assert_eq!(part_of(longest, &Drawn(drawn)), Duration::from_micros(micros));
        }
        assert_eq!(part_of(Duration::MAX, &Drawn(7)), Duration::from_micros(7));
        assert_eq!(part_of(Duration::ZERO, &Drawn(7)), Duration::ZERO);
    }
}
