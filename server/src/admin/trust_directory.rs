//! A client's trust directory: what it has seen of repositories, as docker and notary keep it. Nothing of it is believed
//! here.

use std::collections::BTreeMap;
use std::fs::{self, File, FileType};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tuf_schema::{Gun, Role};

/// How many directories are looked into.
const MAX_DIRECTORIES: usize = 1_000_000;

/// How many files of one repository are read.
const MAX_FILES: usize = 4096;

/// A directory such as `~/.docker/trust` or `~/.notary`.
pub(super) struct TrustDirectory {
    path: PathBuf,
    /// How many bytes the documents of one repository may have: what one upload may.
    most_bytes: usize,
}

/// Why a trust directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustDirectoryError {
    /// It is none.
    #[error("{path} has no directory `tuf`: what is meant is a trust directory, such as ~/.docker/trust or ~/.notary", path = .0.display())]
    NoTrustDirectory(PathBuf),
    /// It cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The documents of a repository are too long.
    #[error("{path} and what was read before it of the repository have more than {most} bytes (limits.document_bytes)", path = path.display())]
    TooLong {
        /// The file at which it was found out.
        path: PathBuf,
        /// How many bytes all of them may have.
        most: usize,
    },
    /// There are too many directories.
    #[error("{path} holds more than {MAX_DIRECTORIES} directories", path = .0.display())]
    TooManyDirectories(PathBuf),
    /// A repository has too many files.
    #[error("{path} holds more than {MAX_FILES} documents", path = .0.display())]
    TooManyFiles(PathBuf),
}

impl TrustDirectory {
    /// `most_bytes`: how many the documents of one repository may have, all together.
    pub(super) fn open(path: &Path, most_bytes: usize) -> Result<Self, TrustDirectoryError> {
        if !path.join("tuf").is_dir() {
            return Err(TrustDirectoryError::NoTrustDirectory(path.to_owned()));
        }
        Ok(Self { path: path.to_owned(), most_bytes })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The repositories of which it holds a root, in the order of their names.
    pub(super) fn guns(&self) -> Result<Vec<Gun>, TrustDirectoryError> {
        let top = self.path.join("tuf");
        let (mut found, mut waiting, mut seen) = (Vec::new(), vec![top.clone()], 0_usize);
        while let Some(directory) = waiting.pop() {
            seen = seen.saturating_add(1);
            if seen > MAX_DIRECTORIES {
                return Err(TrustDirectoryError::TooManyDirectories(self.path.clone()));
            }
            let name = directory.strip_prefix(&top).ok().and_then(Path::to_str);
            if let Some(gun) = name.and_then(|name| Gun::parse(name).ok())
                && is_itself(&directory.join("metadata"), FileType::is_dir)
                && is_itself(&directory.join("metadata").join("root.json"), FileType::is_file)
            {
                found.push(gun);
            }
            waiting.extend(entries(&directory)?.into_iter().filter(|(_, kind)| kind.is_dir()).map(|(path, _)| path));
        }
        found.sort();
        Ok(found)
    }

    /// The documents of a repository by their roles; a file that bears no role's name is none of them.
    pub(super) fn documents(&self, gun: &Gun) -> Result<BTreeMap<Role, Bytes>, TrustDirectoryError> {
        let metadata = self.path.join("tuf").join(gun.as_str()).join("metadata");
        let (mut found, mut waiting, mut left) = (BTreeMap::new(), vec![metadata.clone()], self.most_bytes);
        while let Some(directory) = waiting.pop() {
            for (path, kind) in entries(&directory)? {
                if kind.is_dir() {
                    // what lies deeper elsewhere is another repository's
                    if directory != metadata || path.ends_with("targets") {
                        waiting.push(path);
                    }
                    continue;
                }
                let name = path.strip_prefix(&metadata).ok().and_then(Path::to_str);
                let role = name.and_then(|name| name.strip_suffix(".json")).map(Role::parse);
                let (true, Some(Ok(role))) = (kind.is_file(), role) else { continue };
                if found.len() == MAX_FILES {
                    return Err(TrustDirectoryError::TooManyFiles(metadata));
                }
                let document = self.read(path, left)?;
                left = left.saturating_sub(document.len());
                found.insert(role, document);
            }
        }
        Ok(found)
    }

    fn read(&self, path: PathBuf, left: usize) -> Result<Bytes, TrustDirectoryError> {
        // one byte more than allowed tells a longer file
        let most = u64::try_from(left).unwrap_or(u64::MAX).saturating_add(1);
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(most).read_to_end(&mut bytes));
        match read {
            Ok(length) if length > left => Err(TrustDirectoryError::TooLong { path, most: self.most_bytes }),
            Ok(_) => Ok(bytes.into()),
            Err(source) => Err(TrustDirectoryError::Unreadable { path, source }),
        }
    }
}

/// Whether this is there and of that kind, and not a link to something else.
fn is_itself(path: &Path, kind: fn(&FileType) -> bool) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| kind(&found.file_type()))
}

/// What is in a directory that is there; links are told as links, and none is followed.
fn entries(directory: &Path) -> Result<Vec<(PathBuf, FileType)>, TrustDirectoryError> {
    let listed = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.and_then(|entries| {
            entries.map(|entry| entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))).collect()
        }),
    };
    listed.map_err(|source| TrustDirectoryError::Unreadable { path: directory.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn gun(name: &str) -> Gun {
        Gun::parse(name).unwrap()
    }

    fn write(folder: &TempDir, file: &str, bytes: &[u8]) {
        let path = folder.path().join("tuf").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn repositories_and_delegations_lie_where_docker_and_notary_put_them() {
        let folder = TempDir::new().unwrap();
        write(&folder, "a.test/b/metadata/root.json", b"root");
        write(&folder, "a.test/b/metadata/targets/releases.json", b"releases");
        write(&folder, "a.test/b/metadata/targets/team/ci.json", b"ci");
        write(&folder, "a.test/b/metadata/strange.json", b"?");
        write(&folder, "a.test/b/metadata/targets/.json", b"?");
        write(&folder, "a.test/b/changelist/0.json", b"?");
        write(&folder, "a.test/b/c/metadata/root.json", b"another root");
        write(&folder, "a.test/rootless/metadata/targets.json", b"targets");
        std::os::unix::fs::symlink("/", folder.path().join("tuf/elsewhere")).unwrap();
        let directory = TrustDirectory::open(folder.path(), 100).unwrap();
        assert_eq!(directory.guns().unwrap(), [gun("a.test/b"), gun("a.test/b/c")]);
        let documents = directory.documents(&gun("a.test/b")).unwrap();
        let documents: Vec<(&str, &[u8])> = documents.iter().map(|(role, bytes)| (role.as_str(), &bytes[..])).collect();
        assert_eq!(documents, [("root", &b"root"[..]), ("targets/releases", b"releases"), ("targets/team/ci", b"ci")]);
        assert!(directory.documents(&gun("a.test/other")).unwrap().is_empty());
    }

    #[test]
    fn a_repository_whose_name_has_a_part_metadata_is_itself() {
        let folder = TempDir::new().unwrap();
        write(&folder, "a/metadata/root.json", b"root of a");
        write(&folder, "a/metadata/b/metadata/root.json", b"root of the other");
        let directory = TrustDirectory::open(folder.path(), 100).unwrap();
        assert_eq!(directory.guns().unwrap(), [gun("a"), gun("a/metadata/b")]);
        assert_eq!(directory.documents(&gun("a")).unwrap().len(), 1);
        assert_eq!(directory.documents(&gun("a/metadata/b")).unwrap()[&Role::Root], b"root of the other"[..]);
    }

    #[test]
    fn what_lies_behind_a_link_is_no_repository() {
        let (folder, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        write(&elsewhere, "a/metadata/root.json", b"root");
        write(&folder, "b/changelist/0.json", b"?");
        write(&folder, "c/metadata/targets.json", b"targets");
        let theirs = elsewhere.path().join("tuf/a/metadata");
        std::os::unix::fs::symlink(&theirs, folder.path().join("tuf/b/metadata")).unwrap();
        std::os::unix::fs::symlink(theirs.join("root.json"), folder.path().join("tuf/c/metadata/root.json")).unwrap();
        assert_eq!(TrustDirectory::open(folder.path(), 100).unwrap().guns().unwrap(), []);
    }

    #[test]
    fn documents_of_the_most_bytes_together_are_read_and_one_byte_more_is_refused() {
        let folder = TempDir::new().unwrap();
        write(&folder, "a/metadata/root.json", b"123");
        write(&folder, "a/metadata/targets.json", b"45");
        assert_eq!(TrustDirectory::open(folder.path(), 5).unwrap().documents(&gun("a")).unwrap().len(), 2);
        let refused = TrustDirectory::open(folder.path(), 4).unwrap().documents(&gun("a"));
        assert!(matches!(refused, Err(TrustDirectoryError::TooLong { most: 4, .. })));
    }

    #[test]
    fn a_directory_without_tuf_is_refused() {
        let folder = TempDir::new().unwrap();
        let refused = TrustDirectory::open(folder.path(), 100);
        assert!(matches!(refused, Err(TrustDirectoryError::NoTrustDirectory(_))));
    }
}
