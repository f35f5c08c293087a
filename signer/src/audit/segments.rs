//! Where the files of a chain are: `DIRECTORY/SIGNER/00000001.jsonl` and so on, for one account and one writer at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

const LOCK: &str = "lock";
const EXTENSION: &str = "jsonl";
const DIGITS: usize = 8;
/// The most files that a chain has.
pub(super) const MAX_SEGMENTS: u64 = 99_999_999;

/// Why the directory of a chain cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The system refused.
    #[error("audit file {file} cannot be used")]
    Io {
        /// The file or directory.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others may read or change the records.
    #[error("audit directory {folder} is open to other accounts; chmod 700 it")]
    OpenToOthers {
        /// The directory.
        folder: PathBuf,
    },
    /// Another process writes this chain.
    #[error("another process writes the audit chain in {folder}; give each signer a name of its own (audit.signer)")]
    Locked {
        /// The directory of the chain.
        folder: PathBuf,
    },
    /// A file of the chain is missing.
    #[error("audit file {file} is missing, and later ones are there")]
    Missing {
        /// The file.
        file: PathBuf,
    },
}

impl FolderError {
    /// What the system said of this file.
    pub(super) fn of(file: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { file: file.to_owned(), source }
    }
}

/// The file of this number.
pub(super) fn path(folder: &Path, segment: u64) -> PathBuf {
    folder.join(format!("{segment:0DIGITS$}.{EXTENSION}"))
}

/// The numbers of the files that are there, ascending and without a gap.
pub(super) fn numbers(folder: &Path) -> Result<Vec<u64>, FolderError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder).map_err(FolderError::of(folder))? {
        let name = entry.map_err(FolderError::of(folder))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(EXTENSION)?.strip_suffix('.'));
        numbers.extend(number.filter(|digits| digits.len() == DIGITS).and_then(|digits| digits.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    let first = numbers.first().copied().unwrap_or_default();
    match (first..).zip(&numbers).find(|(expected, there)| expected != *there) {
        Some((missing, _)) => Err(FolderError::Missing { file: path(folder, missing) }),
        None => Ok(numbers),
    }
}

/// Makes the directory if it is not there; one that is must be closed to other accounts.
pub(super) fn make_folder(folder: &Path) -> Result<(), FolderError> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => sync_names(folder.parent().unwrap_or(folder)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mode = fs::metadata(folder).map_err(FolderError::of(folder))?.permissions().mode();
            if mode & 0o077 == 0 { Ok(()) } else { Err(FolderError::OpenToOthers { folder: folder.to_owned() }) }
        }
        Err(error) => Err(FolderError::of(folder)(error)),
    }
}

/// Makes the file of this number, which must not be there; its name outlives a crash.
pub(super) fn create(folder: &Path, segment: u64) -> Result<File, FolderError> {
    let path = path(folder, segment);
    let mut options = OpenOptions::new();
    let file = options.append(true).create_new(true).mode(0o600).open(&path).map_err(FolderError::of(&path))?;
    if let Err(error) = sync_names(folder) {
        // the next try makes it anew; if it stays, that one says so
        let _ = fs::remove_file(&path);
        return Err(error);
    }
    Ok(file)
}

/// Keeps other processes from writing the chain for as long as the value lives.
pub(super) fn lock(folder: &Path) -> Result<File, FolderError> {
    let path = folder.join(LOCK);
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(FolderError::of(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(FolderError::Locked { folder: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(FolderError::Io { file: path, source }),
    }
}

/// Waits until the names in a directory are on the disk.
fn sync_names(folder: &Path) -> Result<(), FolderError> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder).and_then(|opened| opened.sync_all()).map_err(FolderError::of(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("chain");
        make_folder(&folder).unwrap();
        (place, folder)
    }

    #[test]
    fn files_are_for_their_owner_only() {
        let (_place, folder) = folder();
        create(&folder, 1).unwrap();
        let _lock = lock(&folder).unwrap();
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(folder.clone()), mode(path(&folder, 1)), mode(folder.join(LOCK))), (0o700, 0o600, 0o600));
    }

    #[test]
    fn a_directory_that_others_can_open_is_refused() {
        let (_place, folder) = folder();
        for mode in [0o710, 0o704, 0o770] {
            fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(make_folder(&folder), Err(FolderError::OpenToOthers { .. })), "{mode:o}");
        }
    }

    #[test]
    fn a_chain_has_one_writer() {
        let (_place, folder) = folder();
        let first = lock(&folder).unwrap();
        assert!(matches!(lock(&folder), Err(FolderError::Locked { .. })));
        drop(first);
        lock(&folder).unwrap();
    }

    #[test]
    fn files_are_counted_without_a_gap() {
        let (_place, folder) = folder();
        for segment in [2, 3, 4] {
            create(&folder, segment).unwrap();
        }
        fs::write(folder.join("notes.jsonl"), "").unwrap();
        assert_eq!(numbers(&folder).unwrap(), [2, 3, 4]);
        fs::remove_file(path(&folder, 3)).unwrap();
        let refusal = numbers(&folder).unwrap_err();
        assert!(matches!(&refusal, FolderError::Missing { file } if file.ends_with("00000003.jsonl")), "{refusal}");
    }

    #[test]
    fn a_file_is_not_made_twice() {
        let (_place, folder) = folder();
        create(&folder, 1).unwrap();
        assert!(matches!(create(&folder, 1), Err(FolderError::Io { .. })));
    }
}
