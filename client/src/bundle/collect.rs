//! What of a trust directory goes into a bundle.

use std::collections::BTreeSet;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tuf_schema::{BaseRole, Gun, KeyId, Role, UtcTime};

use super::archive::Files;
use super::error::{BundleError, ContentError};
use super::place::Place;
use super::{Bundle, MAX_FILE_BYTES, believed};
use crate::cache::read_bounded;
use crate::doctor::known_repositories;
use crate::keys::token::TokenName;
use crate::keys::{Keyring, KeyringError, StoredKey};
use crate::paths::TrustDirectory;
use crate::{config, policy};

/// Which keys go into a bundle: with neither, all.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// These.
    pub keys: Vec<KeyId>,
    /// Those of these repositories, and the root keys that sign for them; then only their roots go along.
    pub guns: Vec<Gun>,
}

/// What goes into a bundle.
#[derive(Debug)]
pub struct Collected {
    /// The bundle.
    pub bundle: Bundle,
    /// What a restored machine would be without.
    pub left_out: Vec<LeftOut>,
}

/// Something that a restored machine needs, and a bundle cannot give it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// No root of a repository is kept here.
    NoRoot(Gun),
    /// The root that is kept does not hold by itself.
    Root {
        /// The repository.
        gun: Gun,
        /// Why it does not.
        why: String,
    },
    /// The file of a pinned authority lies elsewhere, or is missing.
    Authority(PathBuf),
    /// A key is on a token, which lets none out.
    OnToken {
        /// The key.
        key: KeyId,
        /// Where it is.
        token: TokenName,
    },
}

impl Bundle {
    /// Reads what is asked for.
    ///
    /// # Errors
    /// [`BundleError`]: something that belongs into the bundle cannot be read, or is not there.
    pub fn collect(
        keys: &Keyring,
        trust: &TrustDirectory,
        selection: &Selection,
        now: UtcTime,
    ) -> Result<Collected, BundleError> {
        let (mut files, mut left_out) = (Files::new(), Vec::new());
        let mut of_root = BTreeSet::new();
        for gun in repositories(trust, selection)? {
            let path = trust.metadata(&gun, &Role::Root);
            if !path.is_file() {
                left_out.push(LeftOut::NoRoot(gun));
                continue;
            }
            let content = read_bounded(&path, MAX_FILE_BYTES)?;
            let believed = content.as_ref().map_or(Err("it is too large".to_owned()), |c| believed(c, &gun, now));
            match (believed, content) {
                (Ok(root), Some(content)) => {
                    let signing = root.model().keys_of(BaseRole::Root);
                    of_root.extend(signing.map(|(_, key)| key.canonical_id()));
                    files.insert(Place::Root(gun), content);
                }
                (Err(why), _) => left_out.push(LeftOut::Root { gun, why }),
                (Ok(_), None) => {}
            }
        }
        for key in selected(keys, trust, selection, &of_root)? {
            match key.token() {
                None => add(&mut files, key.path(), trust)?,
                Some(object) => left_out.push(LeftOut::OnToken { key: key.id.clone(), token: object.token.clone() }),
            }
        }
        for path in settings(trust, &mut left_out)? {
            add(&mut files, &path, trust)?;
        }
        let made = UtcTime::from_unix_seconds(now.unix_seconds()).unwrap_or(now).to_rfc3339();
        Ok(Collected { bundle: Self { made, files }, left_out })
    }
}

/// The repositories whose roots go along.
fn repositories(trust: &TrustDirectory, selection: &Selection) -> Result<Vec<Gun>, BundleError> {
    if selection.guns.is_empty() { Ok(known_repositories(trust)?) } else { Ok(selection.guns.clone()) }
}

/// The keys that were asked for. That one is missing or damaged is an error: somebody relies on the copy.
fn selected(
    keys: &Keyring,
    trust: &TrustDirectory,
    selection: &Selection,
    of_root: &BTreeSet<KeyId>,
) -> Result<Vec<StoredKey>, BundleError> {
    let all = keys.list()?;
    if selection.keys.is_empty() && selection.guns.is_empty() {
        return match keys.damaged()?.into_iter().next() {
            Some(damaged) => Err(KeyringError::NotAKey(damaged).into()),
            None if all.is_empty() => Err(BundleError::NoKeys(trust.private())),
            None => Ok(all),
        };
    }
    for gun in &selection.guns {
        if all.iter().all(|key| key.gun.as_ref() != Some(gun)) {
            return Err(BundleError::NoKeyOf { gun: gun.clone(), directory: trust.private() });
        }
    }
    let is_of_gun = |key: &StoredKey| match &key.gun {
        Some(gun) => selection.guns.contains(gun),
        None => !selection.guns.is_empty() && of_root.contains(&key.id),
    };
    let mut chosen: Vec<_> = all.into_iter().filter(is_of_gun).collect();
    for id in &selection.keys {
        let key = keys.find(id)?;
        key.expect_file("there is nothing to back up; make a key on a second token, and have both named, for a spare")?;
        chosen.push(key);
    }
    Ok(chosen)
}

/// The files of settings, and of the authorities that they pin.
fn settings(trust: &TrustDirectory, left_out: &mut Vec<LeftOut>) -> Result<Vec<PathBuf>, BundleError> {
    let (mut found, mut pinned) = (Vec::new(), Vec::new());
    for place in [Place::OwnFile, Place::Policy] {
        let path = place.path(trust);
        // A link that leads nowhere is there, and cannot be read.
        if path.symlink_metadata().is_err_and(|e| e.kind() == ErrorKind::NotFound) {
            continue;
        }
        let content = read_bounded(&path, MAX_FILE_BYTES)?.unwrap_or_default();
        match place {
            Place::Policy => pinned.extend(policy::pinned_files(&path, &content)?),
            Place::Authority(_) | Place::OwnFile | Place::Root(_) | Place::Key(_) => {
                pinned.extend(config::pinned_files(&content, &path)?);
            }
        }
        found.push(path);
    }
    for path in pinned {
        if matches!(Place::of(&path, trust), Ok(Place::Authority(_))) && path.is_file() {
            found.push(path);
        } else {
            left_out.push(LeftOut::Authority(path));
        }
    }
    Ok(found)
}

fn add(files: &mut Files, path: &Path, trust: &TrustDirectory) -> Result<(), BundleError> {
    let refused = |source| BundleError::NotBundled { path: path.to_owned(), source };
    let name = || path.strip_prefix(trust.as_path()).unwrap_or(path).display().to_string();
    let place = Place::of(path, trust).map_err(|source| refused(ContentError::Place { name: name(), source }))?;
    let content = read_bounded(path, MAX_FILE_BYTES)?;
    files.insert(place, content.ok_or_else(|| refused(ContentError::FileTooLarge { name: name() }))?);
    Ok(())
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoot(gun) => write!(
                f,
                "no root of {gun} is kept here, so none is in the bundle, and a restored machine believes the first that it \
                 is shown: fetch it (`bulla repo list {gun}`) and back up again"
            ),
            Self::Root { gun, why } => write!(
                f,
                "the root of {gun} that is kept here does not hold by itself ({why}), and is not in the bundle: a restored \
                 machine believes the first that it is shown"
            ),
            Self::Authority(path) => write!(
                f,
                "the authority in {path} is pinned, and is not in the bundle: take it to a restored machine by hand",
                path = path.display()
            ),
            Self::OnToken { key, token } => write!(
                f,
                "the key {key} is on {token} and never leaves it, so it is not in the bundle: a restored machine takes it \
                 from there (`bulla key token list`, `bulla key token add`), and a lost token has it no more"
            ),
        }
    }
}
