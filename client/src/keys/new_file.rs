//! Files that are made anew: mode 0600 under any umask, whole or not at all, and never in the place of another.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ring::rand::SecureRandom;

use crate::cache::{FileError, write_private};

/// Why a file was not made.
#[derive(Debug, thiserror::Error)]
pub enum NewFileError {
    /// Something has the name already.
    #[error("{path} exists and is not overwritten", path = .0.display())]
    Exists(PathBuf),
    /// It cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Writes `content` into a new file; missing directories are made with mode 0700.
///
/// # Errors
/// [`NewFileError`]; what is at `path` is then as it was.
pub fn write_new(path: &Path, content: impl AsRef<[u8]>, rng: &dyn SecureRandom) -> Result<(), NewFileError> {
    let failed = |source| FileError::Write { path: path.to_owned(), source };
    let mut random = [0_u8; 8];
    rng.fill(&mut random).map_err(|_| failed(io::Error::other("no randomness")))?;
    // No `.key` at the end: nobody takes it for a key.
    let complete = path.with_file_name(format!(".bulla-{}.new", hex::encode(random)));
    if path.symlink_metadata().is_ok() {
        return Err(NewFileError::Exists(path.to_owned()));
    }
    write_private(&complete, content.as_ref(), rng).map_err(|e| match e {
        FileError::Write { source, .. } => failed(source),
        other @ FileError::Read { .. } => other,
    })?;
    let named = name(&complete, path);
    // What was named keeps its content; what could not be named is not wanted.
    let _ = fs::remove_file(&complete);
    match named {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Err(NewFileError::Exists(path.to_owned())),
        Err(source) => Err(failed(source).into()),
    }
}

/// Gives a complete file its name, unless another has it.
fn name(complete: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(complete, path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Err(e),
        // There are file systems without links, where the name was looked for a moment ago.
        Err(_) => fs::rename(complete, path),
        Ok(()) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use ring::rand::SystemRandom;

    use super::*;

    #[test]
    fn what_is_there_is_never_overwritten_and_nothing_else_is_left() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("d/x.key");
        write_new(&path, "first", &SystemRandom::new()).unwrap();
        let refused = write_new(&path, "second", &SystemRandom::new()).unwrap_err();
        assert_eq!(refused.to_string(), format!("{} exists and is not overwritten", path.display()));
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(home.path().join("d")).unwrap().count(), 1);
        let dangling = home.path().join("dangling");
        std::os::unix::fs::symlink("nowhere", &dangling).unwrap();
        assert!(matches!(write_new(&dangling, "x", &SystemRandom::new()), Err(NewFileError::Exists(_))));
        assert!(!home.path().join("nowhere").exists());
    }

    #[test]
    fn of_many_who_write_one_file_at_once_one_does() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("x.key");
        let written: Vec<_> = std::thread::scope(|scope| {
            let writers: Vec<_> =
                (0..8).map(|n| (n, scope.spawn(|| write_new(&path, "text", &SystemRandom::new()).is_ok()))).collect();
            writers.into_iter().filter_map(|(n, writer)| writer.join().unwrap().then_some(n)).collect()
        });
        assert_eq!(written.len(), 1);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }
}
