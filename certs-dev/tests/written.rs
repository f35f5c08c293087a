//! What lies on disk after a run: modes, refusal to overwrite, certificates that verify.
#![cfg(test)]

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use certs_dev::{DevelopmentPki, Identity, SERVER_CLIENT_NAME, VALID_DAYS, WriteError};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::prelude::{FromDer, X509Certificate};

const NOW: u64 = 1_800_000_000;

fn pki() -> DevelopmentPki {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
    DevelopmentPki::make(&["trust.example".to_owned()], now).unwrap()
}

fn der(pem: &str) -> Vec<u8> {
    x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap().1.contents
}

#[test]
fn the_directory_and_the_keys_are_the_owners_alone() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("certs");
    pki().write(&directory).unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    let mut keys = 0;
    for file in std::fs::read_dir(&directory).unwrap() {
        let path = file.unwrap().path();
        if path.extension().unwrap() == "key" {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            keys += 1;
        }
    }
    assert_eq!(keys, 5);
}

#[test]
fn an_existing_directory_is_left_as_it_is() {
    let place = tempfile::tempdir().unwrap();
    let refused = pki().write(place.path()).unwrap_err();
    assert!(matches!(refused, WriteError::Exists { .. }), "{refused}");
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn what_the_authority_issued_verifies_under_it_for_its_use_only() {
    let pki = pki();
    let authority = CertificateDer::from(der(pki.authority.certificate_pem()));
    let anchors = [webpki::anchor_from_trusted_cert(&authority).unwrap()];
    let verified = |identity: &Identity, usage: KeyUsage, age_days: u64| {
        let leaf = CertificateDer::from(der(identity.certificate_pem()));
        let at = UnixTime::since_unix_epoch(Duration::from_secs(NOW + age_days * 86_400 + 1));
        EndEntityCert::try_from(&leaf)
            .unwrap()
            .verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &anchors, &[], at, usage, None, None)
            .is_ok()
    };
    for identity in [&pki.server, &pki.signer] {
        assert!(verified(identity, KeyUsage::server_auth(), 0));
        assert!(!verified(identity, KeyUsage::client_auth(), 0));
    }
    assert!(verified(&pki.server_client, KeyUsage::client_auth(), 0));
    assert!(!verified(&pki.server_client, KeyUsage::server_auth(), 0));
    assert!(!verified(&pki.server, KeyUsage::server_auth(), VALID_DAYS));
    assert!(!verified(&pki.token, KeyUsage::server_auth(), 0), "nobody vouches for it");
}

#[test]
fn server_and_signer_answer_to_loopback_and_to_the_hosts_asked_for() {
    let pki = pki();
    for identity in [&pki.server, &pki.signer] {
        let leaf = CertificateDer::from(der(identity.certificate_pem()));
        let leaf = EndEntityCert::try_from(&leaf).unwrap();
        for name in ["localhost", "127.0.0.1", "::1", "trust.example"] {
            let name = ServerName::try_from(name).unwrap();
            assert!(leaf.verify_is_valid_for_subject_name(&name).is_ok(), "{name:?}");
        }
        let other = ServerName::try_from("other.example").unwrap();
        assert!(leaf.verify_is_valid_for_subject_name(&other).is_err());
    }
}

#[test]
fn the_servers_client_certificate_carries_the_name_the_signer_lets_in() {
    let pki = pki();
    let client = der(pki.server_client.certificate_pem());
    let (_, client) = X509Certificate::from_der(&client).unwrap();
    let names: Vec<_> = client.subject().iter_common_name().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(names, [SERVER_CLIENT_NAME]);
}
