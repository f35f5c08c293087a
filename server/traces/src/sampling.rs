//! Which traces are recorded: a share of them, decided by random bytes, which for a trace that begins here are its id.

use std::str::FromStr;

/// A share of all traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    /// Of 2^63.
    below: u64,
}

/// A text that is no share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a number from 0 to 1")]
pub struct NotARatio;

/// As many ids as are told apart.
const IDS: u64 = 1 << 63;

impl Ratio {
    /// Every trace.
    pub const ALL: Self = Self { below: IDS };

    /// Whether a trace with these random bytes is recorded, by the rule of OpenTelemetry's `TraceIdRatioBased`.
    pub(crate) fn samples(self, trace: &[u8; 16]) -> bool {
        let [.., a, b, c, d, e, f, g, h] = *trace;
        u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1 < self.below
    }
}

impl FromStr for Ratio {
    type Err = NotARatio;

    fn from_str(text: &str) -> Result<Self, NotARatio> {
        let share: f64 = text.trim().parse().map_err(|_| NotARatio)?;
        if !(0.0..=1.0).contains(&share) {
            return Err(NotARatio);
        }
        // a cast of what is too large gives the largest there is, and never wraps
        Ok(Self { below: ((share * IDS as f64) as u64).min(IDS) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(low: u64) -> [u8; 16] {
        let mut trace = [7; 16];
        trace[8..].copy_from_slice(&low.to_be_bytes());
        trace
    }

    #[test]
    fn a_share_of_the_ids_is_sampled_and_all_or_none_at_the_ends() {
        let [none, half, all] = ["0", "0.5", "1"].map(|text| text.parse::<Ratio>().unwrap());
        assert_eq!(all, Ratio::ALL);
        for low in [0, 1, u64::MAX / 2, u64::MAX / 2 + 1, u64::MAX] {
            assert!(all.samples(&trace(low)) && !none.samples(&trace(low)));
            assert_eq!(half.samples(&trace(low)), low <= u64::MAX / 2, "{low}");
        }
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for text in ["", "-0.1", "1.1", "NaN", "inf", "all"] {
            assert_eq!(text.parse::<Ratio>(), Err(NotARatio), "{text}");
        }
    }
}
