//! Sessions with tokens: a token is found by its name, and logged in to once; a PIN that it refused is not tried again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::RawAuthPin;

use super::error::TokenError;
use super::{Module, TokenName};
use crate::keys::{KeyringError, Passphrases};

/// A session that is logged in, for as long as a key of its token is used.
pub(super) type SharedSession = Arc<Mutex<Session>>;

/// The tokens that a module reaches.
#[derive(Default)]
pub(in crate::keys) struct Tokens {
    /// The library; nothing where nobody names one.
    module: Option<Module>,
    /// For what is signed: a token that is protected from writing signs, too.
    sessions: BTreeMap<TokenName, SharedSession>,
    /// Those that refused a PIN in this run.
    refused: BTreeSet<TokenName>,
}

/// A token in its slot.
pub(super) struct Found {
    pub(super) library: Pkcs11,
    pub(super) slot: Slot,
    pub(super) info: TokenInfo,
}

impl Found {
    pub(super) fn name(&self) -> TokenName {
        TokenName { label: self.info.label().to_owned(), serial: self.info.serial_number().to_owned() }
    }
}

impl Tokens {
    pub(in crate::keys) fn of_module(module: Option<Module>) -> Self {
        Self { module, ..Self::default() }
    }

    /// Every token that is there and was initialised.
    pub(super) fn all(&self) -> Result<Vec<Found>, TokenError> {
        let module = self.module.as_ref().ok_or(TokenError::NoModule)?;
        let library = module.load()?;
        let unusable = |source| TokenError::Module { file: module.file().to_owned(), source };
        let slots = library.get_slots_with_token().map_err(unusable)?.into_iter();
        // one token that cannot be read does not hide the others
        let found = slots.filter_map(|slot| {
            let info = library.get_token_info(slot).ok().filter(TokenInfo::token_initialized)?;
            Some(Found { library: library.clone(), slot, info })
        });
        Ok(found.collect())
    }

    /// The one token that a person means: by label or serial number, or the only one.
    pub(in crate::keys) fn meant(&self, text: Option<&str>) -> Result<TokenName, TokenError> {
        let mut names: Vec<_> = self.all()?.iter().map(Found::name).collect();
        if let Some(text) = text {
            names.retain(|name| name.label == text || name.serial == text);
        }
        match (names.as_slice(), text) {
            ([name], _) => Ok(name.clone()),
            ([], Some(text)) => Err(TokenError::NoneNamed(text.to_owned())),
            ([], None) => Err(TokenError::NoToken(
                self.module.as_ref().map(|module| module.file().to_owned()).unwrap_or_default(),
            )),
            (several, Some(text)) => Err(TokenError::Ambiguous { name: text.to_owned(), found: several.len() }),
            (several, None) => Err(TokenError::Which(several.len())),
        }
    }

    /// The token of this label, and of this serial number if it has one.
    pub(super) fn find(&self, name: &TokenName) -> Result<Found, TokenError> {
        let is_it = |found: &Found| found.name() == *name;
        let mut found: Vec<_> = self.all()?.into_iter().filter(is_it).collect();
        match (found.pop(), found.len()) {
            (None, _) => Err(TokenError::Away(name.clone())),
            (Some(found), 0) => Ok(found),
            (Some(_), others) => {
                Err(TokenError::Ambiguous { name: name.label.clone(), found: others.saturating_add(1) })
            }
        }
    }

    /// A session for signing, which all keys of a token share.
    pub(super) fn signing(
        &mut self,
        name: &TokenName,
        passphrases: &Passphrases,
    ) -> Result<SharedSession, KeyringError> {
        if let Some(session) = self.sessions.get(name) {
            return Ok(Arc::clone(session));
        }
        let found = self.find(name)?;
        let session = found.library.open_ro_session(found.slot).map_err(|e| refused(name, e))?;
        self.log_in(&session, &found, passphrases)?;
        let session = Arc::new(Mutex::new(session));
        self.sessions.insert(name.clone(), Arc::clone(&session));
        Ok(session)
    }

    /// A session of its own for making and destroying.
    pub(in crate::keys) fn writing(
        &mut self,
        name: &TokenName,
        passphrases: &Passphrases,
    ) -> Result<Session, KeyringError> {
        let found = self.find(name)?;
        let session = found.library.open_rw_session(found.slot).map_err(|e| refused(name, e))?;
        self.log_in(&session, &found, passphrases)?;
        Ok(session)
    }

    /// All sessions of a process with a token are logged in or none is (PKCS #11 3.0, 5.6).
    fn log_in(&mut self, session: &Session, found: &Found, passphrases: &Passphrases) -> Result<(), KeyringError> {
        let (name, info) = (found.name(), &found.info);
        let state = session.get_session_info().map_err(|e| refused(&name, e))?.session_state();
        if matches!(state, SessionState::RwUser | SessionState::RoUser) || !info.login_required() {
            return Ok(());
        }
        if self.refused.contains(&name) {
            return Err(TokenError::PinRefusedBefore(name).into());
        }
        if info.user_pin_locked() {
            return Err(TokenError::PinLocked(name).into());
        }
        if !info.user_pin_initialized() {
            return Err(TokenError::PinNotSet(name).into());
        }
        let answer = if info.protected_authentication_path() {
            // Typed at the token itself.
            session.login(UserType::User, None)
        } else {
            passphrases.pin(&name, info.user_pin_final_try(), |pin| {
                let pin = RawAuthPin::new(Box::new(pin.expose().to_vec()));
                session.login_with_raw(UserType::User, &pin)
            })?
        };
        let reason = match answer {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => return Ok(()),
            Err(Error::Pkcs11(reason, _)) => reason,
            Err(source) => return Err(TokenError::Refused { token: name, source }.into()),
        };
        let now = found.library.get_token_info(found.slot);
        let error = match reason {
            RvError::PinLocked => TokenError::PinLocked(name.clone()),
            RvError::PinExpired | RvError::UserPinNotInitialized => TokenError::PinNotSet(name.clone()),
            RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange => match now {
                Ok(now) if now.user_pin_locked() => TokenError::PinLocked(name.clone()),
                now => TokenError::PinWrong {
                    token: name.clone(),
                    is_last_try: now.is_ok_and(|now| now.user_pin_final_try()),
                },
            },
            reason => return Err(refused(&name, Error::Pkcs11(reason, cryptoki::context::Function::Login)).into()),
        };
        self.refused.insert(name);
        Err(error.into())
    }
}

pub(super) fn refused(token: &TokenName, source: Error) -> TokenError {
    match source {
        Error::Pkcs11(RvError::DeviceRemoved | RvError::TokenNotPresent | RvError::SlotIdInvalid, _) => {
            TokenError::Away(token.clone())
        }
        source => TokenError::Refused { token: token.clone(), source },
    }
}
