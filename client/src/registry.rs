//! The registry: which manifest a tag names now.

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{Client, Method, Response};
use tuf_schema::Sha256;

use crate::credentials::Credentials;
use crate::image::{ImageName, Tag};
use crate::remote::RemoteError;
use crate::remote::auth::{Action, Challenge};
use crate::remote::failure::classify;
use crate::remote::http::read_capped;

/// The registry behind docker's short names.
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";
/// The largest manifest that is read, in bytes (the registry's own limit is 4 MiB).
const MAX_MANIFEST: u64 = 4 << 20;
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

/// Why the registry did not name a manifest.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The registry has no such tag.
    #[error("the registry has no manifest for {0}")]
    NoManifest(String),
    /// The digest that the registry tells is not that of the bytes it sends.
    #[error("the registry says {told} but sends a manifest with sha256:{found}")]
    DigestMismatch {
        /// The header `Docker-Content-Digest`.
        told: String,
        /// The digest of the bytes.
        found: Sha256,
    },
    /// What the registry sends is none of the manifests that were asked for: a login page, say, or the old schema 1.
    #[error("the registry sends {0:?} where a manifest should be")]
    NoManifestType(String),
    /// The registry could not be asked.
    #[error("cannot ask the registry")]
    Remote(#[from] RemoteError),
}

/// Reads the manifest that `tag` names and measures its bytes; a digest told by the registry must agree with them.
///
/// The bytes are fetched rather than believed: what is signed is what was seen.
///
/// # Errors
/// [`RegistryError`].
pub async fn resolve(
    client: &Client,
    image: &ImageName,
    tag: &Tag,
    credentials: &Credentials,
) -> Result<Manifest, RegistryError> {
    let host = if image.is_docker_hub() { DOCKER_HUB_HOST } else { image.domain() };
    let response = match get(client, "https", host, image, tag, credentials).await {
        Err(e @ (RemoteError::Connection { .. } | RemoteError::Unreachable { .. })) if image.is_loopback_registry() => {
            match get(client, "http", host, image, tag, credentials).await {
                // A TLS server answers plain http with 400: then the first error is the one that matters.
                Ok(response) if response.status() == reqwest::StatusCode::BAD_REQUEST => return Err(e.into()),
                Err(RemoteError::Connection { .. } | RemoteError::Unreachable { .. }) => return Err(e.into()),
                other => other?,
            }
        }
        other => other?,
    };
    match response.status().as_u16() {
        200 => {}
        404 => return Err(RegistryError::NoManifest(image.original().to_owned())),
        401 | 403 => return Err(RemoteError::Unauthorized.into()),
        status => return Err(RemoteError::Status(status).into()),
    }
    let header = |name| {
        let value: Option<&HeaderValue> = response.headers().get(name);
        value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let kind = header("Content-Type").unwrap_or_default();
    let named = kind.split(';').next().unwrap_or_default().trim();
    if !ACCEPTED.iter().any(|accepted| accepted.eq_ignore_ascii_case(named)) {
        return Err(RegistryError::NoManifestType(kind));
    }
    let told = header("Docker-Content-Digest");
    let bytes = read_capped(response, host, MAX_MANIFEST).await?;
    let digest = Sha256::of(&bytes);
    match told {
        Some(told) if told != format!("sha256:{digest}") => Err(RegistryError::DigestMismatch { told, found: digest }),
        _ => Ok(Manifest { digest, length: bytes.len() as u64 }),
    }
}

async fn get(
    client: &Client,
    scheme: &str,
    host: &str,
    image: &ImageName,
    tag: &Tag,
    credentials: &Credentials,
) -> Result<Response, RemoteError> {
    let url = format!("{scheme}://{host}/v2/{}/manifests/{tag}", image.path());
    let send = async |authorization: Option<HeaderValue>| {
        let mut request = client.request(Method::GET, &url).header(ACCEPT, ACCEPTED.join(", "));
        if let Some(header) = authorization {
            request = request.header(AUTHORIZATION, header);
        }
        request.send().await.map_err(|e| classify(host, &e))
    };
    let response = send(None).await?;
    let Some(challenge) = Challenge::of(&response, &url) else { return Ok(response) };
    match challenge.answer(client, credentials, image.path(), Action::Pull).await? {
        Some(header) => send(Some(header)).await,
        None => Ok(response),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scripted, answer};
    use crate::tls::Scheme;
    use crate::tls::tests_support::client_of;

    /// Asks `server`, with a password.
    async fn ask(server: &Scripted) -> Result<Manifest, RegistryError> {
        let image = ImageName::parse(&format!("{}/team/app:1", server.address)).unwrap();
        let credentials = Credentials::Password { username: "me".into(), password: String::from("secret").into() };
        let client = client_of(Scheme::PlainOnLoopback);
        resolve(&client, &image, &Tag::parse("1").unwrap(), &credentials).await
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
    async fn only_the_registry_that_was_asked_names_the_token_service() {
        let realm = Scripted::start(|_| answer("500 Internal Server Error", &[], "")).await;
        let other = guarded(&realm).await;
        let location = format!("http://{}/other", other.address);
        let registry = Scripted::start(move |_| answer("307 Temporary Redirect", &[("Location", &location)], "")).await;
        let error = ask(&registry).await.unwrap_err();
        assert!(matches!(error, RegistryError::Remote(RemoteError::Unauthorized)), "{error:?}");
        assert_eq!((other.requests().len(), realm.requests().len()), (1, 0));
        let error = ask(&other).await.unwrap_err();
        assert!(matches!(error, RegistryError::Remote(RemoteError::Token { .. })), "{error:?}");
        assert_eq!(realm.requests().len(), 1);
    }
}
