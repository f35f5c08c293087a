//! Wrapping with a passphrase: PBES2-HS256+A128KW (RFC 7518, 4.8), as the reference does.

use std::hint::black_box;
use std::num::{NonZero, NonZeroU32};
use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;

use aes_kw::{AesKw, KeyInit as _, aes::Aes128};
use async_trait::async_trait;
use ring::pbkdf2;
use tokio::sync::{OnceCell, Semaphore};
use tuf_schema::key::KeyId;
use tuf_schema::sign::Passphrase;
use zeroize::Zeroizing;

use super::error::{Damage, Locked, OpenError, SealError};
use super::source::PassphraseSource;
use super::wrapping::{ContentKey, KEY_WRAP_BYTES, KeyWrap, WrappedKey, Wrapping};
use crate::Randomness;
use crate::memory::stack;

/// Rounds of PBKDF2 that the reference writes, and so do we.
const ROUNDS: u32 = 8192;
const SALT_BYTES: usize = 12;
const KEK_BYTES: usize = 16;

/// The passphrase of one alias.
pub(crate) struct PassphraseWrapping {
    source: PassphraseSource,
    /// Tells whether a source that is read anew still gives what it gave first.
    first: OnceCell<Recognised>,
    rng: Randomness,
}

/// What a passphrase is recognised by without being kept: as dear to try as a sealed key.
struct Recognised {
    salt: [u8; SALT_BYTES],
    derived: Zeroizing<[u8; KEK_BYTES]>,
}

impl PassphraseWrapping {
    /// Wraps with the passphrase that a source gives, which is asked at each use.
    #[must_use]
    pub(crate) fn new(source: PassphraseSource, rng: Randomness) -> Self {
        Self { source, first: OnceCell::new(), rng }
    }

    /// Remembers which passphrase this is, or says that it is another one than the first that was of use.
    async fn is_the_first(&self, passphrase: &Arc<Passphrase>) -> Result<bool, SealError> {
        if !self.source.may_change() {
            return Ok(true);
        }
        let recognise = async {
            let mut salt = [0; SALT_BYTES];
            self.rng.fill(&mut salt).map_err(|_| SealError::Randomness)?;
            let derived = recognisable(Arc::clone(passphrase), salt).await?;
            Ok::<_, SealError>(Recognised { salt, derived })
        };
        let first = self.first.get_or_try_init(|| recognise).await?;
        Ok(recognisable(Arc::clone(passphrase), first.salt).await? == first.derived)
    }
}

async fn recognisable(
    passphrase: Arc<Passphrase>,
    salt: [u8; SALT_BYTES],
) -> Result<Zeroizing<[u8; KEK_BYTES]>, SealError> {
    let rounds = rounds()?;
    in_turn(move || derive(&passphrase, &salt, rounds)).await.ok_or(SealError::Encryption)
}

#[async_trait]
impl Wrapping for PassphraseWrapping {
    fn method(&self) -> KeyWrap {
        KeyWrap::Passphrase
    }

    fn key_name(&self) -> Option<&str> {
        None
    }

    fn may_be_away(&self) -> bool {
        false
    }

    /// The reference's form has no place for the id: rows that exchange their envelopes are told by their public keys.
    async fn wrap(&self, content_key: &ContentKey, _key: &KeyId) -> Result<WrappedKey, SealError> {
        let passphrase = self.source.read().await.map_err(Locked::from)?;
        if !self.is_the_first(&passphrase).await? {
            return Err(Locked::Changed { named: self.source.to_string() }.into());
        }
        let mut salt = vec![0; SALT_BYTES];
        self.rng.fill(&mut salt).map_err(|_| SealError::Randomness)?;
        let rounds = rounds()?;
        let content_key = ContentKey::from_bytes(content_key.expose()).ok_or(SealError::Encryption)?;
        let wrapping = in_turn(move || {
            let kek = derive(&passphrase, &salt, rounds);
            let mut wrapped = [0; KEY_WRAP_BYTES];
            let done = AesKw::<Aes128>::new((&*kek).into()).wrap_key(content_key.expose(), &mut wrapped);
            done.map_err(|_| SealError::Encryption)?;
            Ok(WrappedKey::Passphrase { salt, rounds, wrapped })
        });
        wrapping.await.ok_or(SealError::Encryption)?
    }

    async fn unwrap(&self, wrapped: WrappedKey, _key: &KeyId) -> Result<ContentKey, OpenError> {
        let WrappedKey::Passphrase { salt, rounds, wrapped } = wrapped else { return Err(Damage::Form.into()) };
        let passphrase = self.source.read().await.map_err(Locked::from)?;
        let right = Arc::clone(&passphrase);
        let unwrapping = in_turn(move || {
            let kek = derive(&passphrase, &salt, rounds);
            let mut content_key = ContentKey::zero();
            let done = AesKw::<Aes128>::new((&*kek).into()).unwrap_key(&wrapped, content_key.expose_mut());
            let is_done = done.is_ok();
            is_done.then_some(content_key)
        });
        let content_key = unwrapping.await.ok_or(OpenError::GivenUp)?;
        let content_key = content_key.ok_or_else(|| Locked::DoesNotOpen { named: self.source.to_string() })?;
        if self.first.get().is_none() {
            // right, as it opened something
            self.is_the_first(&right).await.map_err(OpenError::from)?;
        }
        Ok(content_key)
    }
}

/// Does the work, and then the same with a key that is no secret: AES leaves its key in vector registers, which a thread
/// that waits for more work keeps, and which a core file shows.
fn displacing<T>(work: impl FnOnce() -> T) -> T {
    let done = work();
    let mut wrapped = [0; KEY_WRAP_BYTES];
    let mut content_key = ContentKey::zero();
    let other = AesKw::<Aes128>::new(&[0; KEK_BYTES].into());
    // both succeed, and nothing depends on it
    let is_wrapped = other.wrap_key(black_box(content_key.expose()), &mut wrapped).is_ok();
    let is_unwrapped = other.unwrap_key(black_box(&wrapped), content_key.expose_mut()).is_ok();
    black_box((is_wrapped, is_unwrapped));
    done
}

fn rounds() -> Result<NonZeroU32, SealError> {
    NonZeroU32::new(ROUNDS).ok_or(SealError::Encryption)
}

/// Keys that are derived at the same time: as many as there are cores. Hundreds of them, as a start with many callers asks
/// for, would leave nothing to those who talk to the database, whose answers would then count as missing.
static TURNS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, NonZero::get)));

/// Does work that takes a core. `None` when the process is ending.
async fn in_turn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let _turn = TURNS.acquire().await.ok()?;
    tokio::task::spawn_blocking(|| stack::wiped(|| displacing(work))).await.ok()
}

/// The key that wraps the content key (RFC 7518, 4.8.1.1: the salt is the method's name, a zero byte and `p2s`). Takes
/// some milliseconds of a core.
fn derive(passphrase: &Passphrase, salt: &[u8], rounds: NonZeroU32) -> Zeroizing<[u8; KEK_BYTES]> {
    let salt = [KeyWrap::Passphrase.name().as_bytes(), &[0], salt].concat();
    let mut kek = Zeroizing::new([0; KEK_BYTES]);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, passphrase.expose(), kek.as_mut());
    kek
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;

    use super::super::passphrase::{Alias, Passphrases};
    use super::*;
    use crate::config::Environment;

    fn wrapping(passphrase: &str) -> PassphraseWrapping {
        let environment = Environment::new([("NOTARY_SIGNER_K1".to_owned(), passphrase.to_owned())]);
        let passphrases = Arc::new(Passphrases::from_environment(environment, &[]));
        let source = PassphraseSource::Kept(Alias::parse("k1").unwrap(), passphrases);
        PassphraseWrapping::new(source, Arc::new(SystemRandom::new()))
    }

    fn key() -> KeyId {
        KeyId::from_wire(&"ab".repeat(32))
    }

    #[tokio::test]
    async fn the_reference_s_rounds_and_salt_are_written() {
        let content_key = ContentKey::from_bytes(&[7; 32]).unwrap();
        let wrapped = wrapping("right").wrap(&content_key, &key()).await.unwrap();
        let WrappedKey::Passphrase { salt, rounds, .. } = &wrapped else { panic!("{wrapped:?}") };
        assert_eq!((salt.len(), rounds.get()), (12, 8192));
        let unwrapped = wrapping("right").unwrap(wrapped, &key()).await.unwrap();
        assert_eq!(unwrapped.expose(), &[7; 32]);
    }

    #[tokio::test]
    async fn another_passphrase_does_not_unwrap_and_its_variable_is_named() {
        let content_key = ContentKey::from_bytes(&[7; 32]).unwrap();
        let wrapped = wrapping("right").wrap(&content_key, &key()).await.unwrap();
        let refusal = wrapping("wrong").unwrap(wrapped, &key()).await.unwrap_err();
        assert_eq!(refusal.to_string(), "the passphrase in NOTARY_SIGNER_K1 does not open it");
    }

    #[tokio::test]
    async fn without_a_passphrase_nothing_is_wrapped() {
        let content_key = ContentKey::from_bytes(&[7; 32]).unwrap();
        let refusal = wrapping("").wrap(&content_key, &key()).await.unwrap_err();
        assert!(matches!(refusal, SealError::Locked(Locked::NoPassphrase(_))), "{refusal}");
    }

    #[tokio::test]
    async fn a_file_that_changed_seals_nothing_more_and_opens_what_it_is_right_for() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let with = |text: &str| std::fs::write(file.path(), text).unwrap();
        let new = || {
            let source = PassphraseSource::File(file.path().to_owned());
            PassphraseWrapping::new(source, Arc::new(SystemRandom::new()))
        };
        let content_key = ContentKey::from_bytes(&[7; 32]).unwrap();
        let wrapping = new();
        with("first");
        let of_first = wrapping.wrap(&content_key, &key()).await.unwrap();
        with("second");
        let refusal = wrapping.wrap(&content_key, &key()).await.unwrap_err();
        assert!(matches!(refusal, SealError::Locked(Locked::Changed { .. })), "{refusal}");
        let of_second = new().wrap(&content_key, &key()).await.unwrap();
        wrapping.unwrap(of_second, &key()).await.unwrap();
        with("first");
        wrapping.unwrap(of_first, &key()).await.unwrap();
        wrapping.wrap(&content_key, &key()).await.unwrap();
    }

    #[tokio::test]
    async fn the_first_passphrase_that_opens_something_is_the_one_that_seals() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let with = |text: &str| std::fs::write(file.path(), text).unwrap();
        let source = || PassphraseSource::File(file.path().to_owned());
        let content_key = ContentKey::from_bytes(&[7; 32]).unwrap();
        with("right");
        let rng: Randomness = Arc::new(SystemRandom::new());
        let stored = PassphraseWrapping::new(source(), Arc::clone(&rng)).wrap(&content_key, &key()).await.unwrap();
        let wrapping = PassphraseWrapping::new(source(), rng);
        wrapping.unwrap(stored, &key()).await.unwrap();
        with("wrong");
        let refusal = wrapping.wrap(&content_key, &key()).await.unwrap_err();
        assert!(matches!(refusal, SealError::Locked(Locked::Changed { .. })), "{refusal}");
    }
}
