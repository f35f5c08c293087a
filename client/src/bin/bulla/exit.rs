//! Exit codes: the one table from errors to numbers.

use bulla::publish::PublishError;
use bulla::registry::RegistryError;
use bulla::remote::RemoteError;
use bulla::session::SessionError;
use bulla::trust::UpdateError;
use tuf_schema::verify::chain::ChainError;

use crate::error::CliError;

/// What `--help` says about exit codes.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done; for verify: trusted, and the digest to pull is on standard output
  1  failed for a reason that the codes below do not name (inspect: always 1, as docker)
  2  the arguments make no sense
  3  refused: unsigned, expired, tampered with, rolled back, or changed in the registry
  4  undecided: the trust server (or the registry) could not be reached";

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well.
    Success,
    /// Some failure.
    Failure,
    /// The arguments make no sense.
    Usage,
    /// There is an answer, and it is no.
    Refused,
    /// Nobody could be asked.
    Unreachable,
}

impl Exit {
    /// The exit of a failed run.
    pub(crate) fn of(error: &CliError) -> Self {
        match error {
            CliError::NoTrustData { .. }
            | CliError::NotSigned(_)
            | CliError::ReleasesSkipped(_)
            | CliError::Overwritten { .. } => Self::Refused,
            CliError::Session(e) => Self::of_session(e),
            CliError::Update { source, .. } => Self::of_update(source),
            CliError::Sign { source, .. } => Self::of_publish(source),
            CliError::Config(_)
            | CliError::Image(_)
            | CliError::NoTag(_)
            | CliError::DigestReference
            | CliError::Key { .. }
            | CliError::KeyName(_)
            | CliError::NoDirectory(_)
            | CliError::PublicKeyExists(_)
            | CliError::WritePublicKey { .. }
            | CliError::Output(_) => Self::Failure,
        }
    }

    fn of_session(error: &SessionError) -> Self {
        match error {
            SessionError::Remote(e) => Self::of_remote(e),
            SessionError::Registry(e) => match e {
                RegistryError::Remote(e) => Self::of_remote(e),
                RegistryError::NoManifest(_)
                | RegistryError::DigestMismatch { .. }
                | RegistryError::NoManifestType(_) => Self::Refused,
            },
            SessionError::Config(_) | SessionError::Credentials(_) | SessionError::Tls(_) => Self::Failure,
        }
    }

    fn of_update(error: &UpdateError) -> Self {
        match error {
            UpdateError::Chain(ChainError::Unreachable(_)) => Self::Unreachable,
            UpdateError::Chain(_) | UpdateError::Vanished { .. } | UpdateError::RootLost { .. } => Self::Refused,
            UpdateError::Remote(e) => Self::of_remote(e),
            UpdateError::Cache(_) | UpdateError::TooSlow(_) => Self::Failure,
        }
    }

    fn of_publish(error: &PublishError) -> Self {
        match error {
            PublishError::Update(e) => Self::of_update(e),
            PublishError::Remote(e) => Self::of_remote(e),
            PublishError::Vanished { .. } => Self::Refused,
            PublishError::Contended
            | PublishError::Keyring(_)
            | PublishError::NoDelegationKey
            | PublishError::NoKey(_)
            | PublishError::KeyOfOther { .. }
            | PublishError::ForeignRoot(_)
            | PublishError::RootFirstSeen
            | PublishError::Unreadable { .. }
            | PublishError::VersionsExhausted(_)
            | PublishError::Threshold(_)
            | PublishError::Sign(_)
            | PublishError::Certificate(_)
            | PublishError::ForeignCertificate(_)
            | PublishError::Encode(_)
            | PublishError::ReadBack(_)
            | PublishError::NotKept(_) => Self::Failure,
        }
    }

    /// A server that could not prove who it is, or that broke off, is a failure and never "unreachable".
    fn of_remote(error: &RemoteError) -> Self {
        match error {
            RemoteError::Unreachable { .. } => Self::Unreachable,
            // More bytes than trusted metadata allows.
            RemoteError::BadResponse => Self::Refused,
            RemoteError::Connection { .. }
            | RemoteError::Unauthorized
            | RemoteError::Token { .. }
            | RemoteError::VersionConflict
            | RemoteError::Rejected(_)
            | RemoteError::Status(_) => Self::Failure,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Failure => 1,
            Exit::Usage => 2,
            Exit::Refused => 3,
            Exit::Unreachable => 4,
        })
    }
}

#[cfg(test)]
mod tests {
    use tuf_schema::verify::chain::Skipped;
    use tuf_schema::{Gun, Role};

    use super::*;

    #[test]
    fn trust_data_that_is_withheld_or_lost_is_a_refusal() {
        let role = Role::Targets;
        let skipped = Skipped { role: role.clone(), why: ChainError::TooManyRoles };
        assert_eq!(Exit::of(&CliError::ReleasesSkipped(skipped)), Exit::Refused);
        let lost = || UpdateError::RootLost { gun: Gun::parse("a.test/b").unwrap(), metadata: "metadata".into() };
        let update = |source| CliError::Update { image: "a.test/b:1".into(), source: Box::new(source) };
        assert_eq!(Exit::of(&update(lost())), Exit::Refused);
        assert_eq!(Exit::of(&update(ChainError::Unlisted(role).into())), Exit::Refused);
        let source = Box::new(PublishError::Update(lost()));
        assert_eq!(Exit::of(&CliError::Sign { image: "a.test/b:1".into(), source }), Exit::Refused);
    }
}
