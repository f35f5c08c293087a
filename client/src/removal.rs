//! Taking away what is kept of one repository, and nothing of those whose names go on where its name ends.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tuf_schema::Gun;

use crate::changelist::{Changelist, ChangelistError};
use crate::lock::{Lock, LockError};
use crate::paths::TrustDirectory;
use crate::publish::Pacing;

/// Why what is kept of a repository is not gone, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum RemovalError {
    /// Another process of this client works on it, and takes too long.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// What is staged cannot be taken away.
    #[error(transparent)]
    Staged(#[from] ChangelistError),
    /// A file or directory stays.
    #[error("cannot remove {path}", path = path.display())]
    Remove {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Removes trusted documents and staged changes of `gun`. Private keys stay, and so do files of others.
///
/// The reference removes the whole directory, and with it the trust in `a/b/c` when `a/b` is removed.
///
/// # Errors
/// [`RemovalError`].
pub async fn remove(trust: &TrustDirectory, gun: &Gun, pacing: &dyn Pacing) -> Result<(), RemovalError> {
    let repository = trust.repository(gun);
    if !repository.is_dir() {
        return Ok(());
    }
    let list = Changelist::new(trust, gun);
    let _staged = Lock::wait(&list.publishing_lock(), pacing).await?;
    let _lock = Lock::wait(&trust.lock(gun), pacing).await?;
    list.clear()?;
    // Each is held while it goes: whoever waits for it finds out, and nobody works under one that is no more.
    let _changes = Lock::wait(&list.lock_file(), pacing).await?;
    remove_documents(&trust.repository_metadata(gun))?;
    for lock in [list.publishing_lock(), list.lock_file(), trust.lock(gun)] {
        failed(&lock, fs::remove_file(&lock))?;
    }
    for directory in [trust.changelist(gun), trust.repository_metadata(gun), repository.clone()] {
        remove_if_empty(&directory)?;
    }
    // Directories above that nothing else is in.
    let top = trust.metadata_of_all();
    for above in repository.ancestors().skip(1).take_while(|above| above.starts_with(&top) && *above != top) {
        remove_if_empty(above)?;
    }
    Ok(())
}

/// Removes the documents of the base roles and, below `targets`, those of delegations.
fn remove_documents(metadata: &Path) -> Result<(), RemovalError> {
    // The root last: what is left without it would be no trust but a loss.
    for role in ["timestamp", "snapshot", "targets", "root"] {
        if role == "targets" {
            remove_delegations(&metadata.join(role))?;
        }
        let path = metadata.join(format!("{role}.json"));
        failed(&path, fs::remove_file(&path))?;
    }
    Ok(())
}

fn remove_delegations(directory: &Path) -> Result<(), RemovalError> {
    let entries = match fs::read_dir(directory) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(|source| RemovalError::Remove { path: directory.to_owned(), source })?,
    };
    for entry in entries {
        let entry = entry.map_err(|source| RemovalError::Remove { path: directory.to_owned(), source })?;
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            // Of a repository that is named like one of these directories.
            if name != "metadata" && name != "changelist" {
                remove_delegations(&path)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "json") {
            failed(&path, fs::remove_file(&path))?;
        }
    }
    remove_if_empty(directory)
}

fn remove_if_empty(directory: &Path) -> Result<(), RemovalError> {
    match fs::remove_dir(directory) {
        Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
        other => failed(directory, other),
    }
}

/// That something is not there is no failure.
fn failed(path: &Path, outcome: io::Result<()>) -> Result<(), RemovalError> {
    match outcome {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(|source| RemovalError::Remove { path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use tuf_schema::{Role, UtcTime};

    use super::*;
    use crate::cache::Cache;
    use crate::changelist::Change;
    use crate::publish::RealTime;

    struct Home(tempfile::TempDir);

    impl Home {
        fn trust(&self) -> TrustDirectory {
            TrustDirectory::new(self.0.path().join("trust"))
        }

        /// A repository with a root, a delegation and a staged change.
        fn keep(&self, name: &str) {
            let gun = Gun::parse(name).unwrap();
            let cache = Cache::new(self.trust(), gun.clone());
            for role in ["root", "targets", "targets/a", "targets/a/b"] {
                cache.write(&Role::parse(role).unwrap(), b"{}", &SystemRandom::new()).unwrap();
            }
            let now = UtcTime::parse("2026-11-22T00:00:00Z").unwrap();
            let change = Change::Witness { role: Role::Targets };
            Changelist::new(&self.trust(), &gun).append(&[change], now, &SystemRandom::new()).unwrap();
        }

        async fn remove(&self, name: &str) -> Result<(), RemovalError> {
            remove(&self.trust(), &Gun::parse(name).unwrap(), &RealTime).await
        }

        /// Every file, below the directory of all repositories.
        fn files(&self) -> Vec<String> {
            fn collect(directory: &Path, top: &Path, found: &mut Vec<String>) {
                for entry in fs::read_dir(directory).unwrap() {
                    let path = entry.unwrap().path();
                    if path.is_dir() {
                        collect(&path, top, found);
                    } else {
                        found.push(path.strip_prefix(top).unwrap().to_str().unwrap().to_owned());
                    }
                }
            }
            let (top, mut found) = (self.trust().metadata_of_all(), Vec::new());
            collect(&top, &top, &mut found);
            found.sort();
            found
        }
    }

    fn home() -> Home {
        Home(tempfile::tempdir().unwrap())
    }

    #[tokio::test]
    async fn nothing_is_left_of_a_repository_but_its_keys() {
        let home = home();
        home.keep("a.test/b");
        let key = home.trust().private().join("0.key");
        fs::create_dir_all(home.trust().private()).unwrap();
        fs::write(&key, b"key").unwrap();
        home.remove("a.test/b").await.unwrap();
        assert_eq!(fs::read_dir(home.trust().metadata_of_all()).unwrap().count(), 0);
        assert!(key.exists());
    }

    #[tokio::test]
    async fn repositories_whose_names_go_on_stay_whole() {
        let home = home();
        let others =
            ["a.test/b/c", "a.test/b/metadata/targets", "a.test/b/metadata/targets/a", "a.test/b/changelist/x"];
        for name in others {
            home.keep(name);
        }
        let before = home.files();
        home.keep("a.test/b");
        home.remove("a.test/b").await.unwrap();
        assert_eq!(home.files(), before);
    }

    #[tokio::test]
    async fn what_is_somebody_else_s_stays_and_is_named() {
        let home = home();
        home.keep("a.test/b");
        let notes = home.trust().repository(&Gun::parse("a.test/b").unwrap()).join("changelist/notes.txt");
        fs::write(&notes, b"mine").unwrap();
        let before = home.files();
        let error = home.remove("a.test/b").await.unwrap_err();
        assert!(matches!(&error, RemovalError::Staged(ChangelistError::Foreign(path)) if *path == notes), "{error}");
        assert!(before.iter().all(|file| home.files().contains(file)));
    }

    /// Waits until it has to, and gives up then.
    struct Impatient;

    #[async_trait::async_trait]
    impl Pacing for Impatient {
        async fn pause(&self, _: std::time::Duration) {}
    }

    #[tokio::test]
    async fn no_lock_that_another_process_holds_is_taken_away() {
        let (home, gun) = (home(), Gun::parse("a.test/b").unwrap());
        home.keep("a.test/b");
        let list = Changelist::new(&home.trust(), &gun);
        list.clear().unwrap();
        fs::remove_dir(home.trust().changelist(&gun)).unwrap();
        for path in [list.publishing_lock(), list.lock_file(), home.trust().lock(&gun)] {
            let held = Lock::briefly(&path).unwrap();
            let error = remove(&home.trust(), &gun, &Impatient).await.unwrap_err();
            assert!(matches!(&error, RemovalError::Lock(LockError::Taken(taken)) if *taken == path), "{error}");
            assert!(path.exists());
            drop(held);
        }
        home.remove("a.test/b").await.unwrap();
        assert!(!home.trust().repository(&gun).exists());
    }

    #[tokio::test]
    async fn a_repository_that_was_never_seen_is_gone_already() {
        let home = home();
        home.remove("a.test/b").await.unwrap();
        assert!(!home.trust().as_path().exists());
    }
}
