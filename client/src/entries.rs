//! What lies in a directory of the trust directory; one that is missing holds nothing.

use std::fs::{self, DirEntry, FileType};
use std::io;
use std::path::{Path, PathBuf};

use crate::cache::FileError;

/// What lies in `directory`, in no order, each with what it is itself: a link is a link, wherever it leads.
///
/// # Errors
/// [`FileError::Read`].
pub(crate) fn entries(directory: &Path) -> Result<Vec<(DirEntry, FileType)>, FileError> {
    let unreadable = |source| FileError::Read { path: directory.to_owned(), source };
    let found = match fs::read_dir(directory) {
        Ok(found) => found,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(unreadable(e)),
    };
    let with_kind = |entry: io::Result<DirEntry>| entry.and_then(|entry| Ok((entry.file_type()?, entry)));
    found.map(|entry| with_kind(entry).map(|(kind, entry)| (entry, kind)).map_err(unreadable)).collect()
}

/// All that is no directory in `directory` and below, sorted by its path. Links are not followed.
///
/// # Errors
/// [`FileError::Read`].
pub(crate) fn files_below(directory: &Path) -> Result<Vec<(PathBuf, FileType)>, FileError> {
    let mut found = Vec::new();
    collect(directory, &mut found)?;
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}

fn collect(directory: &Path, found: &mut Vec<(PathBuf, FileType)>) -> Result<(), FileError> {
    for (entry, kind) in entries(directory)? {
        if kind.is_dir() {
            collect(&entry.path(), found)?;
        } else {
            found.push((entry.path(), kind));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_files_are_found_and_links_to_directories_not_entered() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        fs::create_dir_all(at("top/b/c")).unwrap();
        fs::create_dir(at("aside")).unwrap();
        for name in ["top/z", "top/b/c/a", "aside/hidden"] {
            fs::write(at(name), name).unwrap();
        }
        std::os::unix::fs::symlink(at("aside"), at("top/round")).unwrap();
        std::os::unix::fs::symlink(at("aside/hidden"), at("top/b/link")).unwrap();
        let found = files_below(&at("top")).unwrap();
        let found: Vec<_> = found.iter().map(|(path, kind)| (path.clone(), kind.is_file())).collect();
        let expected = [("top/b/c/a", true), ("top/b/link", false), ("top/round", false), ("top/z", true)];
        assert_eq!(found, expected.map(|(name, is_file)| (at(name), is_file)));
    }

    #[test]
    fn a_directory_that_is_missing_holds_nothing_and_a_file_is_none() {
        let home = tempfile::tempdir().unwrap();
        assert!(files_below(&home.path().join("missing")).unwrap().is_empty());
        let file = home.path().join("file");
        fs::write(&file, "").unwrap();
        let refused = entries(&file).unwrap_err();
        assert!(matches!(&refused, FileError::Read { path, .. } if *path == file), "{refused}");
    }
}
