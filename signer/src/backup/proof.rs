//! The proof that stored keys can be used: each is opened, signs, and its signature verifies with its public half.

use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::task::JoinSet;
use tuf_schema::key::KeyId;
use tuf_schema::signature::Signature;

use crate::backend::{BackendError, KeyBackend};
use crate::causes::WithCauses;
use crate::store::stored::StoredKey;
use crate::store::{StoreError, sound};

/// What is signed. No document begins like it, so the signature is of no use to anybody.
const MESSAGE: &[u8] = b"bulla-signer: a proof that this key can be used";

/// Why a key is not proved.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProofError {
    /// The row is none of a key.
    #[error(transparent)]
    Row(#[from] StoreError),
    /// It does not open, or does not sign.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// Its signature is none of its public half.
    #[error("key {0} signs with another secret half than its own")]
    DoesNotVerify(KeyId),
}

/// A key that is not proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unproved {
    /// Its id, as the row has it.
    pub key: String,
    /// Its alias, as the row has it.
    pub alias: String,
    /// Why.
    pub reason: String,
    /// Whether what opens it is missing, wrong or away, and the key itself may be sound.
    pub is_locked: bool,
}

/// Proves keys, a few at a time: as many as there are cores.
pub(super) struct Prover {
    backend: Arc<dyn KeyBackend>,
    at_once: usize,
    running: JoinSet<Option<Unproved>>,
}

impl Prover {
    pub(super) fn new(backend: Arc<dyn KeyBackend>) -> Self {
        let at_once = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self { backend, at_once, running: JoinSet::new() }
    }

    /// Begins the proof of a row; waits for an earlier one where enough are under way, and tells if that one failed.
    pub(super) async fn prove(&mut self, row: StoredKey) -> Option<Unproved> {
        let done = if self.running.len() < self.at_once { None } else { self.next().await.flatten() };
        let backend = Arc::clone(&self.backend);
        self.running.spawn(async move {
            let error = prove(backend.as_ref(), &row).await.err()?;
            Some(Unproved {
                is_locked: error.is_locked(),
                reason: WithCauses(&error).to_string(),
                key: row.key_id,
                alias: row.alias,
            })
        });
        done
    }

    /// How one that is under way ended; `None` when none is.
    pub(super) async fn next(&mut self) -> Option<Option<Unproved>> {
        let ended = self.running.join_next().await?;
        Some(ended.unwrap_or_else(|_| {
            // a task that panicked has proved nothing
            let reason = BackendError::Ended.to_string();
            Some(Unproved { key: String::new(), alias: String::new(), reason, is_locked: false })
        }))
    }
}

async fn prove(backend: &dyn KeyBackend, row: &StoredKey) -> Result<(), ProofError> {
    let record = sound(row)?;
    let id = record.key.id();
    let signed = backend.sign(&record, MESSAGE).await;
    backend.forget(id);
    let signed = signed?;
    let signature = Signature { key_id: id.clone(), method: signed.method, bytes: signed.bytes };
    if record.key.verifies(MESSAGE, &signature) { Ok(()) } else { Err(ProofError::DoesNotVerify(id.clone())) }
}

impl ProofError {
    fn is_locked(&self) -> bool {
        matches!(self, Self::Backend(BackendError::Locked { .. } | BackendError::Away { .. }))
    }
}
