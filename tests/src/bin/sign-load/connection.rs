//! A connection to a signer: HTTP/2 over mutual TLS.

use std::time::Duration;

use anyhow::Context as _;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::Target;

/// How long a question may take; the signers themselves give up earlier.
const DEADLINE: Duration = Duration::from_secs(60);

/// Makes a connection of its own.
pub(crate) async fn connect(target: &Target) -> anyhow::Result<Channel> {
    let read = |file: &std::path::Path| std::fs::read(file).with_context(|| format!("cannot read {}", file.display()));
    let host = target.signer.rsplit_once(':').context("--signer is host:port")?.0;
    let tls = ClientTlsConfig::new()
        .domain_name(host)
        .ca_certificate(Certificate::from_pem(read(&target.ca)?))
        .identity(Identity::from_pem(read(&target.certificate)?, read(&target.key)?));
    let endpoint = Endpoint::from_shared(format!("https://{}", target.signer))?.tls_config(tls)?.timeout(DEADLINE);
    endpoint.connect().await.with_context(|| format!("no connection to {}", target.signer))
}
