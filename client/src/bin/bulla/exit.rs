//! Exit codes and the names of failures in JSON: the one table from errors to both.

use bulla::bundle::BundleError;
use bulla::changelist::ChangelistError;
use bulla::decision::Refusal;
use bulla::engine::EngineError;
use bulla::gun_list::GunListError;
use bulla::keys::public_file::PublicFileError;
use bulla::keys::{ImportError, KeyringError};
use bulla::lock::LockError;
use bulla::publish::{EditError, InitialiseError, PublishError};
use bulla::registry::RegistryError;
use bulla::remote::RemoteError;
use bulla::removal::RemovalError;
use bulla::renew::RenewalError;
use bulla::rotate::RotationError;
use bulla::session::SessionError;
use bulla::signers::SignersError;
use bulla::signing_session::{FileFault, SessionError as SigningSessionError};
use bulla::trust::UpdateError;
use tuf_schema::verify::chain::ChainError;

use crate::cmd::key::KeyError;
use crate::cmd::repo::RepoError;
use crate::cmd::session::SigningError;
use crate::error::CliError;

/// What `--help` says about exit codes.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done; for verify: trusted, and the digest to pull is on standard output
  1  failed for a reason that the codes below do not name (inspect: always 1, as docker)
  2  the arguments make no sense
  3  refused: unsigned, expired, tampered with, rolled back, changed in the registry, or not what the policy asks for
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

    fn of_refusal(error: &Refusal) -> Self {
        match error {
            Refusal::NoTag(_) => Self::Invalid,
            Refusal::NotSigned(_) => Self::NotSigned,
            Refusal::ReleasesSkipped(_) => Self::Untrusted,
            Refusal::Policy { .. } => Self::Policy,
        }
    }

    fn of_session(error: &SessionError) -> Self {
        match error {
            SessionError::Remote(e) => Self::of_remote(e),
            SessionError::Registry(e) => Self::of_registry(e),
            SessionError::Config(_) => Self::Invalid,
            SessionError::Credentials(_) => Self::Unauthorized,
            SessionError::Tls(_) => Self::File,
        }
    }

    fn of_registry(error: &RegistryError) -> Self {
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

    fn of_update(error: &UpdateError) -> Self {
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

    fn of_repo(error: &RepoError) -> Self {
        match error {
            RepoError::Gun { .. }
            | RepoError::TargetsRole(_)
            | RepoError::DelegationName(_)
            | RepoError::KeyId(_)
            | RepoError::TargetName(_)
            | RepoError::Custom { .. }
            | RepoError::Digest(_)
            | RepoError::PublicFile(PublicFileError::Unusable { .. })
            | RepoError::Aborted => Self::Invalid,
            RepoError::Changelist(e) | RepoError::NotCleared { source: e, .. } => Self::of_changelist(e),
            RepoError::PublicFile(PublicFileError::NotThere(_) | PublicFileError::Read { .. })
            | RepoError::Read { .. }
            | RepoError::Write { .. } => Self::File,
            RepoError::NoTarget(_) => Self::NotSigned,
            RepoError::NothingToPublish(_) => Self::NoTrustData,
            RepoError::Differs { .. } | RepoError::Length { .. } => Self::Changed,
            RepoError::Lock(e) => Self::of_lock(e),
            RepoError::Publish { source, .. } => Self::of_publish(source),
            RepoError::Initialise { source, .. } => Self::of_initialise(source),
            RepoError::DeleteRemote { source, .. } => Self::of_remote(source),
            RepoError::DeleteLocal { source, .. } => match source {
                RemovalError::Lock(e) => Self::of_lock(e),
                RemovalError::Staged(e) => Self::of_changelist(e),
                RemovalError::Remove { .. } => Self::File,
            },
        }
    }

    fn of_signing(error: &SigningError) -> Self {
        match error {
            SigningError::File(FileFault::Unusable { .. })
            | SigningError::Copy { .. }
            | SigningError::NothingStaged(_)
            | SigningError::Digest(_) => Self::Invalid,
            SigningError::File(FileFault::Read { .. }) | SigningError::New(_) | SigningError::Write(_) => Self::File,
            SigningError::Session { source, .. } => match &**source {
                SigningSessionError::Publish(e) => Self::of_publish(e),
                SigningSessionError::Lock(e) => Self::of_lock(e),
                SigningSessionError::Moved { .. } => Self::Conflict,
                SigningSessionError::NotPublished(_) => Self::NoTrustData,
                SigningSessionError::Fault(_) | SigningSessionError::NothingToSign(_) => Self::Invalid,
                SigningSessionError::NoKey(_) | SigningSessionError::Unsigned { .. } => Self::NoKey,
                SigningSessionError::Version { .. }
                | SigningSessionError::Lifetime { .. }
                | SigningSessionError::ForeignCertificate { .. }
                | SigningSessionError::Root(_)
                | SigningSessionError::Signature(_) => Self::Untrusted,
            },
        }
    }

    fn of_changelist(error: &ChangelistError) -> Self {
        match error {
            ChangelistError::NoSuchNumber { .. } => Self::Invalid,
            ChangelistError::Lock(e) => Self::of_lock(e),
            ChangelistError::File(_)
            | ChangelistError::NotUnderstood { .. }
            | ChangelistError::TooLarge(_)
            | ChangelistError::Foreign(_)
            | ChangelistError::NoNameLeft(_)
            | ChangelistError::Unwritable(_) => Self::File,
        }
    }

    fn of_initialise(error: &InitialiseError) -> Self {
        match error {
            InitialiseError::Published(_) | InitialiseError::Kept { .. } => Self::Invalid,
            InitialiseError::Unknown(e) => Self::of_update(e),
            InitialiseError::NoKeyFor(_) => Self::NoKey,
            InitialiseError::Import(e) => Self::of_import(e),
            InitialiseError::Certificate(_) | InitialiseError::OtherKey { .. } | InitialiseError::Issue(_) => Self::Key,
            InitialiseError::Keyring(e) => Self::of_keyring(e),
            InitialiseError::Lock(e) => Self::of_lock(e),
            InitialiseError::Make(e) => Self::of_publish(e),
            InitialiseError::File(_) => Self::File,
        }
    }

    fn of_lock(error: &LockError) -> Self {
        match error {
            LockError::Taken(_) => Self::Conflict,
            LockError::File { .. } => Self::File,
        }
    }

    fn of_edit(error: &EditError) -> Self {
        match error {
            EditError::NoDelegationKey => Self::NoKey,
            EditError::Unreadable { .. } | EditError::Older { .. } => Self::Untrusted,
            EditError::VersionsExhausted(_) => Self::Key,
            EditError::Signers(e) => Self::of_signers(e),
            EditError::Threshold(_)
            | EditError::Undeclared(_)
            | EditError::NeverPublished(_)
            | EditError::WithoutKey(_)
            | EditError::NotAKeyOf { .. }
            | EditError::TargetOutside { .. }
            | EditError::PathOutside { .. }
            | EditError::ListsNoTargets(_) => Self::Invalid,
        }
    }

    fn of_signers(error: &SignersError) -> Self {
        match error {
            SignersError::NoTag(_) | SignersError::NothingSigned => Self::NotSigned,
            SignersError::Unsigned { .. } | SignersError::StillReleased { .. } => Self::NoKey,
            SignersError::NoSigner { .. } | SignersError::LastSigner(_) | SignersError::TooFewKeys { .. } => {
                Self::Invalid
            }
        }
    }

    fn of_publish(error: &PublishError) -> Self {
        match error {
            PublishError::Update(e) => Self::of_update(e),
            PublishError::Remote(e) => Self::of_remote(e),
            PublishError::Vanished { .. } => Self::NoTrustData,
            PublishError::Expired { .. } | PublishError::Pin(_) | PublishError::FirstContact { .. } => Self::Untrusted,
            PublishError::Contended | PublishError::MadeByOthers { .. } => Self::Conflict,
            PublishError::Edit(e) => Self::of_edit(e),
            PublishError::Lock(e) => Self::of_lock(e),
            PublishError::Keyring(e) => Self::of_keyring(e),
            PublishError::NoKey(_) | PublishError::KeyOfOther { .. } | PublishError::Threshold(_) => Self::NoKey,
            PublishError::NotKept(_) => Self::File,
            PublishError::ForeignRoot(_)
            | PublishError::RootFirstSeen
            | PublishError::Sign(_)
            | PublishError::Certificate(_)
            | PublishError::ForeignCertificate(_)
            | PublishError::Encode(_)
            | PublishError::ReadBack(_) => Self::Key,
        }
    }

    fn of_key_verb(error: &KeyError) -> Self {
        match error {
            KeyError::Keyring(e) => Self::of_keyring(e),
            KeyError::Import(e) => Self::of_import(e),
            KeyError::Bundle(e) => Self::of_bundle(e),
            KeyError::NewFile(_) | KeyError::NoDirectory(_) => Self::File,
            KeyError::NoKeyOf { .. } | KeyError::NoKeys(_) => Self::NoKey,
            KeyError::Rotation { source, .. } => Self::of_rotation(source),
            KeyError::Certificate(_) => Self::Key,
            KeyError::NoRole | KeyError::Role(_) => Self::Usage,
            KeyError::NoId(_)
            | KeyError::RotationNotConfirmed
            | KeyError::GunNeeded(_)
            | KeyError::NoRootKind(_)
            | KeyError::RootKey(_)
            | KeyError::NotAnswered(_) => Self::Invalid,
        }
    }

    fn of_rotation(error: &RotationError) -> Self {
        match error {
            RotationError::NotForServers(_)
            | RotationError::NotForClients
            | RotationError::WhoseFiles
            | RotationError::OtherCount { .. }
            | RotationError::WhoseKey { .. } => Self::Invalid,
            RotationError::OlderRoot { .. } => Self::Untrusted,
            RotationError::NoRootKey { .. } => Self::Key,
            RotationError::Import(e) => Self::of_import(e),
            RotationError::ServerKey { source, .. } => Self::of_remote(source),
            RotationError::Keyring(e) => Self::of_keyring(e),
            RotationError::Publish(e) | RotationError::Unknown { why: e, .. } => Self::of_publish(e),
        }
    }

    fn of_gun_list(error: &GunListError) -> Self {
        match error {
            GunListError::File(_) => Self::File,
            GunListError::TooLarge(_) | GunListError::Line { .. } | GunListError::Empty(_) => Self::Invalid,
        }
    }

    fn of_bundle(error: &BundleError) -> Self {
        match error {
            BundleError::File(_) | BundleError::New(_) | BundleError::Unproven(_) | BundleError::Taken(_) => Self::File,
            BundleError::Passphrase(_) => Self::Passphrase,
            BundleError::Keyring(e) => Self::of_keyring(e),
            BundleError::Config(_) | BundleError::Policy(_) => Self::Invalid,
            BundleError::NoKeys(_) | BundleError::NoKeyOf { .. } => Self::NoKey,
            BundleError::NotBundled { .. } | BundleError::Seal | BundleError::Unusable { .. } => Self::Key,
        }
    }

    fn of_import(error: &ImportError) -> Self {
        match error {
            ImportError::File(_) | ImportError::Missing(_) | ImportError::TooLarge(_) => Self::File,
            ImportError::NoKey(_) | ImportError::Damaged { .. } => Self::Key,
            ImportError::GunNeeded { .. } => Self::Invalid,
            ImportError::Key { source, .. } => Self::of_keyring(source),
        }
    }

    fn of_keyring(error: &KeyringError) -> Self {
        match error {
            KeyringError::Passphrase(_) => Self::Passphrase,
            KeyringError::File(_) | KeyringError::New(_) | KeyringError::Remove { .. } => Self::File,
            KeyringError::Unknown(_) => Self::NoKey,
            KeyringError::NotAKey(_)
            | KeyringError::WrongName { .. }
            | KeyringError::Open(_)
            | KeyringError::Seal(_)
            | KeyringError::Make(_) => Self::Key,
        }
    }

    /// A server that could not prove who it is, or that broke off, is a failure and never "unreachable".
    fn of_remote(error: &RemoteError) -> Self {
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

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Failure => 1,
            Exit::Usage => 2,
            Exit::Refused => 3,
            Exit::Unreachable => 4,
            Exit::NotStarted => 125,
            Exit::OfDocker(code) => code,
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
        assert_eq!(Code::of(&CliError::ReleasesSkipped(skipped)), Code::Untrusted);
        let lost = || UpdateError::RootLost { gun: Gun::parse("a.test/b").unwrap(), metadata: "metadata".into() };
        let update = |source| CliError::Update { image: "a.test/b:1".into(), source: Box::new(source) };
        assert_eq!(Code::of(&update(lost())), Code::Untrusted);
        assert_eq!(Code::of(&update(ChainError::Unlisted(role).into())), Code::Untrusted);
        let source = Box::new(PublishError::Update(lost()));
        assert_eq!(Code::of(&CliError::Sign { image: "a.test/b:1".into(), source }), Code::Untrusted);
        assert_eq!(Code::Untrusted.exit(), Exit::Refused);
    }
}
