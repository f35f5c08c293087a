//! A local image is pushed before it is signed.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tuf_schema::Sha256;

use super::{Engine, EngineError, last_words};
use crate::image::Tag;
use crate::registry::Manifest;

impl Engine {
    /// Pushes the local image `image` (with its tag) by `docker push`, which signs nothing, and gives what the registry
    /// took. `say` is told what docker says but for that: it is the caller's to tell, when it is signed.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn push(&self, image: &str, tag: &Tag, say: impl Fn(&str)) -> Result<Manifest, EngineError> {
        let failed = |source| self.not_run(source);
        let mut command = Command::from(self.command("push"));
        command.args(["--", image]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().map_err(failed)?;
        let stderr = child.stderr.take();
        let words = tokio::spawn(async move {
            let mut words = String::new();
            if let Some(stderr) = stderr {
                let mut lines = BufReader::new(stderr).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    words = line;
                }
            }
            words
        });
        let mut pushed = None;
        if let Some(stdout) = child.stdout.take() {
            let mut lines = BufReader::new(stdout).lines();
            while let Some(line) = lines.next_line().await.map_err(failed)? {
                match pushed_manifest(&line, tag) {
                    Some(manifest) => pushed = Some(manifest),
                    None => say(&line),
                }
            }
        }
        let status = child.wait().await.map_err(failed)?;
        if !status.success() {
            let words = last_words(&words.await.unwrap_or_default());
            return Err(EngineError::Refused { image: image.to_owned(), words });
        }
        pushed.ok_or_else(|| EngineError::NoDigest(image.to_owned()))
    }
}

/// What docker says at the end of a push: `TAG: digest: sha256:HEX size: BYTES`.
fn pushed_manifest(line: &str, tag: &Tag) -> Option<Manifest> {
    let rest = line.trim().strip_prefix(tag.as_str())?.strip_prefix(": digest: sha256:")?;
    let (hex, length) = rest.split_once(" size: ")?;
    Some(Manifest { digest: Sha256::from_hex(hex)?, length: length.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use proptest::prelude::*;

    use super::super::testing::docker;
    use super::*;

    fn tag() -> Tag {
        Tag::parse("1").unwrap()
    }

    async fn push(engine: &Engine) -> Result<Manifest, EngineError> {
        engine.push("a.test/b:1", &tag(), |_| {}).await
    }

    #[tokio::test]
    async fn what_docker_says_it_pushed_is_what_is_signed() {
        let hex = "ab".repeat(32);
        let script = format!(
            "echo \"$* trust=$DOCKER_CONTENT_TRUST\"; echo layer: Pushed; echo '1: digest: sha256:{hex} size: 523'"
        );
        let (_directory, engine) = docker(&script);
        let said = Mutex::new(Vec::new());
        let pushed =
            engine.push("a.test/b:1", &tag(), |line| said.lock().unwrap().push(line.to_owned())).await.unwrap();
        assert_eq!((pushed.digest.to_hex(), pushed.length), (hex, 523));
        let said = said.into_inner().unwrap();
        assert_eq!(said, ["push -- a.test/b:1 trust=0", "layer: Pushed"]);
    }

    #[tokio::test]
    async fn docker_s_refusal_is_repeated_and_its_silence_is_no_success() {
        let (_directory, engine) = docker("echo first >&2; echo 'An image does not exist locally' >&2; exit 1");
        let error = push(&engine).await.unwrap_err();
        assert_eq!(error.to_string(), "docker did not push a.test/b:1: An image does not exist locally");
        let (_directory, engine) = docker(&format!("echo '2: digest: sha256:{} size: 523'", "ab".repeat(32)));
        assert!(matches!(push(&engine).await, Err(EngineError::NoDigest(_))));
        let engine = Engine::new("/nowhere/docker".into(), &[]);
        assert!(matches!(push(&engine).await, Err(EngineError::Run { .. })));
    }

    proptest! {
        #[test]
        fn a_line_names_a_manifest_or_not_and_is_never_taken_for_another(line in "(1|2): digest: sha256:[0-9a-f]{63,64} size: ([1-9][0-9]{0,20}|[0-9]{0,3}x[0-9]{0,3}|)|\\PC{0,40}") {
            if let Some(found) = pushed_manifest(&line, &tag()) {
                prop_assert_eq!(format!("1: digest: sha256:{} size: {}", found.digest, found.length), line.trim());
            }
        }
    }
}
