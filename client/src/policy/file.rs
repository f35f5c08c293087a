//! The file of a policy: read only if it is nobody else's to change, and never taken for absent.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::parse::{MAX_BYTES, parse};
use super::{Policy, PolicyError};
use crate::config::PinsOfFile;
use crate::exposure;

impl Policy {
    /// The policy at `path`, which somebody named.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub(crate) fn named(path: &Path) -> Result<(Self, Option<PinsOfFile>), PolicyError> {
        let unreadable = |e: io::Error| PolicyError::Unreadable { path: path.to_owned(), why: e.to_string() };
        let file = File::open(path).map_err(unreadable)?;
        if let Some(exposed) = exposure::of_policy(path, &file) {
            return Err(PolicyError::Open(exposed));
        }
        let mut text = Vec::new();
        file.take(MAX_BYTES.saturating_add(1)).read_to_end(&mut text).map_err(unreadable)?;
        parse(path, &text)
    }

    /// The policy at `path`, `None` if there is none. A link that leads nowhere is one that cannot be read.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub(crate) fn if_there(path: &Path) -> Result<Option<(Self, Option<PinsOfFile>)>, PolicyError> {
        match std::fs::symlink_metadata(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            _ => Self::named(path).map(Some),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_policy_that_others_may_write_or_that_cannot_be_read_is_no_absent_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("policy.toml");
        assert!(Policy::if_there(&path).unwrap().is_none());
        std::fs::write(&path, "").unwrap();
        for (mode, refused) in [(0o644, false), (0o600, false), (0o664, true), (0o646, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let outcome = Policy::if_there(&path);
            assert_eq!(matches!(outcome, Err(PolicyError::Open(_))), refused, "{mode:o}: {outcome:?}");
            assert_eq!(outcome.is_ok(), !refused);
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(Policy::if_there(&path), Err(PolicyError::Unreadable { .. })));
        std::fs::remove_dir(&path).unwrap();
        std::os::unix::fs::symlink(directory.path().join("gone"), &path).unwrap();
        assert!(matches!(Policy::if_there(&path), Err(PolicyError::Unreadable { .. })), "a link to nowhere");
        assert!(matches!(Policy::named(&directory.path().join("absent")), Err(PolicyError::Unreadable { .. })));
    }
}
