//! A person with a home, who runs `bulla` there.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A home without anything in it.
pub(crate) struct Home(TempDir);

/// How a run ended and what it printed.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The passphrases of the fixtures.
pub(crate) const FIXTURES: [(&str, &str); 4] = [
    ("NOTARY_ROOT_PASSPHRASE", "fixture-root-pass"),
    ("NOTARY_TARGETS_PASSPHRASE", "fixture-targets-pass"),
    ("NOTARY_SNAPSHOT_PASSPHRASE", "fixture-snapshot-pass"),
    ("NOTARY_DELEGATION_PASSPHRASE", "fixture-delegation-pass"),
];

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn private(&self) -> PathBuf {
        self.path().join(".docker/trust/private")
    }

    /// The private keys' files, by name.
    pub(crate) fn keys(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.private()) else { return Vec::new() };
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A file in this home.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs `bulla` here, with these variables and this standard input.
    pub(crate) fn run(&self, arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Ended {
        self.shell("exec \"$BULLA\" \"$@\"", arguments, variables, input)
    }

    /// The same, and it must succeed.
    pub(crate) fn done(&self, arguments: &[&str], variables: &[(&str, &str)]) -> String {
        let ended = self.run(arguments, variables, "");
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        ended.out
    }

    /// Runs a shell script here that finds `bulla` as `$BULLA`, in a session of its own: nobody is at a terminal.
    pub(crate) fn shell(&self, script: &str, arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Ended {
        let mut child = Command::new("setsid")
            .args(["-w", "/bin/sh", "-c", script, "sh"])
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("HOME", self.path())
            .env("PATH", "/usr/bin:/bin")
            .env("BULLA", env!("CARGO_BIN_EXE_bulla"))
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may have ended without reading.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// A file of the fixtures.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name)
}

/// A directory of the fixtures, copied with the modes that the reference gives.
pub(crate) fn copy(from: &Path, to: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir_all(to).unwrap();
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o700)).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
            std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}
