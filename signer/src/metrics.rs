//! Counters and gauges, as Prometheus reads them.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::audit::Operation;
use crate::keyring::{Report, Standing};

/// All metrics of a signer.
pub(crate) struct Metrics {
    registry: Registry,
    key_uses: Family<KeyUseLabels, Counter>,
    insecure: Gauge,
    ready: Gauge,
    opened_keys: Gauge,
    conditions: Family<ConditionLabels, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeyUseLabels {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConditionLabels {
    condition: &'static str,
    of: String,
}

impl Metrics {
    /// `any_client`: whether certificates that nobody vouches for are let in.
    #[must_use]
    pub(crate) fn new(any_client: bool) -> Self {
        let mut registry = Registry::with_prefix("bulla_signer");
        let key_uses = Family::default();
        let (insecure, ready, opened_keys) = (Gauge::default(), Gauge::default(), Gauge::default());
        insecure.set(i64::from(any_client));
        registry.register("key_uses", "Uses of keys by operation and outcome", key_uses.clone());
        registry.register("insecure_any_client", "1 while any client certificate is let in", insecure.clone());
        registry.register("ready", "1 if keys could be made and used when last asked", ready.clone());
        registry.register("opened_keys", "Software keys that are held open in memory", opened_keys.clone());
        let conditions = Family::<ConditionLabels, Gauge>::default();
        registry.register("condition", "1 if what readiness asks for held when last asked", conditions.clone());
        Self { registry, key_uses, insecure, ready, opened_keys, conditions }
    }

    /// Whether certificates that nobody vouches for are let in.
    #[must_use]
    pub(crate) fn lets_any_client_in(&self) -> bool {
        self.insecure.get() != 0
    }

    pub(crate) fn count_key_use(&self, operation: Operation, done: bool) {
        let outcome = if done { "ok" } else { "refused" };
        self.key_uses.get_or_create(&KeyUseLabels { operation: operation.name(), outcome }).inc();
    }

    /// Notes what readiness found out. Of aliases that are no longer in use nothing stays.
    pub(crate) fn note_readiness(&self, report: &Report) {
        self.ready.set(i64::from(report.amiss().next().is_none()));
        self.conditions.clear();
        for Standing { condition, amiss, .. } in &report.0 {
            let labels = ConditionLabels { condition: condition.kind(), of: condition.of().to_owned() };
            self.conditions.get_or_create(&labels).set(i64::from(amiss.is_none()));
        }
    }

    /// How many software keys are held open: what holds them sets it.
    pub(crate) fn opened_keys(&self) -> Gauge {
        self.opened_keys.clone()
    }

    /// The text that Prometheus reads.
    #[must_use]
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // writing to a string cannot fail; what is there is served in any case
        if encode(&mut text, &self.registry).is_err() {
            tracing::error!("metrics could not be written");
        }
        text
    }
}
