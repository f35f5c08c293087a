//! The one thread that writes a chain. Entries that come while it waits for the disk are written together, and wait for
//! the disk once.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tuf_schema::UtcTime;

use super::AuditError;
use super::chain::Tip;
use super::entry::{Entry, Event};
use super::name::ChainId;
use crate::clock::Clock;

/// Where a chain is written. Its calls may take as long as they like.
pub(super) trait Disk: Send + 'static {
    /// Appends the entries, all or none. On return they are there for good, unless the manner of the chain is another.
    fn append(&mut self, entries: &mut dyn Iterator<Item = &Entry>, now: UtcTime) -> io::Result<()>;

    /// Waits until everything that was appended is there for good.
    fn sync(&self) -> io::Result<()>;

    /// How far the chain has come, of what is there for good.
    fn tip(&self) -> Tip;
}

/// How many entries may wait to be written; whoever brings more waits before.
const QUEUE: usize = 4096;
/// How many entries are written at once.
const MAX_GROUP: usize = 1024;
/// How long an entry may take to get to the disk.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where entries are handed in.
pub(super) struct Writer {
    orders: mpsc::Sender<Asked>,
    state: Arc<Mutex<State>>,
    chain: ChainId,
    clock: Arc<dyn Clock>,
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
    /// Since when the oldest order waits that is under way, by the uptime of the clock.
    unanswered_since: Option<Duration>,
    /// Whether the thread has ended.
    is_ended: bool,
}

/// An order, and when it was given.
struct Asked {
    since: Duration,
    order: Order,
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
    pub(super) fn start(disk: impl Disk, chain: ChainId, is_synced: bool, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let (orders, queue) = mpsc::channel(QUEUE);
        let state = State { tip: disk.tip(), failure: None, waits: 0, unanswered_since: None, is_ended: false };
        let state = Arc::new(Mutex::new(state));
        let (of_work, disk) = (Arc::clone(&state), Box::new(disk));
        let work = Work { disk, is_synced, clock: Arc::clone(&clock), state: of_work, unanswered: 0 };
        std::thread::Builder::new().name("audit".to_owned()).spawn(move || work.run(queue))?;
        Ok(Self { orders, state, chain, clock })
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
            self.orders.send(self.asked(Order::Append(entry, answer))).await.map_err(|_| AuditError::Ended)?;
            answered.await.map_err(|_| AuditError::Ended)?
        };
        tokio::time::timeout(PATIENCE, appending).await.unwrap_or(Err(AuditError::TooSlow))
    }

    /// Brings everything to the disk that is handed in, and tells how far the chain has come.
    pub(super) async fn settle(&self) -> State {
        let (answer, answered) = oneshot::channel();
        let settling = async {
            if self.orders.send(self.asked(Order::Settle(answer))).await.is_ok() {
                let _ = answered.await;
            }
        };
        // if it hangs or the thread has ended, the state tells the last there is
        let _ = tokio::time::timeout(PATIENCE, settling).await;
        self.state()
    }

    fn asked(&self, order: Order) -> Asked {
        Asked { since: self.clock.uptime(), order }
    }

    /// Why entries do not get to the disk, if they do not.
    pub(super) fn trouble(&self) -> Option<AuditError> {
        let State { failure, unanswered_since, is_ended, .. } = self.state();
        let is_late = |since| self.clock.uptime().saturating_sub(since) >= PATIENCE;
        if is_ended {
            return Some(AuditError::Ended);
        }
        let slow = unanswered_since.is_some_and(is_late).then_some(AuditError::TooSlow);
        failure.map(AuditError::Write).or(slow)
    }

    /// How far the chain has come, and whether writing fails.
    pub(super) fn state(&self) -> State {
        lock(&self.state).clone()
    }
}

/// What the thread has.
struct Work {
    disk: Box<dyn Disk>,
    is_synced: bool,
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
    /// Entries that could not be written since writing fails.
    unanswered: u64,
}

impl Work {
    fn run(mut self, mut queue: mpsc::Receiver<Asked>) {
        let _ending = Ending(Arc::clone(&self.state));
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
        let _ = self.disk.sync();
    }

    fn carry_out(&mut self, orders: impl Iterator<Item = Asked>) {
        let (mut entries, mut answers, mut settled) = (Vec::new(), Vec::new(), Vec::new());
        for Asked { since, order } in orders {
            // they come in the order in which they were given
            lock(&self.state).unanswered_since.get_or_insert(since);
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
            result = self.disk.sync().map_err(Arc::new);
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
        self.disk.append(&mut resumed.iter().chain(entries), now).map_err(Arc::new)
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
        state.unanswered_since = None;
        state.waits = state.waits.saturating_add(1);
        state.tip = self.disk.tip();
    }
}

/// Says that the thread has ended, however it did.
struct Ending(Arc<Mutex<State>>);

impl Drop for Ending {
    fn drop(&mut self) {
        lock(&self.0).is_ended = true;
        if std::thread::panicking() {
            tracing::error!(error = %AuditError::Ended, "audit");
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // each change is one step, so what is there is whole
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::task::Poll;

    use super::*;
    use crate::audit::files::tests::entry;
    use crate::clock::TestClock;

    /// Says that it was asked to write, and waits until it is told to.
    pub(in crate::audit) struct Hanging {
        entered: Sender<()>,
        told: Receiver<()>,
    }

    impl Disk for Hanging {
        fn append(&mut self, entries: &mut dyn Iterator<Item = &Entry>, _: UtcTime) -> io::Result<()> {
            assert!(entries.next().is_some());
            self.entered.send(()).map_err(io::Error::other)?;
            self.told.recv().map_err(io::Error::other)
        }
        fn sync(&self) -> io::Result<()> {
            Ok(())
        }
        fn tip(&self) -> Tip {
            Tip::START
        }
    }

    /// A chain on a disk that hangs, what says that it was asked to write, and what tells it to.
    pub(in crate::audit) fn hanging(clock: Arc<dyn Clock>) -> (Writer, Receiver<()>, Sender<()>) {
        let ((entered, asked), (tell, told)) = (channel(), channel());
        let chain = ChainId::parse(&"a".repeat(32)).unwrap();
        (Writer::start(Hanging { entered, told }, chain, true, clock).unwrap(), asked, tell)
    }

    /// Hands it in without waiting for the answer.
    async fn begin<F: Future>(appending: &mut std::pin::Pin<Box<F>>) {
        std::future::poll_fn(|context| {
            assert!(appending.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
    }

    #[tokio::test]
    async fn a_disk_that_hangs_is_told_of_from_the_tenth_second_of_the_oldest_entry() {
        let clock = TestClock::at("2026-11-22T06:00:00Z");
        let (writer, asked, tell) = hanging(Arc::<TestClock>::clone(&clock));
        let (mut first, mut second) = (Box::pin(writer.append(entry(1))), Box::pin(writer.append(entry(2))));
        begin(&mut first).await;
        asked.recv().unwrap();
        begin(&mut second).await;
        clock.advance_seconds(9);
        assert!(writer.trouble().is_none());
        clock.advance_seconds(1);
        assert!(matches!(writer.trouble(), Some(AuditError::TooSlow)));
        tell.send(()).unwrap();
        first.await.unwrap();
        // the second one has waited behind it as long
        asked.recv().unwrap();
        assert!(matches!(writer.trouble(), Some(AuditError::TooSlow)));
        tell.send(()).unwrap();
        second.await.unwrap();
        assert!(writer.trouble().is_none());
        // and each is counted by itself
        let mut third = Box::pin(writer.append(entry(3)));
        begin(&mut third).await;
        asked.recv().unwrap();
        clock.advance_seconds(9);
        assert!(writer.trouble().is_none());
        drop(tell);
        assert!(matches!(third.await, Err(AuditError::Write(_))));
        assert!(matches!(writer.trouble(), Some(AuditError::Write(_))));
    }

    #[tokio::test]
    async fn a_thread_that_has_ended_is_told_of() {
        struct Panics;
        impl Disk for Panics {
            fn append(&mut self, _: &mut dyn Iterator<Item = &Entry>, _: UtcTime) -> io::Result<()> {
                panic!("on purpose")
            }
            fn sync(&self) -> io::Result<()> {
                Ok(())
            }
            fn tip(&self) -> Tip {
                Tip::START
            }
        }
        let chain = ChainId::parse(&"a".repeat(32)).unwrap();
        let writer = Writer::start(Panics, chain, true, TestClock::at("2026-11-22T06:00:00Z")).unwrap();
        assert!(writer.trouble().is_none());
        assert!(matches!(writer.append(entry(1)).await, Err(AuditError::Ended)));
        writer.orders.closed().await;
        assert!(matches!(writer.trouble(), Some(AuditError::Ended)));
        assert!(matches!(writer.append(entry(2)).await, Err(AuditError::Ended)));
    }
}
