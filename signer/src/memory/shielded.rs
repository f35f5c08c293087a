//! A secret that is needed now and then, for as long as the process lives: encrypted in memory, with a key that is not.
//!
//! The key lies in a file without a name that only this process has open (memfd), and is in memory only while it is used.
//! So neither a core file nor what was swapped out has both. It does not keep the secret from who may read the process'
//! open files, or stops it at the right moment.

use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustix::fs::{MemfdFlags, memfd_create};
use zeroize::Zeroizing;

use super::stack;

const KEY_BYTES: usize = 32;

/// A secret, encrypted as long as it is not needed. Never shown.
#[derive(Clone)]
pub(crate) struct Shielded(Kept);

#[derive(Clone)]
enum Kept {
    /// The usual case.
    Apart { key: Arc<File>, ciphertext: Vec<u8> },
    /// Where the system has no such files, or no randomness: wiped when it is dropped, and no more.
    Plain(Zeroizing<Vec<u8>>),
}

/// The system took its file away.
#[derive(Debug, thiserror::Error)]
#[error("the key of a secret in memory cannot be read any more; start the signer again")]
pub struct Unreadable;

impl Shielded {
    /// Takes a copy; the caller wipes the original.
    #[must_use]
    pub(crate) fn new(secret: &[u8]) -> Self {
        let apart = stack::wiped(|| encrypt(secret));
        Self(apart.unwrap_or_else(|| Kept::Plain(Zeroizing::new(secret.to_vec()))))
    }

    /// The secret, for one use.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub(crate) fn expose(&self) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
        match &self.0 {
            Kept::Apart { key, ciphertext } => stack::wiped(|| decrypt(key, ciphertext)).ok_or(Unreadable),
            Kept::Plain(secret) => Ok(secret.clone()),
        }
    }
}

fn encrypt(secret: &[u8]) -> Option<Kept> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    // a key that nobody ever learns is no parameter of anything
    SystemRandom::new().fill(bytes.as_mut()).ok()?;
    let mut key = File::from(memfd_create("bulla", MemfdFlags::CLOEXEC).ok()?);
    key.write_all(bytes.as_ref()).ok()?;
    let mut ciphertext = secret.to_vec();
    cipher(&bytes)?.seal_in_place_append_tag(nonce(), Aad::empty(), &mut ciphertext).ok()?;
    Some(Kept::Apart { key: Arc::new(key), ciphertext })
}

fn decrypt(key: &File, ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    key.read_exact_at(bytes.as_mut(), 0).ok()?;
    let mut secret = Zeroizing::new(ciphertext.to_vec());
    let length = cipher(&bytes)?.open_in_place(nonce(), Aad::empty(), &mut secret).ok()?.len();
    secret.truncate(length);
    Some(secret)
}

fn cipher(key: &[u8; KEY_BYTES]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key).ok().map(LessSafeKey::new)
}

/// Each key encrypts once.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

impl fmt::Debug for Shielded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shielded(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_comes_back_as_often_as_it_is_asked_for() {
        for secret in [b"open sesame".as_slice(), b"", &[7; 10_000]] {
            let shielded = Shielded::new(secret);
            let copy = shielded.clone();
            assert_eq!(shielded.expose().unwrap().as_slice(), secret);
            assert_eq!(copy.expose().unwrap().as_slice(), secret);
        }
    }

    #[test]
    fn what_lies_in_memory_is_not_the_secret_and_differs_each_time() {
        let ciphertext = || match Shielded::new(b"open sesame").0 {
            Kept::Apart { ciphertext, .. } => ciphertext,
            Kept::Plain(_) => panic!("no memfd"),
        };
        let (one, other) = (ciphertext(), ciphertext());
        assert_ne!(one[..11], b"open sesame"[..]);
        assert_ne!(one, other);
    }

    #[test]
    fn a_key_that_is_gone_is_told() {
        let shielded = Shielded::new(b"open sesame");
        let Kept::Apart { key, .. } = &shielded.0 else { panic!("no memfd") };
        key.set_len(0).unwrap();
        assert!(matches!(shielded.expose(), Err(Unreadable)));
    }

    #[test]
    fn nothing_of_it_is_printed() {
        assert_eq!(format!("{:?}", Shielded::new(b"open sesame")), "Shielded(..)");
    }
}
