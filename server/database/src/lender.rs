//! Lends the connections of a pool, and keeps those at hand that were just used.
//!
//! The driver's pool asks the database whether it is there each time that a connection comes back, on a task of its own:
//! of each statement half of the ways to the database would be that. So a connection that comes back whole lies here, and
//! goes to the pool, which asks and replaces what grows old, when it lay idle for a while or has been out for long.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{ConnectOptions as _, Connection as _, Pool};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock::uptime;
use crate::engine::Engine;
use crate::failure::Failure;
use crate::session::Session;

/// A connection that lay idle for longer is asked whether it still lives before it is used.
pub(crate) const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// How long a connection is kept from the pool, idle or since it was taken out of it.
const KEPT: Duration = Duration::from_secs(60);

/// What is known of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Everything it was asked came to its end.
    Whole,
    /// Something failed on it; the pool asks whether it still lives.
    Doubtful,
    /// It was broken off in the middle, or is of no more use.
    Spoiled,
}

/// How long a database is waited for that is asked why no connection came about.
const DIAGNOSIS: Duration = Duration::from_secs(1);

/// Lends the connections of a pool.
pub(crate) struct Lender<E: Engine> {
    pool: Pool<E>,
    kept: Arc<Kept<E>>,
    /// As many as there are connections. Whoever gives up waiting for one costs nothing; whoever has it gets or makes a
    /// connection, for which the pool is not asked more often than it has some.
    turns: Arc<Semaphore>,
}

impl<E: Engine> Clone for Lender<E> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), kept: Arc::clone(&self.kept), turns: Arc::clone(&self.turns) }
    }
}

impl<E: Engine> Lender<E> {
    pub(crate) fn new(pool: Pool<E>) -> Self {
        let turns = Arc::new(Semaphore::new(at_most(&pool)));
        Self { pool, kept: Arc::default(), turns }
    }

    /// The driver's pool, with every connection that nobody uses.
    pub(crate) fn pool(&self) -> &Pool<E> {
        self.kept.give_back(|_| true);
        &self.pool
    }

    /// How many connections are lent now, or being made, and how many may be.
    pub(crate) fn in_use(&self) -> (usize, usize) {
        let at_most = at_most(&self.pool);
        (at_most.saturating_sub(self.turns.available_permits()), at_most)
    }

    /// Whether both lend connections of the same pool.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.turns, &other.turns)
    }

    pub(crate) async fn turn(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let most = self.pool.options().get_acquire_timeout();
        match tokio::time::timeout(most, Arc::clone(&self.turns).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(Failure::Unavailable(sqlx::Error::PoolClosed)),
            Err(_) => Err(Failure::Unavailable(sqlx::Error::PoolTimedOut)),
        }
    }

    /// A connection, if asked for one that has just answered. The broken ones that come first are thrown away; after a
    /// restart of the database these may be all that there are.
    pub(crate) async fn lent(
        &self,
        permit: OwnedSemaphorePermit,
        is_tested: bool,
        timeout: Option<Duration>,
    ) -> Result<Lent<E>, Failure> {
        let tests = if is_tested { self.pool.options().get_max_connections() } else { 0 };
        let mut lent = self.next(Some(permit), timeout).await?;
        for _ in 0..tests {
            if lent.session(timeout)?.ping().await.is_ok() {
                break;
            }
            let permit = lent.throw_away();
            lent = self.next(permit, timeout).await?;
        }
        Ok(lent)
    }

    /// The connection that was used last, or one of the pool.
    async fn next(&self, permit: Option<OwnedSemaphorePermit>, timeout: Option<Duration>) -> Result<Lent<E>, Failure> {
        let mut permit = permit;
        if let Some(Idle { connection, taken, since }) = self.kept.take() {
            let mut lent = Lent::new(connection, taken, Arc::downgrade(&self.kept), permit);
            if uptime().saturating_sub(since) <= TRUSTED_IDLE || lent.session(timeout)?.ping().await.is_ok() {
                return Ok(lent);
            }
            permit = lent.throw_away();
            // One that is dead is seldom alone. The pool asks the others, within one limit for all of them.
            self.kept.give_back(|_| true);
        }
        let connection = acquired(&self.pool).await?;
        Ok(Lent::new(connection, uptime(), Arc::downgrade(&self.kept), permit))
    }

    /// Waits for what is at work and closes every connection.
    pub(crate) async fn close(&self) {
        let closed = self.pool.close();
        self.kept.lock().is_closed = true;
        self.kept.give_back(|_| true);
        closed.await;
    }
}

/// How many connections a pool may have.
fn at_most<E: Engine>(pool: &Pool<E>) -> usize {
    usize::try_from(pool.options().get_max_connections()).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)
}

/// Connections that nobody uses and that the pool has not got back.
struct Kept<E: Engine>(Mutex<Idles<E>>);

struct Idles<E: Engine> {
    /// Used last is last.
    idle: Vec<Idle<E>>,
    /// Whether somebody looks after those that lie for long.
    is_watched: bool,
    is_closed: bool,
}

struct Idle<E: Engine> {
    connection: PoolConnection<E>,
    /// Out of the pool.
    taken: Duration,
    /// Idle.
    since: Duration,
}

impl<E: Engine> Default for Kept<E> {
    fn default() -> Self {
        Self(Mutex::new(Idles { idle: Vec::new(), is_watched: false, is_closed: false }))
    }
}

impl<E: Engine> Kept<E> {
    fn lock(&self) -> MutexGuard<'_, Idles<E>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Idle<E>> {
        self.lock().idle.pop()
    }

    /// Keeps a connection that is whole, or gives it to the pool.
    fn keep(self: Arc<Self>, connection: PoolConnection<E>, taken: Duration, now: Duration) {
        let Ok(runtime) = Handle::try_current() else {
            // The way to the pool needs one, and so does who looks after what is kept.
            return drop(connection.detach());
        };
        let mut idles = self.lock();
        if idles.is_closed || now.saturating_sub(taken) >= KEPT {
            drop(idles);
            return drop(connection);
        }
        idles.idle.push(Idle { connection, taken, since: now });
        if !std::mem::replace(&mut idles.is_watched, true) {
            drop(runtime.spawn(watch(Arc::downgrade(&self))));
        }
    }

    /// Gives those to the pool that lay idle for [`KEPT`], and says whether others are left to look after.
    fn sweep(&self, now: Duration) -> bool {
        self.give_back(|since| now.saturating_sub(since) >= KEPT);
        let mut idles = self.lock();
        idles.is_watched = !idles.idle.is_empty();
        idles.is_watched
    }

    /// Gives those to the pool of which since when they are idle says so.
    fn give_back(&self, is_stale: impl Fn(Duration) -> bool) {
        let stale: Vec<Idle<E>> = self.lock().idle.extract_if(.., |idle| is_stale(idle.since)).collect();
        // not under the lock: each begins a task
        drop(stale);
    }
}

impl<E: Engine> Drop for Kept<E> {
    fn drop(&mut self) {
        let idles = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        for Idle { connection, .. } in idles.idle.drain(..) {
            // There may be no runtime any more, which the way to the pool would need.
            drop(connection.detach());
        }
    }
}

/// Sweeps until nothing is kept.
async fn watch<E: Engine>(kept: Weak<Kept<E>>) {
    loop {
        tokio::time::sleep(KEPT / 2).await;
        let Some(kept) = kept.upgrade() else { return };
        if !kept.sweep(uptime()) {
            return;
        }
    }
}

/// A connection that is lent, and comes back: unless it was broken off in the middle or is of no more use, for then it is
/// thrown away.
pub(crate) struct Lent<E: Engine> {
    connection: Option<PoolConnection<E>>,
    taken: Duration,
    kept: Weak<Kept<E>>,
    condition: Condition,
    turn: Option<OwnedSemaphorePermit>,
}

impl<E: Engine> Lent<E> {
    fn new(
        connection: PoolConnection<E>,
        taken: Duration,
        kept: Weak<Kept<E>>,
        turn: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self { connection: Some(connection), taken, kept, condition: Condition::Whole, turn }
    }

    pub(crate) fn session(&mut self, timeout: Option<Duration>) -> Result<Session<'_, E>, Failure> {
        match &mut self.connection {
            Some(connection) => Ok(Session::new(&mut **connection, &mut self.condition, timeout)),
            None => Err(Failure::Unavailable(sqlx::Error::PoolClosed)),
        }
    }

    /// Whether it is of no more use.
    pub(crate) fn is_spoiled(&self) -> bool {
        self.condition == Condition::Spoiled
    }

    /// Throws it away, and leaves the turn for another one.
    pub(crate) fn throw_away(mut self) -> Option<OwnedSemaphorePermit> {
        self.condition = Condition::Spoiled;
        self.turn.take()
    }
}

impl<E: Engine> Drop for Lent<E> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        match self.condition {
            Condition::Whole => {
                if let Some(kept) = self.kept.upgrade() {
                    kept.keep(connection, self.taken, uptime());
                }
            }
            Condition::Doubtful => drop(connection),
            // Out of the pool at once, and closed: the driver would first ask a database that may not answer.
            Condition::Spoiled => drop(connection.detach()),
        }
    }
}

pub(crate) async fn acquired<E: Engine>(pool: &Pool<E>) -> Result<PoolConnection<E>, Failure> {
    match pool.acquire().await {
        Ok(connection) => Ok(connection),
        Err(error @ sqlx::Error::PoolTimedOut) => Err(why_not(pool, error).await),
        Err(error) => Err(Failure::of(error, E::class)),
    }
}

/// What stands behind a wait in vain for a connection. The pool tries again while the database refuses, as it does
/// while it starts, and keeps the reason to itself; so one connection is tried directly, unless all are in use.
async fn why_not<E: Engine>(pool: &Pool<E>, timed_out: sqlx::Error) -> Failure {
    if pool.size() >= pool.options().get_max_connections() {
        return Failure::Unavailable(timed_out);
    }
    let options = pool.connect_options();
    match tokio::time::timeout(DIAGNOSIS, options.connect()).await {
        Ok(Err(reason)) => Failure::Unavailable(reason),
        Ok(Ok(connection)) => {
            // not the database's fault any more; a connection that is not closed in order does no harm
            let _closed = tokio::time::timeout(DIAGNOSIS, connection.close()).await;
            Failure::Unavailable(timed_out)
        }
        Err(_) => Failure::Unavailable(timed_out),
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Sqlite;
    use sqlx::pool::PoolOptions;
    use sqlx::sqlite::SqliteConnectOptions;

    use super::*;

    fn lender() -> Lender<Sqlite> {
        let options = SqliteConnectOptions::new().in_memory(true);
        Lender::new(PoolOptions::new().max_connections(2).connect_lazy_with(options))
    }

    async fn lent(lender: &Lender<Sqlite>) -> Lent<Sqlite> {
        lender.lent(lender.turn().await.unwrap(), false, None).await.unwrap()
    }

    /// Waits until what was given back has come to the pool.
    async fn in_the_pool(lender: &Lender<Sqlite>, connections: usize) {
        while lender.pool.num_idle() != connections {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_comes_back_is_lent_again_without_the_pool() {
        let lender = lender();
        let mut first = lent(&lender).await;
        first.session(None).unwrap().run("CREATE TEMP TABLE mine (a)").await.unwrap();
        let second = lent(&lender).await;
        drop(first);
        let mut again = lent(&lender).await;
        again.session(None).unwrap().run("SELECT * FROM mine").await.unwrap();
        drop((second, again));
        assert_eq!((lender.pool.size(), lender.pool.num_idle(), lender.kept.lock().idle.len()), (2, 0, 2));
    }

    #[tokio::test]
    async fn what_is_lent_or_waited_for_is_in_use_and_what_lies_at_hand_is_not() {
        let lender = lender();
        assert_eq!(lender.in_use(), (0, 2));
        let (first, turn) = (lent(&lender).await, lender.turn().await.unwrap());
        assert_eq!(lender.in_use(), (2, 2));
        drop((first, turn));
        assert_eq!((lender.in_use(), lender.kept.lock().idle.len()), ((0, 2), 1));
    }

    #[tokio::test]
    async fn what_something_failed_on_is_asked_by_the_pool_and_what_is_spoiled_is_gone() {
        let lender = lender();
        let mut failed = lent(&lender).await;
        failed.session(None).unwrap().run("SELECT * FROM nothing").await.unwrap_err();
        failed.session(None).unwrap().run("SELECT 1").await.unwrap();
        drop(failed);
        in_the_pool(&lender, 1).await;
        assert!(lender.kept.lock().idle.is_empty());
        drop(lent(&lender).await.throw_away());
        assert_eq!((lender.pool.size(), lender.kept.lock().idle.len()), (0, 0));
    }

    #[tokio::test]
    async fn what_lay_for_a_minute_or_was_out_for_one_goes_to_the_pool() {
        let lender = lender();
        drop(lent(&lender).await);
        let since = lender.kept.lock().idle[0].since;
        assert!(lender.kept.sweep(since + KEPT - Duration::from_nanos(1)), "it is looked after");
        assert_eq!(lender.pool.num_idle(), 0);
        assert!(!lender.kept.sweep(since + KEPT), "nothing is left");
        in_the_pool(&lender, 1).await;
        for (age, kept) in [(KEPT - Duration::from_nanos(1), 1), (KEPT, 0)] {
            let connection = acquired(&lender.pool).await.unwrap();
            lender.kept.clone().keep(connection, since, since + age);
            assert_eq!(lender.kept.lock().idle.len(), kept);
            lender.pool();
            in_the_pool(&lender, 1).await;
        }
    }

    #[tokio::test]
    async fn what_is_kept_or_comes_back_late_is_closed_with_the_pool() {
        let lender = lender();
        let (kept, late) = (lent(&lender).await, lent(&lender).await);
        drop(kept);
        let closing = lender.clone();
        let closed = tokio::spawn(async move { closing.close().await });
        while !lender.kept.lock().is_closed {
            tokio::task::yield_now().await;
        }
        assert!(!closed.is_finished());
        drop(late);
        closed.await.unwrap();
        assert_eq!((lender.pool.size(), lender.kept.lock().idle.len()), (0, 0));
    }

    #[test]
    fn what_is_kept_needs_no_runtime_to_end() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (lender, late) = runtime.block_on(async {
            let lender = lender();
            let (kept, late) = (lent(&lender).await, lent(&lender).await);
            drop(kept);
            (lender, late)
        });
        drop(runtime);
        drop(late);
        drop(lender);
    }
}
