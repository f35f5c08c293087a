//! Everything that can end a run.

use std::path::PathBuf;

use bulla::config::ConfigError;
use bulla::decision::Refusal;
use bulla::engine::EngineError;
use bulla::engine::container::ContainerError;
use bulla::gun_list::GunListError;
use bulla::image::ImageError;
use bulla::keys::new_file::NewFileError;
use bulla::keys::{ImportError, KeyringError};
use bulla::publish::PublishError;
use bulla::push_tag::NotMoved;
use bulla::remote::RemoteError;
use bulla::renew::RenewalError;
use bulla::session::SessionError;
use bulla::signers::NameError;
use bulla::signing::{ListError, WantedError};
use bulla::trust::UpdateError;
use tuf_schema::gun::GunError;
use tuf_schema::verify::chain::Skipped;
use tuf_schema::{Gun, Sha256};

use crate::age::Age;
use crate::cmd::key::KeyError;
use crate::cmd::repo::RepoError;
use crate::cmd::session::SigningError;

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An argument names no image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// An argument is no name of trust data.
    #[error(transparent)]
    Gun(#[from] GunError),
    /// A tag is needed (docker's words).
    #[error("no tag specified for {0}")]
    NoTag(String),
    /// A digest where a tag is needed (docker's words).
    #[error("cannot use a digest reference for IMAGE:TAG")]
    DigestReference,
    /// All tags, and one (docker's words).
    #[error("tag can't be used with --all-tags/-a")]
    TagOfAll,
    /// No tag is released (docker's words).
    #[error("No trusted tags for {0}")]
    NoTrustedTags(String),
    /// The image to be started is not found among docker's words.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// A server could not be talked to.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The trust data is not to be had or not to be trusted.
    #[error("cannot verify {image}")]
    Update {
        /// The image.
        image: String,
        /// Why.
        source: Box<UpdateError>,
    },
    /// The trust server cannot be reached, and nobody allowed what is cached instead.
    #[error(
        "cannot verify {image}: {why}; what is cached was fetched {age} ago: to use it until it expires, say --allow-cached, \
         or \"allow_cached\": true in {settings}", settings = settings.display()
    )]
    CacheNotAllowed {
        /// The image.
        image: String,
        /// Why the trust server could not be asked.
        why: RemoteError,
        /// How long ago the cached timestamp was fetched.
        age: Age,
        /// The file that may allow it.
        settings: PathBuf,
    },
    /// The repository has no trust data (docker's words).
    #[error("remote trust data does not exist for {gun}: {server} does not have trust data for {gun}")]
    NoTrustData {
        /// The repository.
        gun: String,
        /// The trust server.
        server: String,
    },
    /// The tag is not signed (docker's words).
    #[error("No valid trust data for {0}")]
    NotSigned(String),
    /// What has been released cannot be known: the delegation that says so does not count.
    #[error("{role} does not count ({why}), and what else is signed may be older", role = .0.role, why = .0.why)]
    ReleasesSkipped(Skipped),
    /// Nothing may be pulled.
    #[error(transparent)]
    Refused(Refusal),
    /// There is no policy to be looked at.
    #[error("there is no policy at {path}; --policy FILE names another", path = .0.display())]
    NoPolicy(PathBuf),
    /// The registry has another image under the tag than the signed one.
    #[error("{image} was changed in the registry: signed is sha256:{signed}, the registry has sha256:{found}")]
    Overwritten {
        /// The image.
        image: String,
        /// The signed digest.
        signed: Sha256,
        /// The registry's digest.
        found: Sha256,
    },
    /// Signing failed.
    #[error("failed to sign {image}")]
    Sign {
        /// The image.
        image: String,
        /// Why.
        source: Box<PublishError>,
    },
    /// The images to be signed make no sense.
    #[error(transparent)]
    Wanted(#[from] WantedError),
    /// The list of images cannot be read.
    #[error("cannot read {path}", path = path.display())]
    ReadList {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The list of images is not understood.
    #[error("{path}", path = path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ListError,
    },
    /// A tag is signed, and was not moved.
    #[error(transparent)]
    NotMoved(Box<NotMoved>),
    /// What failed for one of several things.
    #[error("{what}")]
    Named {
        /// The thing.
        what: String,
        /// What failed.
        source: Box<Self>,
    },
    /// Docker did not do what it was asked for.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A name that no signer may have.
    #[error(transparent)]
    SignerName(#[from] NameError),
    /// The name of the releases is no signer's (docker's words).
    #[error("releases is a reserved keyword and cannot be removed")]
    ReservedSigner,
    /// A name that no delegation can have is no signer's either (docker's words).
    #[error("no signer {name} for repository {gun}")]
    NoSuchSigner {
        /// The name.
        name: String,
        /// The repository.
        gun: Gun,
    },
    /// A signer needs a key (docker's words).
    #[error("path to a public key must be provided using the `--key` flag")]
    NoPublicKey,
    /// A file holds no public key, or cannot be read (docker's words).
    #[error("{why} public key from file: {path}", path = path.display())]
    PublicKeyFile {
        /// What could not be done.
        why: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A signer could not be added (docker's words).
    #[error("failed to add signer to: {repository}")]
    AddSigner {
        /// The repository, as it was named.
        repository: String,
        /// Why.
        source: Box<Self>,
    },
    /// A signer could not be removed (docker's words).
    #[error("error removing signer from: {repository}")]
    RemoveSigner {
        /// The repository, as it was named.
        repository: String,
        /// Why.
        source: Box<Self>,
    },
    /// Tags could not be revoked (docker's words).
    #[error("could not remove signature for {image}")]
    Revoke {
        /// The image, as it was named.
        image: String,
        /// Why.
        source: Box<Self>,
    },
    /// Nothing was published.
    #[error(transparent)]
    Publish(#[from] Box<PublishError>),
    /// A question that must be answered was not.
    #[error("nobody answered; say {0} to go on without being asked")]
    Unanswered(&'static str),
    /// A key could not be made.
    #[error("failed to generate key for {name}")]
    Key {
        /// Its name.
        name: String,
        /// Why.
        source: KeyringError,
    },
    /// A verb of `bulla key` failed.
    #[error(transparent)]
    KeyVerb(#[from] KeyError),
    /// A private key could not be loaded (docker's words).
    #[error("error importing key from {path}", path = path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<ImportError>,
    },
    /// A file holds no private key (docker's words).
    #[error(
        "error importing key from {path}: provided file {path} is not a supported private key - to add a signer's public \
         key use docker trust signer add",
        path = .0.display()
    )]
    NotPrivate(PathBuf),
    /// A private key that others may read is not loaded (docker's words).
    #[error(
        "refusing to load key from {path}: private key file {path} must not be readable or writable by others",
        path = .0.display()
    )]
    LooseKey(PathBuf),
    /// There is no such file (docker's words).
    #[error("refusing to load key from {path}: {source}", path = path.display())]
    NoKeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A name that no key may have (docker's words).
    #[error(
        "key name \"{0}\" must start with lowercase alphanumeric characters and can include \"-\" or \"_\" after the first \
         character"
    )]
    KeyName(String),
    /// The directory for the public key is not there (docker's words).
    #[error("public key path does not exist: \"{}\"", .0.display())]
    NoDirectory(PathBuf),
    /// The file for the public key is there already (docker's words).
    #[error("public key file already exists: \"{}\"", .0.display())]
    PublicKeyExists(PathBuf),
    /// The public key could not be written.
    #[error("failed to write public key to {path}", path = path.display())]
    WritePublicKey {
        /// The file.
        path: PathBuf,
        /// Why.
        source: NewFileError,
    },
    /// A manual page could not be written.
    #[error("cannot write manual pages to {directory}", directory = directory.display())]
    WriteManual {
        /// Where to.
        directory: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A verb on a repository's targets or delegations failed.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// A signing session could not be begun, signed or published.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// A trust directory could not be looked at.
    #[error("cannot examine {directory}", directory = directory.display())]
    Doctor {
        /// The directory.
        directory: PathBuf,
        /// Why.
        source: KeyringError,
    },
    /// A file names no repositories.
    #[error(transparent)]
    GunList(#[from] GunListError),
    /// A repository could not be renewed.
    #[error("failed to renew {gun}")]
    Renew {
        /// The repository.
        gun: Gun,
        /// Why.
        source: Box<RenewalError>,
    },
    /// Standard output could not be written.
    #[error("cannot write to standard output")]
    Output(#[from] std::io::Error),
}

impl CliError {
    /// The error with the thing that it is about, unless it names it.
    pub(crate) fn named(what: &str, error: Self) -> Self {
        match error {
            Self::Session(_)
            | Self::Publish(_)
            | Self::Refused(Refusal::NotSigned(_) | Refusal::ReleasesSkipped(_)) => {
                Self::Named { what: what.to_owned(), source: Box::new(error) }
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::chain;

    #[test]
    fn what_fails_for_one_of_several_repositories_is_said_with_its_name() {
        let error = CliError::Publish(Box::new(PublishError::NoKey(Vec::new())));
        let said = chain(&CliError::named("a.test/b", error));
        assert!(said.starts_with("a.test/b: could not find necessary signing keys"), "{said}");
    }
}
