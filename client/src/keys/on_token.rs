//! The keys of a trust directory that are on tokens: made there, taken in, opened, destroyed.

use std::path::Path;

use ring::rand::SecureRandom;
use tuf_schema::key::{Curve, KeyShape};
use tuf_schema::{Gun, KeyId, PublicKey};

use super::directory::read_stub;
use super::new_file::write_new;
use super::role::KeyRole;
use super::token::{ObjectId, Stub, TokenError, TokenKey, TokenName, TokenObject, TokenShown, destroy, make};
use super::{KeyPlace, Keyring, KeyringError, StoredKey};

/// What a key signs to show that it is the private half of a public one. No document of any role.
const CANARY: &[u8] = b"bulla: does this key sign?";

/// A key that is taken in from a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The key as it is known here now.
    pub key: StoredKey,
    /// Its public half.
    pub public: PublicKey,
    /// Whether the token says that the private half cannot leave it.
    pub stays: bool,
}

/// A token that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbsentToken {
    /// Which.
    pub token: TokenName,
    /// The keys on it.
    pub keys: Vec<KeyId>,
}

impl Keyring {
    /// The tokens that are there, with their keys as far as they show them without a PIN.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn tokens(&self) -> Result<Vec<TokenShown>, TokenError> {
        self.tokens.list()
    }

    /// Makes a key on a token, the one of this label or serial number or the only one, and keeps where it is. The private
    /// half never leaves the token.
    ///
    /// # Errors
    /// [`KeyringError`]; no key is then left behind.
    pub fn create_on_token(
        &mut self,
        token: Option<&str>,
        shape: KeyShape,
        role: KeyRole,
        gun: Option<&Gun>,
        rng: &dyn SecureRandom,
    ) -> Result<Kept, KeyringError> {
        let token = self.tokens.meant(token)?;
        let object = TokenObject { token, id: ObjectId::random(rng).ok_or(TokenError::Randomness)? };
        let session = self.tokens.writing(&object.token, &self.passphrases)?;
        let label = gun.map_or_else(|| format!("bulla {role}"), |gun| format!("bulla {gun} {role}"));
        let made = make(&session, &object, shape, &label).map_err(KeyringError::from);
        let kept = made.and_then(|public| self.keep(object.clone(), public, role, gun, rng));
        if kept.is_err() {
            // The first error counts.
            let _ = destroy(&session, &object);
        }
        kept
    }

    /// Takes a key in that is on a token already, by its object's id. One that was taken in before keeps its role.
    ///
    /// # Errors
    /// [`KeyringError`], also when it does not sign.
    pub fn take_from_token(
        &mut self,
        token: Option<&str>,
        id: ObjectId,
        role: KeyRole,
        gun: Option<&Gun>,
        rng: &dyn SecureRandom,
    ) -> Result<Kept, KeyringError> {
        let object = TokenObject { token: self.tokens.meant(token)?, id };
        let public = self.tokens.public_half(&object)?;
        match self.find(public.id()) {
            Ok(key) if key.token() == Some(&object) => {
                let stays = self.open_proved(&object, public.clone())?.stays()?;
                Ok(Kept { key, public, stays })
            }
            Ok(key) => Err(KeyringError::HereAlready { path: key.path, key: key.id }),
            Err(KeyringError::Unknown(_)) => self.keep(object, public, role, gun, rng),
            Err(e) => Err(e),
        }
    }

    /// Destroys a key on its token, then forgets it. It is gone for good, so it has to sign once more: what lies in its
    /// place by now may be another key.
    ///
    /// # Errors
    /// [`KeyringError`]; nothing is then destroyed.
    pub fn destroy(&mut self, key: &StoredKey) -> Result<(), KeyringError> {
        let KeyPlace::Token(object) = &key.place else { return Err(KeyringError::NotOnToken(key.id.clone())) };
        self.open_on_token(key, object)?.prove(CANARY)?;
        let session = self.tokens.writing(&object.token, &self.passphrases)?;
        destroy(&session, object)?;
        self.remove(key)
    }

    /// The key of a token that a file of ours tells of; nothing if `path` is no such file of this directory.
    ///
    /// # Errors
    /// [`KeyringError::File`].
    pub fn told_of_by(&self, path: &Path) -> Result<Option<StoredKey>, KeyringError> {
        let Ok(path) = path.canonicalize() else { return Ok(None) };
        let is_it = |key: &StoredKey| key.token().is_some() && key.path.canonicalize().is_ok_and(|p| p == path);
        Ok(self.list()?.into_iter().find(is_it))
    }

    /// A key for a role of a repository that is begun: the first by id that was made for it on a token, else a new one in
    /// a file.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn for_new_repository(
        &mut self,
        role: KeyRole,
        gun: &Gun,
        rng: &dyn SecureRandom,
    ) -> Result<StoredKey, KeyringError> {
        let is_it = |key: &StoredKey| key.token().is_some() && key.role == role && key.gun.as_ref() == Some(gun);
        match self.list()?.into_iter().find(is_it) {
            Some(key) => Ok(key),
            None => self.create(role, Some(gun), rng),
        }
    }

    /// The tokens of keys here that are not there now.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn absent_tokens(&self) -> Result<Vec<AbsentToken>, KeyringError> {
        let keys = self.list()?;
        let mut names: Vec<&TokenName> =
            keys.iter().filter_map(|key| key.token().map(|object| &object.token)).collect();
        names.sort();
        names.dedup();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let absent = self.tokens.absent(names.into_iter())?.into_iter();
        let on = |token: &TokenName| {
            let there = keys.iter().filter(|key| key.token().is_some_and(|object| &object.token == token));
            there.map(|key| key.id.clone()).collect()
        };
        Ok(absent.map(|token| AbsentToken { keys: on(&token), token }).collect())
    }

    pub(super) fn open_on_token(&mut self, key: &StoredKey, object: &TokenObject) -> Result<TokenKey, KeyringError> {
        let stub = read_stub(&key.path)?;
        if stub.id() != &key.id {
            return Err(KeyringError::WrongName { path: key.path.clone(), found: stub.id().clone() });
        }
        TokenKey::open(&mut self.tokens, object, stub.public, &self.passphrases)
    }

    /// Opens a key of a token, and has it sign.
    fn open_proved(&mut self, object: &TokenObject, public: PublicKey) -> Result<TokenKey, KeyringError> {
        let key = TokenKey::open(&mut self.tokens, object, public, &self.passphrases)?;
        key.prove(CANARY)?;
        Ok(key)
    }

    /// Has the key sign, and writes down where it is.
    fn keep(
        &mut self,
        object: TokenObject,
        public: PublicKey,
        role: KeyRole,
        gun: Option<&Gun>,
        rng: &dyn SecureRandom,
    ) -> Result<Kept, KeyringError> {
        if role == KeyRole::Root && !may_be_root(&public) {
            let fact = "nobody reads root certificates of keys of its kind; a root key is on P-256 or P-384, or RSA";
            return Err(TokenError::Unfit { token: object.token, object: object.id, fact }.into());
        }
        let key = self.open_proved(&object, public.clone())?;
        let stays = key.stays()?;
        let stub = Stub { role: role.clone(), gun: gun.cloned(), object: object.clone(), public: public.clone() };
        let path = self.directory.token_stub(public.id());
        self.files.take();
        write_new(&path, stub.to_text(), rng)?;
        self.opened.insert(public.id().clone(), super::HeldKey::Token(key));
        let key = StoredKey { id: public.id().clone(), role, gun: gun.cloned(), place: KeyPlace::Token(object), path };
        Ok(Kept { key, public, stays })
    }
}

fn may_be_root(public: &PublicKey) -> bool {
    matches!(public.shape(), Some(KeyShape::Ecdsa(Curve::P256 | Curve::P384) | KeyShape::Rsa { .. }))
}
