//! The way of spans to the collector: in batches, in the background, and given up rather than waited for.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::otlp::collector::trace::v1::trace_service_client::TraceServiceClient;
use crate::span::Span;
use crate::tracer::Settings;
use crate::wire;

/// How many spans are sent at once: below a megabyte, of the four that collectors take.
const BATCH: usize = 256;
/// How long spans wait for others to be sent with.
const GATHERING: Duration = Duration::from_millis(500);
/// How long the collector may take with one batch.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the end may wait for the last spans.
const FLUSH: Duration = Duration::from_secs(2);
/// What an answer may be long.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// What became of spans.
#[derive(Clone, Default)]
pub struct Counts(Arc<Numbers>);

#[derive(Default)]
struct Numbers {
    exported: AtomicU64,
    dropped: AtomicU64,
}

/// Settings with which nothing can be exported, whatever the collector does.
#[derive(Debug, thiserror::Error)]
#[error("the address or the authorities of the collector of spans cannot be used")]
pub struct StartError(#[from] tonic::transport::Error);

/// The export at work.
pub struct Export {
    ending: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// What sends spans.
struct Courier {
    service: &'static str,
    version: &'static str,
    client: TraceServiceClient<Channel>,
    counts: Counts,
    /// Whether the log has been told that the collector does not take spans.
    is_told: bool,
}

impl Counts {
    /// Spans that the collector took.
    #[must_use]
    pub fn exported(&self) -> u64 {
        self.0.exported.load(Ordering::Relaxed)
    }

    /// Spans that were given up.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    pub(crate) fn drop_spans(&self, count: u64) {
        self.0.dropped.fetch_add(count, Ordering::Relaxed);
    }
}

impl Export {
    pub(crate) fn start(
        settings: &Settings,
        waiting: mpsc::Receiver<Span>,
        counts: Counts,
    ) -> Result<Self, StartError> {
        let mut endpoint = Endpoint::from_shared(settings.collector.address().to_owned())?.connect_timeout(PATIENCE);
        if settings.collector.is_tls() {
            let tls = ClientTlsConfig::new();
            endpoint = endpoint.tls_config(match &settings.ca_pem {
                Some(pem) => tls.ca_certificate(Certificate::from_pem(pem)),
                None => tls.ca_certificates(system_authorities()),
            })?;
        }
        let client = TraceServiceClient::new(endpoint.connect_lazy()).max_decoding_message_size(MAX_ANSWER_BYTES);
        let Settings { service, version, .. } = *settings;
        let courier = Courier { service, version, client, counts, is_told: false };
        let (ending, ended) = oneshot::channel();
        Ok(Self { ending, task: tokio::spawn(courier.run(waiting, ended)) })
    }

    /// Sends what waits, for two seconds at most, and ends.
    pub async fn end(self) {
        let Self { ending, mut task } = self;
        // it is gone only if it has ended by itself
        let _gone = ending.send(());
        if timeout(FLUSH, &mut task).await.is_err() {
            tracing::warn!("the last spans were not taken by their collector in time");
            task.abort();
        }
    }
}

impl Courier {
    async fn run(mut self, mut waiting: mpsc::Receiver<Span>, mut ended: oneshot::Receiver<()>) {
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                _ = &mut ended => break,
                taken = waiting.recv_many(&mut batch, BATCH) => if taken == 0 { return },
            }
            if batch.len() < BATCH {
                tokio::select! {
                    biased;
                    _ = &mut ended => { self.send(std::mem::take(&mut batch)).await; break }
                    () = tokio::time::sleep(GATHERING) => fill(&mut batch, &mut waiting),
                }
            }
            self.send(std::mem::take(&mut batch)).await;
        }
        loop {
            fill(&mut batch, &mut waiting);
            if batch.is_empty() {
                return;
            }
            self.send(std::mem::take(&mut batch)).await;
        }
    }

    async fn send(&mut self, batch: Vec<Span>) {
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let request = wire::request(self.service, self.version, batch);
        let (dropped, why) = match timeout(PATIENCE, self.client.export(request)).await {
            Ok(Ok(answer)) => match answer.into_inner().partial_success {
                Some(partly) => (u64::try_from(partly.rejected_spans).unwrap_or(0).min(count), None),
                None => (0, None),
            },
            Ok(Err(status)) => (count, Some(told(&status))),
            Err(_) => (count, Some(format!("no answer within {} seconds", PATIENCE.as_secs()))),
        };
        self.counts.0.exported.fetch_add(count.saturating_sub(dropped), Ordering::Relaxed);
        self.counts.drop_spans(dropped);
        match why {
            Some(error) if !self.is_told => {
                tracing::warn!(error, "the collector does not take spans: they are dropped until it does");
                self.is_told = true;
            }
            None if self.is_told => {
                tracing::info!("the collector takes spans again");
                self.is_told = false;
            }
            Some(_) | None => {}
        }
    }
}

fn fill(batch: &mut Vec<Span>, waiting: &mut mpsc::Receiver<Span>) {
    while batch.len() < BATCH
        && let Ok(span) = waiting.try_recv()
    {
        batch.push(span);
    }
}

/// The status with what is behind it, in one line.
fn told(status: &tonic::Status) -> String {
    let mut text = format!("{:?}: {}", status.code(), status.message());
    let mut cause = status.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

fn system_authorities() -> Vec<Certificate> {
    let found = rustls_native_certs::load_native_certs();
    let to_pem = |der: &[u8]| pem::encode(&pem::Pem::new("CERTIFICATE", der));
    found.certs.iter().map(|der| Certificate::from_pem(to_pem(der))).collect()
}
