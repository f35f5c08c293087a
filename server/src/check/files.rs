//! The files that a configuration names: whether they can be used, whose certificates they hold and for how long.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use bulla_database::dsn::PostgresDsn;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tuf_schema::UtcTime;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Finding;
use crate::app::{self, StartError};
use crate::auth::RootBundle;
use crate::config::{Config, ConsoleConfig, StorageConfig, TlsFiles, TracingConfig, TrustConfig, WebhookConfig};
use crate::http::Console;
use crate::serve::tls::Tls;
use crate::signer::grpc::GrpcSigner;
use crate::watched::NamedFile;
use crate::webhooks::{CA_FILE, Webhooks};

/// How long before its end a certificate is warned of.
const SOON_SECONDS: i64 = 14 * 24 * 60 * 60;

/// What a certificate is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Shown to others, who compare its names.
    Server,
    /// Shown to others, who do not.
    Client,
    /// Others are checked against it.
    Authority,
}

pub(super) fn look(config: &Config, now: UtcTime) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(files) = &config.listen.tls {
        findings.extend(server(files, now));
    }
    if let TrustConfig::Remote(remote) = &config.trust {
        findings.extend(signer(remote, now));
    }
    match &config.storage {
        StorageConfig::Sqlite { path } => findings.push(sqlite(path)),
        StorageConfig::Postgres(database) => findings.extend(postgres(&database.dsn, now)),
        StorageConfig::Memory | StorageConfig::MySql(_) => {}
    }
    if let Some(auth) = &config.auth {
        let file = NamedFile::new("auth.options.rootcertbundle", &auth.root_certificates);
        let read = file.read().and_then(|pem| match RootBundle::from_pem(&pem) {
            Ok(_) => Ok(pem),
            Err(source) => Err(StartError::Bundle { path: file.path.clone(), source }),
        });
        match read {
            Ok(pem) => findings.extend(certificates(&file, &pem, Use::Authority, now)),
            Err(error) => findings.push(Finding::refused(&error)),
        }
    }
    if let Some(console) = &config.console {
        findings.extend(console_token(console));
    }
    if let Some(file) = config.tracing.as_ref().and_then(|tracing| tracing.ca_file.as_ref()) {
        let file = NamedFile::new(TracingConfig::CA_FILE, file);
        match file.read() {
            Ok(pem) => findings.extend(certificates(&file, &pem, Use::Authority, now)),
            Err(error) => findings.push(Finding::refused(&error)),
        }
    }
    for webhook in &config.webhooks {
        findings.extend(receiver(webhook, now));
    }
    findings
}

/// The files of a webhook. Its address is not shown, and nothing is sent to it.
fn receiver(webhook: &WebhookConfig, now: UtcTime) -> Vec<Finding> {
    if let Err(error) = Webhooks::check(webhook) {
        return vec![Finding::refused(&error)];
    }
    let good = Finding::Good(format!("webhooks: the secret of {} can be used", webhook.name));
    let authorities = webhook.ca_file.iter().flat_map(|path| described(CA_FILE, path, Use::Authority, now));
    [good].into_iter().chain(authorities).collect()
}

fn server(files: &TlsFiles, now: UtcTime) -> Vec<Finding> {
    if let Err(error) = Tls::start(files) {
        return vec![Finding::refused(&error)];
    }
    let mut findings = described("server.tls_cert_file", &files.certificate, Use::Server, now);
    findings.extend(private_key("server.tls_key_file", &files.key));
    if let Some(path) = &files.client_ca {
        findings.extend(described("server.client_ca_file", path, Use::Authority, now));
    }
    findings
}

fn signer(remote: &crate::config::RemoteSigner, now: UtcTime) -> Vec<Finding> {
    let files = app::files_of_signer(remote);
    let contents: Result<Vec<_>, _> = files.iter().map(NamedFile::read).collect();
    let used = contents.and_then(|contents| Ok(GrpcSigner::new(app::settings(remote, &contents)).map(drop)?));
    if let Err(error) = used {
        return vec![Finding::refused(&error)];
    }
    let mut findings = Vec::new();
    if let Some(client) = &remote.client {
        findings.extend(described("trust_service.tls_client_cert", &client.certificate, Use::Client, now));
        findings.extend(private_key("trust_service.tls_client_key", &client.key));
    } else {
        let said = "trust_service.tls_client_cert is not set: a signer that asks for a certificate refuses this server";
        findings.push(Finding::Warning(said.to_owned()));
    }
    if let Some(path) = &remote.ca_file {
        findings.extend(described("trust_service.tls_ca_file", path, Use::Authority, now));
    }
    findings
}

/// The files that the address names; a connection reads them anew each time.
fn postgres(dsn: &PostgresDsn, now: UtcTime) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (parameter, path) in dsn.files() {
        match parameter {
            "sslrootcert" => findings.extend(described("sslrootcert of storage.db_url", path, Use::Authority, now)),
            "sslcert" => findings.extend(described("sslcert of storage.db_url", path, Use::Client, now)),
            _ => {
                let file = NamedFile::new("sslkey of storage.db_url", path);
                findings.extend(file.read().err().map(|error| Finding::refused(&error)));
                findings.extend(private_key(file.key, path));
            }
        }
    }
    findings
}

/// A SQLite file is made at the first start; its directory is not.
fn sqlite(path: &Path) -> Finding {
    let shown = path.display();
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.is_file() {
        Finding::Good(format!("storage.db_url: {shown} is there"))
    } else if directory.is_dir() {
        Finding::Good(format!("storage.db_url: {shown} is not there; the first start makes it"))
    } else {
        Finding::Refused(format!("storage.db_url: the directory of {shown} is not there"))
    }
}

fn console_token(console: &ConsoleConfig) -> Option<Finding> {
    match Console::start(console) {
        Ok(_) => private_key(ConsoleConfig::TOKEN_FILE, &console.token_file),
        Err(error) => Some(Finding::refused(&error)),
    }
}

fn private_key(key: &str, path: &Path) -> Option<Finding> {
    let is_open = std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0);
    let shown = path.display();
    is_open.then(|| {
        Finding::Warning(format!("{shown}, named by {key}, can be read by every account of this machine: chmod o-r"))
    })
}

fn described(key: &'static str, path: &Path, used: Use, now: UtcTime) -> Vec<Finding> {
    let file = NamedFile::new(key, path);
    match file.read() {
        Ok(pem) => certificates(&file, &pem, used, now),
        Err(error) => vec![Finding::refused(&error)],
    }
}

/// Of a chain that is shown only the first certificate counts here; the others are its authorities'.
fn certificates(file: &NamedFile, pem: &[u8], used: Use, now: UtcTime) -> Vec<Finding> {
    let found = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
    let most = if used == Use::Authority { usize::MAX } else { 1 };
    found.take(most).map(|der| certificate(file, &der, used, now)).collect()
}

fn certificate(file: &NamedFile, der: &[u8], used: Use, now: UtcTime) -> Finding {
    let place = format!("{}: {}", file.key, file.path.display());
    let Ok((_, certificate)) = X509Certificate::from_der(der) else {
        return Finding::Warning(format!("{place}: a certificate that cannot be read"));
    };
    let names = names(&certificate);
    let shown = if names.is_empty() { certificate.subject().to_string() } else { names.join(", ") };
    let (first, last) = (certificate.validity().not_before.timestamp(), certificate.validity().not_after.timestamp());
    let until = UtcTime::from_unix_seconds(last).map_or_else(|| "its end".to_owned(), |time| time.to_rfc3339());
    let place = format!("{place}: {shown}");
    if now.unix_seconds() > last {
        Finding::Warning(format!("{place}: has expired on {until}"))
    } else if now.unix_seconds() < first {
        Finding::Warning(format!("{place}: is not valid yet"))
    } else if last.saturating_sub(now.unix_seconds()) < SOON_SECONDS {
        Finding::Warning(format!("{place}: expires soon, on {until}"))
    } else if used == Use::Server && names.is_empty() {
        Finding::Warning(format!("{place}: has no subject alternative name, so no client of today takes it"))
    } else {
        Finding::Good(format!("{place}: valid until {until}"))
    }
}

/// The names that TLS compares.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(alternatives)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    };
    alternatives.value.general_names.iter().filter_map(name).collect()
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|sixteen| std::net::Ipv6Addr::from(sixteen).to_string())
}
