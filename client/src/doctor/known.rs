//! Which repositories a trust directory knows, by its own layout: `tuf/GUN/metadata` and `tuf/GUN/changelist`.

use std::path::Path;

use tuf_schema::{BaseRole, Gun, Role};

use crate::cache::FileError;
use crate::entries::entries;
use crate::paths::TrustDirectory;

/// How many levels of directories a repository's name may have.
const MAX_DEPTH: usize = 64;

/// The repositories of which metadata or staged changes are kept, by name.
///
/// # Errors
/// [`FileError::Read`].
pub fn known_repositories(trust: &TrustDirectory) -> Result<Vec<Gun>, FileError> {
    let mut found = Vec::new();
    collect(&trust.metadata_of_all(), "", MAX_DEPTH, &mut found)?;
    found.sort();
    Ok(found)
}

fn collect(directory: &Path, name: &str, depth: usize, found: &mut Vec<Gun>) -> Result<(), FileError> {
    let mut names = Vec::new();
    for (entry, kind) in entries(directory)? {
        // Not through links: they may lead anywhere, also round in circles.
        if kind.is_dir()
            && let Ok(child) = entry.file_name().into_string()
        {
            names.push(child);
        }
    }
    // The place of these tells metadata from a repository whose last name is `metadata`. One that lost its root is one
    // that needs looking at.
    let is_kept = |role: &BaseRole| directory.join("metadata").join(format!("{}.json", Role::from(*role))).is_file();
    let is_repository = BaseRole::ALL.iter().any(is_kept) || directory.join("changelist").is_dir();
    if is_repository && let Ok(gun) = Gun::parse(name) {
        found.push(gun);
    }
    let Some(depth) = depth.checked_sub(1) else { return Ok(()) };
    for child in names {
        let is_own = is_repository && matches!(child.as_str(), "metadata" | "changelist");
        if !is_own {
            let below = if name.is_empty() { child.clone() } else { format!("{name}/{child}") };
            collect(&directory.join(&child), &below, depth, found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn made(paths: &[&str]) -> (tempfile::TempDir, TrustDirectory) {
        let home = tempfile::tempdir().unwrap();
        for path in paths {
            let path = home.path().join("tuf").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let trust = TrustDirectory::new(home.path().to_owned());
        (home, trust)
    }

    fn names(trust: &TrustDirectory) -> Vec<String> {
        known_repositories(trust).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn repositories_below_others_are_found_and_roles_are_none() {
        let (_home, trust) = made(&[
            "b.test/y/metadata/root.json",
            "a.test:5000/team/app/metadata/root.json",
            "a.test:5000/team/app/metadata/targets/releases.json",
            "a.test:5000/team/metadata/root.json",
            "a.test:5000/staged/changelist/1.change",
            "a.test:5000/nothing/here.json",
        ]);
        assert_eq!(names(&trust), ["a.test:5000/staged", "a.test:5000/team", "a.test:5000/team/app", "b.test/y"]);
    }

    #[test]
    fn a_repository_that_lost_its_root_is_found_by_what_is_left() {
        let (_home, trust) = made(&["a.test/x/metadata/timestamp.json", "a.test/y/metadata/targets.json"]);
        assert_eq!(names(&trust), ["a.test/x", "a.test/y"]);
    }

    #[test]
    fn a_repository_may_be_called_metadata_itself() {
        let (_home, trust) = made(&["a.test/metadata/metadata/root.json"]);
        assert_eq!(names(&trust), ["a.test/metadata"]);
    }

    #[test]
    fn without_a_directory_there_are_none_and_links_are_not_followed() {
        let (home, trust) = made(&["a.test/x/metadata/root.json"]);
        std::os::unix::fs::symlink(home.path().join("tuf"), home.path().join("tuf/a.test/round")).unwrap();
        assert_eq!(names(&trust), ["a.test/x"]);
        assert!(names(&TrustDirectory::new(home.path().join("absent"))).is_empty());
    }
}
