//! Files and directories that whoever runs this cannot use, and whose fault that is.

use std::path::{Path, PathBuf};

use super::Command;

/// Permission bits of an owner who may list a directory, and put and remove files in it.
#[cfg(unix)]
const OWNER_ALL: u32 = 0o700;

/// Something that is there and cannot be read, or not written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    path: PathBuf,
    wanted: u32,
    /// Who has it, if that is not who runs this, who then comes second.
    foreign: Option<(u32, u32)>,
}

impl Denied {
    /// What mends it.
    #[must_use]
    pub fn mend(&self) -> Command {
        let path = self.path.display().to_string();
        match self.foreign {
            Some((_, own)) => Command::new(["sudo".to_owned(), "chown".to_owned(), own.to_string(), path]),
            None => Command::new(["chmod".to_owned(), format!("{:o}", self.wanted), path]),
        }
    }
}

impl std::fmt::Display for Denied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.path.display();
        match self.foreign {
            Some((owner, own)) => write!(f, "{path} is the user {owner}'s, and the user {own} may not read it"),
            None => write!(f, "{path} does not let its owner in; its mode should be {:04o}", self.wanted),
        }
    }
}

/// The file of a key that may not be read.
#[cfg(unix)]
pub(super) fn of_key(path: &Path) -> Option<Denied> {
    let refused = std::fs::File::open(path).err()?;
    (refused.kind() == std::io::ErrorKind::PermissionDenied).then(|| judged(path, 0o600)).flatten()
}

/// A directory of who runs this in which he can keep nothing. In somebody else's that may be meant so.
#[cfg(unix)]
pub(super) fn of_directory(path: &Path) -> Option<Denied> {
    use std::os::unix::fs::PermissionsExt as _;
    let lacks = std::fs::metadata(path).ok()?.permissions().mode() & OWNER_ALL != OWNER_ALL;
    let is_superuser = rustix::process::geteuid().is_root();
    judged(path, OWNER_ALL).filter(|denied| lacks && denied.foreign.is_none() && !is_superuser)
}

#[cfg(unix)]
fn judged(path: &Path, wanted: u32) -> Option<Denied> {
    use std::os::unix::fs::MetadataExt as _;
    let (owner, own) = (std::fs::metadata(path).ok()?.uid(), rustix::process::geteuid().as_raw());
    Some(Denied { path: path.to_owned(), wanted, foreign: (owner != own).then_some((owner, own)) })
}

#[cfg(not(unix))]
pub(super) fn of_key(_: &Path) -> Option<Denied> {
    None
}

#[cfg(not(unix))]
pub(super) fn of_directory(_: &Path) -> Option<Denied> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_a_file_opens_it_and_what_is_another_s_is_handed_over_first() {
        let own = Denied { path: "/k/a b.key".into(), wanted: 0o600, foreign: None };
        assert_eq!(own.mend().to_string(), "chmod 600 '/k/a b.key'");
        let other = Denied { foreign: Some((0, 1000)), ..own };
        assert_eq!(other.mend().to_string(), "sudo chown 1000 '/k/a b.key'");
        assert_eq!(other.to_string(), "/k/a b.key is the user 0's, and the user 1000 may not read it");
    }

    #[test]
    fn what_can_be_read_and_what_is_not_there_is_not_denied() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.key");
        assert_eq!(of_key(&path), None);
        std::fs::write(&path, "").unwrap();
        assert_eq!(of_key(&path), None);
        assert_eq!(of_directory(home.path()), None);
    }
}
