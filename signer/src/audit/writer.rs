//! The one thread that writes a chain. Entries that come while it waits for the disk are written together, and wait for
//! the disk once.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::AuditError;
use super::chain::Tip;
use super::entry::{Entry, Event};
use super::files::Files;
use super::name::ChainId;
use crate::clock::Clock;

/// How many entries may wait to be written; whoever brings more waits before.
const QUEUE: usize = 4096;
/// How many entries are written at once.
const MAX_GROUP: usize = 1024;
/// How long an entry may take to get to the disk.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where entries are handed in.
pub(super) struct Writer {
    orders: mpsc::Sender<Order>,
    state: Arc<Mutex<State>>,
    chain: ChainId,
}

/// What is known of the chain from outside of the thread.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// How far it has come, of what is on the disk.
    pub(super) tip: Tip,
    /// Why the last try to write failed, if it did.
    pub(super) failure: Option<Arc<io::Error>>,
    /// How often it was waited for the disk.
    pub(super) waits: u64,
}

enum Order {
    Append(Entry, oneshot::Sender<Result<(), AuditError>>),
    /// Brings to the disk what is not, and tries again if the last try failed.
    Settle(oneshot::Sender<()>),
}

impl Writer {
    /// Starts the thread; it ends when this value is gone.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn start(files: Files, is_synced: bool, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let (orders, queue) = mpsc::channel(QUEUE);
        let state = Arc::new(Mutex::new(State { tip: files.tip(), failure: None, waits: 0 }));
        let chain = files.chain().clone();
        let work = Work { files, is_synced, clock, state: Arc::clone(&state), unanswered: 0 };
        std::thread::Builder::new().name("audit".to_owned()).spawn(move || work.run(queue))?;
        Ok(Self { orders, state, chain })
    }

    /// Which chain it is.
    pub(super) fn chain(&self) -> &ChainId {
        &self.chain
    }

    /// Puts an entry into the chain. On return it is on the disk, unless the chain is written in another manner.
    ///
    /// # Errors
    /// [`AuditError`]; after [`AuditError::TooSlow`] it may still get there.
    pub(super) async fn append(&self, entry: Entry) -> Result<(), AuditError> {
        let (answer, answered) = oneshot::channel();
        let appending = async {
            self.orders.send(Order::Append(entry, answer)).await.map_err(|_| AuditError::Ended)?;
            answered.await.map_err(|_| AuditError::Ended)?
        };
        tokio::time::timeout(PATIENCE, appending).await.unwrap_or(Err(AuditError::TooSlow))
    }

    /// Brings everything to the disk that is handed in, and tells how far the chain has come.
    pub(super) async fn settle(&self) -> State {
        let (answer, answered) = oneshot::channel();
        // if the thread has ended, the state tells the last there is
        if self.orders.send(Order::Settle(answer)).await.is_ok() {
            let _ = tokio::time::timeout(PATIENCE, answered).await;
        }
        self.state()
    }

    /// How far the chain has come, and whether writing fails.
    pub(super) fn state(&self) -> State {
        lock(&self.state).clone()
    }
}

/// What the thread has.
struct Work {
    files: Files,
    is_synced: bool,
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
    /// Entries that could not be written since writing fails.
    unanswered: u64,
}

impl Work {
    fn run(mut self, mut queue: mpsc::Receiver<Order>) {
        let mut orders = Vec::new();
        while let Some(order) = queue.blocking_recv() {
            orders.push(order);
            while orders.len() < MAX_GROUP {
                let Ok(order) = queue.try_recv() else { break };
                orders.push(order);
            }
            self.carry_out(orders.drain(..));
        }
        // nobody is left who could be told
        let _ = self.files.sync();
    }

    fn carry_out(&mut self, orders: impl Iterator<Item = Order>) {
        let (mut entries, mut answers, mut settled) = (Vec::new(), Vec::new(), Vec::new());
        for order in orders {
            match order {
                Order::Append(entry, answer) => {
                    entries.push(entry);
                    answers.push(answer);
                }
                Order::Settle(answer) => settled.push(answer),
            }
        }
        let is_failing = self.unanswered > 0 || lock(&self.state).failure.is_some();
        let mut result = Ok(());
        if !entries.is_empty() || is_failing {
            result = self.append(&entries);
        }
        if result.is_ok() && !settled.is_empty() && !self.is_synced {
            result = self.files.sync().map_err(Arc::new);
        }
        self.note(result.as_ref().err(), u64::try_from(entries.len()).unwrap_or(u64::MAX));
        for answer in answers {
            // an error means that nobody waits any more
            let _ = answer.send(result.clone().map_err(AuditError::Write));
        }
        for answer in settled {
            let _ = answer.send(());
        }
    }

    /// Writes a group. The first one after a failure tells of it.
    fn append(&mut self, entries: &[Entry]) -> Result<(), Arc<io::Error>> {
        let now = self.clock.now();
        let failure = lock(&self.state).failure.clone();
        let resumed = failure.map(|failure| {
            Entry::of_event(now, Event::Resumed { unanswered: self.unanswered, reason: &failure.to_string() })
        });
        self.files.append(resumed.iter().chain(entries), now).map_err(Arc::new)
    }

    fn note(&mut self, failure: Option<&Arc<io::Error>>, entries: u64) {
        let mut state = lock(&self.state);
        match failure {
            None if state.failure.is_some() => {
                tracing::warn!(unanswered = self.unanswered, "audit records can be written again");
                self.unanswered = 0;
            }
            None => {}
            Some(error) => {
                self.unanswered = self.unanswered.saturating_add(entries);
                if state.failure.is_none() {
                    tracing::error!(%error, "audit records cannot be written: nothing is signed until they can");
                }
            }
        }
        state.failure = failure.cloned();
        state.waits = state.waits.saturating_add(1);
        state.tip = self.files.tip();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // each change is one step, so what is there is whole
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
