//! The PKCS #11 module: somebody's library in this process, with one state for all of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};

/// The modules of this process by their files: each is begun once (PKCS #11 3.0, 5.4).
static MODULES: Mutex<BTreeMap<PathBuf, Pkcs11>> = Mutex::new(BTreeMap::new());

/// Loads a module and begins its work, unless that has been done.
pub(super) fn load(file: &Path) -> Result<Pkcs11, Error> {
    // a map is whole before and after each change
    let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(library) = modules.get(file) {
        return Ok(library.clone());
    }
    let library = Pkcs11::new(file)?;
    match library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(error),
    }
    modules.insert(file.to_owned(), library.clone());
    Ok(library)
}

/// Ends the work of all modules: what a token is that was initialised since is seen when they are begun anew.
#[cfg(test)]
pub(super) fn end_all() {
    let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *modules).into_values().for_each(|library| library.finalize().unwrap());
}
