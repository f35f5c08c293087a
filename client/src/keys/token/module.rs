//! The PKCS #11 module: somebody's library in this process, with one state for all of it.
//!
//! Who names it chooses what runs here with the keys of this process. A trust directory may be a copy of somebody else's,
//! so its `bulla.json` names a library of the system and no other.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};

use super::error::TokenError;

/// The modules of this process by their files: each is begun once (PKCS #11 3.0, 5.4).
static MODULES: Mutex<BTreeMap<PathBuf, Pkcs11>> = Mutex::new(BTreeMap::new());

/// The library through which tokens are reached, by who names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Module {
    /// The environment, which chooses this program, too.
    OfEnvironment(PathBuf),
    /// `bulla.json` of the trust directory.
    OfDirectory(PathBuf),
}

/// Why a module is not loaded: others than those who may choose it can change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposed {
    module: Module,
    /// The file, or a directory above it.
    path: PathBuf,
}

impl Module {
    /// The library.
    #[must_use]
    pub fn file(&self) -> &Path {
        match self {
            Self::OfEnvironment(file) | Self::OfDirectory(file) => file,
        }
    }

    /// Loads it and begins its work, unless that has been done.
    pub(super) fn load(&self) -> Result<Pkcs11, TokenError> {
        let unusable = |source| TokenError::Module { file: self.file().to_owned(), source };
        // What links lead to is what is judged and loaded. A bare name is for the loader, as what lies in the working
        // directory is nobody's choice; it also tells what is not there.
        let is_bare = self.file().components().count() == 1;
        let found = if is_bare { None } else { self.file().canonicalize().ok() };
        let file = found.unwrap_or_else(|| self.file().to_owned());
        if let Some(path) = file.ancestors().find(|path| self.is_open_to_others(path)) {
            return Err(Exposed { module: self.clone(), path: path.to_owned() }.into());
        }
        // a map is whole before and after each change
        let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = modules.get(&file) {
            return Ok(library.clone());
        }
        let library = Pkcs11::new(&file).map_err(unusable)?;
        match library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(unusable(error)),
        }
        modules.insert(file, library.clone());
        Ok(library)
    }

    #[cfg(unix)]
    fn is_open_to_others(&self, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        const GROUP_WRITES: u32 = 0o020;
        const EVERYBODY_WRITES: u32 = 0o002;
        const STICKY: u32 = 0o1000;
        let Ok(metadata) = path.metadata() else { return false };
        let mode = metadata.mode();
        // In a sticky directory nobody takes another's file away.
        let everybody = mode & EVERYBODY_WRITES != 0 && !(metadata.is_dir() && mode & STICKY != 0);
        match self {
            Self::OfEnvironment(_) => everybody,
            Self::OfDirectory(_) => metadata.uid() != 0 || mode & (GROUP_WRITES | EVERYBODY_WRITES) != 0,
        }
    }

    #[cfg(not(unix))]
    fn is_open_to_others(&self, _: &Path) -> bool {
        false
    }
}

impl fmt::Display for Exposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, path) = (self.module.file().display(), self.path.display());
        match self.module {
            Module::OfEnvironment(_) => {
                write!(f, "the PKCS #11 module {file} is not loaded: everybody may write to {path}")
            }
            Module::OfDirectory(_) => write!(
                f,
                "the PKCS #11 module {file}, which bulla.json names, is not loaded: others than root may write to {path}; if \
                 it is meant, name it in BULLA_PKCS11_MODULE"
            ),
        }
    }
}

impl From<Exposed> for TokenError {
    fn from(exposed: Exposed) -> Self {
        Self::Exposed(Box::new(exposed))
    }
}

/// Ends the work of all modules: what a token is that was initialised since is seen when they are begun anew.
#[cfg(test)]
pub(super) fn end_all() {
    let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *modules).into_values().for_each(|library| library.finalize().unwrap());
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn is_exposed(module: &Module) -> bool {
        match module.load().unwrap_err() {
            TokenError::Exposed(_) => true,
            TokenError::Module { .. } => false,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_trust_directory_names_libraries_of_the_system_alone() {
        // Root's alone, and no library.
        assert!(!is_exposed(&Module::OfDirectory("/etc/passwd".into())));
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("m.so");
        fs::write(&file, "").unwrap();
        assert!(is_exposed(&Module::OfDirectory(file.clone())), "below a directory that everybody may write to");
        assert!(!is_exposed(&Module::OfEnvironment(file.clone())));
        // Wherever the name leads.
        let link = home.path().join("system.so");
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        assert!(!is_exposed(&Module::OfDirectory(link)));
        assert!(is_exposed(&Module::OfDirectory(Path::new("/etc/..").join(file.strip_prefix("/").unwrap()))));
    }

    #[test]
    fn a_module_that_everybody_may_change_is_loaded_for_nobody() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("d");
        fs::create_dir(&directory).unwrap();
        let file = directory.join("m.so");
        fs::write(&file, "").unwrap();
        let module = Module::OfEnvironment(file.clone());
        for (of_directory, of_file, exposed) in [
            (0o755, 0o644, false),
            (0o775, 0o664, false),
            (0o1777, 0o644, false),
            (0o755, 0o646, true),
            (0o755, 0o1646, true),
            (0o777, 0o644, true),
        ] {
            fs::set_permissions(&directory, fs::Permissions::from_mode(of_directory)).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(of_file)).unwrap();
            assert_eq!(is_exposed(&module), exposed, "{of_directory:o} {of_file:o}");
        }
    }
}
