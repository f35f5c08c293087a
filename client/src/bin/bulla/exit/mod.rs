//! Exit codes and the names of failures in JSON: the one table from errors to both.

use bulla::engine::EngineError;
use bulla::renew::RenewalError;

mod keys;
mod publishing;
mod reading;
mod repositories;

use crate::error::CliError;

/// What `--help` says about exit codes.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done; for verify: trusted, and the digest to pull is on standard output
  1  failed for a reason that the codes below do not name (inspect: always 1, as docker)
  2  the arguments make no sense
  3  refused: unsigned, expired, tampered with, rolled back, changed in the registry, or not what the policy asks for
  4  undecided: the trust server (or the registry) could not be reached
  125  `trust run` failed before docker had the word: its container may end with any other code";

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
    /// `run` has not come to docker: a container may end with any of the codes above, and docker's own failures have
    /// this one.
    NotStarted,
    /// As docker ended.
    OfDocker(u8),
}

/// What a failure is called in JSON; scripts compare these names, so they stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// The arguments make no sense.
    Usage,
    /// A value that cannot be used: an image name, an address, a setting.
    Invalid,
    /// A file or a stream that cannot be read or written.
    File,
    /// No key that may sign is here.
    NoKey,
    /// No passphrase, or a wrong one.
    Passphrase,
    /// A key or a document could not be made, read or signed.
    Key,
    /// No credentials, or not enough rights.
    Unauthorized,
    /// A server could not prove who it is, or the connection broke.
    Connection,
    /// A server answered with an error.
    Server,
    /// Somebody else published first, every time.
    Conflict,
    /// The trust server refused what was published.
    Rejected,
    /// Some of several things were not done.
    Partial,
    /// Something needs doing, which `doctor` has found.
    Unhealthy,
    /// There is no trust data.
    NoTrustData,
    /// The tag is not signed.
    NotSigned,
    /// The registry has no such manifest, or contradicts itself.
    Manifest,
    /// The registry has another image than the signed one.
    Changed,
    /// Trust data that is not to be believed.
    Untrusted,
    /// The policy asks for more than there is.
    Policy,
    /// Nobody could be asked.
    Unreachable,
}

impl Code {
    /// The name in JSON, and the exit code.
    fn row(self) -> (&'static str, Exit) {
        match self {
            Self::Usage => ("usage", Exit::Usage),
            Self::Invalid => ("invalid", Exit::Failure),
            Self::File => ("file", Exit::Failure),
            Self::NoKey => ("no_key", Exit::Failure),
            Self::Passphrase => ("passphrase", Exit::Failure),
            Self::Key => ("key", Exit::Failure),
            Self::Unauthorized => ("unauthorized", Exit::Failure),
            Self::Connection => ("connection", Exit::Failure),
            Self::Server => ("server", Exit::Failure),
            Self::Conflict => ("conflict", Exit::Failure),
            Self::Rejected => ("rejected", Exit::Failure),
            Self::Partial => ("partial", Exit::Failure),
            Self::Unhealthy => ("unhealthy", Exit::Failure),
            Self::NoTrustData => ("no_trust_data", Exit::Refused),
            Self::NotSigned => ("not_signed", Exit::Refused),
            Self::Manifest => ("manifest", Exit::Refused),
            Self::Changed => ("changed", Exit::Refused),
            Self::Untrusted => ("untrusted", Exit::Refused),
            Self::Policy => ("policy", Exit::Refused),
            Self::Unreachable => ("unreachable", Exit::Unreachable),
        }
    }

    /// The name in JSON.
    pub(crate) fn name(self) -> &'static str {
        self.row().0
    }

    /// The exit of a run that failed so.
    pub(crate) fn exit(self) -> Exit {
        self.row().1
    }

    /// What a failed run is called.
    pub(crate) fn of(error: &CliError) -> Self {
        match error {
            CliError::NoTrustData { .. } => Self::NoTrustData,
            CliError::NotSigned(_) | CliError::NoTrustedTags(_) => Self::NotSigned,
            CliError::Container(_) => Self::Usage,
            CliError::ReleasesSkipped(_) => Self::Untrusted,
            CliError::Refused(e) => Self::of_refusal(e),
            CliError::Overwritten { .. } => Self::Changed,
            CliError::Session(e) => Self::of_session(e),
            CliError::Update { source, .. } => Self::of_update(source),
            CliError::CacheNotAllowed { why, .. } => Self::of_remote(why),
            CliError::NotMoved(e) => Self::of_registry(&e.source),
            CliError::Engine(EngineError::Refused { .. }) => Self::Manifest,
            CliError::Engine(EngineError::Run { .. }) => Self::File,
            CliError::Engine(EngineError::NoDigest(_) | EngineError::NotPulled { .. }) => Self::Server,
            CliError::Named { source, .. } => Self::of(source),
            CliError::Publish(e) => Self::of_publish(e),
            CliError::AddSigner { source, .. }
            | CliError::RemoveSigner { source, .. }
            | CliError::Revoke { source, .. } => Self::of(source),
            CliError::Sign { source, .. } => Self::of_publish(source),
            CliError::Renew { source, .. } => match &**source {
                RenewalError::Publish(e) => Self::of_publish(e),
                RenewalError::CertificateRefused { .. } => Self::Rejected,
            },
            CliError::Key { source, .. } | CliError::Doctor { source, .. } => Self::of_keyring(source),
            CliError::KeyVerb(e) => Self::of_key_verb(e),
            CliError::Load { source, .. } => Self::of_import(source),
            CliError::NotPrivate(_) => Self::Key,
            CliError::Repo(e) => Self::of_repo(e),
            CliError::Signing(e) => Self::of_signing(e),
            CliError::GunList(e) => Self::of_gun_list(e),
            CliError::Config(_)
            | CliError::NoPolicy(_)
            | CliError::Image(_)
            | CliError::Gun(_)
            | CliError::NoTag(_)
            | CliError::TagOfAll
            | CliError::Wanted(_)
            | CliError::List { .. }
            | CliError::DigestReference
            | CliError::SignerName(_)
            | CliError::ReservedSigner
            | CliError::NoSuchSigner { .. }
            | CliError::NoPublicKey
            | CliError::Unanswered(_)
            | CliError::KeyName(_) => Self::Invalid,
            CliError::PublicKeyFile { .. }
            | CliError::ReadList { .. }
            | CliError::WriteManual { .. }
            | CliError::NoDirectory(_)
            | CliError::PublicKeyExists(_)
            | CliError::LooseKey(_)
            | CliError::NoKeyFile { .. }
            | CliError::WritePublicKey { .. }
            | CliError::Output(_) => Self::File,
        }
    }

    /// What a run is called of which several things failed: what all of them are called, if nothing else was done.
    pub(crate) fn of_several(errors: &[CliError], some_done: bool) -> Self {
        let mut codes = errors.iter().map(Self::of);
        match codes.next() {
            Some(first) if !some_done && codes.all(|code| code == first) => first,
            _ => Self::Partial,
        }
    }
}

impl Exit {
    /// What the process ends with.
    fn number(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Unreachable => 4,
            Self::NotStarted => 125,
            Self::OfDocker(code) => code,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

#[cfg(test)]
mod tests;
