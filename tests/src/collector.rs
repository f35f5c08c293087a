//! A collector of spans, as OTLP has them, that keeps what it is sent.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use bulla_traces::otlp::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use bulla_traces::otlp::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use bulla_traces::otlp::common::v1::any_value::Value;
use bulla_traces::otlp::common::v1::{AnyValue, KeyValue};
use bulla_traces::otlp::trace::v1::Span;
use prost::Message as _;
use tokio::task::JoinHandle;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

use crate::process::free_port;

/// How long is waited for spans.
const LONGEST: Duration = Duration::from_secs(30);
/// How often it is looked for them.
const LOOK: Duration = Duration::from_millis(20);

/// A collector on loopback.
#[derive(Debug)]
pub struct Collector {
    endpoint: String,
    kept: Kept,
    task: JoinHandle<()>,
}

/// A span, and whose it is.
#[derive(Debug, Clone)]
pub struct Collected {
    /// `service.name`.
    pub service: String,
    /// The span.
    pub span: Span,
}

#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

#[tonic::async_trait]
impl TraceService for Kept {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// Listens on a free port.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_on(Server::builder(), "http://127.0.0.1").await
    }

    /// The same over TLS, with this certificate and key.
    pub async fn start_tls(identity: Identity) -> anyhow::Result<Self> {
        let builder = Server::builder().tls_config(ServerTlsConfig::new().identity(identity))?;
        Self::start_on(builder, "https://localhost").await
    }

    async fn start_on(mut server: Server, place: &str) -> anyhow::Result<Self> {
        let (port, kept) = (free_port()?, Kept::default());
        let serving = server.add_service(TraceServiceServer::new(kept.clone())).serve(([127, 0, 0, 1], port).into());
        let task = tokio::spawn(async move { drop(serving.await) });
        Ok(Self { endpoint: format!("{place}:{port}"), kept, task })
    }

    /// What goes into the configuration of a program that sends it every span.
    #[must_use]
    pub fn section(&self) -> serde_json::Value {
        serde_json::json!({"otlp_endpoint": self.endpoint})
    }

    /// All that came so far.
    #[must_use]
    pub fn spans(&self) -> Vec<Collected> {
        let kept = self.kept.0.lock().unwrap_or_else(PoisonError::into_inner);
        let resources = kept.iter().flat_map(|request| &request.resource_spans);
        let collected = resources.flat_map(|resource| {
            let attributes = resource.resource.iter().flat_map(|resource| &resource.attributes);
            let service = text_of(attributes, "service.name").unwrap_or_default();
            let spans = resource.scope_spans.iter().flat_map(|scope| &scope.spans);
            spans.map(move |span| Collected { service: service.clone(), span: span.clone() })
        });
        collected.collect()
    }

    /// Waits until `found` finds what it looks for among the spans.
    pub async fn wait<T>(&self, what: &str, found: impl Fn(&[Collected]) -> Option<T>) -> anyhow::Result<T> {
        let looking = async {
            let mut tick = tokio::time::interval(LOOK);
            loop {
                tick.tick().await;
                if let Some(found) = found(&self.spans()) {
                    return found;
                }
            }
        };
        let names = || self.spans().iter().map(|one| format!("{}: {}", one.service, one.span.name)).collect::<Vec<_>>();
        tokio::time::timeout(LONGEST, looking).await.with_context(|| format!("no {what} in {:?}", names()))
    }

    /// Whether a text came in whatever place.
    #[must_use]
    pub fn was_told(&self, text: &str) -> bool {
        let kept = self.kept.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().any(|request| request.encode_to_vec().windows(text.len()).any(|window| window == text.as_bytes()))
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Collected {
    /// An attribute that is a text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<String> {
        text_of(self.span.attributes.iter(), key)
    }

    /// An attribute that is a number.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<i64> {
        match value(self.span.attributes.iter(), key) {
            Some(Value::IntValue(number)) => Some(*number),
            _ => None,
        }
    }
}

fn text_of<'a>(attributes: impl Iterator<Item = &'a KeyValue>, key: &str) -> Option<String> {
    match value(attributes, key) {
        Some(Value::StringValue(text)) => Some(text.clone()),
        _ => None,
    }
}

fn value<'a>(mut attributes: impl Iterator<Item = &'a KeyValue>, key: &str) -> Option<&'a Value> {
    let found = attributes.find(|attribute| attribute.key == key)?;
    found.value.as_ref().and_then(|AnyValue { value }| value.as_ref())
}
