//! The files of private keys in a trust directory, found in both of its layouts.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use tuf_schema::{Gun, KeyId};
use zeroize::Zeroizing;

use super::file::KeyFile;
use super::role::KeyRole;
use super::token::{self, Stub};
use super::{KeyPlace, KeyringError, StoredKey};
use crate::cache::FileError;
use crate::entries::files_below;
use crate::paths::TrustDirectory;

/// The largest key file that is read, in bytes.
pub(super) const MAX_KEY_FILE: u64 = 1 << 20;

/// A file among the keys.
pub(super) enum Found {
    /// A private key, by what its file says.
    Key(StoredKey),
    /// A file that is named as one and holds none.
    NoKey(PathBuf),
    /// A file that is named as one and cannot be read, perhaps somebody else's: the other keys are still good.
    Unreadable(PathBuf, FileError),
}

/// Every key file, sorted by its path.
///
/// The layout of clients before 0.4 is read too: `root_keys/ID_root.key`, `tuf_keys/GUN/ID_ROLE.key`.
pub(super) fn list(directory: &TrustDirectory) -> Result<Vec<Found>, FileError> {
    let top = directory.private();
    let paths = files_below(&top)?.into_iter().map(|(path, _)| path);
    let described = paths.filter_map(|path| match path.extension()?.to_str()? {
        "key" => Some(describe(&top, path)),
        token::EXTENSION => Some(describe_stub(path)),
        _ => None,
    });
    Ok(described.collect())
}

/// What a file says of a key on a token.
pub(super) fn read_stub(path: &Path) -> Result<Stub, KeyringError> {
    read(path)?.and_then(|text| Stub::parse(&text)).ok_or_else(|| KeyringError::NotAKey(path.to_owned()))
}

/// The first private key of a file.
pub(super) fn read_key(path: &Path) -> Result<KeyFile, KeyringError> {
    let file = read(path)?.and_then(|text| KeyFile::parse_all(&text).into_iter().next());
    file.ok_or_else(|| KeyringError::NotAKey(path.to_owned()))
}

/// The text of a file; `None` when it is gone or too large. What is no UTF-8 in it, as openssl writes names beside keys, is
/// no part of a key.
pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<String>>, FileError> {
    let mut bytes = Zeroizing::new(Vec::new());
    let limit = MAX_KEY_FILE.saturating_add(1);
    let sized = |file: fs::File| {
        // At once of its size: where it grew from would not be wiped.
        let size = file.metadata()?.len().min(limit).saturating_add(1);
        bytes.reserve_exact(usize::try_from(size).unwrap_or_default());
        file.take(limit).read_to_end(&mut bytes)
    };
    match fs::File::open(path).and_then(sized) {
        Ok(_) if bytes.len() as u64 > MAX_KEY_FILE => Ok(None),
        Ok(_) => Ok(text_of(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FileError::Read { path: path.to_owned(), source }),
    }
}

/// The text of a key file.
pub(super) fn text_of(mut bytes: Zeroizing<Vec<u8>>) -> Option<Zeroizing<String>> {
    if std::str::from_utf8(&bytes).is_err() {
        bytes.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'?');
    }
    std::str::from_utf8(&bytes).ok().map(|text| Zeroizing::new(text.to_owned()))
}

fn describe(top: &Path, path: PathBuf) -> Found {
    match read(&path) {
        Ok(Some(text)) => said(top, path, &text).map_or_else(Found::NoKey, Found::Key),
        Ok(None) => Found::NoKey(path),
        Err(e) => Found::Unreadable(path, e),
    }
}

/// What the key file at `path` says of itself, or the path when it holds no key; in the old layout the path says it.
pub(super) fn said(top: &Path, path: PathBuf, text: &str) -> Result<StoredKey, PathBuf> {
    let Some(file) = KeyFile::parse_all(text).into_iter().next() else { return Err(path) };
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let (id, old_role) = stem.split_once('_').map_or((stem.as_str(), None), |(id, role)| (id, Some(role)));
    let old_gun = || {
        let directory = path.parent()?.strip_prefix(top.join("tuf_keys")).ok()?;
        Gun::parse(directory.to_str()?).ok()
    };
    let role = file.role().or_else(|| old_role.map(KeyRole::parse));
    let role = role.unwrap_or_else(|| KeyRole::Signer(String::new()));
    let gun = file.gun().or_else(old_gun);
    Ok(StoredKey { id: KeyId::from_wire(id), role, gun, place: KeyPlace::File, path })
}

/// What a file says of a key on a token, if it is the key that its name says.
fn describe_stub(path: PathBuf) -> Found {
    let text = match read(&path) {
        Ok(text) => text,
        Err(e) => return Found::Unreadable(path, e),
    };
    let stub = text.and_then(|text| Stub::parse(&text));
    match stub.filter(|stub| path.file_stem().is_some_and(|name| name == stub.id().as_str())) {
        Some(stub) => {
            let (id, place) = (stub.id().clone(), KeyPlace::Token(stub.object));
            Found::Key(StoredKey { id, role: stub.role, gun: stub.gun, place, path })
        }
        None => Found::NoKey(path),
    }
}
