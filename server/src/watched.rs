//! Files that the configuration names, read again when they change.
//!
//! Certificates are renewed every few weeks, often by a program that writes one file after the other. Each look reads
//! the content, which is a few kilobytes, because times and inodes say nothing certain on the file systems that
//! container platforms mount. What cannot be used leaves what was there before in force.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use ring::digest::{Digest, SHA256, digest};

use crate::app::{self, StartError};

/// A file and the key of the configuration that names it.
#[derive(Debug, Clone)]
pub(crate) struct NamedFile {
    pub(crate) key: &'static str,
    pub(crate) path: PathBuf,
}

/// What is to be done with the contents of the files, in their order.
type Apply = Box<dyn Fn(&[Vec<u8>]) -> Result<(), StartError> + Send + Sync>;

/// Files that only make sense together.
pub(crate) struct Watched {
    files: Vec<NamedFile>,
    apply: Apply,
    /// What the files held at the last look, whether or not it could be used.
    seen: Mutex<Vec<Option<Vec<u8>>>>,
}

/// What a look at the files found.
#[derive(Debug)]
pub(crate) enum Look {
    /// What the last one found.
    Same,
    /// Something new, which is in force now.
    Renewed,
    /// Something new that cannot be used; what was there before stays in force.
    Refused(StartError),
}

impl NamedFile {
    pub(crate) fn new(key: &'static str, path: impl Into<PathBuf>) -> Self {
        Self { key, path: path.into() }
    }

    pub(crate) fn read(&self) -> Result<Vec<u8>, StartError> {
        app::read(self.key, &self.path)
    }
}

impl Watched {
    /// Reads the files and puts them in force.
    pub(crate) fn start(
        files: Vec<NamedFile>,
        apply: impl Fn(&[Vec<u8>]) -> Result<(), StartError> + Send + Sync + 'static,
    ) -> Result<Self, StartError> {
        let contents = read_all(&files)?;
        apply(&contents)?;
        let seen = contents.iter().map(|content| Some(fingerprint(content))).collect();
        Ok(Self { files, apply: Box::new(apply), seen: Mutex::new(seen) })
    }

    /// Reads the files again, and puts what they hold in force if it is new and can be used.
    pub(crate) fn look(&self) -> Look {
        let read: Vec<Result<Vec<u8>, StartError>> = self.files.iter().map(NamedFile::read).collect();
        let found = read.iter().map(|content| content.as_deref().ok().map(fingerprint)).collect();
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == found {
                return Look::Same;
            }
            *seen = found;
        }
        let contents: Result<Vec<_>, _> = read.into_iter().collect();
        match contents.and_then(|contents| (self.apply)(&contents)) {
            Ok(()) => Look::Renewed,
            Err(error) => Look::Refused(error),
        }
    }

    /// The keys of the configuration that name the files.
    pub(crate) fn keys(&self) -> String {
        self.files.iter().map(|file| file.key).collect::<Vec<_>>().join(", ")
    }
}

fn read_all(files: &[NamedFile]) -> Result<Vec<Vec<u8>>, StartError> {
    files.iter().map(NamedFile::read).collect()
}

/// So that no second copy of a private key stays in memory.
fn fingerprint(content: &[u8]) -> Vec<u8> {
    let digest: Digest = digest(&SHA256, content);
    digest.as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Two files that must hold the same, as a certificate and its key must go together.
    struct Pair {
        folder: tempfile::TempDir,
        in_force: Arc<Mutex<Vec<u8>>>,
        watched: Watched,
    }

    impl Pair {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = |name: &str| folder.path().join(name);
            std::fs::write(path("a"), "1").unwrap();
            std::fs::write(path("b"), "1").unwrap();
            let in_force = Arc::new(Mutex::new(Vec::new()));
            let files = vec![NamedFile::new("key.a", path("a")), NamedFile::new("key.b", path("b"))];
            let kept = Arc::clone(&in_force);
            let watched = Watched::start(files, move |contents| match contents {
                [a, b] if a == b => {
                    *kept.lock().unwrap() = a.clone();
                    Ok(())
                }
                _ => Err(StartError::Tls(rustls::Error::General("no pair".into()))),
            });
            Self { folder, in_force, watched: watched.unwrap() }
        }

        fn write(&self, name: &str, text: &str) {
            std::fs::write(self.folder.path().join(name), text).unwrap();
        }

        fn in_force(&self) -> Vec<u8> {
            self.in_force.lock().unwrap().clone()
        }
    }

    #[test]
    fn a_pair_of_which_one_file_is_new_is_refused_once_and_the_old_one_stays_in_force() {
        let pair = Pair::new();
        assert!(matches!(pair.watched.look(), Look::Same));
        pair.write("a", "2");
        assert!(matches!(pair.watched.look(), Look::Refused(StartError::Tls(_))));
        assert!(matches!(pair.watched.look(), Look::Same));
        assert_eq!(pair.in_force(), b"1");
        pair.write("b", "2");
        assert!(matches!(pair.watched.look(), Look::Renewed));
        assert_eq!(pair.in_force(), b"2");
    }

    #[test]
    fn a_file_that_is_gone_leaves_its_content_in_force() {
        let pair = Pair::new();
        std::fs::remove_file(pair.folder.path().join("b")).unwrap();
        assert!(matches!(pair.watched.look(), Look::Refused(StartError::Unreadable { key: "key.b", .. })));
        assert_eq!(pair.in_force(), b"1");
        pair.write("b", "1");
        assert!(matches!(pair.watched.look(), Look::Renewed));
    }

    #[test]
    fn files_that_cannot_be_used_at_the_start_stop_it() {
        let gone = vec![NamedFile::new("key.a", "/nowhere/a")];
        assert!(matches!(Watched::start(gone, |_| Ok(())), Err(StartError::Unreadable { key: "key.a", .. })));
    }
}
