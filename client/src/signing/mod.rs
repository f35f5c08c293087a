//! Signing many tags of many repositories: the registry names the manifests, and each repository is published once.

use std::collections::BTreeSet;

use ring::rand::SecureRandom;
use tuf_schema::verify::chain::Trusted;
use tuf_schema::{Gun, Sha256, UtcTime};

mod list;

pub use list::{ListError, parse_list};

use crate::config::Config;
use crate::engine::{Engine, EngineError};
use crate::image::{ImageError, ImageName, Tag};
use crate::keys::Keyring;
use crate::progress::Progress;
use crate::publish::{PublishError, Published, Publisher, RealTime, SignTags};
use crate::registry::{Manifest, Reference, RegistryError};
use crate::remote::{Action, RemoteError};
use crate::session::{self, Session, SessionError};
use crate::signers::{SignerName, first_signer};
use crate::trust::{ReleasedTag, Report, UpdateError};

/// A tag that shall be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The image, as it was named.
    pub image: ImageName,
    /// The tag.
    pub tag: Tag,
    /// What it shall stand for.
    pub source: Source,
}

/// What a tag shall stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// What the registry has under the tag now.
    Registry,
    /// The same; if it has nothing there, as for [`Source::Local`].
    RegistryOrLocal,
    /// What docker's engine has under the tag, which is pushed first.
    Local,
    /// What the registry has under this digest.
    Digest(Sha256),
    /// This, and no registry is asked.
    Known(Manifest),
}

/// The tags of one repository that shall be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The repository.
    pub gun: Gun,
    /// Its tags, in the order in which they were named.
    pub wanted: Vec<Wanted>,
}

/// Why a list of images cannot be signed at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WantedError {
    /// A name is no image's.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A digest where a tag is needed (docker's words).
    #[error("cannot use a digest reference for IMAGE:TAG")]
    DigestReference,
    /// One tag shall stand for two things.
    #[error("{0} is named twice, with different digests; name it once")]
    Contradiction(String),
}

/// Why there is no manifest to sign.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The registry did not name it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Docker did not push it.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// What became of the tags of one repository.
#[derive(Debug)]
pub struct Outcome {
    /// Those for which there is no manifest.
    pub unresolved: Vec<(Wanted, ResolveError)>,
    /// What was to be signed.
    pub resolved: Vec<(Wanted, Manifest)>,
    /// What came of that; `None` when there was nothing.
    pub published: Option<Result<Signed, PublishError>>,
}

/// What signing the tags of one repository did.
#[derive(Debug)]
pub struct Signed {
    /// The publish.
    pub published: Published,
    /// Who signed the tags before, and as what.
    pub before: Vec<ReleasedTag>,
    /// The signer that was made of the registry's user together with the repository.
    pub first_signer: Option<SignerName>,
}

/// What signs.
pub struct Signer<'a> {
    /// The settings.
    pub config: &'a Config,
    /// The keys at hand, opened once for all repositories.
    pub keys: &'a mut Keyring,
    /// The time of this run.
    pub now: UtcTime,
    /// Randomness.
    pub rng: &'a dyn SecureRandom,
    /// Who is told how far it is.
    pub progress: &'a dyn Progress,
    /// Docker's engine.
    pub engine: Engine,
}

impl Wanted {
    /// What `name` means: with docker's default for the tag, which must not be left to a digest.
    ///
    /// # Errors
    /// [`WantedError`].
    pub fn parse(name: &str, source: Source) -> Result<Self, WantedError> {
        let image = ImageName::parse(name)?;
        if image.digest().is_some() {
            return Err(WantedError::DigestReference);
        }
        let tag = image.tag().cloned().unwrap_or_else(Tag::latest);
        Ok(Self { image, tag, source })
    }

    /// The image with its tag.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}:{}", self.image.repository(), self.tag)
    }
}

/// Puts together what is of one repository, and leaves out what is named again.
///
/// # Errors
/// [`WantedError::Contradiction`].
pub fn batches(wanted: impl IntoIterator<Item = Wanted>) -> Result<Vec<Batch>, WantedError> {
    let mut batches: Vec<Batch> = Vec::new();
    for one in wanted {
        let gun = one.image.gun().clone();
        match batches.iter_mut().find(|batch| batch.gun == gun) {
            Some(batch) => match batch.wanted.iter().find(|other| other.tag == one.tag) {
                Some(other) if other.source == one.source => {}
                Some(_) => return Err(WantedError::Contradiction(one.name())),
                None => batch.wanted.push(one),
            },
            None => batches.push(Batch { gun, wanted: vec![one] }),
        }
    }
    Ok(batches)
}

impl Signer<'_> {
    /// Signs the tags of one repository that the registry names, in one publish.
    ///
    /// # Errors
    /// [`SessionError`] when neither registry nor trust server could be asked about anything.
    pub async fn sign(&mut self, batch: &Batch) -> Result<Outcome, SessionError> {
        let (resolved, unresolved) = self.resolve(batch).await?;
        if resolved.is_empty() {
            return Ok(Outcome { unresolved, resolved, published: None });
        }
        self.progress.at(batch.wanted.len(), batch.wanted.len(), batch.gun.as_str());
        let session = Session::open(self.config, &batch.gun, Action::PullAndPush).await?;
        let published = self.publish(&session, &resolved).await;
        Ok(Outcome { unresolved, resolved, published: Some(published) })
    }

    /// Signs tags of the repository of `session`, and makes the registry's user a signer first, if the repository is
    /// made by it (docker trust sign).
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn publish(&mut self, session: &Session, tags: &[(Wanted, Manifest)]) -> Result<Signed, PublishError> {
        let remote = session.remote.as_ref().map_err(|no| RemoteError::from(no.clone()))?;
        let mut publisher = Publisher {
            gun: &session.gun,
            remote,
            cache: &session.cache,
            keys: self.keys,
            now: self.now,
            rng: self.rng,
            pacing: &RealTime,
        };
        let first = match &session.user {
            // Where a root is kept, the repository is known, or somebody began to make it without a signer.
            Some(user) if !session.cache.was_anchored().map_err(UpdateError::from)? && !publisher.exists().await? => {
                first_signer(&mut publisher, user)?
            }
            Some(_) | None => None,
        };
        let name = first.as_ref().map(|signer| signer.name().clone());
        let only = if let [(wanted, _)] = tags { Some(&wanted.tag) } else { None };
        let mut before = Vec::new();
        let mut watch = |trusted: &Trusted| before = Report::of(trusted, only).tags;
        let edit = SignTags::new(tags.iter().map(|(wanted, manifest)| (wanted.tag.clone(), *manifest)));
        let published = publisher.publish_watched(&edit.with_first_signer(first), &mut watch).await?;
        let names: BTreeSet<_> = tags.iter().map(|(wanted, _)| wanted.tag.as_str()).collect();
        before.retain(|tag| names.contains(tag.name.as_str()));
        let first_signer = name.filter(|_| published.initialised);
        Ok(Signed { published, before, first_signer })
    }

    /// What the registry has for each tag; one connection for all of them, and none if nothing is to be asked.
    async fn resolve(
        &self,
        batch: &Batch,
    ) -> Result<(Vec<(Wanted, Manifest)>, Vec<(Wanted, ResolveError)>), SessionError> {
        let (mut resolved, mut unresolved) = (Vec::new(), Vec::new());
        let mut registry = None;
        for (done, wanted) in batch.wanted.iter().enumerate() {
            let reference = match wanted.source {
                Source::Known(manifest) => {
                    resolved.push((wanted.clone(), manifest));
                    continue;
                }
                Source::Local => {
                    match self.push(wanted).await {
                        Ok(manifest) => resolved.push((wanted.clone(), manifest)),
                        Err(e) => unresolved.push((wanted.clone(), e.into())),
                    }
                    continue;
                }
                Source::Registry | Source::RegistryOrLocal => Reference::Tag(wanted.tag.clone()),
                Source::Digest(digest) => Reference::Digest(digest),
            };
            self.progress.at(done, batch.wanted.len(), &wanted.name());
            let registry = match &mut registry {
                Some(registry) => registry,
                none => none.insert(session::registry(self.config, &wanted.image, Action::Pull).await?),
            };
            let found = match registry.read(&reference).await {
                Ok(stored) => Ok(stored.manifest),
                Err(e @ RegistryError::NoManifest(_)) if wanted.source == Source::RegistryOrLocal => {
                    match self.push(wanted).await {
                        // Without docker there is nothing else to sign.
                        Err(EngineError::Run { .. }) => Err(e.into()),
                        other => other.map_err(ResolveError::from),
                    }
                }
                Err(e) => Err(e.into()),
            };
            match found {
                Ok(manifest) => resolved.push((wanted.clone(), manifest)),
                Err(e) => unresolved.push((wanted.clone(), e)),
            }
        }
        Ok((resolved, unresolved))
    }

    /// Has docker push the local image, as `docker trust sign` does for a tag that is not signed yet.
    async fn push(&self, wanted: &Wanted) -> Result<Manifest, EngineError> {
        let name = wanted.name();
        self.progress
            .said(&format!("Signing and pushing trust data for local image {name}, may overwrite remote trust data"));
        self.engine.push(&name, &wanted.tag, |line| self.progress.said(line)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(name: &str, source: Source) -> Wanted {
        Wanted::parse(name, source).unwrap()
    }

    #[test]
    fn an_image_without_a_tag_means_latest_and_one_with_a_digest_nothing() {
        assert_eq!(wanted("a.test/b", Source::Registry).name(), "a.test/b:latest");
        let digest = format!("a.test/b:1@sha256:{}", "ab".repeat(32));
        assert_eq!(Wanted::parse(&digest, Source::Registry), Err(WantedError::DigestReference));
        let error = Wanted::parse("a.test/B", Source::Registry).unwrap_err();
        assert_eq!(error.to_string(), "invalid reference format: repository name (B) must be lowercase");
    }

    #[test]
    fn tags_of_one_repository_are_one_batch_however_it_is_written() {
        let names = ["nginx:1", "a.test/b:1", "docker.io/library/nginx:2", "nginx:1", "a.test/b"];
        let batches = batches(names.map(|name| wanted(name, Source::Registry))).unwrap();
        let told: Vec<_> = batches
            .iter()
            .map(|batch| (batch.gun.as_str(), batch.wanted.iter().map(|w| w.tag.as_str()).collect::<Vec<_>>()))
            .collect();
        assert_eq!(told, [("docker.io/library/nginx", vec!["1", "2"]), ("a.test/b", vec!["1", "latest"])]);
    }

    #[test]
    fn a_tag_cannot_stand_for_two_digests() {
        let digest = |content: &[u8]| Source::Digest(Sha256::of(content));
        let error = batches([wanted("a.test/b:1", digest(b"1")), wanted("a.test/b:1", digest(b"2"))]).unwrap_err();
        assert_eq!(error.to_string(), "a.test/b:1 is named twice, with different digests; name it once");
        assert!(batches([wanted("a.test/b:1", digest(b"1")), wanted("a.test/b:1", digest(b"1"))]).is_ok());
    }
}
