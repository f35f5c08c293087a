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

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

    use super::*;

    fn at(year: i32) -> UtcTime {
        UtcTime::parse(&format!("{year}-06-01T00:00:00Z")).unwrap()
    }

    /// Valid from 2020 to the end of `until`.
    fn params(name: &str, is_ca: bool, until: i32) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = if is_ca { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::ExplicitNoCa };
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 12, 31);
        params
    }

    /// A root authority to 2040, one below it to 2038, and a leaf below that to 2036.
    struct Chain {
        root: CertificateDer<'static>,
        intermediate: CertificateDer<'static>,
        leaf: CertificateDer<'static>,
    }

    fn chain(purposes: &[ExtendedKeyUsagePurpose]) -> Chain {
        let [root_key, intermediate_key, leaf_key] = [(); 3].map(|()| KeyPair::generate().unwrap());
        let root = params("root", true, 2040);
        let intermediate = params("intermediate", true, 2038);
        let mut leaf = params("example.com/app", false, 2036);
        leaf.extended_key_usages = purposes.to_vec();
        let root_certificate = root.self_signed(&root_key).unwrap();
        let issued = intermediate.signed_by(&intermediate_key, &Issuer::new(root, root_key)).unwrap();
        let leaf = leaf.signed_by(&leaf_key, &Issuer::new(intermediate, intermediate_key)).unwrap();
        Chain { root: root_certificate.der().clone(), intermediate: issued.der().clone(), leaf: leaf.der().clone() }
    }

    #[test]
    fn a_chain_over_the_bundle_leads_to_a_pinned_authority_for_any_purpose() {
        for purposes in [&[][..], &[ExtendedKeyUsagePurpose::CodeSigning], &[ExtendedKeyUsagePurpose::ServerAuth]] {
            let Chain { root, intermediate, leaf } = chain(purposes);
            assert_eq!(verify(&leaf, std::slice::from_ref(&intermediate), &[root], at(2030)), Ok(()));
            assert_eq!(verify(&leaf, &[], &[intermediate], at(2030)), Ok(()));
        }
    }

    #[test]
    fn a_missing_link_or_a_foreign_authority_makes_no_chain() {
        let Chain { root, intermediate, leaf } = chain(&[]);
        assert_eq!(verify(&leaf, &[], std::slice::from_ref(&root), at(2030)), Err("UnknownIssuer".to_owned()));
        let foreign = chain(&[]).root;
        assert!(verify(&leaf, &[intermediate], &[foreign], at(2030)).is_err());
    }

    #[test]
    fn every_certificate_of_a_chain_must_be_in_force() {
        let Chain { root, intermediate, leaf } = chain(&[]);
        let links = std::slice::from_ref(&intermediate);
        let anchors = std::slice::from_ref(&root);
        assert!(verify(&leaf, links, anchors, at(2037)).is_err(), "the leaf has expired");
        let none = Err("no pinned certificate authority is valid now".to_owned());
        assert_eq!(verify(&leaf, links, anchors, at(2041)), none);
        assert_eq!(verify(&leaf, links, anchors, at(2019)), none);
    }

    #[test]
    fn a_pinned_leaf_needs_no_chain_and_vouches_for_nothing_else() {
        let Chain { intermediate, leaf, .. } = chain(&[]);
        let pinned = std::slice::from_ref(&leaf);
        assert_eq!(verify(&leaf, &[intermediate], pinned, at(2030)), Ok(()));
        assert!(verify(&leaf, &[], pinned, at(2037)).is_err());
        let other = chain(&[]).leaf;
        assert!(verify(&other, &[], pinned, at(2030)).is_err());
    }
}
