//! Tokens for tests: each its own, in the SoftHSM that the environment names.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cryptoki::session::Session;
use tuf_schema::sign::Passphrase;

use super::{Module, TokenObject, Tokens};
use crate::config::process_variable;
use crate::keys::passphrase::Sources;
use crate::keys::{Keyring, Passphrases, Prompt};
use crate::paths::TrustDirectory;

/// The PIN of each token.
pub(in crate::keys) const PIN: &str = "1234";

/// The tests that use SoftHSM take turns: its list of tokens is one for the process.
static TURN: Mutex<()> = Mutex::new(());

/// A token that was initialised for one test, and a trust directory.
pub(in crate::keys) struct ScratchToken {
    pub(in crate::keys) label: String,
    pub(in crate::keys) home: tempfile::TempDir,
    pub(in crate::keys) module: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

/// Types this PIN whenever it is asked, and keeps the questions.
#[derive(Clone)]
pub(in crate::keys) struct Typist(pub(in crate::keys) &'static str, pub(in crate::keys) Arc<Mutex<Vec<String>>>);

impl Prompt for Typist {
    fn secret(&self, text: &str) -> std::io::Result<Passphrase> {
        self.1.lock().unwrap().push(text.to_owned());
        Ok(Passphrase::from_text(self.0.to_owned()))
    }

    fn say(&self, text: &str) {
        self.1.lock().unwrap().push(text.to_owned());
    }
}

impl ScratchToken {
    /// A new token; nothing where the environment names no module, which is a failure where it must.
    pub(in crate::keys) fn new(name: &str) -> Option<Self> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let value = |variable| process_variable(variable).filter(|value| !value.is_empty());
        let Some(module) = value("BULLA_TEST_PKCS11_MODULE") else {
            let is = |variable, wanted: &str| value(variable).is_some_and(|value| value == wanted);
            assert!(!is("CI", "true") && !is("BULLA_TEST_ENGINES", "required"), "BULLA_TEST_PKCS11_MODULE is not set");
            println!("left out: BULLA_TEST_PKCS11_MODULE is not set");
            return None;
        };
        // Runs of the tests share one SoftHSM.
        let home = tempfile::Builder::new().prefix("").rand_bytes(8).tempdir().unwrap();
        let label = format!("{name} {}", home.path().file_name()?.to_str()?);
        let initialised = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", &label, "--pin", PIN, "--so-pin", "5678"])
            .output()
            .unwrap();
        assert!(initialised.status.success(), "{initialised:?}");
        super::module::end_all();
        Some(Self { label, home, module: module.into(), _turn: turn })
    }

    /// The keys of the trust directory for somebody who types this PIN, and what is asked.
    pub(in crate::keys) fn keyring(&self, pin: &'static str) -> (Keyring, Typist) {
        let typist = Typist(pin, Arc::default());
        let passphrases = Passphrases::new(Sources::default(), Box::new(typist.clone()));
        let directory = TrustDirectory::new(self.home.path().to_owned());
        (Keyring::new(directory, passphrases).with_module(Some(Module::OfEnvironment(self.module.clone()))), typist)
    }

    /// An object on it by the hexadecimal digits of its id, whether it is there or not.
    pub(in crate::keys) fn place(&self, id: &str) -> TokenObject {
        let token = self.tokens().meant(Some(&self.label)).unwrap();
        TokenObject { token, id: id.parse().unwrap() }
    }

    /// A session in which objects are made and destroyed.
    pub(in crate::keys) fn writing(&self) -> Session {
        let passphrases = Passphrases::new(Sources::default(), Box::new(Typist(PIN, Arc::default())));
        self.tokens().writing(&self.place("00").token, &passphrases).unwrap()
    }

    fn tokens(&self) -> Tokens {
        Tokens::of_module(Some(Module::OfEnvironment(self.module.clone())))
    }

    /// Takes the token away under whoever uses it.
    pub(in crate::keys) fn lose(&self) {
        let deleted = Command::new("softhsm2-util").args(["--delete-token", "--token", &self.label]).output().unwrap();
        assert!(deleted.status.success(), "{deleted:?}");
    }
}

impl Drop for ScratchToken {
    fn drop(&mut self) {
        // Each token that is left makes the next test slower.
        let _ = Command::new("softhsm2-util").args(["--delete-token", "--token", &self.label]).output();
    }
}
