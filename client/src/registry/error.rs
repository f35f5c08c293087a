//! Why the registry did not do what it was asked.

use tuf_schema::Sha256;

use crate::remote::RemoteError;

/// Why the registry did not name a manifest, or did not take one under a tag.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The registry has no such manifest.
    #[error("the registry has no manifest for {0}")]
    NoManifest(String),
    /// The digest that the registry tells is not that of the bytes it sends, or takes.
    #[error("the registry says {told} but sends a manifest with sha256:{found}")]
    DigestMismatch {
        /// The header `Docker-Content-Digest`.
        told: String,
        /// The digest of the bytes.
        found: Sha256,
    },
    /// The registry sends other bytes than those that were asked for by their digest.
    #[error("the registry was asked for sha256:{asked} and sends a manifest with sha256:{found}")]
    OtherDigest {
        /// The digest that was asked for.
        asked: Sha256,
        /// The digest of the bytes.
        found: Sha256,
    },
    /// What the registry sends is none of the manifests that were asked for: a login page, say, or the old schema 1.
    #[error("the registry sends {0:?} where a manifest should be")]
    NoManifestType(String),
    /// The registry did not take the manifest under the tag.
    #[error("the registry answered {status} to the tag {tag}: {why}")]
    TagRefused {
        /// The image with the tag.
        tag: String,
        /// The status.
        status: u16,
        /// The registry's own words.
        why: String,
    },
    /// The registry wants other credentials, or more rights.
    #[error("the registry answered {status} for {image}: log in with docker login, or have the right given to you")]
    Unauthorized {
        /// The image.
        image: String,
        /// 401 or 403.
        status: u16,
    },
    /// The registry has a difficulty of its own.
    #[error("the registry answered {status} for {image}")]
    Status {
        /// The image.
        image: String,
        /// The status.
        status: u16,
    },
    /// More than any manifest has.
    #[error("the registry sends more than {limit} bytes where the manifest of {image} should be")]
    TooLong {
        /// The image.
        image: String,
        /// The most bytes that are read.
        limit: u64,
    },
    /// The registry could not be asked.
    #[error("cannot ask the registry")]
    Remote(#[from] RemoteError),
}
