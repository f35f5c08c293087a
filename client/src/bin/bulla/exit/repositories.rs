//! What failures of the verbs on repositories are called: of what they are given, staged changes, files and sessions.

use bulla::changelist::ChangelistError;
use bulla::gun_list::GunListError;
use bulla::keys::public_file::PublicFileError;
use bulla::removal::RemovalError;
use bulla::signing_session::{FileFault, SessionError};

use super::Code;
use crate::cmd::repo::RepoError;
use crate::cmd::session::SigningError;

impl Code {
    pub(super) fn of_repo(error: &RepoError) -> Self {
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

    pub(super) fn of_signing(error: &SigningError) -> Self {
        match error {
            SigningError::File(FileFault::Unusable { .. })
            | SigningError::Copy { .. }
            | SigningError::NothingStaged(_)
            | SigningError::Digest(_) => Self::Invalid,
            SigningError::File(FileFault::Read { .. }) | SigningError::New(_) | SigningError::Write(_) => Self::File,
            SigningError::Session { source, .. } => match &**source {
                SessionError::Publish(e) => Self::of_publish(e),
                SessionError::Lock(e) => Self::of_lock(e),
                SessionError::Done(_) | SessionError::Moved { .. } => Self::Conflict,
                SessionError::NotPublished(_) => Self::NoTrustData,
                SessionError::Fault(_) | SessionError::NothingToSign(_) => Self::Invalid,
                SessionError::NoKey(_) | SessionError::TooFewKeys { .. } | SessionError::Unsigned { .. } => Self::NoKey,
                SessionError::Version { .. }
                | SessionError::Lifetime { .. }
                | SessionError::ForeignCertificate { .. }
                | SessionError::Root(_)
                | SessionError::Signature(_) => Self::Untrusted,
            },
        }
    }

    pub(super) fn of_changelist(error: &ChangelistError) -> Self {
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

    pub(super) fn of_gun_list(error: &GunListError) -> Self {
        match error {
            GunListError::File(_) => Self::File,
            GunListError::TooLarge(_) | GunListError::Line { .. } | GunListError::Empty(_) => Self::Invalid,
        }
    }
}
