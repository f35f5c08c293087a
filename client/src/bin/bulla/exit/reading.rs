//! What failures of asking, and of believing the answers, are called.

use bulla::decision::Refusal;
use bulla::registry::RegistryError;
use bulla::remote::RemoteError;
use bulla::session::SessionError;
use bulla::trust::UpdateError;
use tuf_schema::verify::chain::ChainError;

use super::Code;

impl Code {
    pub(super) fn of_refusal(error: &Refusal) -> Self {
        match error {
            Refusal::NoTag(_) => Self::Invalid,
            Refusal::NotSigned(_) => Self::NotSigned,
            Refusal::ReleasesSkipped(_) => Self::Untrusted,
            Refusal::Policy { .. } => Self::Policy,
        }
    }

    pub(super) fn of_session(error: &SessionError) -> Self {
        match error {
            SessionError::Remote(e) => Self::of_remote(e),
            SessionError::Registry(e) => Self::of_registry(e),
            SessionError::Config(_) => Self::Invalid,
            SessionError::Credentials(_) => Self::Unauthorized,
            SessionError::Tls(_) => Self::File,
        }
    }

    pub(super) fn of_registry(error: &RegistryError) -> Self {
        match error {
            RegistryError::Remote(e) => Self::of_remote(e),
            RegistryError::NoManifest(_)
            | RegistryError::DigestMismatch { .. }
            | RegistryError::OtherDigest { .. }
            | RegistryError::TooLong { .. }
            | RegistryError::NoManifestType(_) => Self::Manifest,
            RegistryError::Unauthorized { .. } => Self::Unauthorized,
            RegistryError::Status { .. } => Self::Server,
            RegistryError::TagRefused { .. } => Self::Rejected,
        }
    }

    pub(super) fn of_update(error: &UpdateError) -> Self {
        match error {
            UpdateError::Chain(ChainError::Unreachable(_)) => Self::Unreachable,
            UpdateError::Chain(ChainError::NoTrustData(_)) | UpdateError::Vanished { .. } => Self::NoTrustData,
            UpdateError::Chain(_)
            | UpdateError::RootLost { .. }
            | UpdateError::RootDamaged { .. }
            | UpdateError::TooLong { .. } => Self::Untrusted,
            UpdateError::Remote(e) => Self::of_remote(e),
            UpdateError::Cache(_) => Self::File,
            UpdateError::TooSlow(_) => Self::Server,
        }
    }

    /// A server that could not prove who it is, or that broke off, is a failure and never "unreachable".
    pub(super) fn of_remote(error: &RemoteError) -> Self {
        match error {
            RemoteError::Unreachable { .. } => Self::Unreachable,
            // More bytes than trusted metadata allows.
            RemoteError::TooLong { .. } | RemoteError::BadResponse => Self::Untrusted,
            RemoteError::Connection { .. } => Self::Connection,
            RemoteError::Unauthorized | RemoteError::Token { .. } | RemoteError::Status(403) => Self::Unauthorized,
            RemoteError::VersionConflict => Self::Conflict,
            RemoteError::Rejected(_) => Self::Rejected,
            RemoteError::Busy { .. } | RemoteError::Status(_) => Self::Server,
        }
    }
}
