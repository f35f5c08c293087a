//! One process of this client at a time works on a repository of a trust directory.
//!
//! Docker and notary know no lock, and are not kept out. The operating system lets go of a lock when its process ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cache::make_directories;
use crate::publish::Pacing;

/// How often a taken lock is asked for again.
const MAX_TRIES: u32 = 6000;
/// How long it waits in between; all in all two minutes.
const PAUSE: Duration = Duration::from_millis(20);

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct Lock(
    /// Nothing where files cannot be made.
    Option<File>,
);

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it, and does not let go.
    #[error("another process of this client works on this repository and has held {path} for two minutes; end it, or wait \
             for it", path = .0.display())]
    Taken(PathBuf),
    /// The file cannot be made or locked.
    #[error("cannot lock {path}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Lock {
    /// Waits for the lock on `path`, which is made if it is not there.
    ///
    /// # Errors
    /// [`LockError`].
    pub async fn wait(path: &Path, pacing: &dyn Pacing) -> Result<Self, LockError> {
        let failed = |source| LockError::File { path: path.to_owned(), source };
        for _ in 0..MAX_TRIES {
            let Some(file) = open_if_allowed(path).map_err(failed)? else { return Ok(Self(None)) };
            match file.try_lock() {
                Ok(()) if is_at(&file, path).map_err(failed)? => return Ok(Self(Some(file))),
                // Whoever held it took the file away: the lock is that on the next one.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => pacing.pause(PAUSE).await,
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
        Err(LockError::Taken(path.to_owned()))
    }

    /// The same for work that is done in a moment, such as putting a file into a directory: whoever holds the lock lets
    /// go of it at once.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn briefly(path: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::File { path: path.to_owned(), source };
        for _ in 0..MAX_TRIES {
            let Some(file) = open_if_allowed(path).map_err(failed)? else { return Ok(Self(None)) };
            file.lock().map_err(failed)?;
            if is_at(&file, path).map_err(failed)? {
                return Ok(Self(Some(file)));
            }
        }
        Err(LockError::Taken(path.to_owned()))
    }

    /// Whether other processes are kept out: they are not where the file could not be made.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.0.is_some()
    }
}

/// Whether `path` still names the file that was opened there: it may have been taken away before it could be locked, and
/// whoever comes next locks another one.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let opened = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(named) => Ok((opened.dev(), opened.ino()) == (named.dev(), named.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// A file that is open stays where it is.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

/// The file to lock, or nothing where nobody may make one.
fn open_if_allowed(path: &Path) -> io::Result<Option<File>> {
    match open(path) {
        Err(e) if matches!(e.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => Ok(None),
        other => other.map(Some),
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        make_directories(parent)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match (options.open(path), path.parent()) {
        // The directory went away in between, with all that was kept of the repository.
        (Err(e), Some(parent)) if e.kind() == io::ErrorKind::NotFound => {
            make_directories(parent)?;
            options.open(path)
        }
        (other, _) => other,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;

    use super::*;

    /// Counts the pauses, and lets go of a lock at one of them.
    struct Counting<'a> {
        pauses: AtomicU32,
        at: u32,
        let_go: &'a (dyn Fn() + Sync),
    }

    #[async_trait]
    impl Pacing for Counting<'_> {
        async fn pause(&self, _: Duration) {
            if self.pauses.fetch_add(1, Ordering::SeqCst) + 1 == self.at {
                (self.let_go)();
            }
        }
    }

    #[tokio::test]
    async fn a_lock_is_had_when_its_holder_lets_go_and_not_before() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a/b/.lock");
        let nothing = Counting { pauses: AtomicU32::new(0), at: 0, let_go: &|| {} };
        let held = std::sync::Mutex::new(Some(Lock::wait(&path, &nothing).await.unwrap()));
        assert_eq!(nothing.pauses.load(Ordering::SeqCst), 0);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let let_go = || drop(held.lock().unwrap().take());
        let third = Counting { pauses: AtomicU32::new(0), at: 3, let_go: &let_go };
        Lock::wait(&path, &third).await.unwrap();
        assert_eq!(third.pauses.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_lock_that_is_never_let_go_of_is_given_up() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(".lock");
        let pacing = Counting { pauses: AtomicU32::new(0), at: 0, let_go: &|| {} };
        let _held = Lock::wait(&path, &pacing).await.unwrap();
        let taken = Lock::wait(&path, &pacing).await.unwrap_err();
        assert!(matches!(&taken, LockError::Taken(named) if *named == path), "{taken}");
        assert!(
            taken
                .to_string()
                .ends_with(&format!("has held {} for two minutes; end it, or wait for it", path.display()))
        );
        assert_eq!(pacing.pauses.load(Ordering::SeqCst), MAX_TRIES);
    }

    #[tokio::test]
    async fn a_lock_on_a_file_that_was_taken_away_is_none() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(".lock");
        let nothing = Counting { pauses: AtomicU32::new(0), at: 0, let_go: &|| {} };
        let held = std::sync::Mutex::new(Some(Lock::wait(&path, &nothing).await.unwrap()));
        // The holder takes the file away, and somebody else is quicker with the next one.
        let next = std::sync::Mutex::new(None);
        let let_go = || {
            std::fs::remove_file(&path).unwrap();
            *next.lock().unwrap() = Some(Lock::briefly(&path).unwrap());
            drop(held.lock().unwrap().take());
        };
        let second = Counting { pauses: AtomicU32::new(0), at: 2, let_go: &let_go };
        assert!(matches!(Lock::wait(&path, &second).await, Err(LockError::Taken(_))));
        drop(next.lock().unwrap().take());
        assert!(Lock::wait(&path, &second).await.unwrap().is_held());
    }
}
