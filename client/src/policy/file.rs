//! The file of a policy: read only if it is nobody else's to change, and never taken for absent.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::parse::{MAX_BYTES, parse};
use super::{Policy, PolicyError};
use crate::config::PinsOfFile;
use crate::exposure;

/// How many links are followed, as the system has it.
const MAX_LINKS: usize = 40;

impl Policy {
    /// The policy at `path`, which somebody named.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub(crate) fn named(path: &Path) -> Result<(Self, Option<PinsOfFile>), PolicyError> {
        Self::named_by(exposure::caller(), path)
    }

    /// The same, if `caller` runs this.
    fn named_by(caller: u32, path: &Path) -> Result<(Self, Option<PinsOfFile>), PolicyError> {
        let unreadable = |e: io::Error| PolicyError::Unreadable { path: path.to_owned(), why: e.to_string() };
        let file = File::open(path).map_err(unreadable)?;
        if let Some(exposed) = exposure::of_policy(path, &file) {
            return Err(PolicyError::Open(exposed));
        }
        let metadata = file.metadata().map_err(unreadable)?;
        if let Some(foreign) = exposure::of_another(path, &metadata, caller) {
            return Err(PolicyError::Foreign(foreign));
        }
        check_way(path, &metadata, caller)?;
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

/// Refuses a policy, with `metadata` as it was opened, if somebody else than `caller` or root could lead to another one.
fn check_way(path: &Path, metadata: &Metadata, caller: u32) -> Result<(), PolicyError> {
    let unreadable = |e: io::Error| PolicyError::Unreadable { path: path.to_owned(), why: e.to_string() };
    for step in steps(path) {
        for place in places(&step) {
            if let Some(foreign) = exposure::of_another(&place, &place.symlink_metadata().map_err(unreadable)?, caller)
            {
                return Err(PolicyError::ForeignPlace(foreign));
            }
            if let Some(exposed) = exposure::of_place(&place) {
                return Err(PolicyError::OpenPlace(exposed));
            }
        }
        match step.symlink_metadata() {
            Ok(link) => {
                if let Some(foreign) = exposure::of_another(&step, &link, caller) {
                    return Err(PolicyError::Foreign(foreign));
                }
            }
            // The end of a pipe, or a file that has no name any more: nobody puts another one there.
            Err(e) if e.kind() == io::ErrorKind::NotFound && exposure::is_nameless(metadata) => {}
            Err(e) => return Err(unreadable(e)),
        }
    }
    Ok(())
}

/// The path, and each one on which links lead to the file: whoever owns one of them, or can replace it, chooses the file.
fn steps(path: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let next = |path: &PathBuf| std::fs::read_link(path).ok().map(|target| place(path).join(target));
    std::iter::successors(Some(path.to_owned()), next).take(MAX_LINKS)
}

/// The directory that a path names; if that is a link, each one that leads there, and where it lies.
fn places(path: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    steps(&place(path)).flat_map(|way| {
        let lies = way.is_symlink().then(|| place(&way));
        [Some(way), lies].into_iter().flatten()
    })
}

/// The directory that a path names.
fn place(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;

    fn set(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The user that a file belongs to: who runs this, or somebody to whom root has given it.
    fn somebody(path: &Path) -> u32 {
        if path.metadata().unwrap().uid() == 0 {
            std::os::unix::fs::chown(path, Some(65534), None).unwrap();
        }
        path.metadata().unwrap().uid()
    }

    #[test]
    fn a_policy_or_its_directory_of_somebody_else_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("policy.toml");
        std::fs::write(&path, "").unwrap();
        set(&path, 0o644);
        let owner = somebody(&path);
        let refused = Policy::named_by(owner + 1, &path).unwrap_err();
        let expected = format!(
            "the policy {} belongs to user {owner}, and not to root or to user {}, who runs this: whoever owns it decides what may \
             be pulled; chown it",
            path.display(),
            owner + 1
        );
        assert_eq!(refused.to_string(), expected);
        assert!(Policy::named_by(owner, &path).is_ok());
        // A file of root's that somebody names in a directory of his own.
        let link = directory.path().join("link.toml");
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        let owner = somebody(directory.path());
        let refused = Policy::named_by(owner + 1, &link).unwrap_err();
        assert!(matches!(refused, PolicyError::ForeignPlace(_)), "{refused}");
        std::os::unix::fs::lchown(&link, Some(owner), None).unwrap();
        assert!(matches!(Policy::named_by(owner, &link), Err(PolicyError::Malformed { .. })));
    }

    #[test]
    fn a_link_of_somebody_else_leads_to_no_policy() {
        // Where everybody may make one, as in /tmp, it could lead to any file of root's.
        let home = tempfile::tempdir().unwrap();
        let shared = home.path().join("shared");
        std::fs::create_dir(&shared).unwrap();
        let (link, first) = (shared.join("link.toml"), home.path().join("first.toml"));
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        std::os::unix::fs::symlink("shared/link.toml", &first).unwrap();
        let owner = home.path().metadata().unwrap().uid();
        set(&shared, 0o1777);
        for path in [&link, &first] {
            assert!(matches!(Policy::named_by(owner, path), Err(PolicyError::Malformed { .. })), "{}", path.display());
        }
        let expected = format!("the policy {} belongs to user ", link.display());
        // Only root can make it somebody else's.
        if owner == 0 {
            std::os::unix::fs::lchown(&link, Some(65534), None).unwrap();
            for path in [&link, &first] {
                let refused = Policy::named_by(owner, path).unwrap_err();
                assert!(refused.to_string().starts_with(&expected), "{refused}");
            }
        }
        set(&shared, 0o777);
        let refused = Policy::named_by(owner, &first).unwrap_err();
        assert!(matches!(refused, PolicyError::OpenPlace(_)), "the way leads through there: {refused}");
    }

    #[test]
    fn a_directory_that_is_a_link_of_somebody_else_leads_to_no_policy() {
        let home = tempfile::tempdir().unwrap();
        let link = home.path().join("link");
        std::os::unix::fs::symlink("/etc", &link).unwrap();
        if link.symlink_metadata().unwrap().uid() == 0 {
            std::os::unix::fs::lchown(&link, Some(65534), None).unwrap();
        }
        let (owner, path) = (link.symlink_metadata().unwrap().uid(), link.join("passwd"));
        assert!(matches!(Policy::named_by(owner, &path), Err(PolicyError::Malformed { .. })));
        // Root's directory and file, and a link that leads to any other tomorrow.
        let refused = Policy::named_by(0, &path).unwrap_err().to_string();
        let expected = format!("the directory of the policy, {} belongs to user {owner}, ", link.display());
        assert!(refused.starts_with(&expected), "{refused}");
        set(home.path(), 0o777);
        let refused = Policy::named_by(owner, &path).unwrap_err();
        assert!(matches!(&refused, PolicyError::OpenPlace(place) if place.path() == home.path()), "{refused}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_policy_without_a_name_is_read() {
        // What a shell makes of `--policy /dev/stdin <<END`, and of `--policy <(...)`.
        use std::io::Write as _;
        use std::os::fd::AsRawFd as _;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"default = \"signed\"").unwrap();
        let (end, mut other) = io::pipe().unwrap();
        other.write_all(b"default = \"signed\"").unwrap();
        drop(other);
        for descriptor in [file.as_raw_fd(), end.as_raw_fd()] {
            let path = format!("/dev/fd/{descriptor}");
            assert!(Policy::named(Path::new(&path)).is_ok(), "{path}: {:?}", Policy::named(Path::new(&path)));
        }
    }

    #[test]
    fn a_policy_in_a_directory_where_others_can_replace_it_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("d");
        std::fs::create_dir(&directory).unwrap();
        let path = directory.join("policy.toml");
        std::fs::write(&path, "").unwrap();
        set(&path, 0o644);
        let link = home.path().join("link.toml");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for (mode, refused) in
            [(0o755, false), (0o700, false), (0o1777, false), (0o777, true), (0o775, true), (0o757, true)]
        {
            set(&directory, mode);
            for path in [&path, &link] {
                let outcome = Policy::if_there(path);
                assert_eq!(matches!(outcome, Err(PolicyError::OpenPlace(_))), refused, "{mode:o}: {outcome:?}");
                assert_eq!(outcome.is_ok(), !refused, "{mode:o}");
            }
        }
        let refusal = Policy::if_there(&path).unwrap_err().to_string();
        let directory = directory.display();
        assert!(
            refusal.contains(&format!("{directory} is open to others (mode 0757); it should be 0755")),
            "{refusal}"
        );
        assert!(refusal.ends_with(&format!("chmod go-w {directory}")), "{refusal}");
    }

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
