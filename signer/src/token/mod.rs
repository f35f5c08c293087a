//! Tokens: hardware (or what stands for it) that holds keys, reached through its maker's PKCS #11 library.
//!
//! The library is loaded only when a token is configured, and then it is somebody's code in this process. Its calls
//! block, so they are made on threads of their own, a few for each token, with a bounded number of callers in wait.

use std::fmt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

mod encryption;
mod failure;
mod inventory;
mod keys;
mod kind;
mod module;
mod object;
mod pin;
mod session;

pub(crate) use failure::TokenError;
use failure::Trouble;
pub use inventory::{Inventory, InventoryError, Item};
pub(crate) use object::{ObjectId, TokenObject};
pub use pin::PinSource;
use session::{Open, Shared, Worker};

use crate::clock::Clock;

/// Callers that wait for each session at most; further ones are told that the token has too much to do.
const WAITING_FOR_EACH_SESSION: usize = 64;

/// How long a token may take to show that it is there: whoever asks whether the signer is ready waits.
const PROBE_PATIENCE: Duration = Duration::from_secs(2);

/// The name of a token in the configuration, which rows of its keys bear as their alias.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenName(String);

/// How a token is reached.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    /// What the configuration calls it.
    pub name: TokenName,
    /// The library of its maker.
    pub module: PathBuf,
    /// The label it was given when it was initialised.
    pub label: String,
    /// Its serial number, where several tokens have the label.
    pub serial: Option<String>,
    /// Where the PIN comes from.
    pub pin: PinSource,
    /// How many sessions, each with a thread of its own, are held at most.
    pub sessions: usize,
    /// How long an answer is waited for.
    pub patience: Duration,
}

/// A token, with the threads that ask it.
pub(crate) struct Token {
    shared: Arc<Shared>,
    queue: SyncSender<Work>,
}

/// Done in turn by whichever worker is free.
type Work = Box<dyn FnOnce(&mut Worker) + Send>;

impl TokenName {
    /// The longest name: the width of the reference's column for aliases.
    pub const MAX_CHARACTERS: usize = 50;

    /// Takes 1 to [`TokenName::MAX_CHARACTERS`] of a to z, 0 to 9 and _.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let is_name = (1..=Self::MAX_CHARACTERS).contains(&text.len()) && text.bytes().all(fits);
        is_name.then(|| Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Token {
    /// Starts the threads. The module is loaded and the token looked for when something is first asked of it.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn new(settings: TokenSettings, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let sessions = settings.sessions.max(1);
        let (queue, work) = sync_channel(sessions * WAITING_FOR_EACH_SESSION);
        let (work, shared) = (Arc::new(Mutex::new(work)), Arc::new(Shared::new(settings, clock)));
        for _ in 0..sessions {
            let (work, worker) = (Arc::clone(&work), Worker::new(Arc::clone(&shared)));
            std::thread::Builder::new().name("token".to_owned()).spawn(move || serve(&work, worker))?;
        }
        Ok(Self { shared, queue })
    }

    /// What the configuration calls it.
    pub(crate) fn name(&self) -> &TokenName {
        &self.shared.settings.name
    }

    /// The label it should have.
    pub(crate) fn label(&self) -> &str {
        &self.shared.settings.label
    }

    /// Whether the token is there and lets itself be logged in to.
    ///
    /// # Errors
    /// [`TokenError`] says what is amiss.
    pub(crate) async fn probe(&self) -> Result<(), TokenError> {
        self.ask_within(PROBE_PATIENCE.min(self.shared.settings.patience), |open| open.probe()).await
    }

    /// Has a piece of work done in a session; it may be begun several times.
    async fn ask<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Open) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, TokenError> {
        self.ask_within(self.shared.settings.patience, work).await
    }

    async fn ask_within<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl Fn(&mut Open) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, TokenError> {
        let token = || self.name().clone();
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move |worker| {
            // nobody waits any more: what was asked for long ago is not done
            if !answer.is_closed() {
                // if the caller went away meanwhile, so be it
                let _ = answer.send(worker.run(&work));
            }
        });
        self.queue.try_send(work).map_err(|refused| match refused {
            TrySendError::Full(_) => TokenError::Busy { token: token() },
            TrySendError::Disconnected(_) => TokenError::Ended { token: token() },
        })?;
        match tokio::time::timeout(patience, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(TokenError::Ended { token: token() }),
            Err(_) => Err(TokenError::Slow { token: token(), patience }),
        }
    }
}

/// Works until the token is dropped.
fn serve(queue: &Mutex<Receiver<Work>>, mut worker: Worker) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(work) = next else { return };
        work(&mut worker);
    }
}

#[cfg(test)]
pub(crate) mod scratch;
#[cfg(test)]
mod tests;
