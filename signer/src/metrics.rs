//! Counters and gauges, as Prometheus reads them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bulla_traces::Counts;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tuf_schema::{Role, UtcTime};

use crate::audit::Operation;
use crate::keyring::{Kind, Report, Standing, Told};

/// All metrics of a signer.
pub(crate) struct Metrics {
    registry: Registry,
    key_uses: Family<KeyUseLabels, Counter>,
    insecure: Gauge,
    ready: Gauge,
    opened_keys: Gauge,
    unreadable_keys: Gauge,
    conditions: Family<ConditionLabels, Gauge>,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<MethodLabels, Histogram>,
    certificates: Family<CertificateLabels, Gauge>,
    canaries: Canaries,
    spans: Family<SpanLabels, Counter>,
    spans_so_far: Counts,
}

/// What became of keys that were tried.
#[derive(Default)]
struct Canaries {
    success: Family<CanaryLabels, Gauge>,
    last_success: Family<CanaryLabels, Gauge>,
    /// The kinds that are told.
    told: Mutex<Vec<Kind>>,
}

/// The upper bounds of what a request takes, in seconds: a signature of an opened key is in the first, one that opens its
/// key in the middle, and a store that does not answer beyond the last.
const SECONDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabels {
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CertificateLabels {
    file: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeyUseLabels {
    operation: &'static str,
    role: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SpanLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CanaryLabels {
    algorithm: &'static str,
    alias: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConditionLabels {
    condition: &'static str,
    of: String,
}

impl CanaryLabels {
    fn of(kind: &Kind) -> Self {
        Self { algorithm: kind.algorithm, alias: kind.alias.clone() }
    }
}

impl Metrics {
    /// `any_client`: whether certificates that nobody vouches for are let in.
    #[must_use]
    pub(crate) fn new(any_client: bool) -> Self {
        let mut registry = Registry::with_prefix("bulla_signer");
        let key_uses = Family::default();
        let (insecure, ready, opened_keys) = (Gauge::default(), Gauge::default(), Gauge::default());
        insecure.set(i64::from(any_client));
        registry.register("key_uses", "Uses of keys by operation, role and outcome", key_uses.clone());
        registry.register("insecure_any_client", "1 while any client certificate is let in", insecure.clone());
        registry.register("ready", "1 if keys could be made and used when last asked", ready.clone());
        let unreadable_keys = Gauge::default();
        registry.register("unreadable_keys", "Rows at the start that no secret opens", unreadable_keys.clone());
        registry.register("opened_keys", "Software keys that are held open in memory", opened_keys.clone());
        let conditions = Family::<ConditionLabels, Gauge>::default();
        registry.register("condition", "1 if what readiness asks for held when last asked", conditions.clone());
        let requests = Family::default();
        registry.register("requests", "Requests by method and gRPC status", requests.clone());
        let request_seconds = Family::new_with_constructor((|| Histogram::new(SECONDS)) as fn() -> Histogram);
        registry.register("request_seconds", "What requests took, by method", request_seconds.clone());
        let certificates = Family::default();
        let until = "Until when the certificates of a file are valid, in seconds since 1970";
        registry.register("certificate_not_after_seconds", until, certificates.clone());
        let canaries = Canaries::default();
        let sound = "1 if no key is known of this algorithm and alias that does not sign, 0 if one is";
        registry.register("key_canary_success", sound, canaries.success.clone());
        let last = "When a key of this algorithm and alias that was tried signed last, in seconds since 1970";
        registry.register("key_canary_last_success_timestamp_seconds", last, canaries.last_success.clone());
        let spans = Family::default();
        registry.register("spans", "Spans of requests that the collector took, and that were given up", spans.clone());
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "What is running", build);
        Self {
            registry,
            key_uses,
            insecure,
            ready,
            unreadable_keys,
            opened_keys,
            conditions,
            requests,
            request_seconds,
            certificates,
            canaries,
            spans,
            spans_so_far: Counts::default(),
        }
    }

    /// The same, telling what became of spans.
    #[must_use]
    pub(crate) fn telling_of(self, spans_so_far: Counts) -> Self {
        Self { spans_so_far, ..self }
    }

    /// Whether certificates that nobody vouches for are let in.
    #[must_use]
    pub(crate) fn lets_any_client_in(&self) -> bool {
        self.insecure.get() != 0
    }

    /// `role`: what the key is for, as far as that is known.
    pub(crate) fn count_key_use(&self, operation: Operation, role: Option<&Role>, done: bool) {
        let outcome = if done { "ok" } else { "refused" };
        // one of few, whatever is in a row
        let role = match role {
            Some(Role::Snapshot) => "snapshot",
            Some(Role::Timestamp) => "timestamp",
            Some(_) => "other",
            None => "none",
        };
        self.key_uses.get_or_create(&KeyUseLabels { operation: operation.name(), role, outcome }).inc();
    }

    /// Counts one request: the name of its method, one of few, and that of its gRPC status.
    pub(crate) fn count_request(&self, method: &'static str, code: String, took: Duration) {
        self.requests.get_or_create(&RequestLabels { method, code }).inc();
        self.request_seconds.get_or_create(&MethodLabels { method }).observe(took.as_secs_f64());
    }

    /// Notes until when the certificates of a file are valid; `file` is the configuration key that names it.
    pub(crate) fn note_certificate(&self, file: &'static str, end: UtcTime) {
        self.certificates.get_or_create(&CertificateLabels { file }).set(end.unix_seconds());
    }

    /// Notes what readiness found out. Of aliases that are no longer in use nothing stays.
    pub(crate) fn note_readiness(&self, report: &Report) {
        self.ready.set(i64::from(report.is_all_ready()));
        self.conditions.clear();
        for Standing { condition, amiss, .. } in &report.0 {
            let labels = ConditionLabels { condition: condition.kind(), of: condition.of().to_owned() };
            self.conditions.get_or_create(&labels).set(i64::from(amiss.is_none()));
        }
    }

    /// Notes what became of keys that were tried. Of kinds that are no more nothing stays; the others are never not told, as
    /// an alert would end meanwhile.
    pub(crate) fn note_canaries(&self, told: &[Told]) {
        let Canaries { success, last_success, told: before } = &self.canaries;
        for Told { kind, is_sound, last_success: last } in told {
            let labels = CanaryLabels::of(kind);
            success.get_or_create(&labels).set(i64::from(*is_sound));
            if let Some(last) = last {
                last_success.get_or_create(&labels).set(last.unix_seconds());
            }
        }
        let kinds = told.iter().map(|told| told.kind.clone()).collect();
        let before = std::mem::replace(&mut *before.lock().unwrap_or_else(PoisonError::into_inner), kinds);
        for gone in before.iter().filter(|kind| !told.iter().any(|told| told.kind == **kind)) {
            success.remove(&CanaryLabels::of(gone));
            last_success.remove(&CanaryLabels::of(gone));
        }
    }

    pub(crate) fn note_unreadable_keys(&self, count: u64) {
        self.unreadable_keys.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// How many software keys are held open: what holds them sets it.
    pub(crate) fn opened_keys(&self) -> Gauge {
        self.opened_keys.clone()
    }

    /// The text that Prometheus reads.
    #[must_use]
    pub(crate) fn text(&self) -> String {
        for (outcome, so_far) in [("exported", self.spans_so_far.exported()), ("dropped", self.spans_so_far.dropped())]
        {
            let told = self.spans.get_or_create(&SpanLabels { outcome });
            told.inc_by(so_far.saturating_sub(told.get()));
        }
        let mut text = String::new();
        // writing to a string cannot fail; what is there is served in any case
        if encode(&mut text, &self.registry).is_err() {
            tracing::error!("metrics could not be written");
        }
        text
    }
}
