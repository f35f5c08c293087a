//! People's private keys: in the files that docker and notary share with us, and on tokens of which files of ours tell.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ring::rand::SecureRandom;
use tuf_schema::sign::{SecretKey, SecretKind};
use tuf_schema::{Gun, KeyId, SigningKey as _};
use zeroize::Zeroizing;

mod directory;
mod error;
pub mod file;
mod held;
pub mod import;
pub mod new_file;
mod on_token;
pub mod passphrase;
pub(crate) mod pem;
pub mod public_file;
mod role;
pub mod seal;
pub mod token;
mod traditional;

pub use error::KeyringError;
pub use file::{KeyFile, OpenError, key_id};
pub use held::HeldKey;
pub use import::{Fallback, ImportError};
pub use on_token::{AbsentToken, Kept};
pub use passphrase::{PassphraseError, Passphrases, Prompt};
pub use role::{KeyRole, RoleNameError};
pub use seal::{Derivation, SealError};

use crate::cache::{FileError, write_private};
use crate::exposure;
use crate::paths::TrustDirectory;
use directory::Found;
use new_file::write_new;
use passphrase::KeyName;
use token::{Module, TokenObject, Tokens};

/// The private keys of a trust directory, opened at most once each. The directory is read once, too, and again after this
/// keyring has written to it; what others put there meanwhile is for the next run.
pub struct Keyring {
    directory: TrustDirectory,
    passphrases: Passphrases,
    derivation: Derivation,
    opened: BTreeMap<KeyId, HeldKey>,
    /// Tokens, which are looked for when something is first asked of one.
    tokens: Tokens,
    /// Every file of a key, by id, once they have been read.
    files: OnceLock<Vec<StoredKey>>,
}

/// A private key on disk or on a token, by what its file says without a passphrase or a PIN.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredKey {
    /// The id of the bare public key.
    pub id: KeyId,
    /// What the key is for.
    pub role: KeyRole,
    /// The repository it is for, if it is for one only.
    pub gun: Option<Gun>,
    /// Where the key itself is.
    pub place: KeyPlace,
    path: PathBuf,
}

/// Where a private key is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyPlace {
    /// In its file, sealed.
    File,
    /// On a token, of which its file only tells.
    Token(TokenObject),
}

/// A key that was to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The key as it is stored now.
    pub key: StoredKey,
    /// Whether it was not there before. What was there is left as it is, with its role and its passphrase.
    pub is_new: bool,
}

impl StoredKey {
    /// Its file: with the key, or with where on a token it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it is, if it is on a token.
    #[must_use]
    pub fn token(&self) -> Option<&TokenObject> {
        match &self.place {
            KeyPlace::File => None,
            KeyPlace::Token(object) => Some(object),
        }
    }

    /// Refuses what can only be done with a key in a file.
    pub(crate) fn expect_file(&self, what: &'static str) -> Result<(), KeyringError> {
        match &self.place {
            KeyPlace::File => Ok(()),
            KeyPlace::Token(object) => {
                Err(KeyringError::OnToken { key: self.id.clone(), object: Box::new(object.clone()), what })
            }
        }
    }
}

impl Keyring {
    /// The keys in `directory`.
    #[must_use]
    pub fn new(directory: TrustDirectory, passphrases: Passphrases) -> Self {
        Self {
            directory,
            passphrases,
            derivation: Derivation::Compatible,
            opened: BTreeMap::new(),
            tokens: Tokens::default(),
            files: OnceLock::new(),
        }
    }

    /// The same, with what is written from now on sealed in another way than docker's.
    #[must_use]
    pub fn with_derivation(self, derivation: Derivation) -> Self {
        Self { derivation, ..self }
    }

    /// The same, with this PKCS #11 module for keys that are on tokens.
    #[must_use]
    pub fn with_module(self, module: Option<Module>) -> Self {
        Self { tokens: Tokens::of_module(module), ..self }
    }

    /// Says what somebody should look at, and not at each of several times.
    pub(crate) fn warn_once(&self, text: &str) {
        self.passphrases.warn_once(text);
    }

    /// All private keys, by id, each once. Files that hold none are passed over with a warning: see [`Keyring::damaged`].
    ///
    /// # Errors
    /// [`KeyringError::File`].
    pub fn list(&self) -> Result<Vec<StoredKey>, KeyringError> {
        let mut keys = self.files()?.to_vec();
        keys.dedup_by(|a, b| a.id == b.id);
        Ok(keys)
    }

    /// The files that are named as keys and hold none that can be read.
    ///
    /// # Errors
    /// [`KeyringError::File`].
    pub fn damaged(&self) -> Result<Vec<PathBuf>, KeyringError> {
        let found = directory::list(&self.directory)?.into_iter();
        let damaged = |found| match found {
            Found::Key(_) => None,
            Found::NoKey(path) | Found::Unreadable(path, _) => Some(path),
        };
        Ok(found.filter_map(damaged).collect())
    }

    /// The key of an id.
    ///
    /// # Errors
    /// [`KeyringError::Unknown`] when it is not here, [`KeyringError::NotAKey`] when its file is damaged,
    /// [`KeyringError::File`].
    pub fn find(&self, id: &KeyId) -> Result<StoredKey, KeyringError> {
        self.find_among(self.files()?, id)
    }

    /// Makes the key ready to sign, asking for its passphrase, or for the PIN of its token, if it is not yet.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn open(&mut self, key: &StoredKey) -> Result<&HeldKey, KeyringError> {
        if !self.opened.contains_key(&key.id) {
            let held = match &key.place {
                KeyPlace::File => {
                    let file = directory::read_key(&key.path)?;
                    if let Some(exposed) = exposure::of_key(&key.path) {
                        self.passphrases.warn(&exposed);
                    }
                    HeldKey::File(self.open_stored(&file, key)?)
                }
                KeyPlace::Token(object) => HeldKey::Token(self.open_on_token(key, object)?),
            };
            self.opened.insert(key.id.clone(), held);
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
        self.create_of_kind(SecretKind::EcdsaP256, role, gun, rng)
    }

    /// Makes a key of any kind that can be made, and seals it on disk before anything uses it.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn create_of_kind(
        &mut self,
        kind: SecretKind,
        role: KeyRole,
        gun: Option<&Gun>,
        rng: &dyn SecureRandom,
    ) -> Result<StoredKey, KeyringError> {
        self.store(SecretKey::generate(kind, rng)?, role, gun, rng)
    }

    /// Stores a key that was made elsewhere under the passphrase of its role; one that is here already stays as it is.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn import(
        &mut self,
        secret: SecretKey,
        role: KeyRole,
        gun: Option<&Gun>,
        rng: &dyn SecureRandom,
    ) -> Result<Imported, KeyringError> {
        match self.find(secret.public().id()) {
            Ok(key) => Ok(Imported { key, is_new: false }),
            Err(KeyringError::Unknown(_)) => Ok(Imported { key: self.store(secret, role, gun, rng)?, is_new: true }),
            Err(e) => Err(e),
        }
    }

    /// The text of a key file, sealed as in the trust directory and not stored there.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn sealed(
        &self,
        secret: &SecretKey,
        role: &KeyRole,
        gun: Option<&Gun>,
        rng: &dyn SecureRandom,
    ) -> Result<Zeroizing<String>, KeyringError> {
        let seal = |passphrase: &_| seal::seal(secret, role, gun, passphrase, self.derivation, rng);
        Ok(self.passphrases.for_new(role, secret.public().id(), seal)??)
    }

    /// The text of a new key for a file of its own: sealed as in the trust directory, not stored there, and with its id
    /// as in an export, for want of which neither docker nor notary imports it.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn sealed_for_export(
        &self,
        secret: &SecretKey,
        role: &KeyRole,
        gun: Option<&Gun>,
        rng: &dyn SecureRandom,
    ) -> Result<Zeroizing<String>, KeyringError> {
        let text = self.sealed(secret, role, gun, rng)?;
        let file = KeyFile::parse_all(&text).into_iter().next().ok_or(SealError::Encrypt)?;
        Ok(file.exported_as(role, gun, secret.public().id()))
    }

    /// Seals a key under another passphrase, in every file that it has: none must still open with the old one. Where a
    /// symbolic link leads to a file, that file is written.
    ///
    /// # Errors
    /// [`KeyringError`]; unless it is [`KeyringError::File`], all files are then as they were.
    pub fn change_passphrase(&mut self, key: &StoredKey, rng: &dyn SecureRandom) -> Result<(), KeyringError> {
        key.expect_file("no passphrase seals it; change the PIN of the token with its maker's tool")?;
        let derivation = self.derivation;
        self.open(key)?;
        let mut files = self.files_of(&key.id)?;
        files.retain(|file| file.place == KeyPlace::File);
        // What another file of that name holds would be lost if it were another key.
        for other in files.iter().filter(|file| file.path != key.path) {
            self.open_stored(&directory::read_key(&other.path)?, other)?;
        }
        let Some(HeldKey::File(secret)) = self.opened.get(&key.id) else {
            return Err(KeyringError::Unknown(key.id.clone()));
        };
        let sealed = |passphrase: &_| {
            let seal =
                |file: &StoredKey| seal::seal(secret, &file.role, file.gun.as_ref(), passphrase, derivation, rng);
            files.iter().map(seal).collect::<Result<Vec<_>, _>>()
        };
        let texts = self.passphrases.in_place_of_old(&key.role, &key.id, sealed)??;
        for (StoredKey { path, .. }, text) in files.iter().zip(&texts) {
            let place = fs::canonicalize(path).map_err(|source| FileError::Read { path: path.clone(), source })?;
            write_private(&place, text.as_bytes(), rng)?;
        }
        Ok(())
    }

    /// A key as notary exports it: the block of its file, still sealed, with `path: ID`.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn exported(&self, key: &StoredKey) -> Result<Zeroizing<String>, KeyringError> {
        key.expect_file("there is nothing to export; make a key on a second token, and have both named, for a spare")?;
        Ok(directory::read_key(&key.path)?.exported_as(&key.role, key.gun.as_ref(), &key.id))
    }

    /// Removes every file of a key. What is on a token stays there: see [`Keyring::destroy`].
    ///
    /// # Errors
    /// [`KeyringError::Unknown`] when there is none, [`KeyringError::Remove`], [`KeyringError::File`].
    pub fn remove(&mut self, key: &StoredKey) -> Result<(), KeyringError> {
        let files = self.files_of(&key.id)?;
        if files.is_empty() {
            return Err(KeyringError::Unknown(key.id.clone()));
        }
        self.opened.remove(&key.id);
        self.files.take();
        for StoredKey { path, .. } in files {
            fs::remove_file(&path).map_err(|source| KeyringError::Remove { path, source })?;
        }
        Ok(())
    }

    /// Where the passphrases of keys and bundles come from.
    pub(crate) fn passphrases(&self) -> &Passphrases {
        &self.passphrases
    }

    /// What a key file would be at `path` in the trust directory, by what it says without a passphrase.
    pub(crate) fn described(&self, path: PathBuf, content: &[u8]) -> Result<StoredKey, KeyringError> {
        let text = directory::text_of(Zeroizing::new(content.to_owned()));
        let text = text.ok_or_else(|| KeyringError::NotAKey(path.clone()))?;
        directory::said(&self.directory.private(), path, &text).map_err(KeyringError::NotAKey)
    }

    /// Opens the key in `content`, a file of `key`, if that takes no passphrase or one that is given; nobody is asked.
    /// Whether it was opened, and is then the key that the name says.
    ///
    /// # Errors
    /// [`KeyringError::WrongName`] and others, that say what is wrong with the key.
    pub(crate) fn opens_unasked(&self, key: &StoredKey, content: &[u8]) -> Result<bool, KeyringError> {
        let text = directory::text_of(Zeroizing::new(content.to_owned()));
        let file = text.and_then(|text| KeyFile::parse_all(&text).into_iter().next());
        let file = file.ok_or_else(|| KeyringError::NotAKey(key.path.clone()))?;
        let secret = if file.is_encrypted() {
            self.passphrases
                .unlock_unasked(&key.role, &KeyName::Id(&key.id), |passphrase| file.open(Some(passphrase)))?
        } else {
            Some(file.open(None)?)
        };
        match secret {
            None => Ok(false),
            Some(secret) if secret.public().id() == &key.id => Ok(true),
            Some(secret) => {
                Err(KeyringError::WrongName { path: key.path.clone(), found: secret.public().id().clone() })
            }
        }
    }

    /// The key in a file, for a copy of it that others are to have; its passphrase is asked for.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub(crate) fn taken_out(&self, key: &StoredKey) -> Result<SecretKey, KeyringError> {
        key.expect_file("there is nothing to share; make a key on a second token, and have both named, for a spare")?;
        if let Some(exposed) = exposure::of_key(&key.path) {
            self.passphrases.warn(&exposed);
        }
        self.open_stored(&directory::read_key(&key.path)?, key)
    }

    /// Opens a stored key if that takes no passphrase or one that is given; nobody is asked. Whether it was opened.
    ///
    /// # Errors
    /// [`KeyringError::WrongName`]: it is another key than its name says.
    pub(crate) fn is_what_it_says(&self, key: &StoredKey) -> Result<bool, KeyringError> {
        key.expect_file("to have it in a file, too, forget where on the token it is first, with bulla key remove")?;
        let text = directory::read(&key.path)?.ok_or_else(|| KeyringError::NotAKey(key.path.clone()))?;
        self.opens_unasked(key, text.as_bytes())
    }

    fn find_among(&self, here: &[StoredKey], id: &KeyId) -> Result<StoredKey, KeyringError> {
        let places = [self.directory.private_key(id), self.directory.token_stub(id)];
        match here.iter().find(|key| &key.id == id) {
            Some(key) => Ok(key.clone()),
            None => match places.into_iter().find(|place| place.exists()) {
                Some(place) => Err(KeyringError::NotAKey(place)),
                None => Err(KeyringError::Unknown(id.clone())),
            },
        }
    }

    /// The files of one key that are there now: none must be left out that is to be sealed anew or removed.
    fn files_of(&mut self, id: &KeyId) -> Result<Vec<StoredKey>, KeyringError> {
        self.files.take();
        Ok(self.files()?.iter().filter(|file| &file.id == id).cloned().collect())
    }

    /// Every file of a key, by id.
    fn files(&self) -> Result<&[StoredKey], KeyringError> {
        if let Some(files) = self.files.get() {
            return Ok(files);
        }
        let mut keys = Vec::new();
        for found in directory::list(&self.directory)? {
            match found {
                Found::Key(key) => keys.push(key),
                Found::NoKey(path) => {
                    self.passphrases.warn_once(&format!("{} holds no private key that can be read", path.display()));
                }
                Found::Unreadable(_, FileError::Read { path, source } | FileError::Write { path, source }) => {
                    self.passphrases.warn_once(&format!("cannot read {}: {source}", path.display()));
                }
            }
        }
        keys.sort();
        Ok(self.files.get_or_init(|| keys))
    }

    /// The key in the file of `stored`, if it is the one that the name says.
    fn open_stored(&self, file: &KeyFile, stored: &StoredKey) -> Result<SecretKey, KeyringError> {
        let secret = self.open_file(file, &stored.role, &KeyName::Id(&stored.id))?;
        match secret.public().id() {
            found if found == &stored.id => Ok(secret),
            found => Err(KeyringError::WrongName { path: stored.path.clone(), found: found.clone() }),
        }
    }

    /// The key in a file, which need not lie in the trust directory, opened with the passphrases of a role.
    fn open_file(&self, file: &KeyFile, role: &KeyRole, name: &KeyName<'_>) -> Result<SecretKey, KeyringError> {
        if file.is_encrypted() {
            Ok(self.passphrases.unlock(role, name, |passphrase| file.open(Some(passphrase)))?)
        } else {
            Ok(file.open(None)?)
        }
    }

    fn store(
        &mut self,
        secret: SecretKey,
        role: KeyRole,
        gun: Option<&Gun>,
        rng: &dyn SecureRandom,
    ) -> Result<StoredKey, KeyringError> {
        let sealed = self.sealed(&secret, &role, gun, rng)?;
        let id = secret.public().id().clone();
        let path = self.directory.private_key(&id);
        self.files.take();
        write_new(&path, &sealed, rng)?;
        self.opened.insert(id.clone(), HeldKey::File(secret));
        Ok(StoredKey { id, role, gun: gun.cloned(), place: KeyPlace::File, path })
    }
}
