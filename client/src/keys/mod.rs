//! People's private keys, in the files that docker and notary share with us.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use ring::rand::SecureRandom;
use tuf_schema::sign::{SecretKey, SecretKeyError, SecretKind};
use tuf_schema::{Gun, KeyId, SigningKey as _};

pub mod file;
pub mod passphrase;
mod pem;
pub mod public_file;
mod traditional;

pub use file::{KeyFile, KeyRole, OpenError, SealError};
pub use passphrase::{PassphraseError, Passphrases, Prompt};

use crate::cache::{FileError, write_private};
use crate::exposure;
use crate::paths::TrustDirectory;

/// The largest key file that is read, in bytes.
const MAX_KEY_FILE: u64 = 1 << 20;

/// The private keys of a trust directory, opened at most once each.
pub struct Keyring {
    directory: TrustDirectory,
    passphrases: Passphrases,
    opened: BTreeMap<KeyId, SecretKey>,
}

/// A private key on disk, by what its file says without a passphrase.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredKey {
    /// The id of the bare public key.
    pub id: KeyId,
    /// What the key is for.
    pub role: KeyRole,
    /// The repository it is for, if it is for one only.
    pub gun: Option<Gun>,
    path: PathBuf,
}

/// Why a key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// A file or directory cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file of this key holds no private key.
    #[error("{path} holds no private key", path = .0.display())]
    NotAKey(PathBuf),
    /// The file holds another key than its name says.
    #[error("{path} holds the key {found}", path = path.display())]
    WrongName {
        /// The file.
        path: PathBuf,
        /// The key in it.
        found: KeyId,
    },
    /// No passphrase opens the key.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// The key cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The key cannot be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The key cannot be made.
    #[error(transparent)]
    Make(#[from] SecretKeyError),
}

impl Keyring {
    /// The keys in `directory`.
    #[must_use]
    pub fn new(directory: TrustDirectory, passphrases: Passphrases) -> Self {
        Self { directory, passphrases, opened: BTreeMap::new() }
    }

    /// All private keys, by id. Files that hold none are passed over.
    ///
    /// The layout of clients before 0.4 is read too: `root_keys/ID_root.key`, `tuf_keys/GUN/ID_ROLE.key`.
    ///
    /// # Errors
    /// [`KeyringError::File`].
    pub fn list(&self) -> Result<Vec<StoredKey>, KeyringError> {
        let mut found = Vec::new();
        collect(&self.directory.private(), &self.directory.private(), &mut found)?;
        found.sort();
        found.dedup_by(|a, b| a.id == b.id);
        Ok(found)
    }

    /// Reads the key into memory, asking for its passphrase if it is not there yet.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn open(&mut self, key: &StoredKey) -> Result<&SecretKey, KeyringError> {
        if !self.opened.contains_key(&key.id) {
            let text = read(&key.path)?.ok_or_else(|| KeyringError::NotAKey(key.path.clone()))?;
            let file = KeyFile::parse_all(&text).into_iter().next();
            let file = file.ok_or_else(|| KeyringError::NotAKey(key.path.clone()))?;
            if let Some(exposed) = exposure::of_key(&key.path) {
                self.passphrases.warn(&exposed);
            }
            let secret = if file.is_encrypted() {
                self.passphrases.unlock(&key.role, &key.id, |passphrase| file.open(Some(passphrase)))?
            } else {
                file.open(None)?
            };
            let found = secret.public().id().clone();
            if found != key.id {
                return Err(KeyringError::WrongName { path: key.path.clone(), found });
            }
            self.opened.insert(key.id.clone(), secret);
        }
        self.opened.get(&key.id).ok_or_else(|| KeyringError::NotAKey(key.path.clone()))
    }

    /// Makes a P-256 key, the only kind that the reference makes, and seals it on disk before anything uses it.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn create(
        &mut self,
        role: KeyRole,
        gun: Option<&Gun>,
        rng: &dyn SecureRandom,
    ) -> Result<StoredKey, KeyringError> {
        let secret = SecretKey::generate(SecretKind::EcdsaP256, rng)?;
        let id = secret.public().id().clone();
        let sealed = self.passphrases.for_new(&role, &id, |p| file::seal(&secret, &role, gun, p, rng))??;
        let path = self.directory.private_key(&id);
        write_private(&path, sealed.as_bytes(), rng)?;
        self.opened.insert(id.clone(), secret);
        Ok(StoredKey { id, role, gun: gun.cloned(), path })
    }
}

fn collect(top: &Path, directory: &Path, found: &mut Vec<StoredKey>) -> Result<(), KeyringError> {
    let unreadable = |source| FileError::Read { path: directory.to_owned(), source };
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(unreadable(e).into()),
    };
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        if entry.file_type().map_err(unreadable)?.is_dir() {
            collect(top, &path, found)?;
        } else if path.extension().is_some_and(|e| e == "key") {
            found.extend(describe(top, &path)?);
        }
    }
    Ok(())
}

/// What a key file says of itself; in the old layout the path says it.
fn describe(top: &Path, path: &Path) -> Result<Option<StoredKey>, KeyringError> {
    let Some(text) = read(path)? else { return Ok(None) };
    let Some(file) = KeyFile::parse_all(&text).into_iter().next() else { return Ok(None) };
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let (id, old_role) = stem.split_once('_').map_or((stem.as_str(), None), |(id, role)| (id, Some(role)));
    let old_gun = || {
        let directory = path.parent()?.strip_prefix(top.join("tuf_keys")).ok()?;
        Gun::parse(directory.to_str()?).ok()
    };
    let role = file.role().or_else(|| old_role.map(KeyRole::parse));
    let role = role.unwrap_or_else(|| KeyRole::Signer(String::new()));
    Ok(Some(StoredKey { id: KeyId::from_wire(id), role, gun: file.gun().or_else(old_gun), path: path.to_owned() }))
}

/// The text of a key file; `None` when it is gone, too large, or no text.
fn read(path: &Path) -> Result<Option<zeroize::Zeroizing<String>>, FileError> {
    use std::io::Read as _;
    let mut text = zeroize::Zeroizing::new(String::new());
    match std::fs::File::open(path).and_then(|file| file.take(MAX_KEY_FILE).read_to_string(&mut text)) {
        Ok(_) => Ok(Some(text)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => Ok(None),
        Err(source) => Err(FileError::Read { path: path.to_owned(), source }),
    }
}
