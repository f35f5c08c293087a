//! A secret in shares and back: Shamir's scheme over GF(2^8), byte by byte, as `vsss-rs` has it.

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use ring::error::Unspecified;
use vsss_rs::Gf256;
use zeroize::Zeroizing;

use super::quorum::Quorum;

/// A share of a secret: the values of its polynomials at a number.
pub(super) type Body = Zeroizing<Vec<u8>>;

/// The shares of a secret, those of 1 to n in this order; `None` when there is no randomness, or nothing to share.
pub(super) fn split(
    secret: &[u8],
    quorum: Quorum,
    fill: impl FnMut(&mut [u8]) -> Result<(), Unspecified>,
) -> Option<Vec<Body>> {
    let mut randomness = Drawn { fill, failed: false };
    let (threshold, shares) = (quorum.threshold().into(), quorum.shares().into());
    let made = Gf256::split_bytes(threshold, shares, secret, &mut randomness).ok()?;
    let made: Vec<_> = made.into_iter().map(Zeroizing::new).collect();
    if randomness.failed {
        return None;
    }
    let body = |(numbered, number): (&Body, u8)| match numbered.split_first() {
        // The share of 0 would be the secret.
        Some((found, body)) if *found == number => Some(Zeroizing::new(body.to_vec())),
        _ => None,
    };
    made.iter().zip(1..=quorum.shares()).map(body).collect()
}

/// The secret that shares give, by their numbers: the one that was shared, if they are of one split and enough.
pub(super) fn combine<'a>(shares: impl IntoIterator<Item = (u8, &'a [u8])>) -> Option<Zeroizing<Vec<u8>>> {
    let numbered = |(number, body): (u8, &[u8])| [&[number], body].concat();
    let shares: Zeroizing<Vec<Vec<u8>>> = Zeroizing::new(shares.into_iter().map(numbered).collect());
    Gf256::combine_bytes(shares.as_slice()).ok().map(Zeroizing::new)
}

/// Randomness for a library that knows of none that fails: it gets zeros then, and what it makes of them is thrown away.
struct Drawn<F> {
    fill: F,
    failed: bool,
}

impl<F: FnMut(&mut [u8]) -> Result<(), Unspecified>> TryRng for Drawn<F> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = Zeroizing::new([0; 4]);
        self.try_fill_bytes(bytes.as_mut_slice())?;
        Ok(u32::from_le_bytes(*bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = Zeroizing::new([0; 8]);
        self.try_fill_bytes(bytes.as_mut_slice())?;
        Ok(u64::from_le_bytes(*bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        if (self.fill)(bytes).is_err() {
            bytes.fill(0);
            self.failed = true;
        }
        Ok(())
    }
}

impl<F: FnMut(&mut [u8]) -> Result<(), Unspecified>> TryCryptoRng for Drawn<F> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ring::rand::{SecureRandom as _, SystemRandom};

    use super::*;

    fn shared(secret: &[u8], shares: u32, threshold: u32) -> Vec<Body> {
        let quorum = Quorum::new(shares, threshold).unwrap();
        split(secret, quorum, |bytes| SystemRandom::new().fill(bytes)).unwrap()
    }

    fn joined(shares: &[Body], numbers: &[u8]) -> Option<Vec<u8>> {
        let chosen = numbers.iter().map(|number| (*number, shares[usize::from(*number) - 1].as_slice()));
        combine(chosen).map(|secret| secret.to_vec())
    }

    #[test]
    fn any_two_of_three_and_all_three_give_the_secret() {
        let shares = shared(b"a secret", 3, 2);
        for numbers in [[1, 2].as_slice(), &[1, 3], &[3, 2], &[1, 2, 3]] {
            assert_eq!(joined(&shares, numbers).unwrap(), b"a secret", "{numbers:?}");
        }
    }

    #[test]
    fn one_share_less_than_needed_gives_something_else() {
        let shares = shared(&[7; 64], 5, 3);
        assert_ne!(joined(&shares, &[1, 2]).unwrap(), [7; 64]);
        assert_eq!(joined(&shares, &[1, 2, 3]).unwrap(), [7; 64]);
        assert!(joined(&shares, &[1]).is_none());
    }

    #[test]
    fn one_share_less_than_needed_goes_with_every_secret() {
        // Of all 256 second shares, each gives another byte: the first one alone says nothing of which it was.
        let shares = shared(&[7], 2, 2);
        let mut possible: Vec<_> =
            (0..=255).map(|byte| combine([(1, shares[0].as_slice()), (2, &[byte])]).unwrap()[0]).collect();
        possible.sort_unstable();
        assert_eq!(possible, (0..=255).collect::<Vec<u8>>());
    }

    #[test]
    fn every_byte_has_randomness_of_its_own() {
        // With one polynomial for all bytes those of a share would be as equal as those of the secret.
        let shares = shared(&[7; 64], 3, 2);
        for share in &shares {
            let mut bytes = share.to_vec();
            bytes.sort_unstable();
            bytes.dedup();
            assert!(bytes.len() > 16, "{}", bytes.len());
        }
        assert_ne!(shares, shared(&[7; 64], 3, 2));
    }

    #[test]
    fn without_randomness_there_are_no_shares() {
        let quorum = Quorum::new(3, 2).unwrap();
        assert!(split(b"a secret", quorum, |_| Err(Unspecified)).is_none());
        let mut left = 7;
        let runs_out = |bytes: &mut [u8]| {
            left -= 1;
            if left == 0 { Err(Unspecified) } else { SystemRandom::new().fill(bytes) }
        };
        assert!(split(b"a secret", quorum, runs_out).is_none());
    }

    #[test]
    fn the_most_shares_have_the_numbers_1_to_255() {
        let shares = shared(&[1, 2, 3], 255, 255);
        let all: Vec<_> = (1..=255).collect();
        assert_eq!(joined(&shares, &all).unwrap(), [1, 2, 3]);
        assert_ne!(joined(&shares, &all[1..]).unwrap(), [1, 2, 3]);
    }

    #[test]
    fn a_number_of_zero_and_one_that_stands_twice_are_refused() {
        let shares = shared(b"a secret", 3, 2);
        assert!(combine([(0, shares[0].as_slice()), (1, shares[0].as_slice())]).is_none());
        assert!(combine([(1, shares[0].as_slice()), (1, shares[0].as_slice())]).is_none());
    }

    proptest! {
        #[test]
        fn enough_shares_of_any_secret_give_it(
            secret in prop::collection::vec(any::<u8>(), 1..200),
            shares in 2_u32..12,
            needed: prop::sample::Index,
            order in Just((1..12_u8).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let threshold = 2 + u32::try_from(needed.index(usize::try_from(shares - 1).unwrap())).unwrap();
            let made = shared(&secret, shares, threshold);
            let numbers: Vec<_> = order.into_iter().filter(|number| u32::from(*number) <= shares).collect();
            let enough = &numbers[..usize::try_from(threshold).unwrap()];
            prop_assert_eq!(joined(&made, enough).unwrap(), secret);
        }
    }
}
