//! Private keys out of files of others: exports of notary, and what openssl and its like write.

use std::path::{Path, PathBuf};

use ring::rand::SecureRandom;
use tuf_schema::sign::SecretKey;
use tuf_schema::{Gun, KeyId, SigningKey as _};
use zeroize::Zeroizing;

use super::directory::MAX_KEY_FILE;
use super::file::{KeyFile, OpenError};
use super::new_file::write_new;
use super::passphrase::KeyName;
use super::pem::Block;
use super::role::KeyRole;
use super::{Imported, KeyPlace, Keyring, KeyringError, StoredKey, directory, seal};
use crate::cache::FileError;

/// What a key is for whose file does not say so.
#[derive(Clone, Debug, Default)]
pub struct Fallback {
    /// Its role; a delegation key without one, as for notary.
    pub role: Option<KeyRole>,
    /// Its repository.
    pub gun: Option<Gun>,
}

/// Why no key of a file was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no such file.
    #[error("{path} does not exist", path = .0.display())]
    Missing(PathBuf),
    /// No key file is that large.
    #[error("{path} is no key file: it is larger than {MAX_KEY_FILE} bytes", path = .0.display())]
    TooLarge(PathBuf),
    /// The file holds no private key (notary's words come first).
    #[error("invalid key pem block: {path} holds no private key", path = .0.display())]
    NoKey(PathBuf),
    /// A private key is cut, or its base64 damaged.
    #[error("invalid key pem block: {path} holds a {label} that is cut or damaged", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the block calls itself.
        label: String,
    },
    /// A repository's key, and nobody says of which repository.
    #[error("a {role} key is for one repository: say which with --gun ({path} does not)", path = path.display())]
    GunNeeded {
        /// The file.
        path: PathBuf,
        /// The key's role.
        role: KeyRole,
    },
    /// A key could not be opened, sealed or stored.
    #[error("cannot import {path}", path = path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyringError,
    },
}

/// A key of a file, ready to be stored.
enum Ready {
    /// As it came, since nobody needs to open it: under the passphrase and the id that it has.
    Sealed(StoredKey, Zeroizing<String>),
    /// It is here already.
    Present(StoredKey),
}

impl Ready {
    fn key(&self) -> &StoredKey {
        match self {
            Self::Sealed(key, _) | Self::Present(key) => key,
        }
    }
}

impl Keyring {
    /// Stores every private key of a file: all of them, or none if one of them cannot be.
    ///
    /// notary's rules: what a block says of its role and repository comes before `fallback`; what was exported (a block
    /// with `path:`) keeps its id, its passphrase and its bytes, and nobody is asked for a passphrase. Beyond them, a key
    /// that is encrypted and names no id is opened, and stays under the passphrase that opened it.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn import_file(
        &mut self,
        path: &Path,
        fallback: &Fallback,
        rng: &dyn SecureRandom,
    ) -> Result<Vec<Imported>, ImportError> {
        let failed = |source| ImportError::Key { path: path.to_owned(), source };
        let here = self.list().map_err(failed)?;
        let mut ready = Vec::new();
        for file in private_keys(path)? {
            let role = file.role().or_else(|| fallback.role.clone());
            let role = role.unwrap_or_else(|| KeyRole::Signer("delegation".to_owned()));
            let gun = file.gun().or_else(|| fallback.gun.clone()).filter(|_| role.is_of_one_repository());
            if role.is_of_one_repository() && gun.is_none() {
                return Err(ImportError::GunNeeded { path: path.to_owned(), role });
            }
            let next = self.made_ready(&file, path, role, gun, &here, rng).map_err(failed)?;
            if ready.iter().all(|before: &Ready| before.key().id != next.key().id) {
                ready.push(next);
            }
        }
        ready.into_iter().map(|ready| self.put(ready, rng).map_err(failed)).collect()
    }

    /// The private key of a file that holds one, opened with the passphrases of `role` and not stored.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn open_foreign(&self, path: &Path, role: &KeyRole) -> Result<SecretKey, ImportError> {
        let file = private_keys(path)?.into_iter().next().ok_or_else(|| ImportError::NoKey(path.to_owned()))?;
        let failed = |source| ImportError::Key { path: path.to_owned(), source };
        self.open_file(&file, role, &KeyName::File(path)).map_err(failed)
    }

    fn made_ready(
        &self,
        file: &KeyFile,
        path: &Path,
        role: KeyRole,
        gun: Option<Gun>,
        here: &[StoredKey],
        rng: &dyn SecureRandom,
    ) -> Result<Ready, KeyringError> {
        if let (true, Some(id)) = (file.is_encrypted(), file.exported_id()) {
            return self.unless_present(here, &id, |id| {
                let text = file.kept_as(&role, gun.as_ref());
                Ok(Ready::Sealed(self.to_be(id, role, gun), text))
            });
        }
        if !file.is_encrypted() {
            let secret = file.open(None)?;
            return self.unless_present(here, secret.public().id(), |id| {
                let text = self.sealed(&secret, &role, gun.as_ref(), rng)?;
                Ok(Ready::Sealed(self.to_be(id, role, gun), text))
            });
        }
        let under_its_own = |passphrase: &_| {
            let secret = file.open(Some(passphrase))?;
            let text = seal::seal(&secret, &role, gun.as_ref(), passphrase, self.derivation, rng);
            Ok::<_, OpenError>((secret.public().id().clone(), text))
        };
        let (id, text) = self.passphrases.unlock(&role, &KeyName::File(path), under_its_own)?;
        self.unless_present(here, &id, |id| Ok(Ready::Sealed(self.to_be(id, role, gun), text?)))
    }

    fn unless_present(
        &self,
        here: &[StoredKey],
        id: &KeyId,
        make: impl FnOnce(&KeyId) -> Result<Ready, KeyringError>,
    ) -> Result<Ready, KeyringError> {
        match self.find_among(here, id) {
            Ok(key) => Ok(Ready::Present(key)),
            Err(KeyringError::Unknown(_)) => make(id),
            Err(e) => Err(e),
        }
    }

    fn to_be(&self, id: &KeyId, role: KeyRole, gun: Option<Gun>) -> StoredKey {
        StoredKey { path: self.directory.private_key(id), id: id.clone(), role, gun, place: KeyPlace::File }
    }

    fn put(&mut self, ready: Ready, rng: &dyn SecureRandom) -> Result<Imported, KeyringError> {
        match ready {
            Ready::Present(key) => Ok(Imported { key, is_new: false }),
            Ready::Sealed(key, text) => {
                self.files.take();
                write_new(&key.path, &text, rng).map_err(KeyringError::from)?;
                Ok(Imported { key, is_new: true })
            }
        }
    }
}

/// The private keys of a file; certificates and the like beside them are passed over.
fn private_keys(path: &Path) -> Result<Vec<KeyFile>, ImportError> {
    let text = match directory::read(path)? {
        Some(text) => text,
        None if path.exists() => return Err(ImportError::TooLarge(path.to_owned())),
        None => return Err(ImportError::Missing(path.to_owned())),
    };
    let is_private = |label: &str| label.ends_with("PRIVATE KEY");
    let damaged = Block::parse_each(&text).into_iter().filter_map(Result::err).find(|label| is_private(label));
    if let Some(label) = damaged {
        return Err(ImportError::Damaged { path: path.to_owned(), label });
    }
    match KeyFile::parse_all(&text) {
        keys if keys.is_empty() => Err(ImportError::NoKey(path.to_owned())),
        keys => Ok(keys),
    }
}
