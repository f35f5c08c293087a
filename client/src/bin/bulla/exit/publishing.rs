//! What failures of signing and publishing are called.

use bulla::lock::LockError;
use bulla::publish::{EditError, InitialiseError, PublishError};
use bulla::rotate::RotationError;
use bulla::signers::SignersError;

use super::Code;

impl Code {
    pub(super) fn of_publish(error: &PublishError) -> Self {
        match error {
            PublishError::Update(e) => Self::of_update(e),
            PublishError::Remote(e) => Self::of_remote(e),
            PublishError::NoSnapshotKey { .. } => Self::Rejected,
            PublishError::Vanished { .. } => Self::NoTrustData,
            PublishError::Expired { .. } | PublishError::Pin(_) | PublishError::FirstContact { .. } => Self::Untrusted,
            PublishError::Contended | PublishError::MadeByOthers { .. } => Self::Conflict,
            PublishError::Edit(e) => Self::of_edit(e),
            PublishError::Lock(e) => Self::of_lock(e),
            PublishError::Keyring(e) => Self::of_keyring(e),
            PublishError::NoKey(_)
            | PublishError::KeyOfOther { .. }
            | PublishError::Threshold(_)
            | PublishError::TooFewKeys { .. } => Self::NoKey,
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

    pub(super) fn of_edit(error: &EditError) -> Self {
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

    pub(super) fn of_signers(error: &SignersError) -> Self {
        match error {
            SignersError::NoTag(_) | SignersError::NothingSigned => Self::NotSigned,
            SignersError::Unsigned { .. } | SignersError::StillReleased { .. } => Self::NoKey,
            SignersError::NoSigner { .. } | SignersError::LastSigner(_) | SignersError::TooFewKeys { .. } => {
                Self::Invalid
            }
        }
    }

    pub(super) fn of_initialise(error: &InitialiseError) -> Self {
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

    pub(super) fn of_rotation(error: &RotationError) -> Self {
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

    pub(super) fn of_lock(error: &LockError) -> Self {
        match error {
            LockError::Taken(_) => Self::Conflict,
            LockError::File { .. } => Self::File,
        }
    }
}
