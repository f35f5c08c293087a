//! Roots: trusting a first one, and following from one to the next, with the rules of root certificates.

use crate::envelope::Unverified;
use crate::gun::Gun;
use crate::key::x509::{CertificateError, Expiry, leaf_for};
use crate::model::Root;
use crate::role::{BaseRole, Role};
use crate::time::UtcTime;
use crate::verify::{Authority, SignatureError, StaleError, Verified};

/// Why a root is not the first root of a repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FirstRootError {
    /// No root key has a certificate that its rules allow.
    #[error("could not validate the path to a trusted root: unable to retrieve valid leaf certificates")]
    NoValidCertificate(#[source] Option<CertificateError>),
    /// It is not signed by its own keys.
    #[error("could not validate the path to a trusted root: failed to validate integrity of roots")]
    NotSelfSigned(#[source] SignatureError),
}

/// Why a root is not the successor of another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// The root does not stand by itself.
    #[error(transparent)]
    Alone(#[from] FirstRootError),
    /// The keys of the root before did not sign it.
    #[error("could not rotate trust to a new trusted root: failed to validate data with current trusted certificates")]
    NotSignedByPrevious(#[source] SignatureError),
    /// It is older than the root before.
    #[error(transparent)]
    Rollback(StaleError),
}

/// Believes a root by itself: at least one certificate of its keys fits `gun`, and enough of its keys signed.
///
/// `dates` says whether certificates must be valid at `now`; those of a root that is already trusted need not be.
/// Says nothing of the root's own date and nothing of pins ([`crate::verify::Pin`]).
///
/// # Errors
/// [`FirstRootError`] says which part fails.
pub fn trust_first(
    root: Unverified<Root>,
    gun: &Gun,
    now: UtcTime,
    dates: Expiry,
) -> Result<Verified<Root>, FirstRootError> {
    let own = certified(root.claims(), gun, now, dates)?;
    root.verify(&own).map_err(FirstRootError::NotSelfSigned)
}

/// Follows from `previous` to `next`: signed by enough keys of both, and not older.
///
/// Certificate dates of `previous` are not checked, as in the reference: an expired root introduces its successor.
///
/// # Errors
/// [`RootError`] says which part fails.
pub fn follow(
    previous: &Verified<Root>,
    next: Unverified<Root>,
    gun: &Gun,
    now: UtcTime,
) -> Result<Verified<Root>, RootError> {
    follow_with(previous, next, gun, now, Expiry::Checked)
}

/// Follows as [`follow`] does; `dates` says whether the certificates of `next` must be valid at `now`.
pub(super) fn follow_with(
    previous: &Verified<Root>,
    next: Unverified<Root>,
    gun: &Gun,
    now: UtcTime,
    dates: Expiry,
) -> Result<Verified<Root>, RootError> {
    let own = certified(next.claims(), gun, now, dates)?;
    let (offered, trusted) = (next.claims().version, previous.model().version);
    if offered < trusted {
        return Err(RootError::Rollback(StaleError::Rollback { role: Role::Root, offered, trusted }));
    }
    let before = certified(previous.model(), gun, now, Expiry::Ignored)?;
    next.check_signed_by(&before).map_err(RootError::NotSignedByPrevious)?;
    Ok(next.verify(&own).map_err(FirstRootError::NotSelfSigned)?)
}

/// The authority of those root keys whose certificate the rules allow.
fn certified(root: &Root, gun: &Gun, now: UtcTime, dates: Expiry) -> Result<Authority, FirstRootError> {
    let mut refusal = None;
    let authority = Authority::of_base(root, BaseRole::Root).restricted(|key| match leaf_for(key, gun, now, dates) {
        Ok(_) => true,
        Err(e) => {
            refusal = Some(e);
            false
        }
    });
    if authority.keys().next().is_none() {
        return Err(FirstRootError::NoValidCertificate(refusal));
    }
    Ok(authority)
}
