//! Docker's engine, by the docker command: pushes what is to be signed, pulls and starts what was verified.
//!
//! Docker is asked by digest, and never to decide itself: its own content trust is off, and it sees no passphrase.

use std::ffi::{OsStr, OsString};
use std::io;
use std::process::Command;

use crate::keys::passphrase::keep_from;

#[cfg(unix)]
mod attended;
pub mod container;
pub mod options;
mod pull;
mod push;

pub use pull::{Pull, Talk};

use options::Given;

/// The most of the last words of docker that an error repeats, in characters.
const MAX_WORDS: usize = 500;

/// What docker tells its plugins, which the docker that they run is not.
const OF_PLUGINS: [&str; 2] = ["DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", "DOCKER_CLI_PLUGIN_SOCKET"];

/// The docker command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    program: OsString,
    /// Its global options: which engine is meant.
    options: Vec<OsString>,
    /// The socket by which a docker that called this program tells it to end.
    caller: Option<OsString>,
}

/// Why docker did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// There is no docker command, or it cannot be run.
    #[error("cannot run {program}")]
    Run {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// Docker refused to push.
    #[error("docker did not push {image}: {words}")]
    Refused {
        /// The image.
        image: String,
        /// Its last words.
        words: String,
    },
    /// Docker was content, and did not say what it pushed.
    #[error("docker did not say which digest {0} has now")]
    NoDigest(String),
    /// Docker did not pull what was verified, or did not tag it.
    #[error("docker did not {verb} {image}: {words}")]
    NotPulled {
        /// What it was to do.
        verb: &'static str,
        /// The image.
        image: String,
        /// Its last words, or how it ended.
        words: String,
    },
}

impl Default for Engine {
    fn default() -> Self {
        Self::new("docker".into(), &[])
    }
}

impl Engine {
    /// The docker command `program`, which is given these global options.
    #[must_use]
    pub fn new(program: OsString, options: &[Given]) -> Self {
        Self { program, options: options.iter().map(Given::word).collect(), caller: None }
    }

    /// The same, for a docker that called this program as its plugin and listens at this socket.
    #[must_use]
    pub fn called_from(self, socket: Option<OsString>) -> Self {
        Self { caller: socket, ..self }
    }

    /// Docker with a verb. It is to sign nothing and to verify nothing, so it needs no passphrase.
    fn command(&self, verb: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(&self.program);
        keep_from(&mut command);
        for name in OF_PLUGINS {
            command.env_remove(name);
        }
        command.args(&self.options).arg(verb).env("DOCKER_CONTENT_TRUST", "0");
        command
    }

    fn not_run(&self, source: io::Error) -> EngineError {
        EngineError::Run { program: self.program.to_string_lossy().into_owned(), source }
    }
}

/// What remains of docker's last words.
fn last_words(line: &str) -> String {
    line.chars().take(MAX_WORDS).collect()
}

#[cfg(test)]
mod testing {
    use super::Engine;

    /// A docker that says and does what a shell script says and does.
    pub(super) fn docker(script: &str) -> (tempfile::TempDir, Engine) {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("docker");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        let engine = Engine::new(path.into(), &[]);
        (directory, engine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_sees_no_passphrase_and_nothing_of_the_plugin_s_and_decides_nothing() {
        let engine = Engine::new("docker".into(), &[Given::value("context", "c")]);
        let command = engine.command("push");
        let removed = |command: &Command| {
            let names = command.get_envs().filter(|(_, value)| value.is_none());
            names.map(|(name, _)| name.to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        let removed = removed(&command);
        assert_eq!(removed.iter().filter(|name| name.ends_with("_PASSPHRASE")).count(), 6);
        assert!(OF_PLUGINS.iter().all(|name| removed.iter().any(|other| other == name)), "{removed:?}");
        assert!(command.get_envs().any(|(name, value)| name == "DOCKER_CONTENT_TRUST" && value == Some("0".as_ref())));
        assert_eq!(command.get_args().collect::<Vec<_>>(), ["--context=c", "push"]);
    }
}
