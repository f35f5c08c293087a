//! A PKCS #11 module: somebody's library in this process, with one state for all of it.
//!
//! A module is begun once for a process, however many tokens are reached through it (PKCS #11 3.0, 5.4). Ending and
//! beginning it anew is how most modules notice a token that was put back; nobody may be inside it meanwhile.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};

/// The modules of this process by their files.
static MODULES: Mutex<BTreeMap<PathBuf, Arc<Module>>> = Mutex::new(BTreeMap::new());

/// A module that is loaded.
pub(super) struct Module {
    library: Pkcs11,
    /// How often it was begun. Whoever holds it to read is inside the module.
    begun: RwLock<u64>,
}

/// The module, while nobody ends it.
pub(super) struct Inside<'m> {
    pub(super) library: &'m Pkcs11,
    /// Which beginning this is: sessions and handles of earlier ones mean nothing.
    pub(super) beginning: u64,
    _guard: RwLockReadGuard<'m, u64>,
}

impl Module {
    /// Loads a module and begins its work, unless that has been done.
    pub(super) fn of_file(file: &Path) -> Result<Arc<Self>, Error> {
        // a map is whole before and after each change
        let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = modules.get(file) {
            return Ok(Arc::clone(module));
        }
        let library = Pkcs11::new(file)?;
        begin(&library)?;
        let module = Arc::new(Self { library, begun: RwLock::new(1) });
        modules.insert(file.to_owned(), Arc::clone(&module));
        Ok(module)
    }

    /// Waits while the module is begun anew.
    pub(super) fn enter(&self) -> Inside<'_> {
        let guard = self.begun.read().unwrap_or_else(PoisonError::into_inner);
        Inside { library: &self.library, beginning: *guard, _guard: guard }
    }

    /// Ends the module's work and begins it anew, unless another has done so since `beginning`. Ends every session, also
    /// of other tokens: their owners find out, and open others.
    pub(super) fn begin_anew(&self, beginning: u64) -> Result<(), Error> {
        let mut begun = self.begun.write().unwrap_or_else(PoisonError::into_inner);
        if *begun != beginning {
            return Ok(());
        }
        *begun += 1;
        match self.library.clone().finalize() {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiNotInitialized, _)) => begin(&self.library),
            Err(error) => Err(error),
        }
    }
}

fn begin(library: &Pkcs11) -> Result<(), Error> {
    match library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
        Err(error) => Err(error),
    }
}
