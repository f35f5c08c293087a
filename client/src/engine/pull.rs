//! Pulling by digest: what docker gets is what was verified, whatever the tag names by now.

use std::process::Stdio;

use tokio::process::Command;
use tuf_schema::Sha256;

use super::{Engine, EngineError, last_words};

/// How much of what docker says is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Talk {
    /// All of it, to this process' own standard output and error.
    All,
    /// What it says on standard error.
    Errors,
    /// Nothing; its last words stand in the error.
    Nothing,
}

/// How an image is pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pull {
    /// The platform, if not that of the engine.
    pub platform: Option<String>,
    /// What is passed on.
    pub talk: Talk,
}

impl Engine {
    /// Pulls `repository@digest`.
    ///
    /// # Errors
    /// [`EngineError::Run`], [`EngineError::NotPulled`].
    pub async fn pull(&self, repository: &str, digest: &Sha256, how: &Pull) -> Result<(), EngineError> {
        let mut command = self.command("pull");
        command.args(how.platform.iter().map(|platform| format!("--platform={platform}")));
        if how.talk != Talk::All {
            command.arg("--quiet=true");
        }
        let image = format!("{repository}@sha256:{digest}");
        command.args(["--", &image]);
        self.finish("pull", &image, command, how.talk).await
    }

    /// Has `name` stand for `repository@digest`, which was pulled.
    ///
    /// # Errors
    /// [`EngineError::Run`], [`EngineError::NotPulled`].
    pub async fn tag(&self, repository: &str, digest: &Sha256, name: &str, talk: Talk) -> Result<(), EngineError> {
        let mut command = self.command("tag");
        command.args(["--", &format!("{repository}@sha256:{digest}"), name]);
        self.finish("tag", name, command, talk).await
    }

    async fn finish(
        &self,
        verb: &'static str,
        image: &str,
        command: std::process::Command,
        talk: Talk,
    ) -> Result<(), EngineError> {
        let mut command = Command::from(command);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command.stdout(if talk == Talk::All { Stdio::inherit() } else { Stdio::null() });
        command.stderr(if talk == Talk::Nothing { Stdio::piped() } else { Stdio::inherit() });
        let child = command.spawn().map_err(|e| self.not_run(e))?;
        let output = child.wait_with_output().await.map_err(|e| self.not_run(e))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let words = match said.lines().rev().find(|line| !line.trim().is_empty()) {
            Some(line) => last_words(line),
            None => output.status.to_string(),
        };
        Err(EngineError::NotPulled { verb, image: image.to_owned(), words })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::docker;
    use super::*;

    fn digest() -> Sha256 {
        Sha256::from_hex(&"ab".repeat(32)).unwrap()
    }

    #[tokio::test]
    async fn docker_is_asked_by_digest_and_without_its_own_trust() {
        let (directory, engine) = docker(r#"echo "$* trust=$DOCKER_CONTENT_TRUST" >>"$0.asked""#);
        let how = Pull { platform: Some("linux/arm64".into()), talk: Talk::Nothing };
        engine.pull("a.test/b", &digest(), &how).await.unwrap();
        engine.tag("a.test/b", &digest(), "a.test/b:1", Talk::Nothing).await.unwrap();
        let asked = std::fs::read_to_string(directory.path().join("docker.asked")).unwrap();
        let image = format!("a.test/b@sha256:{}", digest());
        assert_eq!(
            asked,
            format!("pull --platform=linux/arm64 --quiet=true -- {image} trust=0\ntag -- {image} a.test/b:1 trust=0\n")
        );
    }

    #[tokio::test]
    async fn docker_s_last_words_tell_why_it_did_not_pull() {
        let (_directory, engine) = docker("echo first >&2; echo 'manifest unknown' >&2; echo >&2; exit 1");
        let how = Pull { platform: None, talk: Talk::Nothing };
        let error = engine.pull("a.test/b", &digest(), &how).await.unwrap_err();
        assert_eq!(error.to_string(), format!("docker did not pull a.test/b@sha256:{}: manifest unknown", digest()));
        let (_directory, engine) = docker("exit 7");
        let error = engine.tag("a.test/b", &digest(), "a.test/b:1", Talk::Errors).await.unwrap_err();
        assert_eq!(error.to_string(), "docker did not tag a.test/b:1: exit status: 7");
        let engine = Engine::new("/nowhere/docker".into(), &[]);
        assert!(matches!(engine.pull("a.test/b", &digest(), &how).await, Err(EngineError::Run { .. })));
    }
}
