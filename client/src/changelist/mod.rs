//! Changes that are staged for the next publish: the files that docker, notary and this client share.
//!
//! Docker and notary know no lock, so a file is moved into the directory when it is whole, and one that is not understood
//! stays where it is.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::PathBuf;

use ring::rand::SecureRandom;
use tuf_schema::{Gun, UtcTime};

mod change;
mod error;
mod go_json;
mod name;
pub mod target_file;
mod wire;

pub use change::{Change, DelegationEdit};
pub use error::ChangelistError;
pub use wire::{ChangeFault, Words};

use crate::cache::{FileError, move_private};
use crate::entries::entries;
use crate::lock::{Lock, LockError};
use crate::paths::TrustDirectory;

/// The largest change that is read, in bytes: what fits into a document at all.
const MAX_CHANGE_BYTES: u64 = 16 << 20;
/// How the names of our own files begin; they may lie in the list of a repository that is named like a directory.
const OURS: &str = ".bulla-";

/// The staged changes of one repository.
#[derive(Clone, Debug)]
pub struct Changelist {
    repository: PathBuf,
    directory: PathBuf,
}

/// A change and the file that it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Staged {
    name: String,
    /// The change.
    pub change: Change,
}

impl Changelist {
    /// The staged changes of `gun` in `trust`.
    #[must_use]
    pub fn new(trust: &TrustDirectory, gun: &Gun) -> Self {
        Self { repository: trust.repository(gun), directory: trust.changelist(gun) }
    }

    /// The changes, in the order in which they are applied.
    ///
    /// # Errors
    /// [`ChangelistError`] names the file that is not understood.
    pub fn list(&self) -> Result<Vec<Staged>, ChangelistError> {
        let mut staged = Vec::new();
        for name in self.names()? {
            // One that another process published or reset meanwhile is none any more.
            if let Some(change) = self.read(&name)? {
                staged.push(Staged { name, change });
            }
        }
        Ok(staged)
    }

    /// Stages `changes` behind those that are there: all of them, or none.
    ///
    /// # Errors
    /// [`ChangelistError`].
    pub fn append(&self, changes: &[Change], now: UtcTime, rng: &dyn SecureRandom) -> Result<(), ChangelistError> {
        let _locked = self.lock()?;
        let mut last = self.names()?.pop();
        let mut done = Vec::new();
        for change in changes {
            let written = self.append_one(change, last.as_deref(), now, rng);
            match written {
                Ok(name) => {
                    last = Some(name.clone());
                    done.push(name);
                }
                Err(e) => {
                    // What is reported is why; that a half of it may stay is for `status` to show.
                    let _ = done.iter().try_for_each(|name| self.remove_file(name));
                    return Err(e);
                }
            }
        }
        Ok(())
    }

    /// Takes away those that were published, and nothing that was staged since.
    ///
    /// # Errors
    /// [`ChangelistError::File`]; that one is gone already is none.
    pub fn remove(&self, published: &[Staged]) -> Result<(), ChangelistError> {
        if published.is_empty() {
            return Ok(());
        }
        let _locked = self.lock()?;
        published.iter().try_for_each(|staged| self.remove_file(&staged.name))
    }

    /// Takes away the changes of these numbers, counted from 0 as [`list`](Self::list) tells them, or none.
    ///
    /// # Errors
    /// [`ChangelistError::NoSuchNumber`] and others.
    pub fn reset(&self, numbers: &BTreeSet<usize>) -> Result<(), ChangelistError> {
        if !self.directory.is_dir() {
            return numbers
                .first()
                .map_or(Ok(()), |number| Err(ChangelistError::NoSuchNumber { number: *number, count: 0 }));
        }
        let _locked = self.lock()?;
        let staged = self.list()?;
        let named = |number: &usize| {
            let no_such_number = ChangelistError::NoSuchNumber { number: *number, count: staged.len() };
            staged.get(*number).ok_or(no_such_number)
        };
        let chosen = numbers.iter().map(named).collect::<Result<Vec<_>, _>>()?;
        chosen.into_iter().try_for_each(|staged| self.remove_file(&staged.name))
    }

    /// Takes away all changes, those that are not understood among them.
    ///
    /// # Errors
    /// [`ChangelistError::File`], and [`ChangelistError::Foreign`] for what is none.
    pub fn clear(&self) -> Result<(), ChangelistError> {
        if !self.directory.is_dir() {
            return Ok(());
        }
        let _locked = self.lock()?;
        self.names()?.iter().try_for_each(|name| self.remove_file(name))
    }

    /// The file that processes of this client lock while they publish what is staged.
    #[must_use]
    pub fn publishing_lock(&self) -> PathBuf {
        self.repository.join(format!("{OURS}staged.lock"))
    }

    /// The names of all changes, sorted.
    fn names(&self) -> Result<Vec<String>, ChangelistError> {
        let mut names = Vec::new();
        for (entry, kind) in entries(&self.directory)? {
            // A directory is that of a repository whose name goes on; docker and notary pass it over, too.
            if kind.is_dir() {
                continue;
            }
            let path = entry.path();
            let name = entry.file_name().into_string().map_err(|_| ChangelistError::Foreign(path.clone()))?;
            if name.starts_with(OURS) {
                continue;
            }
            if path.extension().is_none_or(|extension| extension != name::EXTENSION) {
                return Err(ChangelistError::Foreign(path));
            }
            names.push(name);
        }
        names.sort();
        Ok(names)
    }

    fn read(&self, name: &str) -> Result<Option<Change>, ChangelistError> {
        let path = self.directory.join(name);
        let mut bytes = Vec::new();
        let limit = MAX_CHANGE_BYTES.saturating_add(1);
        match File::open(&path).and_then(|file| file.take(limit).read_to_end(&mut bytes)) {
            Ok(_) if bytes.len() as u64 > MAX_CHANGE_BYTES => Err(ChangelistError::TooLarge(path)),
            Ok(_) => match wire::decode(&bytes) {
                Ok(change) => Ok(Some(change)),
                Err(why) => Err(ChangelistError::NotUnderstood { path, why }),
            },
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(FileError::Read { path, source }.into()),
        }
    }

    /// Writes one change and returns the name of its file, which sorts after `last`.
    fn append_one(
        &self,
        change: &Change,
        last: Option<&str>,
        now: UtcTime,
        rng: &dyn SecureRandom,
    ) -> Result<String, ChangelistError> {
        let content = wire::encode(change)?;
        let named = name::after(last, now, rng).map_err(|source| self.unwritable(source))?;
        let name = named.ok_or_else(|| ChangelistError::NoNameLeft(self.directory.join(last.unwrap_or_default())))?;
        // Made outside of the list, as docker and notary take every file there for a change.
        move_private(&self.repository, &self.directory.join(&name), &content, rng)?;
        Ok(name)
    }

    fn remove_file(&self, name: &str) -> Result<(), ChangelistError> {
        let path = self.directory.join(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(FileError::Write { path, source: e }.into()),
            _ => Ok(()),
        }
    }

    /// The file that processes of this client lock while they change the list.
    pub(crate) fn lock_file(&self) -> PathBuf {
        self.repository.join(format!("{OURS}changelist.lock"))
    }

    /// Keeps other processes of ours from the list. The file lies beside the list: what lies in it
    /// is a change to docker and notary, which take no lock.
    fn lock(&self) -> Result<Lock, LockError> {
        Lock::briefly(&self.lock_file())
    }

    fn unwritable(&self, source: io::Error) -> ChangelistError {
        FileError::Write { path: self.directory.clone(), source }.into()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::sync::Barrier;

    use ring::rand::SystemRandom;
    use tuf_schema::Role;

    use super::*;
    use crate::cache::make_directories;

    struct Home {
        directory: tempfile::TempDir,
        list: Changelist,
    }

    impl Home {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let list = Changelist::new(&TrustDirectory::new(directory.path().to_owned()), &gun());
            Self { directory, list }
        }

        fn stage(&self, names: &[&str]) {
            let changes: Vec<_> = names.iter().map(|name| removal(name)).collect();
            self.list.append(&changes, now(), &SystemRandom::new()).unwrap();
        }

        fn names(&self) -> Vec<String> {
            self.list.list().unwrap().into_iter().map(|staged| target(&staged.change).to_owned()).collect()
        }

        /// Puts a file among the changes.
        fn put(&self, name: &str, content: &[u8]) -> PathBuf {
            let path = self.list.directory.join(name);
            make_directories(&self.list.directory).unwrap();
            fs::write(&path, content).unwrap();
            path
        }

        /// Every file below the repository but the lock, by its path.
        fn files(&self) -> Vec<PathBuf> {
            let mut found = Vec::new();
            for directory in [&self.list.repository, &self.list.directory] {
                for entry in fs::read_dir(directory).unwrap() {
                    let path = entry.unwrap().path();
                    if path.is_file() && path.extension().unwrap() != "lock" {
                        found.push(path);
                    }
                }
            }
            found.sort();
            found
        }
    }

    fn gun() -> Gun {
        Gun::parse("registry.test:5000/team/app").unwrap()
    }

    fn now() -> UtcTime {
        UtcTime::parse("2026-11-22T00:00:00.000000123Z").unwrap()
    }

    fn removal(name: &str) -> Change {
        Change::RemoveTarget { role: Role::Targets, name: name.into() }
    }

    fn target(change: &Change) -> &str {
        match change {
            Change::RemoveTarget { name, .. } => name,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn changes_are_listed_in_the_order_in_which_they_were_staged() {
        let home = Home::new();
        assert_eq!(home.names(), [""; 0]);
        home.stage(&["c"]);
        home.stage(&["a", "b"]);
        assert_eq!(home.names(), ["c", "a", "b"]);
    }

    #[test]
    fn a_change_lies_where_docker_and_notary_look_for_it_under_a_name_like_theirs() {
        let home = Home::new();
        home.stage(&["a"]);
        let files = home.files();
        let list = home.directory.path().join("tuf/registry.test:5000/team/app/changelist");
        assert_eq!((files.len(), files[0].parent()), (1, Some(list.as_path())));
        let name = files[0].file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("01795305600000000123_") && name.ends_with(".change"), "{name}");
        let content = fs::read_to_string(&files[0]).unwrap();
        assert_eq!(content, r#"{"action":"delete","role":"targets","type":"target","path":"a","data":null}"#);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&files[0]), mode(&list), mode(list.parent().unwrap())), (0o600, 0o700, 0o700));
    }

    #[test]
    fn a_change_sorts_after_what_is_there_whatever_the_clock_says() {
        let home = Home::new();
        let content = wire::encode(&removal("theirs")).unwrap();
        home.put("09999999999999999999_d9428888-122b-41e1-b85c-61cd3cbb3210.change", &content);
        home.stage(&["ours"]);
        assert_eq!(home.names(), ["theirs", "ours"]);
        assert!(home.files()[1].to_str().unwrap().contains("/10000000000000000000_"));
    }

    #[test]
    fn behind_the_last_possible_name_nothing_is_staged() {
        for name in [format!("{}_x.change", "9".repeat(20)), "x.change".to_owned()] {
            let home = Home::new();
            let path = home.put(&name, &wire::encode(&removal("theirs")).unwrap());
            let error = home.list.append(&[removal("ours")], now(), &SystemRandom::new()).unwrap_err();
            assert!(matches!(&error, ChangelistError::NoNameLeft(found) if *found == path), "{error}");
            assert_eq!(home.names(), ["theirs"]);
        }
    }

    #[test]
    fn publishing_takes_away_what_was_published_and_nothing_that_was_staged_meanwhile() {
        let home = Home::new();
        home.stage(&["a", "b"]);
        let published = home.list.list().unwrap();
        home.stage(&["c"]);
        home.list.reset(&BTreeSet::from([0])).unwrap();
        home.list.remove(&published).unwrap();
        assert_eq!(home.names(), ["c"]);
    }

    #[test]
    fn numbers_are_reset_together_or_not_at_all() {
        let home = Home::new();
        home.stage(&["a", "b", "c"]);
        let error = home.list.reset(&BTreeSet::from([0, 3])).unwrap_err();
        assert_eq!(error.to_string(), "there is no staged change 3: they go from 0 to 2");
        assert_eq!(home.names(), ["a", "b", "c"]);
        home.list.reset(&BTreeSet::from([0, 2])).unwrap();
        assert_eq!(home.names(), ["b"]);
        let error = home.list.reset(&BTreeSet::from([1])).unwrap_err();
        assert_eq!(error.to_string(), "there is no staged change 1: there is only 0");
        home.list.clear().unwrap();
        let error = home.list.reset(&BTreeSet::from([0])).unwrap_err();
        assert_eq!(error.to_string(), "there is no staged change 0: nothing is staged");
    }

    #[test]
    fn where_nothing_was_ever_staged_nothing_is_made() {
        let home = Home::new();
        home.list.clear().unwrap();
        assert!(home.list.reset(&BTreeSet::from([0])).is_err());
        assert_eq!(fs::read_dir(home.directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_torn_change_is_named_and_stays_until_everything_is_reset() {
        let home = Home::new();
        home.stage(&["a"]);
        let whole = wire::encode(&removal("b")).unwrap();
        let torn = home.put("01795305600000000999_x.change", &whole[..20]);
        let before = home.files();
        let error = home.list.list().unwrap_err();
        assert!(matches!(&error, ChangelistError::NotUnderstood { path, .. } if *path == torn), "{error}");
        assert!(home.list.reset(&BTreeSet::from([0])).is_err());
        assert_eq!(home.files(), before);
        home.list.clear().unwrap();
        assert!(home.files().is_empty());
    }

    #[test]
    fn what_is_no_change_is_named_and_never_removed() {
        let home = Home::new();
        home.stage(&["a"]);
        let staged = home.list.list().unwrap();
        let foreign = home.put("notes.txt", b"mine");
        let before = home.files();
        let is_named = |error: &ChangelistError| matches!(error, ChangelistError::Foreign(path) if *path == foreign);
        assert!(is_named(&home.list.list().unwrap_err()));
        assert!(is_named(&home.list.clear().unwrap_err()));
        assert!(is_named(&home.list.append(&[removal("b")], now(), &SystemRandom::new()).unwrap_err()));
        assert_eq!(home.files(), before);
        home.list.remove(&staged).unwrap();
        assert_eq!(home.files(), [foreign]);
    }

    #[test]
    fn a_change_has_so_many_bytes_and_not_one_more() {
        let home = Home::new();
        let empty = wire::encode(&removal("")).unwrap().len() as u64;
        let name = |length: u64| "x".repeat(usize::try_from(length - empty).unwrap());
        home.put("1.change", &wire::encode(&removal(&name(MAX_CHANGE_BYTES))).unwrap());
        assert_eq!(home.list.list().unwrap().len(), 1);
        let larger = home.put("1.change", &wire::encode(&removal(&name(MAX_CHANGE_BYTES + 1))).unwrap());
        let error = home.list.list().unwrap_err();
        assert!(matches!(&error, ChangelistError::TooLarge(path) if *path == larger), "{error}");
    }

    #[test]
    fn a_repository_that_is_named_like_the_list_does_not_disturb_it() {
        let home = Home::new();
        home.stage(&["a"]);
        let inner = Gun::parse(&format!("{}/changelist", gun())).unwrap();
        let inner = Changelist::new(&TrustDirectory::new(home.directory.path().to_owned()), &inner);
        inner.append(&[removal("inner")], now(), &SystemRandom::new()).unwrap();
        assert_eq!(home.names(), ["a"]);
        home.list.clear().unwrap();
        assert_eq!(inner.list().unwrap().len(), 1);
    }

    #[test]
    fn the_reference_s_list_is_read_in_the_order_of_its_status() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/trust-dir");
        let gun = Gun::parse("example.com/fix/pending").unwrap();
        let staged = Changelist::new(&TrustDirectory::new(directory), &gun).list().unwrap();
        assert_eq!(staged.len(), 16);
        let adds: Vec<_> = staged
            .iter()
            .filter_map(|staged| match &staged.change {
                Change::AddTarget { name, .. } => Some(name.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(adds, ["t1", "t2", "t3"]);
    }

    #[test]
    fn many_at_once_stage_all_changes_each_behind_the_others() {
        let home = Home::new();
        let start = Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    home.stage(&["first", "second"]);
                });
            }
        });
        assert_eq!(home.names(), ["first", "second"].repeat(8));
        let times: BTreeSet<_> = home.files().iter().map(|path| path.file_name().unwrap().to_owned()).collect();
        let times: BTreeSet<_> = times.iter().map(|name| name.to_str().unwrap()[..20].to_owned()).collect();
        assert_eq!(times.len(), 16);
    }

    #[test]
    fn when_a_change_cannot_be_staged_none_of_its_group_is() {
        let home = Home::new();
        let theirs = format!("{}_x.change", "9".repeat(19) + "8");
        home.put(&theirs, &wire::encode(&removal("theirs")).unwrap());
        let error = home.list.append(&[removal("a"), removal("b")], now(), &SystemRandom::new()).unwrap_err();
        assert!(matches!(error, ChangelistError::NoNameLeft(_)), "{error}");
        assert_eq!(home.names(), ["theirs"]);
        assert_eq!(home.files().len(), 1);
    }
}
