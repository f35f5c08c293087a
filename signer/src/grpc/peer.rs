//! Who is calling: the names in the client's certificate, against the list of those let in.

use std::fmt;
use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use tonic::Request;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::config::AllowedClients;
use crate::rights::Rights;

/// A client that was let in, and what it may do. Only this module makes one, and without one nothing can be asked of the
/// keyring.
#[derive(Clone, PartialEq, Eq)]
pub struct Caller {
    name: Arc<str>,
    rights: Arc<Rights>,
}

/// A client whose certificate is good and has none of the names that are let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("client certificate of {names} is not among {list}")]
pub(crate) struct NotAllowed {
    /// The names it has.
    names: String,
    /// The setting that lists who is let in.
    list: &'static str,
}

/// What is known of the other end of a connection.
#[derive(Clone)]
pub(super) struct Peer(Result<Caller, NotAllowed>);

impl Caller {
    /// The name to log: the one that let it in, or else its first.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As [`Self::name`], cheap to keep.
    pub(crate) fn shared_name(&self) -> &Arc<str> {
        &self.name
    }

    /// What it may do.
    pub(crate) fn rights(&self) -> &Rights {
        &self.rights
    }

    #[cfg(test)]
    pub(crate) fn for_test() -> Self {
        Self::with_rights("test", Rights::default())
    }

    #[cfg(test)]
    pub(crate) fn with_rights(name: &str, rights: Rights) -> Self {
        Self { name: name.into(), rights: Arc::new(rights) }
    }
}

impl NotAllowed {
    /// The names of the refused certificate.
    pub(crate) fn names(&self) -> &str {
        &self.names
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.name, f)
    }
}

impl Peer {
    /// Reads the names of a certificate that TLS has accepted.
    pub(super) fn of(certificate: &CertificateDer<'_>, allowed: &AllowedClients) -> Self {
        let names = names(certificate);
        let all = |name: String| (name, Arc::default());
        let admitted = match allowed {
            AllowedClients::All => Some(all(names.first().cloned().unwrap_or_else(|| "(no name)".to_owned()))),
            AllowedClients::Named(list) => names.iter().find(|name| list.contains(*name)).cloned().map(all),
            AllowedClients::Callers(callers) => {
                names.iter().find_map(|name| callers.of(name).map(|rights| (name.clone(), rights)))
            }
        };
        let list = if matches!(allowed, AllowedClients::Callers(_)) { "callers" } else { "server.allowed_clients" };
        let names = || if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
        let refusal = || NotAllowed { names: names(), list };
        Self(admitted.map(|(name, rights)| Caller { name: name.into(), rights }).ok_or_else(refusal))
    }

    /// Whether it may ask anything.
    pub(super) fn is_admitted(&self) -> bool {
        self.0.is_ok()
    }
}

/// The caller of a request.
pub(super) fn caller<T>(request: &Request<T>) -> Result<Caller, NotAllowed> {
    match request.extensions().get::<Peer>() {
        Some(Peer(admitted)) => admitted.clone(),
        None => Err(NotAllowed { names: "no certificate".to_owned(), list: "server.allowed_clients" }),
    }
}

/// The common names and DNS names of a certificate, in this order.
pub(crate) fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let dns = alternative.iter().flat_map(|extension| &extension.value.general_names).filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(*name),
        _ => None,
    });
    common.chain(dns).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;
    use crate::config::Callers;

    fn certificate(common: Option<&str>, dns: &[&str]) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(dns.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(common) = common {
            params.distinguished_name.push(DnType::CommonName, common);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    fn named(names: &[&str]) -> AllowedClients {
        AllowedClients::Named(names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>())
    }

    fn admitted(certificate: &CertificateDer<'_>, allowed: &AllowedClients) -> Result<String, String> {
        Peer::of(certificate, allowed).0.map(|caller| caller.name().to_owned()).map_err(|refusal| refusal.names)
    }

    #[test]
    fn the_common_name_or_a_dns_name_lets_a_client_in() {
        let certificate = certificate(Some("server.test"), &["a.test", "b.test"]);
        assert_eq!(admitted(&certificate, &named(&["server.test"])), Ok("server.test".into()));
        assert_eq!(admitted(&certificate, &named(&["b.test"])), Ok("b.test".into()));
    }

    #[test]
    fn a_client_with_other_names_is_refused_by_its_names() {
        let certificate = certificate(Some("server.test"), &["a.test"]);
        assert_eq!(admitted(&certificate, &named(&["test"])), Err("server.test, a.test".into()));
        assert_eq!(admitted(&certificate, &named(&["SERVER.test"])), Err("server.test, a.test".into()));
    }

    #[test]
    fn without_a_list_every_accepted_certificate_is_let_in() {
        assert_eq!(admitted(&certificate(Some("x"), &[]), &AllowedClients::All), Ok("x".into()));
        assert_eq!(admitted(&certificate(None, &[]), &AllowedClients::All), Ok("(no name)".into()));
    }

    #[test]
    fn a_caller_has_the_rights_of_its_first_name_that_is_listed() {
        let of = |any| Rights { signs_any_document: any, ..Rights::default() };
        let callers = AllowedClients::Callers(Callers::for_test([("b.test", of(true)), ("server.test", of(false))]));
        let peer = Peer::of(&certificate(Some("server.test"), &["a.test", "b.test"]), &callers);
        assert_eq!(peer.0.unwrap(), Caller::with_rights("server.test", of(false)));
        let peer = Peer::of(&certificate(Some("other.test"), &["a.test", "b.test"]), &callers);
        assert_eq!(peer.0.unwrap(), Caller::with_rights("b.test", of(true)));
        let refusal = Peer::of(&certificate(Some("other.test"), &[]), &callers).0.unwrap_err();
        assert_eq!(refusal.to_string(), "client certificate of other.test is not among callers");
    }

    #[test]
    fn a_certificate_without_names_is_on_no_list() {
        assert_eq!(admitted(&certificate(None, &[]), &named(&["", "(no name)"])), Err("no name".into()));
    }

    #[test]
    fn a_request_without_a_connection_has_no_caller() {
        assert!(caller(&Request::new(())).is_err());
    }
}
