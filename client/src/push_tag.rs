//! Signing before a tag is moved: while it goes on, and if it fails, the tag names what it named.

use tuf_schema::Sha256;

use crate::image::Tag;
use crate::publish::Published;
use crate::registry::{Manifest, Reference, Registry, RegistryError, StoredManifest};

/// A tag that is to name another manifest, which the registry has already.
pub struct TagMove<'a> {
    registry: &'a Registry,
    tag: Tag,
    stored: StoredManifest,
    before: Option<Sha256>,
}

/// Where the tag came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// It did not exist.
    Created,
    /// It named this digest.
    From(Sha256),
    /// It named the right manifest already, and nothing was sent.
    StoodThere,
}

/// The manifest is signed, and the registry did not say that the tag names it now.
#[derive(Debug, thiserror::Error)]
#[error(
    "{image} is signed as sha256:{signed} now, but the registry did not move the tag, which {}; nothing else is left to \
     do than this: bulla trust push-tag {image} --digest sha256:{signed}",
    before.map_or_else(|| "was not there before".to_owned(), |before| format!("named sha256:{before} before"))
)]
pub struct NotMoved {
    image: String,
    signed: Sha256,
    before: Option<Sha256>,
    /// What the registry said, or what happened on the way to it.
    pub source: RegistryError,
}

impl<'a> TagMove<'a> {
    /// Reads the manifest that `tag` shall name, and what it names now. Nothing is changed.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn prepare(registry: &'a Registry, tag: Tag, source: &Reference) -> Result<Self, RegistryError> {
        let stored = registry.read(source).await?;
        let before = match registry.read(&Reference::Tag(tag.clone())).await {
            Ok(now) => Some(now.manifest.digest),
            // The old schema, say: it is there, and will not be after.
            Err(RegistryError::NoManifest(_) | RegistryError::NoManifestType(_)) => None,
            Err(e) => return Err(e),
        };
        Ok(Self { registry, tag, stored, before })
    }

    /// What the tag shall name: what is to be signed.
    #[must_use]
    pub fn manifest(&self) -> Manifest {
        self.stored.manifest
    }

    /// Moves the tag. `_signed` is what came of signing [`TagMove::manifest`]: without that nothing is moved.
    ///
    /// # Errors
    /// [`NotMoved`].
    pub async fn finish(self, _signed: &Published) -> Result<Moved, NotMoved> {
        let Self { registry, tag, stored, before } = self;
        let signed = stored.manifest.digest;
        if before == Some(signed) {
            return Ok(Moved::StoodThere);
        }
        match registry.tag(&tag, &stored).await {
            Ok(()) => Ok(before.map_or(Moved::Created, Moved::From)),
            Err(source) => Err(NotMoved { image: registry.name(&Reference::Tag(tag)), signed, before, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::Credentials;
    use crate::image::ImageName;
    use crate::remote::Action;
    use crate::testing::{Scripted, answer};
    use crate::tls::Scheme;
    use crate::tls::tests_support::client_of;

    const KIND: (&str, &str) = ("Content-Type", "application/vnd.oci.image.index.v1+json");

    /// A registry with the manifest `new`, the tag `1` that names `old`, and its answer to a move.
    async fn registry(put: &'static str) -> Scripted {
        Scripted::start(move |line| match line.split(' ').take(2).collect::<Vec<_>>().as_slice() {
            ["GET", "/v2/app/manifests/1"] => answer("200 OK", &[KIND], "old"),
            ["GET", "/v2/app/manifests/absent"] => answer("404 Not Found", &[], ""),
            ["GET", _] => answer("200 OK", &[KIND], "new"),
            _ => answer(put, &[], r#"{"errors":[{"code":"DENIED","message":"the tag is immutable"}]}"#),
        })
        .await
    }

    fn published() -> Published {
        Published { initialised: false, roles: Vec::new(), root: Vec::new(), unsignable: Vec::new() }
    }

    fn repository(server: &Scripted) -> (String, Registry) {
        let name = format!("{}/app", server.address);
        let image = ImageName::parse(&name).unwrap();
        let client = client_of(Scheme::PlainOnLoopback);
        (name, Registry::new(client, &image, Credentials::Anonymous, Action::PullAndPush))
    }

    fn requests(server: &Scripted) -> Vec<String> {
        server.requests().iter().map(|line| line.replace(" HTTP/1.1", "").replace("/v2/app/manifests/", "")).collect()
    }

    #[tokio::test]
    async fn a_tag_moves_by_one_request_after_it_was_signed() {
        let server = registry("201 Created").await;
        let (_, registry) = repository(&server);
        for (tag, moved) in [("1", Moved::From(Sha256::of(b"old"))), ("absent", Moved::Created)] {
            let tag = Tag::parse(tag).unwrap();
            let source = Reference::Digest(Sha256::of(b"new"));
            let before = requests(&server).len();
            let prepared = TagMove::prepare(&registry, tag.clone(), &source).await.unwrap();
            assert_eq!(prepared.manifest(), Manifest { digest: Sha256::of(b"new"), length: 3 });
            let asked = [format!("GET {source}"), format!("GET {tag}")];
            assert_eq!(requests(&server)[before..], asked);
            assert_eq!(prepared.finish(&published()).await.unwrap(), moved);
            assert_eq!(requests(&server)[before + 2..], [format!("PUT {tag}")]);
        }
    }

    #[tokio::test]
    async fn a_tag_that_names_the_manifest_already_is_left_alone() {
        let server = registry("500 Internal Server Error").await;
        let (_, registry) = repository(&server);
        let tag = Tag::parse("other").unwrap();
        let prepared = TagMove::prepare(&registry, tag, &Reference::Digest(Sha256::of(b"new"))).await.unwrap();
        assert_eq!(prepared.finish(&published()).await.unwrap(), Moved::StoodThere);
        assert_eq!(requests(&server).len(), 2);
    }

    #[tokio::test]
    async fn a_tag_that_the_registry_keeps_is_told_with_what_is_signed_and_what_to_do() {
        let server = registry("403 Forbidden").await;
        let (name, registry) = repository(&server);
        let (old, new) = (Sha256::of(b"old"), Sha256::of(b"new"));
        let prepared = TagMove::prepare(&registry, Tag::parse("1").unwrap(), &Reference::Digest(new)).await.unwrap();
        let error = prepared.finish(&published()).await.unwrap_err();
        let expected = format!(
            "{name}:1 is signed as sha256:{new} now, but the registry did not move the tag, which named sha256:{old} \
             before; nothing else is left to do than this: bulla trust push-tag {name}:1 --digest sha256:{new}"
        );
        assert_eq!(error.to_string(), expected);
        assert_eq!(
            error.source.to_string(),
            format!("the registry answered 403 to the tag {name}:1: the tag is immutable")
        );
    }
}
