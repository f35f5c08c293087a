//! The passphrase of a bundle of keys: one of its own, which opens none of the keys in it.

use std::io;
use std::path::Path;

use tuf_schema::sign::Passphrase;

use super::{PassphraseError, Passphrases};

impl Passphrases {
    /// Hands `seal` the passphrase for a new bundle: the one given for it, else one that is asked for twice.
    ///
    /// # Errors
    /// [`PassphraseError`].
    pub(crate) fn for_new_bundle<T>(
        &self,
        file: &Path,
        seal: impl FnOnce(&Passphrase) -> T,
    ) -> Result<T, PassphraseError> {
        let what = format!("new {}", describe(file));
        match self.sources.of_bundle().next() {
            Some(source) => Ok(seal(self.text(source, &what)?)),
            None => self.ask_twice(what, nobody).map(|passphrase| seal(&passphrase)),
        }
    }

    /// Tries passphrases on a bundle until `open` gives something: those that are given for it, or else some that are
    /// asked for.
    ///
    /// # Errors
    /// [`PassphraseError`].
    pub(crate) fn unlock_bundle<T>(
        &self,
        file: &Path,
        open: impl FnMut(&Passphrase) -> Option<T>,
    ) -> Result<T, PassphraseError> {
        self.until_one_fits(describe(file), self.sources.of_bundle(), nobody, open)
    }
}

fn describe(file: &Path) -> String {
    format!("bundle {}", file.display())
}

fn nobody(what: String, source: io::Error) -> PassphraseError {
    PassphraseError::NobodyToAskForBundle { what, source }
}
