//! Chains from a leaf certificate to a pinned certificate authority.

use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter};

use super::bundle;
use crate::time::UtcTime;

/// Finds a chain valid at `now`; the error says why there is none.
pub(super) fn verify(
    leaf: &CertificateDer<'_>,
    authorities: &[CertificateDer<'_>],
    anchors: &[CertificateDer<'_>],
    now: UtcTime,
) -> Result<(), String> {
    // webpki does not look at the dates of what it is told to trust, and builds no chain from a leaf to itself.
    let in_force: Vec<_> = anchors.iter().filter(|anchor| is_in_force(anchor, now)).collect();
    if in_force.iter().any(|anchor| anchor.as_ref() == leaf.as_ref()) {
        return Ok(());
    }
    let anchors: Vec<TrustAnchor<'_>> = in_force
        .into_iter()
        .filter(|anchor| bundle::parse(anchor).is_ok_and(|certificate| certificate.is_ca()))
        .filter_map(|anchor| webpki::anchor_from_trusted_cert(anchor).ok())
        .collect();
    if anchors.is_empty() {
        return Err("no pinned certificate authority is valid now".to_owned());
    }
    let time = u64::try_from(now.unix_seconds()).map_err(|_| "the clock is before 1970".to_owned())?;
    let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(time));
    let leaf = EndEntityCert::try_from(leaf).map_err(|error| error.to_string())?;
    let algorithms = webpki::ALL_VERIFICATION_ALGS;
    leaf.verify_for_usage(algorithms, &anchors, authorities, time, AnyPurpose, None, None)
        .map(|_| ())
        .map_err(|error| error.to_string())
}

fn is_in_force(certificate: &CertificateDer<'_>, now: UtcTime) -> bool {
    let now = now.unix_seconds();
    bundle::parse(certificate).is_ok_and(|certificate| {
        let validity = certificate.validity();
        validity.not_before.timestamp() <= now && now <= validity.not_after.timestamp()
    })
}

/// Accepts every well-formed extended key usage.
struct AnyPurpose;

impl ExtendedKeyUsageValidator for AnyPurpose {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        for purpose in purposes {
            purpose?;
        }
        Ok(())
    }
}
