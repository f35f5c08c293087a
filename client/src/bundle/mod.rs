//! Bundles: private keys as they are, and what says where trust begins, sealed under a passphrase in one file, which was
//! read back before anybody relies on it; and the way back into a trust directory that may be empty.

use std::fmt;
use std::fs;
use std::path::Path;

use ring::rand::SecureRandom;
use tuf_schema::key::x509::Expiry;
use tuf_schema::model::Root;
use tuf_schema::verify::{Verified, trust_first};
use tuf_schema::{Dialect, Envelope, Gun, Role, UtcTime};
use zeroize::Zeroizing;

mod archive;
mod collect;
mod error;
mod place;
mod restore;
mod seal;
#[cfg(test)]
mod tests;

use crate::cache::read_bounded;
use crate::keys::new_file::write_new;
use crate::keys::{Keyring, StoredKey};
use crate::paths::TrustDirectory;
use crate::{config, policy};
use archive::Files;
pub use collect::{Collected, LeftOut, Selection};
pub use error::{BundleError, ContentError};
pub use place::{Place, PlaceError};
pub use restore::{Found, Plan};

/// The largest bundle, in bytes.
pub const MAX_BUNDLE_BYTES: u64 = 64 << 20;
/// The largest file in one, in bytes.
pub const MAX_FILE_BYTES: u64 = 1 << 20;
/// The most files in one.
pub const MAX_FILES: usize = 4096;

/// Keys, roots and settings, in memory.
#[derive(PartialEq, Eq)]
pub struct Bundle {
    made: String,
    files: Files,
}

/// A key of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The key, by what its file says without a passphrase, and where it lies in a trust directory.
    pub key: StoredKey,
    /// Whether it was opened and is the key that its name says; otherwise no passphrase for it was given.
    pub opened: bool,
}

impl Bundle {
    /// When it was made.
    #[must_use]
    pub fn made(&self) -> &str {
        &self.made
    }

    /// The repositories whose roots are in it.
    pub fn roots(&self) -> impl Iterator<Item = &Gun> {
        self.files.keys().filter_map(|place| match place {
            Place::Root(gun) => Some(gun),
            Place::Authority(_) | Place::OwnFile | Place::Policy | Place::Key(_) => None,
        })
    }

    /// The settings in it, by the names of their files.
    pub fn settings(&self) -> impl Iterator<Item = &Place> {
        self.files.keys().filter(|place| match place {
            Place::Authority(_) | Place::OwnFile | Place::Policy => true,
            Place::Root(_) | Place::Key(_) => false,
        })
    }

    /// Seals it into a new file, reads that file again and opens what is in it: the keys, those opened for which a
    /// passphrase is given. Nobody is asked for a key's.
    ///
    /// # Errors
    /// [`BundleError`]; there is no file then.
    pub fn write(
        &self,
        file: &Path,
        keys: &Keyring,
        trust: &TrustDirectory,
        now: UtcTime,
        rng: &dyn SecureRandom,
    ) -> Result<Vec<Proof>, BundleError> {
        let too_large = |source| BundleError::NotBundled { path: file.to_owned(), source };
        if self.files.len() > MAX_FILES {
            return Err(too_large(ContentError::TooManyFiles));
        }
        let clear = archive::write(&self.files, &self.made).ok_or_else(|| too_large(ContentError::NoContent))?;
        keys.passphrases().for_new_bundle(file, |passphrase| {
            let sealed = seal::seal(&clear, passphrase).ok_or(BundleError::Seal)?;
            if sealed.len() as u64 > MAX_BUNDLE_BYTES {
                return Err(too_large(ContentError::TooLarge));
            }
            write_new(file, &sealed, rng)?;
            let proven = self.prove(file, keys, trust, now, |sealed| seal::open(sealed, passphrase));
            if proven.is_err() {
                // What cannot be relied on is no backup; the first error is the one to tell.
                let _ = fs::remove_file(file);
            }
            proven
        })?
    }

    /// The keys in it, those opened for which a passphrase is given. Nobody is asked.
    ///
    /// # Errors
    /// [`BundleError::Keyring`]: a key cannot be opened, or is another than its name says.
    pub fn proofs(&self, keys: &Keyring, trust: &TrustDirectory) -> Result<Vec<Proof>, BundleError> {
        let proof = |(key, content): (StoredKey, &[u8])| {
            let opened = keys.opens_unasked(&key, content)?;
            Ok(Proof { key, opened })
        };
        self.keys(keys, trust).map(|key| key.and_then(proof)).collect()
    }

    /// Opens a bundle with a passphrase of its own.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn open(file: &Path, keys: &Keyring, trust: &TrustDirectory, now: UtcTime) -> Result<Self, BundleError> {
        let unusable = |source| BundleError::Unusable { path: file.to_owned(), source };
        let sealed = read_sealed(file)?;
        seal::check(&sealed).map_err(unusable)?;
        let clear = keys.passphrases().unlock_bundle(file, |passphrase| seal::open(&sealed, passphrase))?;
        let bundle = Self::read(&clear.map_err(unusable)?).map_err(unusable)?;
        bundle.check(keys, trust, now).map_err(unusable)?;
        Ok(bundle)
    }

    fn prove(
        &self,
        file: &Path,
        keys: &Keyring,
        trust: &TrustDirectory,
        now: UtcTime,
        open: impl FnOnce(&[u8]) -> Option<Result<Zeroizing<Vec<u8>>, ContentError>>,
    ) -> Result<Vec<Proof>, BundleError> {
        let clear = open(&read_sealed(file)?).and_then(Result::ok);
        let read = clear.and_then(|clear| Self::read(&clear).ok());
        match read {
            Some(read) if read == *self => {
                let unusable = |source| BundleError::Unusable { path: file.to_owned(), source };
                read.check(keys, trust, now).map_err(unusable)?;
                read.proofs(keys, trust)
            }
            _ => Err(BundleError::Unproven(file.to_owned())),
        }
    }

    fn read(clear: &[u8]) -> Result<Self, ContentError> {
        let (files, made) = archive::read(clear)?;
        Ok(Self { made, files })
    }

    /// That everything in it is what it should be.
    fn check(&self, keys: &Keyring, trust: &TrustDirectory, now: UtcTime) -> Result<(), ContentError> {
        let mut pinned = Vec::new();
        if let Some(own) = self.files.get(&Place::OwnFile) {
            let path = Place::OwnFile.path(trust);
            pinned.extend(config::pinned_files(own, &path).map_err(ContentError::Settings)?);
        }
        if let Some(policy) = self.files.get(&Place::Policy) {
            let path = Place::Policy.path(trust);
            pinned.extend(policy::pinned_files(&path, policy).map_err(ContentError::Policy)?);
        }
        for (place, content) in &self.files {
            match place {
                Place::Key(_) => {
                    let described = keys.described(place.path(trust), content);
                    described.map_err(|_| ContentError::NoKey(place.to_string()))?;
                }
                Place::Root(gun) => {
                    let why = |why| ContentError::NoRoot { gun: gun.clone(), why };
                    believed(content, gun, now).map_err(why)?;
                }
                Place::Authority(name) if !pinned.contains(&place.path(trust)) => {
                    return Err(ContentError::NotPinned(name.clone()));
                }
                Place::Authority(_) | Place::OwnFile | Place::Policy => {}
            }
        }
        Ok(())
    }

    /// The keys in it, each with its file's content.
    fn keys<'a>(
        &'a self,
        keys: &'a Keyring,
        trust: &'a TrustDirectory,
    ) -> impl Iterator<Item = Result<(StoredKey, &'a [u8]), BundleError>> {
        let is_key = |(place, _): &(&Place, _)| matches!(place, Place::Key(_));
        self.files.iter().filter(is_key).map(|(place, content)| {
            let content = content.as_slice();
            Ok((keys.described(place.path(trust), content)?, content))
        })
    }
}

/// By names: a key may be in the clear.
impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bundle").field("files", &self.files.keys()).finish_non_exhaustive()
    }
}

/// The root of a repository, if it holds by itself; its date and those of its certificates do not matter.
fn believed(content: &[u8], gun: &Gun, now: UtcTime) -> Result<Verified<Root>, String> {
    let envelope = Envelope::parse(Dialect::Notary, content.to_vec().into()).map_err(|e| e.to_string())?;
    let document = envelope.decode::<Root>(Role::Root).map_err(|e| e.to_string())?;
    trust_first(document, gun, now, Expiry::Ignored).map_err(|e| e.to_string())
}

/// The bytes of a bundle.
fn read_sealed(file: &Path) -> Result<Vec<u8>, BundleError> {
    let bytes = read_bounded(file, MAX_BUNDLE_BYTES)?;
    let too_large = || BundleError::Unusable { path: file.to_owned(), source: ContentError::TooLarge };
    Ok(bytes.ok_or_else(too_large)?.to_vec())
}
