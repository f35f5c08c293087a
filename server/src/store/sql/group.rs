//! Group commit: updates that are ready at the same time share one wait for the disk.
//!
//! While one transaction waits for the disk the next updates queue; they then go into one transaction together. What
//! cannot be written [at once](super::at_once) is written behind a savepoint of its own, so that a conflict of one takes
//! nothing from the others. Nobody is answered before
//! the transaction that holds the update is on the disk.

use std::sync::Arc;

use bulla_database::{Database, Engine, Failure, Session, Transaction};
use tokio::sync::{mpsc, oneshot};

use super::at_once::AtOnce;
use super::statements::Statements;
use super::write::write_update;
use super::{SharedFailure, unavailable};
use crate::clock::Clock;
use crate::publish::ValidatedUpdate;
use crate::store::StoreError;

/// The most updates that share a transaction; more wait for the next.
const MAX_GROUP: usize = 64;

/// The queue to the one writer.
pub(super) struct GroupCommit {
    queue: mpsc::Sender<Job>,
}

struct Job {
    update: ValidatedUpdate,
    done: oneshot::Sender<Result<(), StoreError>>,
}

impl GroupCommit {
    /// Starts the writer, which ends when this value is dropped.
    pub(super) fn start<E: Engine>(
        database: Database<E>,
        statements: Arc<Statements<E>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (queue, jobs) = mpsc::channel(MAX_GROUP);
        tokio::spawn(write_groups(database, statements, clock, jobs));
        Self { queue }
    }

    /// Whether the writer is still there.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if self.queue.is_closed() { Err(ended()) } else { Ok(()) }
    }

    /// Stores `update` and returns when it is on the disk.
    pub(super) async fn commit(&self, update: &ValidatedUpdate) -> Result<(), StoreError> {
        let (done, answer) = oneshot::channel();
        let job = Job { update: update.clone(), done };
        self.queue.send(job).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

fn ended() -> StoreError {
    unavailable("the writer of the database has ended")
}

async fn write_groups<E: Engine>(
    database: Database<E>,
    statements: Arc<Statements<E>>,
    clock: Arc<dyn Clock>,
    mut jobs: mpsc::Receiver<Job>,
) {
    let mut group = Vec::with_capacity(MAX_GROUP);
    while jobs.recv_many(&mut group, MAX_GROUP).await > 0 {
        match write_group(&database, &statements, &*clock, &group).await {
            Ok(outcomes) => {
                for (job, outcome) in group.drain(..).zip(outcomes) {
                    // A publisher who went away is told nothing; the update stands.
                    let _ = job.done.send(outcome);
                }
            }
            Err(error) => {
                let shared = Arc::new(error);
                for job in group.drain(..) {
                    let _ = job.done.send(Err(unavailable(SharedFailure(shared.clone()))));
                }
            }
        }
    }
}

/// Writes a group in one transaction; an outcome for each of its updates, or one error for all of them.
async fn write_group<E: Engine>(
    database: &Database<E>,
    statements: &Statements<E>,
    clock: &dyn Clock,
    group: &[Job],
) -> Result<Vec<Result<(), StoreError>>, Failure> {
    let mut transaction = database.begin().await?;
    let mut written = Vec::with_capacity(group.len());
    for job in group {
        if let Ok(is_written) = write_at_once(&mut transaction.session()?, &job.update, clock).await {
            written.push(is_written);
        } else {
            // Parts of it may be written.
            transaction.rollback().await?;
            transaction = database.begin().await?;
            written = vec![false; group.len()];
            break;
        }
    }
    if let ([job], [false]) = (group, &*written) {
        let outcome = write_update(&mut transaction.session()?, statements, &job.update, clock.now()).await;
        match outcome {
            Ok(()) => transaction.commit().await?,
            Err(_) => transaction.rollback().await?,
        }
        return Ok(vec![outcome]);
    }
    let mut outcomes = Vec::with_capacity(group.len());
    for (job, is_written) in group.iter().zip(written) {
        outcomes.push(match is_written {
            true => Ok(()),
            false => write_behind_savepoint(&mut transaction, statements, &job.update, clock).await?,
        });
    }
    transaction.commit().await?;
    Ok(outcomes)
}

/// Whether the update could be written in one go. After an error the transaction is to be taken back.
async fn write_at_once<E: Engine>(
    session: &mut Session<'_, E>,
    update: &ValidatedUpdate,
    clock: &dyn Clock,
) -> Result<bool, Failure> {
    let Some(at_once) = AtOnce::of::<E>(update, clock.now()) else { return Ok(false) };
    Ok(session.execute(&at_once.statement(), &at_once.values()).await? > 0)
}

async fn write_behind_savepoint<E: Engine>(
    transaction: &mut Transaction<E>,
    statements: &Statements<E>,
    update: &ValidatedUpdate,
    clock: &dyn Clock,
) -> Result<Result<(), StoreError>, Failure> {
    let mut session = transaction.session()?;
    session.run("SAVEPOINT one").await?;
    let outcome = write_update(&mut session, statements, update, clock.now()).await;
    if outcome.is_err() {
        session.run("ROLLBACK TO one").await?;
    }
    session.run("RELEASE one").await?;
    Ok(outcome)
}
