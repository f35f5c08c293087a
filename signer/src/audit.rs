//! One line per key use, and per caller who is refused: who, what, which key, of what; a digest of what was signed, never the content itself.

use std::sync::Arc;

use tuf_schema::Sha256;
use tuf_schema::key::KeyId;

use crate::causes::WithCauses;
use crate::grpc::peer::{Caller, NotAllowed};
use crate::keyring::KeyringError;
use crate::metrics::Metrics;
use crate::store::Purpose;

/// The `tracing` target of audit lines. They are written at every log level.
pub const TARGET: &str = "audit";

/// Where key uses are recorded.
pub(crate) struct Audit {
    metrics: Arc<Metrics>,
}

/// One use of a key, or the attempt.
pub(crate) struct KeyUse<'a> {
    /// Who asked.
    pub(crate) caller: &'a Caller,
    /// What for.
    pub(crate) operation: Operation,
    /// The key; none when none was made.
    pub(crate) key: Option<&'a KeyId>,
    /// What the key is for, as far as that is known.
    pub(crate) purpose: Option<&'a Purpose>,
    /// What was to be signed.
    pub(crate) content: Option<&'a [u8]>,
}

/// What is done with keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    /// Making a key, or handing out an unused one.
    Create,
    /// Signing.
    Sign,
    /// Deleting a key.
    Delete,
}

impl Audit {
    /// Records to the log, and counts.
    #[must_use]
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics }
    }

    /// Writes the line; before the caller is answered.
    pub(crate) fn record(&self, key_use: &KeyUse<'_>, refusal: Option<&KeyringError>) {
        self.metrics.count_key_use(key_use.operation, refusal.is_none());
        let outcome = refusal.map_or_else(|| "ok".to_owned(), |error| WithCauses(error).to_string());
        tracing::info!(
            target: TARGET,
            caller = key_use.caller.name(),
            operation = key_use.operation.name(),
            key_id = key_use.key.map_or("", KeyId::as_str),
            gun = key_use.purpose.map_or("", Purpose::gun_text),
            role = key_use.purpose.map_or("", Purpose::role_text),
            sha256 = key_use.content.map(|content| Sha256::of(content).to_hex()).unwrap_or_default(),
            outcome,
            "key use"
        );
    }
}

/// Writes the line for a caller who may not even ask.
pub(crate) fn record_refused_caller(refusal: &NotAllowed) {
    tracing::info!(target: TARGET, caller = refusal.names(), outcome = %refusal, "caller refused");
}

impl Operation {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Sign => "sign",
            Self::Delete => "delete",
        }
    }
}
