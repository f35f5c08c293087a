//! What lies in a trust directory and should not: files that others may read, torn keys, what a killed run left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tuf_schema::UtcTime;

use super::Command;
use super::denied::{self, Denied};
use crate::cache::is_temporary;
use crate::entries::files_below;
use crate::exposure::{self, Exposed};
use crate::keys::{Keyring, KeyringError};
use crate::paths::TrustDirectory;

/// How old a temporary file is that nobody is writing any more.
const ABANDONED_AFTER: Duration = Duration::from_secs(600);

/// Something that should not be as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leftover {
    /// Others on this machine may read or change it.
    Exposed(Exposed),
    /// Whoever runs this cannot read it, or keep anything in it.
    Denied(Denied),
    /// A file that a run which was killed left behind.
    Abandoned(PathBuf),
    /// A file that is named as a key and holds none.
    NoKey(PathBuf),
}

impl Leftover {
    /// What mends it.
    #[must_use]
    pub fn mend(&self) -> Command {
        let text = |path: &Path| path.display().to_string();
        match self {
            Self::Exposed(exposed) => {
                Command::new(["chmod".to_owned(), format!("{:o}", exposed.wanted()), text(exposed.path())])
            }
            Self::Denied(denied) => denied.mend(),
            Self::Abandoned(path) => Command::new(["rm".to_owned(), text(path)]),
            Self::NoKey(path) => Command::new(["mv".to_owned(), text(path), format!("{}.damaged", text(path))]),
        }
    }
}

impl std::fmt::Display for Leftover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exposed(exposed) => exposed.fmt(f),
            Self::Denied(denied) => denied.fmt(f),
            Self::Abandoned(path) => write!(f, "{} was left behind by a run that was killed", path.display()),
            Self::NoKey(path) => write!(f, "{} is named as a key and holds none that can be read", path.display()),
        }
    }
}

/// What is wrong in the directory of `keys`.
///
/// # Errors
/// [`KeyringError`].
pub fn examine_directory(trust: &TrustDirectory, keys: &Keyring, now: UtcTime) -> Result<Vec<Leftover>, KeyringError> {
    let mut found = Vec::new();
    let directories = [trust.as_path().to_owned(), trust.private(), trust.metadata_of_all()];
    found.extend(directories.iter().filter_map(|path| exposure::of_directory(path)).map(Leftover::Exposed));
    found.extend(directories.iter().filter_map(|path| denied::of_directory(path)).map(Leftover::Denied));
    let damaged = keys.damaged()?;
    let mut files = Vec::new();
    for directory in [trust.private(), trust.metadata_of_all()] {
        files.extend(files_below(&directory)?);
    }
    for (path, _) in files.into_iter().filter(|(_, kind)| kind.is_file()) {
        if is_temporary(&path) {
            if is_abandoned(&path, now) {
                found.push(Leftover::Abandoned(path));
            }
        } else if path.starts_with(trust.private()) {
            found.extend(exposure::of_key(&path).map(Leftover::Exposed));
            // A key that cannot be read may be as good as any.
            if let Some(denied) = denied::of_key(&path) {
                found.push(Leftover::Denied(denied));
            } else if damaged.contains(&path) {
                found.push(Leftover::NoKey(path));
            }
        }
    }
    Ok(found)
}

fn is_abandoned(path: &Path, now: UtcTime) -> bool {
    let Ok(written) = fs::metadata(path).and_then(|metadata| metadata.modified()) else { return false };
    let age = u64::try_from(now.unix_seconds()).ok().map(Duration::from_secs);
    let now = age.and_then(|age| SystemTime::UNIX_EPOCH.checked_add(age));
    now.and_then(|now| now.duration_since(written).ok()).is_some_and(|age| age > ABANDONED_AFTER)
}
