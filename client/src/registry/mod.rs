//! The registry: which manifest a tag names now, and the one change that is made there: another manifest under a tag.

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, Method, RequestBuilder, Response};
use tuf_schema::Sha256;

mod connection;
mod error;

pub use error::RegistryError;

use crate::credentials::Credentials;
use crate::image::{ImageName, Tag};
use crate::remote::http::{read_capped, read_start};
use crate::remote::{Action, RemoteError};
use connection::Connection;

/// The largest manifest that is read, in bytes (the registry's own limit is 4 MiB).
const MAX_MANIFEST: u64 = 4 << 20;
/// The header by which a registry tells the digest of what it sends or took.
const DIGEST_HEADER: &str = "Docker-Content-Digest";
/// How much of an error is read, in bytes.
const MAX_ERROR: u64 = 16 << 10;
/// Every kind of manifest and index that docker signs.
const ACCEPTED: [&str; 4] = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
];

/// A manifest in a registry, by what signing needs to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The digest of its bytes.
    pub digest: Sha256,
    /// How many bytes it has.
    pub length: u64,
}

/// What a manifest is asked for by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// What the tag names now.
    Tag(Tag),
    /// These very bytes.
    Digest(Sha256),
}

/// One repository of a registry.
pub struct Registry {
    image: ImageName,
    connection: Connection,
}

/// A manifest that was read: what can be stored under another tag without a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredManifest {
    /// What signing needs to know of it.
    pub manifest: Manifest,
    /// Its kind, as the registry told it.
    media_type: String,
    bytes: Bytes,
}

impl Registry {
    /// The repository of `image`; nothing is asked yet. `action` says what shall be done there.
    pub(crate) fn new(client: Client, image: &ImageName, credentials: Credentials, action: Action) -> Self {
        Self { image: image.clone(), connection: Connection::new(client, image, credentials, action) }
    }

    /// Reads a manifest.
    ///
    /// The bytes are fetched rather than believed: what is signed is what was seen. A digest told by the registry must
    /// agree with them.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn read(&self, reference: &Reference) -> Result<StoredManifest, RegistryError> {
        let accept = |request: RequestBuilder| request.header(ACCEPT, ACCEPTED.join(", "));
        let response = self.connection.send(Method::GET, &reference.to_string(), accept).await?;
        match response.status().as_u16() {
            200 => {}
            404 => return Err(RegistryError::NoManifest(self.name(reference))),
            status @ (401 | 403) => return Err(RegistryError::Unauthorized { image: self.name(reference), status }),
            status => return Err(RegistryError::Status { image: self.name(reference), status }),
        }
        let media_type = header(&response, CONTENT_TYPE.as_str()).unwrap_or_default();
        let named = media_type.split(';').next().unwrap_or_default().trim();
        if !ACCEPTED.iter().any(|accepted| accepted.eq_ignore_ascii_case(named)) {
            return Err(RegistryError::NoManifestType(media_type));
        }
        let told = told_digest(&response);
        let bytes = read_capped(response, self.connection.host(), MAX_MANIFEST).await.map_err(|e| match e {
            RemoteError::TooLong { most } => RegistryError::TooLong { image: self.name(reference), limit: most },
            other => other.into(),
        })?;
        let bytes = Bytes::from(bytes);
        let digest = Sha256::of(&bytes);
        match (told, reference) {
            (Some(told), _) if told != format!("sha256:{digest}") => {
                Err(RegistryError::DigestMismatch { told, found: digest })
            }
            (_, Reference::Digest(asked)) if *asked != digest => {
                Err(RegistryError::OtherDigest { asked: *asked, found: digest })
            }
            _ => Ok(StoredManifest { manifest: Manifest { digest, length: bytes.len() as u64 }, media_type, bytes }),
        }
    }

    /// Has `tag` name a manifest that the registry has already, byte for byte and of the same kind.
    ///
    /// # Errors
    /// [`RegistryError`]; unless it is [`RegistryError::TagRefused`], whether the tag names it now is not known.
    pub async fn tag(&self, tag: &Tag, stored: &StoredManifest) -> Result<(), RegistryError> {
        let put = |request: RequestBuilder| request.header(CONTENT_TYPE, &stored.media_type).body(stored.bytes.clone());
        let response = self.connection.send(Method::PUT, tag.as_str(), put).await?;
        let status = response.status().as_u16();
        let refused = |why| RegistryError::TagRefused { tag: self.name(&Reference::Tag(tag.clone())), status, why };
        match (status, told_digest(&response)) {
            (201, Some(told)) if told != format!("sha256:{}", stored.manifest.digest) => {
                Err(refused(format!("it took {told}, and sha256:{} was sent", stored.manifest.digest)))
            }
            (201, _) => Ok(()),
            (401, _) => Err(RegistryError::Unauthorized { image: self.name(&Reference::Tag(tag.clone())), status }),
            _ => Err(refused(reason(&read_start(response, self.connection.host(), MAX_ERROR).await?))),
        }
    }

    /// The image as a person would write it.
    pub(crate) fn name(&self, reference: &Reference) -> String {
        let separator = if matches!(reference, Reference::Tag(_)) { ':' } else { '@' };
        format!("{}{separator}{reference}", self.image.repository())
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tag(tag) => write!(f, "{tag}"),
            Self::Digest(digest) => write!(f, "sha256:{digest}"),
        }
    }
}

fn told_digest(response: &Response) -> Option<String> {
    header(response, DIGEST_HEADER)
}

fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// The first error of `{"errors":[{"code","message"}]}`, printable characters only.
fn reason(body: &[u8]) -> String {
    let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let why = answer.pointer("/errors/0/message").and_then(|message| message.as_str()).unwrap_or("no reason given");
    why.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scripted, answer};
    use crate::tls::Scheme;
    use crate::tls::tests_support::client_of;

    /// The repository `team/app` of `server`, with a password.
    fn registry(server: &Scripted) -> Registry {
        let image = ImageName::parse(&format!("{}/team/app:1", server.address)).unwrap();
        let credentials = Credentials::Password { username: "me".into(), password: String::from("secret").into() };
        Registry::new(client_of(Scheme::PlainOnLoopback), &image, credentials, Action::PullAndPush)
    }

    fn tag() -> Tag {
        Tag::parse("1").unwrap()
    }

    async fn ask(server: &Scripted) -> Result<Manifest, RegistryError> {
        Ok(registry(server).read(&Reference::Tag(tag())).await?.manifest)
    }

    /// A registry that sends whoever asks to a token service, which is `realm`.
    async fn guarded(realm: &Scripted) -> Scripted {
        let challenge = format!("Bearer realm=\"http://{}/token\"", realm.address);
        Scripted::start(move |_| answer("401 Unauthorized", &[("WWW-Authenticate", &challenge)], "")).await
    }

    #[tokio::test]
    async fn only_a_manifest_with_its_own_digest_counts() {
        let good = format!("sha256:{}", Sha256::of(b"{}"));
        let other = format!("sha256:{}", Sha256::of(b"[]"));
        let oci = "application/vnd.oci.image.index.v1+json; charset=utf-8";
        let ask_for = async |kind: &'static str, told: Option<&str>| {
            let told = told.map(str::to_owned);
            let registry = Scripted::start(move |_| {
                let digest = told.as_deref().map(|told| ("Docker-Content-Digest", told));
                let headers: Vec<_> = [("Content-Type", kind)].into_iter().chain(digest).collect();
                answer("200 OK", &headers, "{}")
            });
            ask(&registry.await).await
        };
        for (kind, told) in [(oci, None), (ACCEPTED[0], Some(good.as_str()))] {
            assert_eq!(ask_for(kind, told).await.unwrap(), Manifest { digest: Sha256::of(b"{}"), length: 2 });
        }
        for kind in ["text/html", "application/vnd.docker.distribution.manifest.v1+prettyjws", ""] {
            let error = ask_for(kind, Some(&good)).await.unwrap_err();
            assert!(matches!(&error, RegistryError::NoManifestType(found) if found == kind), "{error}");
        }
        for told in [other.as_str(), "sha256:", "sha512:00", "\u{e9}"] {
            let error = ask_for(oci, Some(told)).await.unwrap_err();
            assert!(matches!(error, RegistryError::DigestMismatch { .. }), "{told}: {error}");
        }
    }

    #[tokio::test]
    async fn a_manifest_has_four_mebibytes_at_most() {
        let ask_for = async |length: u64| {
            let body = " ".repeat(usize::try_from(length).unwrap());
            let answer = move |_: &str| answer("200 OK", &[("Content-Type", ACCEPTED[0])], &body);
            ask(&Scripted::start(answer).await).await
        };
        assert_eq!(ask_for(MAX_MANIFEST).await.unwrap().length, MAX_MANIFEST);
        let error = ask_for(MAX_MANIFEST + 1).await.unwrap_err();
        assert!(matches!(error, RegistryError::TooLong { limit: MAX_MANIFEST, .. }), "{error}");
    }

    #[tokio::test]
    async fn only_the_registry_that_was_asked_names_the_token_service() {
        let realm = Scripted::start(|_| answer("500 Internal Server Error", &[], "")).await;
        let other = guarded(&realm).await;
        let location = format!("http://{}/other", other.address);
        let registry = Scripted::start(move |_| answer("307 Temporary Redirect", &[("Location", &location)], "")).await;
        let error = ask(&registry).await.unwrap_err();
        assert!(matches!(error, RegistryError::Unauthorized { status: 401, .. }), "{error:?}");
        assert_eq!((other.requests().len(), realm.requests().len()), (1, 0));
        let error = ask(&other).await.unwrap_err();
        assert!(matches!(error, RegistryError::Remote(RemoteError::Token { .. })), "{error:?}");
        assert_eq!(realm.requests().len(), 1);
    }

    #[tokio::test]
    async fn a_digest_is_answered_with_its_own_bytes_or_not_at_all() {
        let server = Scripted::start(|_| answer("200 OK", &[("Content-Type", ACCEPTED[3])], "{}")).await;
        let read = async |bytes: &[u8]| registry(&server).read(&Reference::Digest(Sha256::of(bytes))).await;
        assert_eq!(read(b"{}").await.unwrap().bytes, "{}");
        let error = read(b"[]").await.unwrap_err();
        assert!(matches!(error, RegistryError::OtherDigest { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_manifest_goes_under_a_tag_as_it_came() {
        let server = Scripted::start(|line| {
            let status = if line.starts_with("PUT") { "201 Created" } else { "200 OK" };
            answer(status, &[("Content-Type", "application/vnd.oci.image.index.v1+json; x=y")], "{ }")
        })
        .await;
        let registry = registry(&server);
        let stored = registry.read(&Reference::Digest(Sha256::of(b"{ }"))).await.unwrap();
        registry.tag(&tag(), &stored).await.unwrap();
        let put = server.full_requests().pop().unwrap();
        assert!(put.starts_with("PUT /v2/team/app/manifests/1 HTTP/1.1\r\n"), "{put}");
        assert!(put.contains("\r\ncontent-type: application/vnd.oci.image.index.v1+json; x=y\r\n"), "{put}");
        assert!(put.ends_with("\r\n\r\n{ }"), "{put}");
    }

    #[tokio::test]
    async fn a_tag_counts_as_moved_only_if_the_registry_says_that_it_took_these_bytes() {
        let other = format!("sha256:{}", Sha256::of(b"[]"));
        for (status, told, expected) in [
            ("201 Created", Some(other.as_str()), "answered 201 to the tag 127.0.0.1"),
            ("200 OK", None, "answered 200 to the tag 127.0.0.1"),
            ("202 Accepted", None, "answered 202"),
            ("307 Temporary Redirect", None, "answered 307"),
            ("403 Forbidden", None, "why?"),
            ("400 Bad Request", None, "answered 400"),
            ("500 Internal Server Error", None, "answered 500"),
        ] {
            let told = told.map(str::to_owned);
            let server = Scripted::start(move |_| {
                let told = told.as_deref().map(|told| (DIGEST_HEADER, told));
                answer(status, &Vec::from_iter(told), r#"{"errors":[{"code":"X","message":"why\u001b?"}]}"#)
            })
            .await;
            let manifest = Manifest { digest: Sha256::of(b"{}"), length: 2 };
            let stored = StoredManifest { manifest, media_type: ACCEPTED[0].into(), bytes: "{}".into() };
            // A registry that answers plain http with 400 speaks https.
            let error = registry(&server).tag(&tag(), &stored).await.unwrap_err().to_string();
            let found =
                if status.starts_with("400") { error == "cannot ask the registry" } else { error.contains(expected) };
            assert!(found, "{status}: {error}");
        }
    }
}
