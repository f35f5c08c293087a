//! One session with a token: found by label, opened and logged in when it is needed, and again when it was lost.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use cryptoki::context::{Function, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use tuf_schema::UtcTime;
use tuf_schema::key::KeyShape;
use zeroize::Zeroizing;

use super::failure::{Remedy, TokenError, Trouble};
use super::kind::{always_asks, is_of_kind};
use super::module::{Inside, Module};
use super::{ObjectId, TokenSettings};
use crate::clock::Clock;

/// How often one piece of work is begun: as it is, with another session, with the module begun anew.
const ATTEMPTS: usize = 3;
/// How many objects a session remembers the handles of.
const MAX_HANDLES: usize = 4096;
/// How long after the module was begun anew that is not done again, in seconds: it ends the sessions of everybody.
pub(super) const PAUSE_SECONDS: i64 = 5;

/// What all sessions with a token have in common.
pub(super) struct Shared {
    pub(super) settings: TokenSettings,
    clock: Arc<dyn Clock>,
    /// Held while somebody logs in, so that of several sessions one does.
    refused: RefusedPin,
    /// When the module was last begun anew for this token's sake.
    begun_anew: Mutex<Option<UtcTime>>,
    #[cfg(test)]
    pub(super) logins: std::sync::atomic::AtomicUsize,
}

/// The PIN that a token refused last. However often a token is opened in this process, for its keys or for its wrapping
/// key, a PIN is tried once: tokens lock themselves after a few.
type RefusedPin = Arc<Mutex<Option<Refused>>>;

/// A token as the configuration finds it: by module, label and serial number.
type Place = (PathBuf, String, Option<String>);

static REFUSED: Mutex<BTreeMap<Place, RefusedPin>> = Mutex::new(BTreeMap::new());

/// A PIN that the token does not take.
struct Refused {
    pin: Zeroizing<String>,
    reason: RvError,
}

/// Does the work for a token on a thread of its own.
pub(super) struct Worker {
    shared: Arc<Shared>,
    open: Option<Open>,
}

/// A session that is logged in.
pub(super) struct Open {
    pub(super) session: Session,
    library: Pkcs11,
    slot: Slot,
    /// The beginning of the module that it belongs to.
    beginning: u64,
    handles: HashMap<ObjectId, Known>,
}

/// Where a private object is, and of what kind it is.
struct Known {
    handle: ObjectHandle,
    shape: KeyShape,
}

impl Shared {
    pub(super) fn new(settings: TokenSettings, clock: Arc<dyn Clock>) -> Self {
        let place = (settings.module.clone(), settings.label.clone(), settings.serial.clone());
        let mut known = REFUSED.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = Arc::clone(known.entry(place).or_default());
        Self {
            settings,
            clock,
            refused,
            begun_anew: Mutex::default(),
            #[cfg(test)]
            logins: std::sync::atomic::AtomicUsize::default(),
        }
    }

    /// Whether the module may be begun anew for this token now.
    fn may_begin_anew(&self) -> bool {
        let now = self.clock.now();
        let mut last = self.begun_anew.lock().unwrap_or_else(PoisonError::into_inner);
        // a clock that was set back makes the last time old, not young
        let is_recent = last.is_some_and(|at| (at..at.plus_seconds(PAUSE_SECONDS)).contains(&now));
        if !is_recent {
            *last = Some(now);
        }
        !is_recent
    }

    fn error(&self, trouble: Trouble) -> TokenError {
        let TokenSettings { name, label, serial, .. } = &self.settings;
        let (token, label) = (name.clone(), label.clone());
        match trouble {
            Trouble::Away => TokenError::Away { token, label, serial: serial.clone() },
            Trouble::Ambiguous(found) => TokenError::Ambiguous { token, label, found },
            Trouble::NoPin(source) => TokenError::NoPin { token, source },
            Trouble::PinRefused(reason) => TokenError::PinRefused { token, reason },
            Trouble::NoObject(id) => TokenError::NoObject { token, id },
            Trouble::SeveralObjects { id, found } => TokenError::SeveralObjects { token, id, found },
            Trouble::OtherKind(id) => TokenError::OtherKind { token, id },
            Trouble::AlwaysAsks(id) => TokenError::AlwaysAsks { token, id },
            Trouble::Unfit(fact) => TokenError::Unfit { token, fact },
            Trouble::SecretKeys { label, found } => TokenError::SecretKeys { token, label, found },
            Trouble::UnfitSecretKey { label } => TokenError::UnfitSecretKey { token, label },
            Trouble::Module(Error::Pkcs11(RvError::SessionCount, _)) => TokenError::Busy { token },
            trouble if trouble.remedy() != Remedy::None => match trouble {
                Trouble::Module(source) => TokenError::Silent { token, source },
                _ => TokenError::Away { token, label, serial: serial.clone() },
            },
            Trouble::Module(source) => TokenError::Refused { token, source },
        }
    }
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, open: None }
    }

    /// Does a piece of work in a session, which is opened when there is none. Where another session or the module begun
    /// anew may help, the work is begun again: it must not mind that.
    pub(super) fn run<T>(&mut self, work: &dyn Fn(&mut Open) -> Result<T, Trouble>) -> Result<T, TokenError> {
        let file = self.shared.settings.module.clone();
        let unusable = |source| TokenError::Module { token: self.shared.settings.name.clone(), file, source };
        let module = Module::of_file(&self.shared.settings.module).map_err(unusable)?;
        let mut attempt = 1;
        loop {
            let inside = module.enter();
            let beginning = inside.beginning;
            let trouble = match self.open(&inside).and_then(work) {
                Ok(done) => return Ok(done),
                Err(trouble) => trouble,
            };
            let remedy = trouble.remedy();
            if remedy == Remedy::None || attempt == ATTEMPTS {
                return Err(self.shared.error(trouble));
            }
            self.close(&trouble);
            drop(inside);
            // what another session did not help with
            if remedy == Remedy::NewModule || attempt > 1 {
                if !self.shared.may_begin_anew() {
                    return Err(self.shared.error(trouble));
                }
                tracing::warn!(token = %self.shared.settings.name, ?trouble, "the PKCS #11 module is begun anew");
                module.begin_anew(beginning).map_err(|error| self.shared.error(error.into()))?;
                // once is enough
                attempt = ATTEMPTS;
            } else {
                attempt += 1;
            }
        }
    }

    fn open(&mut self, inside: &Inside<'_>) -> Result<&mut Open, Trouble> {
        let kept = self.open.take().filter(|open| open.beginning == inside.beginning);
        let open = match kept {
            Some(open) => open,
            None => {
                let slot = self.slot(inside)?;
                // closed by hand: a session that was lost may have its number given to another one
                let session = inside.library.open_rw_session_no_drop(slot)?;
                if let Err(trouble) = self.log_in(&session) {
                    let _ = session.close();
                    return Err(trouble);
                }
                Open {
                    session,
                    library: inside.library.clone(),
                    slot,
                    beginning: inside.beginning,
                    handles: HashMap::new(),
                }
            }
        };
        Ok(self.open.insert(open))
    }

    /// Gives the session up. One that has ended is not closed: its number may be another's already.
    fn close(&mut self, trouble: &Trouble) {
        if let Some(open) = self.open.take().filter(|_| !trouble.has_ended_the_session()) {
            // whether or not that goes well, it is not used again
            let _ = open.session.close();
        }
    }

    fn slot(&self, inside: &Inside<'_>) -> Result<Slot, Trouble> {
        let TokenSettings { label, serial, .. } = &self.shared.settings;
        let mut found = Vec::new();
        for slot in inside.library.get_slots_with_token()? {
            // one token that cannot be read does not hide the others
            let Ok(token) = inside.library.get_token_info(slot) else { continue };
            let is_it = token.label() == label && serial.as_ref().is_none_or(|serial| token.serial_number() == serial);
            if is_it {
                found.push(slot);
            }
        }
        match found.as_slice() {
            [] => Err(Trouble::Away),
            [slot] => Ok(*slot),
            slots => Err(Trouble::Ambiguous(slots.len())),
        }
    }

    /// All sessions of a process with a token are logged in or none is (PKCS #11 3.0, 5.6).
    fn log_in(&self, session: &Session) -> Result<(), Trouble> {
        let mut refused = self.shared.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if is_logged_in(session)? {
            return Ok(());
        }
        let pin = self.shared.settings.pin.read().map_err(Trouble::NoPin)?;
        if let Some(refused) = refused.as_ref().filter(|refused| refused.pin == pin) {
            return Err(Trouble::PinRefused(refused.reason));
        }
        #[cfg(test)]
        self.shared.logins.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        match session.login(UserType::User, Some(&AuthPin::new(pin.as_str().into()))) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {
                *refused = None;
                Ok(())
            }
            Err(Error::Pkcs11(reason, _)) if is_about_the_pin(reason) => {
                *refused = Some(Refused { pin, reason });
                Err(Trouble::PinRefused(reason))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Open {
    /// The only private object of this id, if it may be asked for a signature of this kind.
    pub(super) fn private_key(&mut self, id: &ObjectId, shape: KeyShape) -> Result<ObjectHandle, Trouble> {
        if let Some(known) = self.handles.get(id).filter(|known| known.shape == shape) {
            return Ok(known.handle);
        }
        let found = self.find(&[Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Id(id.bytes().to_vec())])?;
        let handle = match found.as_slice() {
            [] => return Err(Trouble::NoObject(id.to_string())),
            [handle] => *handle,
            several => return Err(Trouble::SeveralObjects { id: id.to_string(), found: several.len() }),
        };
        if !is_of_kind(&self.session, handle, shape)? {
            return Err(Trouble::OtherKind(id.to_string()));
        }
        if always_asks(&self.session, handle)? {
            return Err(Trouble::AlwaysAsks(id.to_string()));
        }
        if self.handles.len() >= MAX_HANDLES {
            self.handles.clear();
        }
        self.handles.insert(id.clone(), Known { handle, shape });
        Ok(handle)
    }

    /// The objects that a template fits. To a session whose login was lost a token shows no private object, and says
    /// nothing of that.
    pub(super) fn find(&self, template: &[Attribute]) -> Result<Vec<ObjectHandle>, Trouble> {
        let found = self.session.find_objects(template)?;
        if is_logged_in(&self.session)? { Ok(found) } else { Err(not_logged_in()) }
    }

    /// Fails when the token is not in its slot any more, or the session not logged in.
    pub(super) fn probe(&self) -> Result<(), Trouble> {
        self.library.get_token_info(self.slot)?;
        if is_logged_in(&self.session)? { Ok(()) } else { Err(not_logged_in()) }
    }

    /// Forgets where an object was.
    pub(super) fn forget(&mut self, id: &ObjectId) {
        self.handles.remove(id);
    }
}

fn not_logged_in() -> Trouble {
    Error::Pkcs11(RvError::UserNotLoggedIn, Function::FindObjects).into()
}

fn is_logged_in(session: &Session) -> Result<bool, Error> {
    Ok(match session.get_session_info()?.session_state() {
        SessionState::RwUser | SessionState::RoUser => true,
        SessionState::RwPublic | SessionState::RoPublic | SessionState::RwSecurityOfficer => false,
    })
}

fn is_about_the_pin(code: RvError) -> bool {
    matches!(
        code,
        RvError::PinIncorrect
            | RvError::PinInvalid
            | RvError::PinLenRange
            | RvError::PinExpired
            | RvError::PinLocked
            | RvError::UserPinNotInitialized
    )
}
