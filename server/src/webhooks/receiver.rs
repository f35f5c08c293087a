//! What the files of a webhook hold: the secrets that events are signed with, and the authorities of the receiver.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::secret::Secrets;
use crate::app::StartError;
use crate::config::WebhookConfig;
use crate::watched::{NamedFile, Watched};

/// The keys of the configuration that name the files.
const SECRET_FILE: &str = "webhooks.secret_file";
pub(crate) const CA_FILE: &str = "webhooks.tls_ca_file";

/// What is in force now; it is read again when the files change.
pub(super) struct Equipment(ArcSwap<Held>);

struct Held {
    secrets: Secrets,
    tls: Arc<ClientConfig>,
}

impl Equipment {
    /// Reads the files, and says how to read them again.
    pub(super) fn start(config: &WebhookConfig) -> Result<(Arc<Self>, Watched), StartError> {
        let files = files(config);
        let contents: Vec<_> = files.iter().map(NamedFile::read).collect::<Result<_, _>>()?;
        let equipment = Arc::new(Self(ArcSwap::from_pointee(held(config, &contents)?)));
        let (shared, config) = (Arc::clone(&equipment), config.clone());
        let watched = Watched::start(files, move |contents| {
            shared.0.store(Arc::new(held(&config, contents)?));
            Ok(())
        })?;
        Ok((equipment, watched))
    }

    pub(super) fn tls(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0.load().tls)
    }

    pub(super) fn signatures(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        self.0.load().secrets.signatures(id, timestamp, body)
    }
}

/// The files in the order in which [`held`] takes their contents.
fn files(config: &WebhookConfig) -> Vec<NamedFile> {
    let secret = NamedFile::new(SECRET_FILE, &config.secret_file);
    let ca = config.ca_file.as_ref().map(|path| NamedFile::new(CA_FILE, path));
    [secret].into_iter().chain(ca).collect()
}

fn held(config: &WebhookConfig, contents: &[Vec<u8>]) -> Result<Held, StartError> {
    let secret = contents.first().map(Vec::as_slice).unwrap_or_default();
    let unusable = |source| StartError::WebhookSecret { path: config.secret_file.clone(), source };
    let secrets = Secrets::parse(secret).map_err(unusable)?;
    let authorities = match config.ca_file.as_ref().zip(contents.get(1)) {
        Some((path, pem)) => {
            let unusable = || StartError::NoPem { key: CA_FILE, path: path.clone(), what: "certificate authority" };
            listed(pem).ok_or_else(unusable)?
        }
        None => system_authorities(),
    };
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(StartError::WebhookTls)?
        .with_root_certificates(authorities)
        .with_no_client_auth();
    Ok(Held { secrets, tls: Arc::new(tls) })
}

/// The authorities of a PEM file, if all of it can be used.
fn listed(pem: &[u8]) -> Option<RootCertStore> {
    let mut authorities = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        authorities.add(certificate.ok()?).ok()?;
    }
    (!authorities.is_empty()).then_some(authorities)
}

fn system_authorities() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a certificate authority of the system cannot be read");
    }
    let mut authorities = RootCertStore::empty();
    authorities.add_parsable_certificates(found.certs);
    authorities
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::Subscription;
    use crate::watched::Look;
    use crate::webhooks::{SecretError, WebhookName, WebhookUrl};

    fn config(directory: &tempfile::TempDir, secret: &str, ca: Option<&str>) -> WebhookConfig {
        let (secret_file, ca_file) = (directory.path().join("secret"), directory.path().join("ca"));
        std::fs::write(&secret_file, secret).unwrap();
        std::fs::write(&ca_file, ca.unwrap_or_default()).unwrap();
        WebhookConfig {
            name: WebhookName::parse("builds").unwrap(),
            url: WebhookUrl::parse("https://hooks.example.com/", false).unwrap(),
            secret_file,
            ca_file: ca.map(|_| ca_file),
            subscription: Subscription { kinds: BTreeSet::new(), below: None },
            allows_private: false,
        }
    }

    #[test]
    fn a_secret_or_an_authority_that_cannot_be_used_stops_the_start() {
        let directory = tempfile::tempdir().unwrap();
        let refused = |config: &WebhookConfig| Equipment::start(config).map(drop).unwrap_err();
        let short = refused(&config(&directory, "too short", None));
        assert!(matches!(short, StartError::WebhookSecret { source: SecretError::Length { line: 1, bytes: 9 }, .. }));
        let secret = "a".repeat(24);
        for ca in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(matches!(refused(&config(&directory, &secret, Some(ca))), StartError::NoPem { .. }), "{ca}");
        }
        let missing = WebhookConfig { secret_file: "/nonexistent".into(), ..config(&directory, &secret, None) };
        assert!(matches!(refused(&missing), StartError::Unreadable { .. }));
    }

    #[test]
    fn a_secret_that_is_exchanged_is_in_force_and_one_that_cannot_be_used_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(&directory, &"a".repeat(24), None);
        let (equipment, watched) = Equipment::start(&config).unwrap();
        let sign = || equipment.signatures("id", 7, b"{}");
        let first = sign();
        std::fs::write(&config.secret_file, "b".repeat(24)).unwrap();
        assert!(matches!(watched.look(), Look::Renewed));
        let second = sign();
        assert_ne!(first, second);
        std::fs::write(&config.secret_file, "").unwrap();
        assert!(matches!(watched.look(), Look::Refused(StartError::WebhookSecret { .. })));
        assert_eq!(sign(), second);
    }
}
