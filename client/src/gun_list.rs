//! Files that name repositories, one a line.

use std::path::{Path, PathBuf};

use tuf_schema::Gun;
use tuf_schema::gun::GunError;

use crate::cache::FileError;

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 16 << 20;

/// Why a file names no repositories.
#[derive(Debug, thiserror::Error)]
pub enum GunListError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is larger than any list.
    #[error("{path} is larger than {MAX_FILE} bytes", path = .0.display())]
    TooLarge(PathBuf),
    /// A line names none.
    #[error("{path}, line {line}: {text:?} names no repository", path = path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// What it says.
        text: String,
        /// Why not.
        source: GunError,
    },
    /// It names none at all.
    #[error("{path} names no repository", path = .0.display())]
    Empty(PathBuf),
}

/// The repositories that a file names, each once, in its order. Empty lines and those that begin with `#` do not count.
///
/// # Errors
/// [`GunListError`]: one bad line, and nothing of the file is used.
pub fn read(path: &Path) -> Result<Vec<Gun>, GunListError> {
    use std::io::Read as _;
    let mut text = String::new();
    let unreadable = |source| FileError::Read { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE.saturating_add(1)).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_FILE {
        return Err(GunListError::TooLarge(path.to_owned()));
    }
    let guns = parse(&text).map_err(|(line, text, source)| GunListError::Line {
        path: path.to_owned(),
        line,
        text: text.to_owned(),
        source,
    })?;
    if guns.is_empty() { Err(GunListError::Empty(path.to_owned())) } else { Ok(guns) }
}

fn parse(text: &str) -> Result<Vec<Gun>, (usize, &str, GunError)> {
    let mut guns = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let gun = Gun::parse(line).map_err(|e| (index.saturating_add(1), line, e))?;
        if !guns.contains(&gun) {
            guns.push(gun);
        }
    }
    Ok(guns)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(text: &str) -> Vec<String> {
        parse(text).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_line_names_one_repository_and_each_repository_counts_once() {
        assert_eq!(names("# ours\nb.test/x\r\n\n  a.test:5000/y \nb.test/x"), ["b.test/x", "a.test:5000/y"]);
        assert!(names("\n# nothing\n").is_empty());
    }

    #[test]
    fn a_line_that_names_none_is_named_by_its_number() {
        let (line, text, _) = parse("a/b\n\na\u{1}b\n").unwrap_err();
        assert_eq!((line, text), (3, "a\u{1}b"));
    }

    #[test]
    fn a_file_without_a_repository_and_one_that_is_not_there_are_errors() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("list");
        assert!(matches!(read(&path), Err(GunListError::File(FileError::Read { .. }))));
        std::fs::write(&path, "# none\n").unwrap();
        assert!(matches!(read(&path), Err(GunListError::Empty(p)) if p == path));
    }

    #[test]
    fn a_file_of_the_largest_size_is_read_and_a_larger_one_is_not() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("list");
        let filled = |size: u64| format!("a/b\n#{}", "x".repeat(usize::try_from(size).unwrap() - 5));
        std::fs::write(&path, filled(MAX_FILE)).unwrap();
        assert_eq!(read(&path).unwrap().len(), 1);
        std::fs::write(&path, filled(MAX_FILE + 1)).unwrap();
        assert!(matches!(read(&path), Err(GunListError::TooLarge(_))));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_with_the_line_it_is_refused_for(text in "\\PC{0,60}(\n\\PC{0,60}){0,5}") {
            match parse(&text) {
                Ok(guns) => prop_assert!(guns.len() <= text.lines().count()),
                Err((line, found, _)) => prop_assert_eq!(text.lines().nth(line - 1).unwrap().trim(), found),
            }
        }
    }
}
