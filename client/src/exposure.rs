//! Keys, passphrases and directories that others on this machine can read or change.
//!
//! Docker makes them private and never looks again. A loose mode is no reason to refuse, as docker works with it, but
//! its owner should know: whoever can write there chooses what is trusted.

use std::fmt;
use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};

use crate::paths::{DockerDirectory, TrustDirectory};

/// Permission bits of group and others: none of them may be set for a private key.
const ALL_BUT_OWNER: u32 = 0o077;
/// Permission bits by which anybody but the owner may write.
const ALL_BUT_OWNER_WRITE: u32 = 0o022;
/// The permission bit by which everybody on the machine may write.
const OTHERS_WRITE: u32 = 0o002;
/// The permission bit by which only the owner of a file, or of its directory, takes it away.
const STICKY: u32 = 0o1000;

/// The user who may do everything.
const ROOT: u32 = 0;

/// Something that is open to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposed {
    path: PathBuf,
    mode: u32,
    wanted: u32,
}

impl Exposed {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The permission bits that it should have.
    #[must_use]
    pub fn wanted(&self) -> u32 {
        self.wanted
    }

    /// Its permission bits.
    #[must_use]
    pub fn mode(&self) -> u32 {
        self.mode
    }

    /// Whether anybody but its owner may change it.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.mode & ALL_BUT_OWNER_WRITE != 0
    }
}

impl fmt::Display for Exposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, mode, wanted } = self;
        write!(f, "{} is open to others (mode {mode:04o}); it should be {wanted:04o}", path.display())
    }
}

/// Something that belongs to somebody who is neither root nor the one who runs this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    path: PathBuf,
    owner: u32,
    caller: u32,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, owner, caller } = self;
        write!(f, "{} belongs to user {owner}, and not to root", path.display())?;
        if *caller != ROOT {
            write!(f, " or to user {caller}")?;
        }
        f.write_str(", who runs this")
    }
}

/// The file of a private key, if anybody but its owner may read or change it.
#[must_use]
pub fn of_key(path: &Path) -> Option<Exposed> {
    exposed(path, ALL_BUT_OWNER, 0o600)
}

/// A file that was opened as a secret, if anybody but its owner may read or change it.
#[must_use]
pub fn of_secret(path: &Path, file: &File) -> Option<Exposed> {
    judged(path, &file.metadata().ok()?, ALL_BUT_OWNER, 0o600)
}

/// A policy that was opened, if anybody but its owner may change it: whoever can decides what may be pulled.
#[must_use]
pub fn of_policy(path: &Path, file: &File) -> Option<Exposed> {
    judged(path, &file.metadata().ok()?, ALL_BUT_OWNER_WRITE, 0o644)
}

/// A directory, if anybody but its owner may replace or remove the files of others in it.
#[must_use]
pub(crate) fn of_place(path: &Path) -> Option<Exposed> {
    let exposed = exposed(path, ALL_BUT_OWNER_WRITE, 0).filter(|exposed| exposed.mode & STICKY == 0)?;
    Some(Exposed { wanted: exposed.mode & !ALL_BUT_OWNER_WRITE, ..exposed })
}

/// A file or directory, if it belongs to somebody who is neither root nor `caller`.
#[cfg(unix)]
#[must_use]
pub(crate) fn of_another(path: &Path, metadata: &Metadata, caller: u32) -> Option<Foreign> {
    use std::os::unix::fs::MetadataExt as _;
    let owner = metadata.uid();
    (owner != ROOT && owner != caller).then(|| Foreign { path: path.to_owned(), owner, caller })
}

/// Whether a file that was opened has no name: a pipe, or one that was removed meanwhile.
#[cfg(unix)]
pub(crate) fn is_nameless(metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    !metadata.is_file() || metadata.nlink() == 0
}

/// Who runs this.
#[cfg(unix)]
pub(crate) fn caller() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
pub(crate) fn of_another(_: &Path, _: &Metadata, _: u32) -> Option<Foreign> {
    None
}

#[cfg(not(unix))]
pub(crate) fn is_nameless(metadata: &Metadata) -> bool {
    !metadata.is_file()
}

#[cfg(not(unix))]
pub(crate) fn caller() -> u32 {
    ROOT
}

/// A directory, if anybody but its owner may put, replace or remove files in it.
#[must_use]
pub fn of_directory(path: &Path) -> Option<Exposed> {
    exposed(path, ALL_BUT_OWNER_WRITE, 0o700)
}

/// Those of docker's directory and the trust directory in which everybody may put, replace and remove files, and the file
/// of pins if everybody may write to it.
#[must_use]
pub fn of_directories(docker: &DockerDirectory, trust: &TrustDirectory) -> Vec<Exposed> {
    let directories =
        [docker.as_path().to_owned(), trust.as_path().to_owned(), trust.private(), trust.metadata_of_all()];
    let exposed = directories.iter().filter_map(|path| exposed(path, OTHERS_WRITE, 0o700));
    exposed.chain(self::exposed(&trust.own_file(), OTHERS_WRITE, 0o644)).collect()
}

fn exposed(path: &Path, bits: u32, wanted: u32) -> Option<Exposed> {
    judged(path, &std::fs::metadata(path).ok()?, bits, wanted)
}

#[cfg(unix)]
fn judged(path: &Path, metadata: &Metadata, bits: u32, wanted: u32) -> Option<Exposed> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = metadata.permissions().mode() & 0o7777;
    (mode & bits != 0).then(|| Exposed { path: path.to_owned(), mode, wanted })
}

#[cfg(not(unix))]
fn judged(_: &Path, _: &Metadata, _: u32, _: u32) -> Option<Exposed> {
    None
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn set(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_key_is_for_its_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("x.key");
        std::fs::write(&path, "").unwrap();
        for (mode, open) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true), (0o620, true)] {
            set(&path, mode);
            assert_eq!(of_key(&path).is_some(), open, "{mode:o}");
        }
        assert!(
            of_key(&path).unwrap().to_string().ends_with("/x.key is open to others (mode 0620); it should be 0600")
        );
        assert_eq!(of_key(&home.path().join("absent")), None);
    }

    #[test]
    fn what_is_somebody_else_s_is_told_with_who_may_own_it() {
        let told = |caller| Foreign { path: "/p".into(), owner: 65534, caller }.to_string();
        assert_eq!(told(1000), "/p belongs to user 65534, and not to root or to user 1000, who runs this");
        assert_eq!(told(0), "/p belongs to user 65534, and not to root, who runs this");
    }

    #[test]
    fn directories_that_everybody_may_write_to_are_named() {
        let home = tempfile::tempdir().unwrap();
        let docker = DockerDirectory::new(home.path().join(".docker"));
        assert_eq!(of_directories(&docker, &docker.trust()), []);
        std::fs::create_dir_all(docker.trust().private()).unwrap();
        for path in [docker.as_path(), docker.trust().as_path(), &docker.trust().private()] {
            set(path, 0o755);
        }
        assert_eq!(of_directories(&docker, &docker.trust()), []);
        set(docker.trust().as_path(), 0o777);
        set(&docker.trust().private(), 0o1777);
        std::fs::write(docker.trust().own_file(), "{}").unwrap();
        set(&docker.trust().own_file(), 0o666);
        let modes: Vec<_> = of_directories(&docker, &docker.trust()).iter().map(|exposed| exposed.mode).collect();
        assert_eq!(modes, [0o777, 0o1777, 0o666]);
    }
}
