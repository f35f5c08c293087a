//! The passphrases that need no asking: those of the command line, the environment and files, in one order.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::OnceLock;

use tuf_schema::sign::Passphrase;

use super::place::{ASKPASS, Fault, Place};
use super::secret_line;
use crate::exposure::{self, Exposed};
use crate::keys::KeyRole;

/// What a passphrase is for: notary's four kinds of keys, and tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Root keys.
    Root,
    /// Targets keys.
    Targets,
    /// Snapshot keys.
    Snapshot,
    /// Keys of people who sign into delegations, and all others.
    Delegation,
    /// No key but the PIN of a token. What is given for all keys is none: a wrong PIN costs one of a few attempts.
    Token,
}

/// A file descriptor that holds a passphrase, as the command line names it: `[ROLE=]N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// For which keys; `None` for all.
    kind: Option<KeyKind>,
    number: u32,
}

/// A text that names no descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected N or ROLE=N, with a file descriptor N and root, targets, snapshot, delegation or token as ROLE")]
pub struct DescriptorError;

/// Passphrases that stand in variables, for tests and programs that have them already.
#[derive(Debug, Default)]
pub struct EnvironmentPassphrases {
    /// For root keys.
    pub root: Vec<Passphrase>,
    /// For targets keys.
    pub targets: Vec<Passphrase>,
    /// For snapshot keys.
    pub snapshot: Vec<Passphrase>,
    /// For signers' keys.
    pub signer: Vec<Passphrase>,
}

/// Where passphrases come from before anybody is asked.
#[derive(Debug, Default)]
pub struct Sources {
    /// In the order in which they are tried.
    given: Vec<Source>,
    /// For what a key is to be sealed with from now on, in place of the passphrase that opens it.
    replacing: Vec<Source>,
    /// For a bundle of keys.
    bundle: Vec<Source>,
    /// Asks in place of the terminal.
    pub(super) askpass: Option<PathBuf>,
}

/// One passphrase, read when it is first used, and wiped with this value.
#[derive(Debug)]
pub(super) struct Source {
    kinds: &'static [KeyKind],
    pub(super) place: Place,
    text: OnceLock<Passphrase>,
}

const ALL: &[KeyKind] = &[KeyKind::Root, KeyKind::Targets, KeyKind::Snapshot, KeyKind::Delegation];
const REPOSITORY: &[KeyKind] = &[KeyKind::Targets, KeyKind::Snapshot, KeyKind::Delegation];

/// Docker's variables, then notary's, then ours. Docker has one for the keys of repositories and of those who sign into them.
const VARIABLES: [(&str, &[KeyKind]); 7] = [
    ("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", &[KeyKind::Root]),
    ("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", REPOSITORY),
    ("NOTARY_ROOT_PASSPHRASE", &[KeyKind::Root]),
    ("NOTARY_TARGETS_PASSPHRASE", &[KeyKind::Targets]),
    ("NOTARY_SNAPSHOT_PASSPHRASE", &[KeyKind::Snapshot]),
    ("NOTARY_DELEGATION_PASSPHRASE", &[KeyKind::Delegation]),
    ("BULLA_PKCS11_PIN", &[KeyKind::Token]),
];

/// Keeps the passphrases of the environment from a program that is run.
pub(crate) fn keep_from(command: &mut std::process::Command) {
    for (name, _) in VARIABLES {
        command.env_remove(name);
    }
}

/// Variables that name files.
const FILES: [(&str, &[KeyKind]); 5] = [
    ("BULLA_ROOT_PASSPHRASE_FILE", &[KeyKind::Root]),
    ("BULLA_TARGETS_PASSPHRASE_FILE", &[KeyKind::Targets]),
    ("BULLA_SNAPSHOT_PASSPHRASE_FILE", &[KeyKind::Snapshot]),
    ("BULLA_DELEGATION_PASSPHRASE_FILE", &[KeyKind::Delegation]),
    ("BULLA_PKCS11_PIN_FILE", &[KeyKind::Token]),
];

/// Names the file with what a key is to be sealed with from now on.
const NEW_FILE: &str = "BULLA_NEW_PASSPHRASE_FILE";
/// Names the file with the passphrase of a bundle of keys.
const BUNDLE_FILE: &str = "BULLA_BUNDLE_PASSPHRASE_FILE";

impl KeyKind {
    /// The kind of the keys of a role.
    #[must_use]
    pub fn of(role: &KeyRole) -> Self {
        match role {
            KeyRole::Root => Self::Root,
            KeyRole::Targets => Self::Targets,
            KeyRole::Snapshot => Self::Snapshot,
            KeyRole::Timestamp | KeyRole::Signer(_) => Self::Delegation,
        }
    }

    fn only(self) -> &'static [Self] {
        match self {
            Self::Root => &[Self::Root],
            Self::Targets => &[Self::Targets],
            Self::Snapshot => &[Self::Snapshot],
            Self::Delegation => &[Self::Delegation],
            Self::Token => &[Self::Token],
        }
    }

    /// The first variable, and the one that names a file, in which a passphrase for such keys is looked for.
    pub(super) fn variables(self) -> [&'static str; 2] {
        let first = |table: &[(&'static str, &[Self])]| {
            table.iter().find(|(_, kinds)| kinds.contains(&self)).map_or("", |(name, _)| *name)
        };
        [first(&VARIABLES), first(&FILES)]
    }
}

impl FromStr for Descriptor {
    type Err = DescriptorError;

    fn from_str(text: &str) -> Result<Self, DescriptorError> {
        let (kind, number) = match text.split_once('=') {
            None => (None, text),
            Some(("root", number)) => (Some(KeyKind::Root), number),
            Some(("targets", number)) => (Some(KeyKind::Targets), number),
            Some(("snapshot", number)) => (Some(KeyKind::Snapshot), number),
            Some(("delegation", number)) => (Some(KeyKind::Delegation), number),
            Some(("token", number)) => (Some(KeyKind::Token), number),
            Some(_) => return Err(DescriptorError),
        };
        Ok(Self { kind, number: number.parse().map_err(|_| DescriptorError)? })
    }
}

impl Sources {
    /// What `variable`, asked by name, tells. Empty variables count as unset, as in docker.
    #[must_use]
    pub fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let held = |(name, kinds): &(&'static str, &'static [KeyKind])| {
            let value = set(name)?;
            let source = Source::new(kinds, Place::Variable(name));
            // What is no text is told when it is used.
            Some(match value.into_string() {
                Ok(text) => source.holding(Passphrase::from_text(text)),
                Err(_) => source,
            })
        };
        let file = |variable: &'static str, kinds: &'static [KeyKind]| {
            Some(Source::new(kinds, Place::File { variable, path: set(variable)?.into() }))
        };
        let files = FILES.iter().filter_map(|(variable, kinds)| file(variable, kinds));
        Self {
            given: VARIABLES.iter().filter_map(held).chain(files).collect(),
            replacing: file(NEW_FILE, ALL).into_iter().collect(),
            bundle: file(BUNDLE_FILE, ALL).into_iter().collect(),
            askpass: set(ASKPASS).map(PathBuf::from),
        }
    }

    /// With these descriptors before everything else: what stands on the command line is meant.
    #[must_use]
    pub fn with_descriptors(mut self, descriptors: &[Descriptor]) -> Self {
        let source = |descriptor: &Descriptor| {
            Source::new(descriptor.kind.map_or(ALL, KeyKind::only), Place::Descriptor(descriptor.number))
        };
        self.given.splice(0..0, descriptors.iter().map(source));
        self
    }

    /// With this descriptor as the first place for what a key is to be sealed with from now on.
    #[must_use]
    pub fn with_new_descriptor(mut self, number: Option<u32>) -> Self {
        self.replacing.splice(0..0, number.map(|number| Source::new(ALL, Place::Descriptor(number))));
        self
    }

    /// With this descriptor as the first place for the passphrase of a bundle.
    #[must_use]
    pub fn with_bundle_descriptor(mut self, number: Option<u32>) -> Self {
        self.bundle.splice(0..0, number.map(|number| Source::new(ALL, Place::Descriptor(number))));
        self
    }

    /// What is given for keys of a kind, in order.
    pub(super) fn given(&self, kind: KeyKind) -> impl Iterator<Item = &Source> {
        self.given.iter().filter(move |source| source.kinds.contains(&kind))
    }

    /// What is given for a bundle of keys.
    pub(super) fn of_bundle(&self) -> impl Iterator<Item = &Source> {
        self.bundle.iter()
    }

    /// What is given for keys that are to be sealed anew.
    pub(super) fn replacing(&self) -> impl Iterator<Item = &Source> {
        self.replacing.iter()
    }
}

impl From<EnvironmentPassphrases> for Sources {
    fn from(EnvironmentPassphrases { root, targets, snapshot, signer }: EnvironmentPassphrases) -> Self {
        let held = |kind: KeyKind, passphrases: Vec<Passphrase>| {
            let [variable, _] = kind.variables();
            let source = move |passphrase| Source::new(kind.only(), Place::Variable(variable)).holding(passphrase);
            passphrases.into_iter().map(source)
        };
        let given = held(KeyKind::Root, root)
            .chain(held(KeyKind::Targets, targets))
            .chain(held(KeyKind::Snapshot, snapshot))
            .chain(held(KeyKind::Delegation, signer));
        Self { given: given.collect(), ..Self::default() }
    }
}

impl Source {
    fn new(kinds: &'static [KeyKind], place: Place) -> Self {
        Self { kinds, place, text: OnceLock::new() }
    }

    fn holding(mut self, passphrase: Passphrase) -> Self {
        self.text = passphrase.into();
        self
    }

    /// The passphrase; `warn` hears of a file that others may read.
    pub(super) fn text(&self, warn: impl Fn(&Exposed)) -> Result<&Passphrase, Fault> {
        if let Some(text) = self.text.get() {
            return if text.expose().len() > secret_line::MAX_BYTES { Err(Fault::TooLong) } else { Ok(text) };
        }
        let read = match &self.place {
            Place::File { path, .. } => read_file(path, warn)?,
            Place::Descriptor(number) => read_descriptor(*number)?,
            Place::Variable(_) | Place::Askpass(_) | Place::Terminal => return Err(Fault::NotText),
        };
        Ok(self.text.get_or_init(|| read))
    }
}

fn read_file(path: &Path, warn: impl Fn(&Exposed)) -> Result<Passphrase, Fault> {
    let mut file = File::open(path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => Fault::Missing,
        _ => Fault::Unreadable(e),
    })?;
    if let Some(exposed) = exposure::of_secret(path, &file) {
        if exposed.is_writable() {
            return Err(Fault::WritableByOthers(exposed.mode()));
        }
        // Orchestrators mount secrets so: no reason to refuse.
        warn(&exposed);
    }
    secret_line::read(&mut file)
}

/// The descriptor stays open beside the copy that is read: to close a number is not ours to do safely.
fn read_descriptor(number: u32) -> Result<Passphrase, Fault> {
    let mut file = File::open(format!("/dev/fd/{number}")).map_err(Fault::NotOpen)?;
    secret_line::read(&mut file)
}
