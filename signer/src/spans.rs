//! The traces of this signer's requests: gone on with here, and sent away in the background.

use std::path::PathBuf;
use std::sync::Arc;

use bulla_traces::{Callers, Export, Settings, Tracer};

use crate::Randomness;
use crate::clock::Clock;
use crate::config::{ClientTrust, TracingSettings};

/// Why requests cannot be traced as the configuration says.
#[derive(Debug, thiserror::Error)]
pub enum TracingError {
    /// The authorities cannot be read.
    #[error("{file}, named by tracing.tls_ca_file, cannot be read")]
    File {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The address or the authorities are none.
    #[error("tracing cannot be used")]
    Start(#[from] bulla_traces::StartError),
}

/// Begins what the configuration says; without it nothing is traced.
///
/// # Errors
/// [`TracingError`].
pub(crate) fn start(
    settings: Option<&TracingSettings>,
    clients: &ClientTrust,
    clock: &Arc<dyn Clock>,
    rng: &Randomness,
) -> Result<(Tracer, Option<Export>), TracingError> {
    let Some(TracingSettings { collector, ratio, ca_file }) = settings else { return Ok((Tracer::off(), None)) };
    let read = |file: &PathBuf| std::fs::read(file).map_err(|source| TracingError::File { file: file.clone(), source });
    let settings = Settings {
        service: "bulla-signer",
        version: env!("CARGO_PKG_VERSION"),
        collector: collector.clone(),
        ratio: *ratio,
        ca_pem: ca_file.as_ref().map(read).transpose()?,
        callers: match clients {
            ClientTrust::Authority { .. } => Callers::Known,
            ClientTrust::AnyCertificate => Callers::Strangers,
        },
    };
    let clock = Arc::clone(clock);
    let now = move || clock.now().to_utc().timestamp_nanos_opt().and_then(|now| u64::try_from(now).ok()).unwrap_or(0);
    let (tracer, export) = Tracer::start(&settings, now, Arc::clone(rng))?;
    tracing::info!(collector = collector.address(), "tracing requests");
    Ok((tracer, Some(export)))
}
