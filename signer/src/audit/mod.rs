//! What is done with keys, and by whom: one record of each creation, signature, re-wrap, deletion and refusal, written
//! before the answer leaves. Without a record there is no answer.
//!
//! Each record is a line of the log, for people who collect logs. A digest of what was signed, never the content itself.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use tuf_schema::Sha256;
use tuf_schema::key::KeyId;

use crate::causes::WithCauses;
use crate::grpc::peer::Caller;
use crate::metrics::Metrics;
use crate::store::Purpose;

pub mod chain;
mod courier;
mod entry;
pub mod export;
mod files;
pub mod head;
mod lines;
pub mod name;
mod recovery;
mod second;
mod segments;
mod trail;
mod turned_away;
pub mod verify;
mod writer;

use entry::Entry;
pub use recovery::OpenChainError;
pub use second::SecondPlaceError;
pub use segments::FolderError;
pub use trail::OpenTrailError;
pub(crate) use trail::{HeadTrouble, Materials, Trail};

/// The `tracing` target of audit lines. They are written at every log level.
pub const TARGET: &str = "audit";

/// Where uses of keys are recorded.
pub(crate) struct Audit {
    metrics: Arc<Metrics>,
    trail: Option<Trail>,
}

/// One use of a key, or the attempt.
pub(crate) struct KeyUse<'a> {
    /// Who asked.
    pub(crate) actor: Actor<'a>,
    /// What for.
    pub(crate) operation: Operation,
    /// The key; none when none was made.
    pub(crate) key: Option<&'a KeyId>,
    /// What the key is for, as far as that is known.
    pub(crate) purpose: Option<&'a Purpose>,
    /// The digest of what was to be signed.
    pub(crate) content: Option<Sha256>,
    /// The version that the content says it is.
    pub(crate) version: Option<i64>,
}

/// Who asks for something to be done with a key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Actor<'a> {
    /// A client, by the name that let it in.
    Client(&'a Caller),
    /// Somebody who runs this program on its machine, by what is known of the account.
    Operator(&'a str),
}

/// What is done with keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    /// Making a key, or handing out an unused one.
    Create,
    /// Signing.
    Sign,
    /// Sealing a key anew, under another alias.
    Rewrap,
    /// Deleting a key.
    Delete,
    /// Taking a key out of use.
    Retire,
    /// Letting a retired key sign again.
    Reactivate,
    /// Taking a deletion back.
    Undelete,
    /// Removing a deleted key for good.
    Purge,
    /// Bringing a key back from a backup.
    Restore,
}

/// How it ended, or that it begins.
#[derive(Clone, Copy)]
pub(crate) enum Outcome<'a> {
    /// It is about to be done. Recorded first of what changes stored keys: if no record can be written, nothing is done,
    /// and if the second record is missing, this one tells that it was asked for.
    Begun,
    /// It was done.
    Done,
    /// It was refused, or failed.
    Refused(&'a (dyn Error + 'static)),
}

/// Why there is no record, and so no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum AuditError {
    /// The system did not write it.
    #[error("the audit record cannot be written; nothing is signed until it can")]
    Write(#[source] Arc<std::io::Error>),
    /// The disk takes too long.
    #[error("the audit record does not get to the disk in time; nothing is signed until it does")]
    TooSlow,
    /// What writes has ended before its time.
    #[error("the thread that writes audit records has ended; nothing is signed until the signer is started anew")]
    Ended,
}

impl Audit {
    /// Records to the log, and counts.
    #[must_use]
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, trail: None }
    }

    /// Records to a chain, too; without a record there is no answer.
    #[must_use]
    pub(crate) fn with_trail(self, trail: Trail) -> Self {
        Self { trail: Some(trail), ..self }
    }

    /// The chain that is written, if there is one.
    pub(crate) fn trail(&self) -> Option<&Trail> {
        self.trail.as_ref()
    }

    /// Signs heads of the chain, for ever.
    pub(crate) async fn keep(&self) {
        match &self.trail {
            Some(trail) => trail.keep().await,
            None => std::future::pending().await,
        }
    }

    /// Ends the chain in order.
    pub(crate) async fn close(&self) {
        if let Some(trail) = &self.trail {
            trail.close().await;
        }
    }

    /// For a test of what an operator does.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn of_operator() -> Self {
        Self::new(Arc::new(Metrics::new(false)))
    }

    /// Records one use of a key; to be awaited before the caller is answered, and whoever asked gets no answer if it
    /// fails.
    ///
    /// # Errors
    /// [`AuditError`].
    pub(crate) fn record<'a>(
        &'a self,
        key_use: &KeyUse<'_>,
        outcome: Outcome<'_>,
    ) -> impl Future<Output = Result<(), AuditError>> + Send + use<'a> {
        self.log(key_use, outcome);
        let entry = self.trail.as_ref().map(|trail| (trail, Entry::of_use(trail.now(), key_use, outcome)));
        async move {
            match entry {
                Some((trail, entry)) => trail.append(entry).await,
                None => Ok(()),
            }
        }
    }

    /// Counts a request that was turned away before it got to a key, such as one too many. In the chain each caller gets
    /// an entry once a minute for all of them, and the log a line if it `is_told`: whoever is turned away must not fill
    /// the disk.
    pub(crate) fn count_turned_away(&self, caller: &str, why: &(dyn Error + 'static), is_told: bool) {
        let outcome = Outcome::Refused(why);
        if is_told {
            tracing::info!(target: TARGET, caller, %outcome, "turned away");
        }
        if let Some(trail) = &self.trail {
            trail.turned_away().count(caller, &outcome.to_string());
        }
    }

    /// Counts a use of a key that is recorded by [`Self::count_turned_away`] only.
    pub(crate) fn count_refused(&self, key_use: &KeyUse<'_>) {
        self.count(key_use, false);
    }

    fn count(&self, key_use: &KeyUse<'_>, is_done: bool) {
        let role = key_use.purpose.and_then(|purpose| purpose.role.as_ref());
        self.metrics.count_key_use(key_use.operation, role, is_done);
    }

    fn log(&self, key_use: &KeyUse<'_>, outcome: Outcome<'_>) {
        let is_done = match outcome {
            Outcome::Begun => return,
            Outcome::Done => true,
            Outcome::Refused(_) => false,
        };
        self.count(key_use, is_done);
        tracing::info!(
            target: TARGET,
            caller = key_use.actor.name(),
            operation = key_use.operation.name(),
            key_id = key_use.key.map_or("", KeyId::as_str),
            gun = key_use.purpose.map_or("", Purpose::gun_text),
            role = key_use.purpose.map_or("", Purpose::role_text),
            version = key_use.version,
            sha256 = key_use.content.map(|content| content.to_hex()).unwrap_or_default(),
            %outcome,
            "key use"
        );
    }
}

impl<'a> KeyUse<'a> {
    /// A use of which nothing else is known yet.
    pub(crate) fn new(actor: Actor<'a>, operation: Operation) -> Self {
        Self { actor, operation, key: None, purpose: None, content: None, version: None }
    }
}

impl<'a> Outcome<'a> {
    /// How a piece of work ended.
    pub(crate) fn of<T, E: Error + 'static>(result: &'a Result<T, E>) -> Self {
        match result {
            Ok(_) => Self::Done,
            Err(error) => Self::Refused(error),
        }
    }
}

impl fmt::Display for Outcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begun => f.write_str("begun"),
            Self::Done => f.write_str("ok"),
            Self::Refused(error) => WithCauses(*error).fmt(f),
        }
    }
}

impl Actor<'_> {
    /// The name to write down.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Client(caller) => caller.name(),
            Self::Operator(account) => account,
        }
    }
}

impl Operation {
    /// The name in records and metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Sign => "sign",
            Self::Rewrap => "rewrap",
            Self::Delete => "delete",
            Self::Retire => "retire",
            Self::Reactivate => "reactivate",
            Self::Undelete => "undelete",
            Self::Purge => "purge",
            Self::Restore => "restore",
        }
    }
}
