//! Tokens for tests: each its own, in the SoftHSM that the environment names.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tuf_schema::UtcTime;

use super::{PinSource, Token, TokenName, TokenSettings};
use crate::clock::Clock;

/// The module to test with.
const MODULE: &str = "BULLA_TEST_PKCS11_MODULE";
/// Whether a test without one has failed.
const REQUIRED: &str = "BULLA_TEST_ENGINES";

pub(crate) const PIN: &str = "1234";

/// A token that was initialised for one test.
pub(crate) struct ScratchToken {
    pub(crate) settings: TokenSettings,
    pub(crate) pin_file: PathBuf,
    pub(crate) clock: Arc<SetClock>,
    _folder: tempfile::TempDir,
    /// Let go last.
    turn: Option<MutexGuard<'static, ()>>,
}

/// The tests that use SoftHSM take turns: some end sessions, or take a folder away while another lists all of them.
static TURN: Mutex<()> = Mutex::new(());

/// A clock that stands still until it is moved.
pub(crate) struct SetClock(Mutex<i64>);

impl Clock for SetClock {
    fn now(&self) -> UtcTime {
        UtcTime::from_unix_seconds(*self.0.lock().unwrap()).unwrap()
    }
}

impl SetClock {
    pub(crate) fn advance(&self, seconds: i64) {
        *self.0.lock().unwrap() += seconds;
    }
}

impl Drop for ScratchToken {
    fn drop(&mut self) {
        // each token that is left makes the next test slower
        let _ = std::fs::remove_dir_all(self.folder());
    }
}

impl ScratchToken {
    /// A new token whose label begins so; nothing where the environment names no module, which is a failure where it must.
    pub(crate) fn new(name: &str) -> Option<Self> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        // runs of the tests share one SoftHSM
        let nonce = tempfile::Builder::new().prefix("").rand_bytes(8).tempdir().unwrap();
        let label = format!("{name} {}", nonce.path().file_name().unwrap().to_str().unwrap());
        let mut scratch = Self::labelled(&label)?;
        scratch.turn = Some(turn);
        Some(scratch)
    }

    /// A new token with this label, beside another one of the same test.
    pub(crate) fn labelled(label: &str) -> Option<Self> {
        let Some(module) = value(MODULE) else {
            let is_required = value("CI").as_deref() == Some("true") || value(REQUIRED).as_deref() == Some("required");
            assert!(!is_required, "{MODULE} is not set");
            println!("left out: {MODULE} is not set");
            return None;
        };
        let initialised = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "5678"])
            .output()
            .unwrap();
        assert!(initialised.status.success(), "{initialised:?}");
        let folder = tempfile::tempdir().unwrap();
        let pin_file = folder.path().join("pin");
        std::fs::write(&pin_file, PIN).unwrap();
        let settings = TokenSettings {
            name: TokenName::parse("hsm").unwrap(),
            module: module.into(),
            label: label.to_owned(),
            serial: None,
            pin: PinSource::File(pin_file.clone()),
            sessions: 2,
            patience: Duration::from_secs(60),
        };
        Some(Self { settings, pin_file, clock: Arc::new(SetClock(Mutex::new(1_000_000))), _folder: folder, turn: None })
    }

    pub(crate) fn token(&self) -> Token {
        Token::new(self.settings.clone(), Arc::clone(&self.clock) as Arc<dyn Clock>).unwrap()
    }

    /// The serial number that SoftHSM gave it: the end of the name of its folder.
    pub(crate) fn serial(&self) -> String {
        let name = self.folder().file_name().unwrap().to_str().unwrap().replace('-', "");
        name[name.len() - 16..].to_owned()
    }

    /// The folder in which SoftHSM keeps this token: the one with its label in it.
    pub(crate) fn folder(&self) -> PathBuf {
        let configuration = std::fs::read_to_string(value("SOFTHSM2_CONF").unwrap()).unwrap();
        let line = configuration.lines().find_map(|line| line.strip_prefix("directories.tokendir = ")).unwrap();
        let label = self.settings.label.as_bytes();
        let holds = |folder: &PathBuf| {
            let token = std::fs::read(folder.join("token.object")).unwrap_or_default();
            token.windows(label.len()).any(|window| window == label)
        };
        std::fs::read_dir(line).unwrap().map(|entry| entry.unwrap().path()).find(holds).unwrap()
    }
}

#[expect(clippy::disallowed_methods, reason = "what the tests run on is no configuration of the program")]
fn value(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}
