//! The traces of this server's requests: begun here, sent away in the background.

use std::sync::Arc;

use bulla_traces::{Callers, Export, Settings, Tracer};
use ring::rand::SystemRandom;

use crate::app::{StartError, read};
use crate::clock::Clock;
use crate::config::TracingConfig;

/// Begins what the configuration says; without it nothing is traced.
///
/// # Errors
/// [`StartError`] when a file, or the address, cannot be used.
pub(crate) fn start(
    config: Option<&TracingConfig>,
    clock: &Arc<dyn Clock>,
) -> Result<(Tracer, Option<Export>), StartError> {
    let Some(TracingConfig { collector, ratio, ca_file }) = config else { return Ok((Tracer::off(), None)) };
    let ca_pem = ca_file.as_ref().map(|file| read(TracingConfig::CA_FILE, file)).transpose()?;
    let settings = Settings {
        service: "bulla-server",
        version: env!("CARGO_PKG_VERSION"),
        collector: collector.clone(),
        ratio: *ratio,
        ca_pem,
        // whoever reaches the port may send a header
        callers: Callers::Strangers,
    };
    let clock = Arc::clone(clock);
    let now = move || clock.now().to_utc().timestamp_nanos_opt().and_then(|now| u64::try_from(now).ok()).unwrap_or(0);
    let (tracer, export) = Tracer::start(&settings, now, Arc::new(SystemRandom::new()))?;
    tracing::info!(collector = collector.address(), "tracing requests");
    Ok((tracer, Some(export)))
}
