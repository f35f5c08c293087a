//! Shares of root keys: a key in n files of which any k give it back, and fewer say nothing of it. Whoever has k of them
//! has the key.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use ring::rand::SecureRandom;
use tuf_schema::sign::SecretKey;
use tuf_schema::{KeyId, SigningKey as _};

mod error;
mod file;
mod quorum;
mod split;
#[cfg(test)]
mod tests;

use crate::cache::FileError;
use crate::keys::new_file::write_new;
use crate::keys::{Imported, KeyRole, Keyring, KeyringError, StoredKey};
pub use error::{ShareError, ShareFileError};
use file::is_named_as_share;
pub use file::{Share, SplitId};
pub use quorum::{MAX_SHARES, MIN_THRESHOLD, Quorum, QuorumError};

/// The largest file of a share, in bytes.
pub const MAX_FILE_BYTES: u64 = 64 << 10;

/// A key that was shared.
#[derive(Debug)]
pub struct Shared {
    /// The key.
    pub key: StoredKey,
    /// Which split of it this is.
    pub split: SplitId,
    /// The files, that of share number 1 first.
    pub files: Vec<PathBuf>,
}

/// A key that shares gave.
#[derive(Debug)]
pub struct Joined {
    /// The key as it is stored now.
    pub key: Imported,
    /// Whether a key that was here before was opened and is this one; otherwise no passphrase for it was given.
    pub opened: bool,
    /// The split that the shares are of.
    pub split: SplitId,
    /// How many shares there are, and how many give the key.
    pub quorum: Quorum,
    /// The numbers of those that were joined.
    pub numbers: Vec<u8>,
}

/// Writes shares of a root key into files of their own in `directory`, which is made if it is missing, and joins them as
/// they were read back from there. The key stays.
///
/// # Errors
/// [`ShareError`]; unless it is [`ShareError::LeftBehind`], nothing is left of the shares.
pub fn share(
    keys: &Keyring,
    id: &KeyId,
    quorum: Quorum,
    directory: &Path,
    rng: &dyn SecureRandom,
) -> Result<Shared, ShareError> {
    let key = keys.find(id)?;
    if key.role != KeyRole::Root {
        return Err(ShareError::NotRoot { id: key.id, role: key.role });
    }
    if let Some(share) = shares_in(directory)? {
        return Err(ShareError::Taken(share));
    }
    let shares = split_key(&keys.taken_out(&key)?, quorum, rng)?;
    let split = shares.first().map(|share| share.split).ok_or(ShareError::Randomness)?;
    Ok(Shared { key, split, files: place(&shares, directory, rng)? })
}

/// Removes a key once it was shared into `directory`.
///
/// # Errors
/// [`ShareError::NotRemoved`]; the shares stay, and give the key.
pub fn remove_shared(keys: &mut Keyring, shared: &Shared, directory: &Path) -> Result<(), ShareError> {
    keys.remove(&shared.key).map_err(|source| ShareError::NotRemoved { directory: directory.to_owned(), source })
}

/// Stores the key that shares give under the passphrase of root keys. One that is here already stays as it is.
///
/// # Errors
/// [`ShareError`]; nothing was written then.
pub fn join(files: &[PathBuf], keys: &mut Keyring, rng: &dyn SecureRandom) -> Result<Joined, ShareError> {
    let read = |path: &PathBuf| Share::read(path).map(|share| (path.clone(), share));
    let shares = files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let first = fitting(&shares)?;
    let numbers = shares.iter().map(|(_, share)| share.number).collect();
    let secret = combined(shares.iter().map(|(_, share)| share), &first.key)?;
    let key = keys.import(secret, KeyRole::Root, None, rng)?;
    let opened = key.is_new || keys.is_what_it_says(&key.key)?;
    Ok(Joined { key, opened, split: first.split, quorum: first.quorum, numbers })
}

/// The shares of a key.
fn split_key(secret: &SecretKey, quorum: Quorum, rng: &dyn SecureRandom) -> Result<Vec<Share>, ShareError> {
    let der = secret.to_pkcs8_der().map_err(KeyringError::from)?;
    let split_id = SplitId::new(|bytes| rng.fill(bytes))?;
    let bodies = split::split(&der, quorum, |bytes| rng.fill(bytes)).ok_or(ShareError::Randomness)?;
    let key = secret.public().id();
    let share = |(body, number)| Share { key: key.clone(), split: split_id, quorum, number, body };
    Ok(bodies.into_iter().zip(1..=quorum.shares()).map(share).collect())
}

/// A share in `directory`, if there is one.
fn shares_in(directory: &Path) -> Result<Option<PathBuf>, ShareError> {
    let failed = |source| FileError::Read { path: directory.to_owned(), source };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(e).into()),
    };
    let mut paths =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    paths.sort();
    Ok(paths.into_iter().find(|path| is_named_as_share(path)))
}

/// Writes shares, and joins them as they were read back: all of them hold, or none is there.
fn place(shares: &[Share], directory: &Path, rng: &dyn SecureRandom) -> Result<Vec<PathBuf>, ShareError> {
    let is_new = !directory.exists();
    let mut files = Vec::new();
    match write(shares, directory, &mut files, rng).and_then(|()| prove(shares, &files, directory)) {
        Ok(()) => Ok(files),
        Err(cause) => {
            let error = undone(files, cause);
            if is_new {
                // What others put there meanwhile keeps it.
                let _ = fs::remove_dir(directory);
            }
            Err(error)
        }
    }
}

/// Writes shares so that they are on the disk; what is written is in `files`, even if not all of it is.
fn write(
    shares: &[Share],
    directory: &Path,
    files: &mut Vec<PathBuf>,
    rng: &dyn SecureRandom,
) -> Result<(), ShareError> {
    for share in shares {
        let path = directory.join(share.file_name());
        write_new(&path, share.to_text().as_bytes(), rng)?;
        files.push(path);
    }
    let synced = |directory: &Path| File::open(directory).and_then(|directory| directory.sync_all());
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |source| FileError::Write { path: directory.to_owned(), source };
    synced(directory).and_then(|()| synced(parent)).map_err(failed)?;
    Ok(())
}

/// That files hold these shares, of which as many as are needed give the key, and so do all.
fn prove(shares: &[Share], files: &[PathBuf], directory: &Path) -> Result<(), ShareError> {
    let unproven = || ShareError::Unproven(directory.to_owned());
    let read = files.iter().map(|file| Share::read(file)).collect::<Result<Vec<_>, _>>().map_err(|_| unproven())?;
    let first = read.first().ok_or_else(unproven)?;
    if read != shares {
        return Err(unproven());
    }
    combined(read.iter().take(first.quorum.threshold().into()), &first.key).map_err(|_| unproven())?;
    combined(&read, &first.key).map_err(|_| unproven())?;
    Ok(())
}

/// Takes away what was written of shares that nobody can rely on.
fn undone(files: Vec<PathBuf>, cause: ShareError) -> ShareError {
    let is_left = |file: &PathBuf| match fs::remove_file(file) {
        Ok(()) => false,
        Err(e) => e.kind() != io::ErrorKind::NotFound,
    };
    let files: Vec<_> = files.into_iter().filter(is_left).collect();
    if files.is_empty() { cause } else { ShareError::LeftBehind { files, source: Box::new(cause) } }
}

/// The first of shares that are of one split, each there once, and enough.
fn fitting(shares: &[(PathBuf, Share)]) -> Result<&Share, ShareError> {
    let (first_path, first) = shares.first().ok_or(ShareError::NoFiles)?;
    let mut seen: BTreeMap<u8, &PathBuf> = BTreeMap::new();
    for (path, share) in shares {
        if share.key != first.key {
            return Err(ShareError::OtherKey {
                first: first_path.clone(),
                expected: first.key.clone(),
                path: path.clone(),
                found: share.key.clone(),
            });
        }
        if (share.split, share.quorum) != (first.split, first.quorum) {
            return Err(ShareError::OtherSplit {
                first: first_path.clone(),
                expected: first.split,
                path: path.clone(),
                found: share.split,
            });
        }
        if let Some(before) = seen.insert(share.number, path) {
            return Err(ShareError::Twice { number: share.number, first: before.clone(), path: path.clone() });
        }
    }
    let threshold = first.quorum.threshold();
    if shares.len() < threshold.into() {
        return Err(ShareError::TooFew { key: first.key.clone(), split: first.split, found: shares.len(), threshold });
    }
    Ok(first)
}

/// The key that shares give, if it is the one that they say.
fn combined<'a>(shares: impl IntoIterator<Item = &'a Share>, id: &KeyId) -> Result<SecretKey, ShareError> {
    let other = || ShareError::NotTheKey(id.clone());
    let bodies = shares.into_iter().map(|share| (share.number, share.body.as_slice()));
    let der = split::combine(bodies).ok_or_else(other)?;
    let secret = SecretKey::from_pkcs8_der(&der).map_err(|_| other())?;
    if secret.public().id() == id { Ok(secret) } else { Err(other()) }
}
