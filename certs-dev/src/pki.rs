//! The certificates themselves, in memory: who is issued what, for which names and how long.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

/// How long every certificate made here is valid, in days.
pub const VALID_DAYS: u64 = 90;

/// The common name in the certificate with which the server comes to the signer.
pub const SERVER_CLIENT_NAME: &str = "bulla-server";

/// Clocks of two machines may differ this much before a new certificate looks unborn.
const CLOCK_SKEW: Duration = Duration::from_secs(300);

/// A certificate and the key it was issued for.
pub struct Identity {
    certificate_pem: String,
    key: KeyPair,
}

impl Identity {
    /// The certificate as one PEM block.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The private key as one PEM block, PKCS#8 without a passphrase.
    #[must_use]
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// One authority and what a server, a signer and a token service need under it.
#[derive(Debug)]
pub struct DevelopmentPki {
    /// Signs the three below; clients are given its certificate.
    pub authority: Identity,
    /// The trust server's TLS certificate.
    pub server: Identity,
    /// The signer's TLS certificate.
    pub signer: Identity,
    /// The trust server's client certificate at the signer, named [`SERVER_CLIENT_NAME`].
    pub server_client: Identity,
    /// Signs access tokens. Self-signed, because a token bundle holds the certificate itself.
    pub token: Identity,
}

impl DevelopmentPki {
    /// Makes new keys and certificates, valid from `now` for [`VALID_DAYS`].
    ///
    /// Server and signer answer to `localhost`, `127.0.0.1`, `::1` and `hosts`, each a DNS name or an IP address.
    ///
    /// # Errors
    /// [`PkiError::Host`] for a host that no certificate can name.
    pub fn make(hosts: &[String], now: SystemTime) -> Result<Self, PkiError> {
        let names = alternative_names(hosts)?;

        let authority_key = KeyPair::generate()?;
        let mut params = params("Bulla development CA", now);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority = Identity { certificate_pem: params.self_signed(&authority_key)?.pem(), key: authority_key };
        let issuer = Issuer::from_params(&params, &authority.key);

        let issued = |name: &str, names: &[SanType], usage| -> Result<Identity, PkiError> {
            let key = KeyPair::generate()?;
            let mut params = leaf(name, now);
            params.extended_key_usages = vec![usage];
            params.subject_alt_names = names.to_vec();
            params.use_authority_key_identifier_extension = true;
            let certificate_pem = params.signed_by(&key, &issuer)?.pem();
            Ok(Identity { certificate_pem, key })
        };
        let client_name = [SanType::DnsName(Ia5String::try_from(SERVER_CLIENT_NAME)?)];
        let server = issued("Bulla development server", &names, ExtendedKeyUsagePurpose::ServerAuth)?;
        let signer = issued("Bulla development signer", &names, ExtendedKeyUsagePurpose::ServerAuth)?;
        let server_client = issued(SERVER_CLIENT_NAME, &client_name, ExtendedKeyUsagePurpose::ClientAuth)?;

        let token_key = KeyPair::generate()?;
        let token = Identity {
            certificate_pem: leaf("Bulla development token service", now).self_signed(&token_key)?.pem(),
            key: token_key,
        };
        Ok(Self { authority, server, signer, server_client, token })
    }
}

/// Why there is no PKI.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// Neither an IP address nor a name of letters, digits, hyphens and dots.
    #[error("{host:?} is neither a host name nor an IP address")]
    Host {
        /// As it was given.
        host: String,
    },
    /// The library could not make a key or a certificate.
    #[error("no certificate could be made")]
    Certificate(#[from] rcgen::Error),
}

fn params(name: &str, now: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = (now - CLOCK_SKEW).into();
    params.not_after = (now + Duration::from_secs(VALID_DAYS * 24 * 60 * 60)).into();
    params
}

fn leaf(name: &str, now: SystemTime) -> CertificateParams {
    let mut params = params(name, now);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params
}

fn alternative_names(hosts: &[String]) -> Result<Vec<SanType>, PkiError> {
    let mut names = vec![
        SanType::DnsName(Ia5String::try_from("localhost")?),
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ];
    for host in hosts {
        let name = match host.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(dns_name(host)?),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

fn dns_name(host: &str) -> Result<Ia5String, PkiError> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if host.len() > 253 || !host.split('.').all(label) {
        return Err(PkiError::Host { host: host.to_owned() });
    }
    Ok(Ia5String::try_from(host)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_may_be_a_name_or_an_address_and_counts_once() {
        let hosts = ["trust.example", "192.0.2.7", "2001:db8::1", "localhost"].map(str::to_owned);
        let names = alternative_names(&hosts).unwrap();
        assert_eq!(names.len(), 6, "{names:?}");
        assert!(names.contains(&SanType::IpAddress("192.0.2.7".parse().unwrap())));
    }

    #[test]
    fn a_host_that_is_no_name_is_refused() {
        for host in ["", "a b", "https://x", "-x", "a..b", "--help", "x:443", "*.example"] {
            let refused = DevelopmentPki::make(&[host.to_owned()], SystemTime::UNIX_EPOCH).unwrap_err();
            assert!(matches!(refused, PkiError::Host { .. }), "{host}: {refused}");
        }
    }

    #[test]
    fn debug_output_shows_no_key() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let shown = format!("{:?}", DevelopmentPki::make(&[], now).unwrap());
        assert_eq!(shown.matches("Identity { .. }").count(), 5, "{shown}");
    }
}
