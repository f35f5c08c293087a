//! Certificates for one test.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};

/// An authority with the files of the certificates it made.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
    name: String,
}

/// A certificate and its key in files.
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::write(folder.join(format!("{name}.crt")), issuer.pem()).unwrap();
        Self { issuer, folder: folder.to_owned(), name: name.to_owned() }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join(format!("{}.crt", self.name))
    }

    /// A certificate for servers and clients on loopback, with `name` as its common name.
    pub(crate) fn issue(&self, name: &str) -> Pair {
        self.sign(name, params(name))
    }

    /// Like [`Authority::issue`], and expired.
    pub(crate) fn issue_expired(&self, name: &str) -> Pair {
        let mut params = params(name);
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        self.sign(name, params)
    }

    /// A certificate like those of [`Authority::issue`], which may issue none and whose holder does it all the same.
    pub(crate) fn usurper(&self, name: &str) -> Self {
        let issuer = CertifiedIssuer::signed_by(params(name), KeyPair::generate().unwrap(), &self.issuer).unwrap();
        let usurper = Self { issuer, folder: self.folder.clone(), name: format!("{}-{name}", self.name) };
        fs::write(usurper.file(), usurper.issuer.pem()).unwrap();
        usurper
    }

    fn sign(&self, name: &str, params: CertificateParams) -> Pair {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let pair = Pair {
            certificate: self.folder.join(format!("{}-{name}.crt", self.name)),
            key: self.folder.join(format!("{}-{name}.key", self.name)),
        };
        fs::write(&pair.certificate, certificate.pem()).unwrap();
        fs::write(&pair.key, key.serialize_pem()).unwrap();
        pair
    }
}

fn params(name: &str) -> CertificateParams {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), format!("alt.{name}")];
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}
