//! What seals a bundle: the encrypted data format of the program `scrypt` (AES-256-CTR and HMAC-SHA-256 under keys that
//! scrypt derives from a passphrase), so that `scrypt dec` opens a bundle, too.

use scryptenc::scrypt::Params;
use scryptenc::{Decryptor, Encryptor, Error};
use tuf_schema::sign::Passphrase;
use zeroize::Zeroizing;

use super::error::ContentError;
use crate::keys::file::scrypt_is_affordable;

/// The first bytes of a bundle.
const MAGIC: &[u8] = b"scrypt";
/// What a bundle costs: 128 MiB of memory (2^17 blocks of 1 KiB, r = 8), gone through once. OWASP's measure for scrypt.
const COST: Cost = Cost { log_n: 17, block: 8, passes: 1 };

/// Parameters of scrypt.
#[derive(Clone, Copy)]
pub(super) struct Cost {
    pub(super) log_n: u8,
    pub(super) block: u32,
    pub(super) passes: u32,
}

/// Seals `clear`; `None` when the library refuses the parameters.
pub(super) fn seal(clear: &[u8], passphrase: &Passphrase) -> Option<Vec<u8>> {
    seal_at(COST, clear, passphrase)
}

pub(super) fn seal_at(cost: Cost, clear: &[u8], passphrase: &Passphrase) -> Option<Vec<u8>> {
    let parameters = Params::new(cost.log_n, cost.block, cost.passes, Params::RECOMMENDED_LEN).ok()?;
    Some(Encryptor::with_params(&clear, passphrase.expose(), parameters).encrypt_to_vec())
}

/// Whether something is sealed so, at a cost that is paid; before anybody is asked for a passphrase.
pub(super) fn check(sealed: &[u8]) -> Result<(), ContentError> {
    if sealed.len() < MAGIC.len() && MAGIC.starts_with(sealed) && !sealed.is_empty() {
        return Err(ContentError::Damaged);
    }
    if !sealed.starts_with(MAGIC) {
        return Err(ContentError::NoBundle);
    }
    let asked = scryptenc::Params::new(sealed).map_err(refused)?;
    // The length of a shift is checked where 2^log_n is formed.
    let cost = 1_u64.checked_shl(asked.log_n().into()).unwrap_or(u64::MAX);
    if scrypt_is_affordable(cost, asked.r(), asked.p()) { Ok(()) } else { Err(ContentError::TooMuchWork) }
}

/// What is sealed; `None` when the passphrase is a wrong one.
pub(super) fn open(sealed: &[u8], passphrase: &Passphrase) -> Option<Result<Zeroizing<Vec<u8>>, ContentError>> {
    if let Err(e) = check(sealed) {
        return Some(Err(e));
    }
    let decryptor = match Decryptor::new(&sealed, passphrase.expose()) {
        Ok(decryptor) => decryptor,
        Err(Error::InvalidHeaderMac(_)) => return None,
        Err(e) => return Some(Err(refused(e))),
    };
    let mut clear = Zeroizing::new(vec![0; decryptor.out_len()]);
    Some(decryptor.decrypt(clear.as_mut_slice()).map(|()| clear).map_err(refused))
}

fn refused(error: Error) -> ContentError {
    match error {
        Error::InvalidMagicNumber => ContentError::NoBundle,
        Error::UnknownVersion(version) => ContentError::SealVersion(version),
        Error::InvalidParams(_) => ContentError::TooMuchWork,
        Error::InvalidLength | Error::InvalidChecksum | Error::InvalidHeaderMac(_) | Error::InvalidMac(_) => {
            ContentError::Damaged
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHEAP: Cost = Cost { log_n: 1, block: 1, passes: 1 };

    fn words(text: &str) -> Passphrase {
        Passphrase::from_text(text.to_owned())
    }

    fn sealed(clear: &[u8]) -> Vec<u8> {
        seal_at(CHEAP, clear, &words("right")).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_with_its_passphrase_and_no_other() {
        let bundle = seal(b"clear", &words("right")).unwrap();
        assert_eq!(open(&bundle, &words("right")).unwrap().unwrap().as_slice(), b"clear");
        assert!(open(&bundle, &words("wrong")).is_none());
    }

    #[test]
    fn a_bundle_that_is_cut_off_anywhere_is_refused() {
        let whole = sealed(b"some bytes of content");
        for length in 1..whole.len() {
            let refusal = open(&whole[..length], &words("right"));
            assert!(matches!(refusal, Some(Err(ContentError::Damaged))), "{length}");
        }
        assert!(matches!(check(b""), Err(ContentError::NoBundle)));
        assert!(matches!(check(b"age-encryption.org/v1"), Err(ContentError::NoBundle)));
    }

    #[test]
    fn a_bundle_may_ask_for_so_much_of_scrypt_and_no_more() {
        let asking = |log_n: u8, block: u32, passes: u32| {
            let mut bundle = sealed(b"");
            bundle[7] = log_n;
            bundle[8..12].copy_from_slice(&block.to_be_bytes());
            bundle[12..16].copy_from_slice(&passes.to_be_bytes());
            check(&bundle)
        };
        // N + p blocks of 128·r bytes: 2^17 of 1 KiB are 128 MiB, 2^18 and one more than 256.
        assert!(asking(17, 8, 16).is_ok());
        for (log_n, block, passes) in [(18, 8, 1), (17, 8, 17), (62, 8, 1), (10, u32::MAX, 1), (255, 1, 1)] {
            assert!(matches!(asking(log_n, block, passes), Err(ContentError::TooMuchWork)), "{log_n} {block} {passes}");
        }
        assert!(scrypt_is_affordable((1 << 18) - 1, 8, 1) && !scrypt_is_affordable(1 << 18, 8, 1));
    }

    #[test]
    fn a_later_version_of_the_format_is_told() {
        let mut bundle = sealed(b"clear");
        bundle[6] = 1;
        assert!(matches!(check(&bundle), Err(ContentError::SealVersion(1))));
    }

    proptest! {
        #[test]
        fn one_changed_byte_anywhere_opens_nothing(place: prop::sample::Index, change in 1_u8..) {
            let mut bundle = sealed(b"some bytes of content");
            let place = place.index(bundle.len());
            bundle[place] ^= change;
            // A changed cost could be one that takes minutes; what it is refused for is looked at above.
            prop_assume!(!(7..16).contains(&place) || check(&bundle).is_err());
            prop_assert!(!matches!(open(&bundle, &words("right")), Some(Ok(_))), "{}", place);
        }

        #[test]
        fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), has_magic: bool) {
            let bytes = if has_magic { [MAGIC, &[0, 1], &bytes].concat() } else { bytes };
            let _ = check(&bytes);
        }
    }
}
