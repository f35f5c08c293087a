//! Trusted metadata on disk, in docker's own places: written whole or not at all, byte for byte as received.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use ring::rand::SecureRandom;
use tuf_schema::verify::Pin;
use tuf_schema::{Gun, Role, UtcTime};
use zeroize::Zeroizing;

use crate::paths::TrustDirectory;

/// The largest cached document that is read, in bytes; more than the update would ever have fetched.
const MAX_DOCUMENT: u64 = 100 << 20;

/// The cache of one repository, and what is pinned for it: both say where trust begins.
pub struct Cache {
    directory: TrustDirectory,
    gun: Gun,
    pin: Pin,
    /// Whether the root that is kept came through this cache, to where there was none.
    first_seen: AtomicBool,
}

/// Why a file of the trust directory could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Reading failed.
    #[error("cannot read {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Writing failed; what was there before is still there.
    #[error("cannot write {path}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Cache {
    /// The cache of `gun` in `directory`, with nothing pinned: see [`crate::config::Config::cache`].
    #[must_use]
    pub fn new(directory: TrustDirectory, gun: Gun) -> Self {
        Self { directory, gun, pin: Pin::FirstUse, first_seen: AtomicBool::new(false) }
    }

    /// The same with what is pinned.
    #[must_use]
    pub fn pinned(self, pin: Pin) -> Self {
        Self { pin, ..self }
    }

    /// What must vouch for the roots of the repository.
    #[must_use]
    pub fn pin(&self) -> &Pin {
        &self.pin
    }

    /// The cached document of `role`.
    ///
    /// # Errors
    /// [`FileError::Read`]; that there is none is no error.
    pub fn read(&self, role: &Role) -> Result<Option<Vec<u8>>, FileError> {
        if lies_in_another(role) {
            return Ok(None);
        }
        let path = self.directory.metadata(&self.gun, role);
        let read = |file: File| {
            let length = file.metadata()?.len().min(MAX_DOCUMENT);
            let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
            file.take(MAX_DOCUMENT).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        match File::open(&path).and_then(read) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(FileError::Read { path, source }),
        }
    }

    /// How many bytes the cached document of `role` has, if there is one.
    #[must_use]
    pub fn length(&self, role: &Role) -> Option<u64> {
        if lies_in_another(role) {
            return None;
        }
        fs::metadata(self.directory.metadata(&self.gun, role)).ok().map(|file| file.len())
    }

    /// Whether a root was kept here before this run: one that it saw for the first time was chosen by the server.
    ///
    /// # Errors
    /// [`FileError::Read`].
    pub fn was_anchored(&self) -> Result<bool, FileError> {
        Ok(!self.first_seen.load(Ordering::Relaxed) && self.read(&Role::Root)?.is_some())
    }

    /// Replaces the cached document of `role`; one whose place belongs to another repository is not kept.
    ///
    /// # Errors
    /// [`FileError::Write`].
    pub fn write(&self, role: &Role, bytes: &[u8], rng: &dyn SecureRandom) -> Result<(), FileError> {
        if lies_in_another(role) {
            return Ok(());
        }
        let path = self.directory.metadata(&self.gun, role);
        if *role == Role::Root && !path.exists() {
            self.first_seen.store(true, Ordering::Relaxed);
        }
        let parent = path.parent().unwrap_or(Path::new(""));
        // Of the others nothing is lost if the machine stops: they are fetched again, and who is damaged counts as absent.
        let lasting = match role {
            Role::Root | Role::Timestamp => Lasting::Synced,
            Role::Snapshot | Role::Targets | Role::Delegation(_) => Lasting::Soon,
        };
        write(parent, &path, bytes, lasting, rng).map_err(|source| FileError::Write { path, source })
    }

    /// Keeps what was fetched at `now`: writes it if it is another than what is cached, else takes note of the time.
    ///
    /// # Errors
    /// [`FileError::Write`].
    pub fn keep(&self, role: &Role, bytes: &[u8], now: UtcTime, rng: &dyn SecureRandom) -> Result<(), FileError> {
        let path = self.directory.metadata(&self.gun, role);
        let is_as_long = fs::metadata(&path).is_ok_and(|cached| cached.len() == bytes.len() as u64);
        if !is_as_long || !matches!(self.read(role), Ok(Some(cached)) if cached == bytes) {
            return self.write(role, bytes, rng);
        }
        // It says how old the cache is, and no more: in a directory that may not be written to it stays what it was.
        let _ = OpenOptions::new().write(true).open(path).and_then(|file| file.set_modified(now.to_utc().into()));
        Ok(())
    }

    /// The directory that holds the cached documents.
    #[must_use]
    pub fn place(&self) -> PathBuf {
        self.directory.repository_metadata(&self.gun)
    }

    /// The file that processes of this client lock while they publish.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.directory.lock(&self.gun)
    }

    /// When the cached document of `role` was written, by the file system.
    #[must_use]
    pub fn written(&self, role: &Role) -> Option<UtcTime> {
        let modified = fs::metadata(self.directory.metadata(&self.gun, role)).and_then(|m| m.modified()).ok()?;
        Some(UtcTime::from_utc(modified.into()))
    }
}

/// Whether the place of a role's document is the cache of another repository, as docker lays them out:
/// `targets/metadata/root` of `a/b` lies where the root of `a/b/metadata/targets` does. The last segment names the file
/// and no directory.
fn lies_in_another(role: &Role) -> bool {
    role.as_str().rsplit('/').skip(1).any(|segment| segment == "metadata")
}

/// Writes `bytes` to `path` through a temporary file beside it: mode 0600 under any umask, on disk before it is named.
///
/// Missing directories are made with mode 0700.
///
/// # Errors
/// [`FileError::Write`]; `path` is then as it was.
pub fn write_private(path: &Path, bytes: &[u8], rng: &dyn SecureRandom) -> Result<(), FileError> {
    let parent = path.parent().unwrap_or(Path::new(""));
    move_private(parent, path, bytes, rng)
}

/// The bytes of a file; `None` when they are more than `limit`.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
    let read = |file: File| -> io::Result<_> {
        // At once of its size: where it grew from would not be wiped.
        let size = file.metadata()?.len().min(limit).saturating_add(1);
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or_default()));
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        Ok(if bytes.len() as u64 > limit { None } else { Some(bytes) })
    };
    File::open(path).and_then(read).map_err(|source| FileError::Read { path: path.to_owned(), source })
}

/// Whether a file is one that is written before it gets its name; no run that ends leaves one.
#[must_use]
pub fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with(".bulla-") && (name.ends_with(".tmp") || name.ends_with(".new"))
}

/// The same through a temporary file in `staging`, a directory of the same file system.
///
/// # Errors
/// As [`write_private`].
pub(crate) fn move_private(staging: &Path, path: &Path, bytes: &[u8], rng: &dyn SecureRandom) -> Result<(), FileError> {
    write(staging, path, bytes, Lasting::Synced, rng)
        .map_err(|source| FileError::Write { path: path.to_owned(), source })
}

/// When what was written is on the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lasting {
    /// Before it has its name.
    Synced,
    /// When the system gets to it.
    Soon,
}

fn write(staging: &Path, path: &Path, bytes: &[u8], lasting: Lasting, rng: &dyn SecureRandom) -> io::Result<()> {
    let parent = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    // A bare name lies in the current directory.
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    make_directories(staging)?;
    make_directories(parent)?;
    let mut random = [0_u8; 8];
    rng.fill(&mut random).map_err(|_| io::Error::other("no randomness"))?;
    // A leading dot and no `.json` or `.key` at the end: neither docker nor notary takes it for one of theirs.
    let temporary = staging.join(format!(".bulla-{}.tmp", hex::encode(random)));
    let written = write_new(&temporary, bytes, lasting).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first failure is what is reported; a file left behind is harmless.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    if lasting == Lasting::Synced { File::open(parent)?.sync_all() } else { Ok(()) }
}

fn write_new(path: &Path, bytes: &[u8], lasting: Lasting) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    file.write_all(bytes)?;
    if lasting == Lasting::Synced { file.sync_all() } else { Ok(()) }
}

/// Makes a directory with mode 0700 and those above it that are missing.
pub(crate) fn make_directories(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_directories(parent)?;
    }
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        // Docker may have made it in the meantime.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        other => other?,
    }
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use ring::rand::SystemRandom;

    use super::*;

    fn cache(directory: &Path) -> Cache {
        Cache::new(TrustDirectory::new(directory.join("trust")), Gun::parse("a.test:5000/b/c").unwrap())
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn files_are_0600_and_directories_0700() {
        let home = tempfile::tempdir().unwrap();
        let role = Role::parse("targets/releases").unwrap();
        cache(home.path()).write(&role, b"{}", &SystemRandom::new()).unwrap();
        let mut path = home.path().join("trust/tuf/a.test:5000/b/c/metadata/targets/releases.json");
        assert_eq!(mode(&path), 0o600);
        while path.pop() && path != home.path() {
            assert_eq!(mode(&path), 0o700, "{}", path.display());
        }
    }

    #[test]
    fn what_is_read_is_what_was_written_and_nothing_else_is_left() {
        let home = tempfile::tempdir().unwrap();
        let cache = cache(home.path());
        assert_eq!(cache.read(&Role::Root).unwrap(), None);
        for bytes in [b"first, longer".as_slice(), b"second\n"] {
            cache.write(&Role::Root, bytes, &SystemRandom::new()).unwrap();
            assert_eq!(cache.read(&Role::Root).unwrap().as_deref(), Some(bytes));
        }
        let names = fs::read_dir(home.path().join("trust/tuf/a.test:5000/b/c/metadata")).unwrap().count();
        assert_eq!(names, 1);
        assert!(cache.written(&Role::Root).is_some());
    }

    #[test]
    fn what_is_cached_already_is_not_written_again_and_counts_as_fetched_now() {
        let home = tempfile::tempdir().unwrap();
        let cache = cache(home.path());
        let file = home.path().join("trust/tuf/a.test:5000/b/c/metadata/timestamp.json");
        let at = |text: &str| UtcTime::parse(text).unwrap();
        let keep = |bytes: &[u8], now| cache.keep(&Role::Timestamp, bytes, now, &SystemRandom::new()).unwrap();
        let inode = || std::os::unix::fs::MetadataExt::ino(&fs::metadata(&file).unwrap());
        keep(b"first", at("2026-11-22T00:00:00Z"));
        let first = inode();
        keep(b"first", at("2026-11-23T00:00:00Z"));
        assert_eq!((inode(), cache.written(&Role::Timestamp)), (first, Some(at("2026-11-23T00:00:00Z"))));
        keep(b"second", at("2026-11-23T00:00:00Z"));
        assert_eq!(cache.read(&Role::Timestamp).unwrap().as_deref(), Some(b"second".as_slice()));
    }

    #[test]
    fn a_delegation_cannot_take_the_place_of_another_repository_s_root() {
        let home = tempfile::tempdir().unwrap();
        let directory = TrustDirectory::new(home.path().to_owned());
        let inner = Cache::new(directory.clone(), Gun::parse("a.test/b/metadata/targets").unwrap());
        let outer = Cache::new(directory.clone(), Gun::parse("a.test/b").unwrap());
        let delegation = Role::parse("targets/metadata/root").unwrap();
        assert_eq!(
            directory.metadata(&Gun::parse("a.test/b").unwrap(), &delegation),
            directory.metadata(&Gun::parse("a.test/b/metadata/targets").unwrap(), &Role::Root)
        );
        inner.write(&Role::Root, b"root", &SystemRandom::new()).unwrap();
        outer.write(&delegation, b"delegation", &SystemRandom::new()).unwrap();
        assert_eq!(inner.read(&Role::Root).unwrap().as_deref(), Some(b"root".as_slice()));
        assert_eq!(outer.read(&delegation).unwrap(), None);
    }

    #[test]
    fn a_delegation_that_is_merely_called_metadata_is_kept() {
        let home = tempfile::tempdir().unwrap();
        for name in ["targets/metadata", "targets/a/metadata"] {
            let role = Role::parse(name).unwrap();
            cache(home.path()).write(&role, b"{}", &SystemRandom::new()).unwrap();
            assert!(cache(home.path()).read(&role).unwrap().is_some(), "{name}");
        }
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_other() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("d");
        fs::create_dir_all(directory.join("taken")).unwrap();
        let error = write_private(&directory.join("taken"), b"x", &SystemRandom::new()).unwrap_err();
        assert!(matches!(error, FileError::Write { .. }), "{error}");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
    }
}
