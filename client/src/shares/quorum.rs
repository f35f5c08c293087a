//! How many shares of a key there are, and how many of them give it.

/// The fewest shares that may give a key: one that does alone is no share.
pub const MIN_THRESHOLD: u8 = 2;
/// The most shares: the field has so many elements but zero, where the key itself lies.
pub const MAX_SHARES: u8 = 255;

/// How many shares of a key there are, and how many of them give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quorum {
    shares: u8,
    threshold: u8,
}

/// Why a key is not shared so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuorumError {
    /// One share would be enough, or none.
    #[error("a threshold of {0} shares nothing: each holder alone would have the key; {MIN_THRESHOLD} at least")]
    Low(u32),
    /// More shares are needed than there would be.
    #[error("a threshold of {threshold} cannot be met by {shares} shares: as many at most")]
    High {
        /// How many would be needed.
        threshold: u32,
        /// How many there would be.
        shares: u32,
    },
    /// There are too many shares.
    #[error("a key has {MAX_SHARES} shares at most, and not {0}")]
    Many(u32),
}

impl Quorum {
    /// `threshold` of `shares`.
    ///
    /// # Errors
    /// [`QuorumError`].
    pub fn new(shares: u32, threshold: u32) -> Result<Self, QuorumError> {
        let many = u8::try_from(shares).map_err(|_| QuorumError::Many(shares))?;
        if threshold < MIN_THRESHOLD.into() {
            return Err(QuorumError::Low(threshold));
        }
        match u8::try_from(threshold) {
            Ok(threshold) if threshold <= many => Ok(Self { shares: many, threshold }),
            _ => Err(QuorumError::High { threshold, shares }),
        }
    }

    /// How many shares there are.
    #[must_use]
    pub fn shares(self) -> u8 {
        self.shares
    }

    /// How many of them give the key.
    #[must_use]
    pub fn threshold(self) -> u8 {
        self.threshold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_share_is_never_enough_and_two_may_be() {
        for low in [0, 1] {
            let refused = Quorum::new(3, low).unwrap_err();
            let words = "shares nothing: each holder alone would have the key; 2 at least";
            assert_eq!(refused.to_string(), format!("a threshold of {low} {words}"));
        }
        assert_eq!(Quorum::new(3, 2).unwrap().threshold(), 2);
    }

    #[test]
    fn all_shares_may_be_needed_and_not_one_more() {
        assert_eq!(Quorum::new(3, 3).unwrap().threshold(), 3);
        for high in [4, 256, u32::MAX] {
            let refused = Quorum::new(3, high).unwrap_err();
            assert_eq!(
                refused.to_string(),
                format!("a threshold of {high} cannot be met by 3 shares: as many at most")
            );
        }
    }

    #[test]
    fn a_key_has_255_shares_and_not_256() {
        assert_eq!(Quorum::new(255, 2).unwrap().shares(), 255);
        assert_eq!(Quorum::new(255, 255).unwrap().threshold(), 255);
        for many in [256, u32::MAX] {
            let refused = Quorum::new(many, 2).unwrap_err();
            assert_eq!(refused.to_string(), format!("a key has 255 shares at most, and not {many}"));
        }
    }
}
