//! A bundle's way into a trust directory: what is there stays, and of the rest all comes or nothing.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ring::rand::SecureRandom;

use super::error::BundleError;
use super::place::Place;
use super::{Bundle, MAX_FILE_BYTES};
use crate::cache::read_bounded;
use crate::keys::new_file::write_new;
use crate::keys::{Keyring, StoredKey};
use crate::paths::TrustDirectory;

/// What restoring a bundle would do.
pub struct Plan<'a> {
    new: Vec<New<'a>>,
    kept: Vec<(&'a Place, Found)>,
}

/// What is in the place of a file of a bundle already, and stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The same file.
    Same,
    /// The same key, perhaps under another passphrase.
    Key,
    /// Another root, which this machine came to trust since, or before.
    OtherRoot,
}

/// A file that is to be made.
struct New<'a> {
    place: &'a Place,
    path: PathBuf,
    content: &'a [u8],
}

impl Bundle {
    /// What of it is not in a trust directory yet.
    ///
    /// # Errors
    /// [`BundleError::Taken`]: a setting, or what is no key of the same id, is in the place of a file.
    pub fn plan<'a>(&'a self, keys: &Keyring, trust: &TrustDirectory) -> Result<Plan<'a>, BundleError> {
        // A key of a token has no copy here, and where it is does not keep one away.
        let in_file = |key: &StoredKey| key.token().is_none();
        let here: BTreeSet<_> = keys.list()?.into_iter().filter(in_file).map(|key| key.id).collect();
        let mut plan = Plan { new: Vec::new(), kept: Vec::new() };
        for (place, content) in &self.files {
            let path = place.path(trust);
            if let Place::Key(_) = place
                && here.contains(&keys.described(path.clone(), content)?.id)
            {
                plan.kept.push((place, Found::Key));
                continue;
            }
            match (is_here(&path, content)?, place) {
                (None, _) => plan.new.push(New { place, path, content }),
                (Some(true), _) => plan.kept.push((place, Found::Same)),
                (Some(false), Place::Root(_)) => plan.kept.push((place, Found::OtherRoot)),
                (Some(false), _) => return Err(BundleError::Taken(path)),
            }
        }
        Ok(plan)
    }
}

impl Plan<'_> {
    /// What is not there yet.
    pub fn new_files(&self) -> impl Iterator<Item = &Place> {
        self.new.iter().map(|new| new.place)
    }

    /// What is there and stays.
    pub fn kept(&self) -> impl Iterator<Item = (&Place, Found)> {
        self.kept.iter().map(|(place, found)| (*place, *found))
    }

    /// Makes what is not there yet: all of it, or nothing.
    ///
    /// # Errors
    /// [`BundleError::New`]; what was made is gone again.
    pub fn carry_out(&self, rng: &dyn SecureRandom) -> Result<(), BundleError> {
        let (mut files, mut directories) = (Vec::new(), Vec::new());
        let make = |new: &New<'_>| {
            directories.extend(missing_directories(&new.path));
            write_new(&new.path, new.content, rng)?;
            files.push(new.path.clone());
            Ok(())
        };
        let made = self.new.iter().try_for_each(make);
        if made.is_err() {
            // The first error is the one to tell; a directory that is not empty is somebody else's by now.
            files.iter().rev().for_each(|file| drop(fs::remove_file(file)));
            directories.iter().rev().for_each(|directory| drop(fs::remove_dir(directory)));
        }
        made
    }
}

/// Whether a file is what it would be; `None` when there is nothing at all.
fn is_here(path: &Path, content: &[u8]) -> Result<Option<bool>, BundleError> {
    match path.symlink_metadata() {
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        _ if !path.is_file() => Ok(Some(false)),
        _ => Ok(Some(read_bounded(path, MAX_FILE_BYTES)?.is_some_and(|here| here.as_slice() == content))),
    }
}

/// The directories of a file that are not there, the uppermost first.
fn missing_directories(path: &Path) -> Vec<PathBuf> {
    let mut missing: Vec<_> =
        path.ancestors().skip(1).take_while(|directory| !directory.exists()).map(Path::to_owned).collect();
    missing.reverse();
    missing.retain(|directory| !directory.as_os_str().is_empty());
    missing
}
