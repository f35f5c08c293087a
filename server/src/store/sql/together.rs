//! Questions that come while the database answers others are asked together, in one statement.
//!
//! What many clients ask for at a time is mostly the newest timestamp of some repository: a way to the database and back
//! for each costs more than the answers. Nobody waits for company: a question that finds no statement on its way is asked
//! at once. And nobody gets an older answer by it: each question is answered by a statement that began after it came.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bulla_database::{Database, Engine, EngineName, Failure, Row, Statement, Value};
use tokio::sync::oneshot;

use super::words::all_of;
use super::{SharedFailure, unavailable};
use crate::store::StoreError;

/// The most different questions of one statement.
const MAX_QUESTIONS: usize = 16;

/// A question about one row.
pub(super) trait Question: PartialEq + Send + Sync + 'static {
    /// What the row says.
    type Answer: Send + 'static;

    /// How many parameters it has.
    const PARAMETERS: usize;

    /// The statement, the parameters from place `first` on. `number` is selected as the first column.
    fn statement<E: Engine>(number: usize, first: usize) -> String;

    /// The parameters.
    fn values(&self) -> impl Iterator<Item = Value<'_>>;

    /// Reads the columns behind the first.
    fn answer(row: Row) -> Result<Self::Answer, StoreError>;
}

/// Asks questions of one kind.
pub(super) struct Together<E: Engine, Q: Question>(Arc<Shared<E, Q>>);

struct Shared<E: Engine, Q: Question> {
    database: Database<E>,
    /// For 1, 2, 3 ... [`MAX_QUESTIONS`] questions.
    statements: Vec<Statement<E>>,
    queue: Mutex<Queue<Q>>,
}

struct Queue<Q: Question> {
    waiting: VecDeque<Asked<Q>>,
    /// How many statements are on their way.
    on_their_way: usize,
}

type Outcome<Q> = Result<Option<<Q as Question>::Answer>, StoreError>;

/// A question and who waits for its answer.
struct Asked<Q: Question> {
    question: Q,
    asker: oneshot::Sender<Outcome<Q>>,
}

/// One question and all who asked it.
struct Group<Q: Question> {
    question: Q,
    askers: Vec<oneshot::Sender<Outcome<Q>>>,
}

impl<E: Engine, Q: Question> Together<E, Q> {
    pub(super) fn new(database: Database<E>) -> Self {
        let statements = (1..=MAX_QUESTIONS).map(|count| Statement::new(&statement::<E, Q>(count))).collect();
        let queue = Mutex::new(Queue { waiting: VecDeque::new(), on_their_way: 0 });
        Self(Arc::new(Shared { database, statements, queue }))
    }

    /// The answer; `None` when there is no such row.
    ///
    /// # Errors
    /// [`StoreError`], the same for all who were asked for together when the statement fails.
    pub(super) async fn ask(&self, question: Q) -> Outcome<Q> {
        let (asker, answer) = oneshot::channel();
        if self.0.is_to_be_sent(Asked { question, asker }) {
            // on its own: who asked first may go away, and the others not
            tokio::spawn(Arc::clone(&self.0).send());
        }
        answer.await.unwrap_or_else(|_| Err(unavailable("the server is stopping")))
    }
}

/// A place among the statements on their way, given back also when one comes to a bad end.
struct Place<'a, E: Engine, Q: Question> {
    shared: &'a Shared<E, Q>,
    is_given_back: bool,
}

impl<E: Engine, Q: Question> Drop for Place<'_, E, Q> {
    fn drop(&mut self) {
        if !self.is_given_back {
            self.shared.queue().give_back();
        }
    }
}

impl<Q: Question> Queue<Q> {
    fn give_back(&mut self) {
        self.on_their_way = self.on_their_way.saturating_sub(1);
    }
}

impl<E: Engine, Q: Question> Shared<E, Q> {
    /// How many statements are on their way at once. A file is at hand, and one thread reads it; to a server the next
    /// one goes while the first is answered.
    const MOST: usize = match E::ENGINE {
        EngineName::Sqlite => 1,
        EngineName::Postgres | EngineName::MySql => 2,
    };

    fn queue(&self) -> MutexGuard<'_, Queue<Q>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a question, and says whether somebody must begin to send.
    fn is_to_be_sent(&self, asked: Asked<Q>) -> bool {
        let mut queue = self.queue();
        queue.waiting.push_back(asked);
        let is_free = queue.on_their_way < Self::MOST;
        queue.on_their_way = queue.on_their_way.saturating_add(usize::from(is_free));
        is_free
    }

    /// Sends statements until no question waits.
    async fn send(self: Arc<Self>) {
        let mut place = Place { shared: &self, is_given_back: false };
        while let Some(groups) = self.next(&mut place) {
            self.answer(groups).await;
        }
    }

    /// What is asked next. When nothing is, the place is given back in the same breath: who comes then finds it free.
    fn next(&self, place: &mut Place<'_, E, Q>) -> Option<Vec<Group<Q>>> {
        let mut queue = self.queue();
        let groups = taken(&mut queue.waiting);
        if groups.is_empty() {
            queue.give_back();
            place.is_given_back = true;
            return None;
        }
        Some(groups)
    }

    async fn answer(&self, groups: Vec<Group<Q>>) {
        match self.rows(&groups).await {
            Ok(mut rows) => {
                for (group, row) in groups.into_iter().zip(&mut rows) {
                    group.tell(row.take());
                }
            }
            // One that the tables cannot hold is not there, and takes nothing from the others.
            Err(Failure::DoesNotFit(_)) if groups.len() > 1 => {
                for group in groups {
                    Box::pin(self.answer(vec![group])).await;
                }
            }
            Err(Failure::DoesNotFit(_)) => groups.into_iter().for_each(|group| group.tell(None)),
            Err(failure) => {
                let failure = Arc::new(failure);
                let askers = groups.into_iter().flat_map(|group| group.askers);
                for asker in askers {
                    let _gone = asker.send(Err(unavailable(SharedFailure(Arc::clone(&failure)))));
                }
            }
        }
    }

    /// The row of each question, in their order.
    async fn rows(&self, groups: &[Group<Q>]) -> Result<Vec<Option<Row>>, Failure> {
        let mut found: Vec<Option<Row>> = groups.iter().map(|_| None).collect();
        let Some(statement) = self.statements.get(groups.len().saturating_sub(1)) else { return Ok(found) };
        let values: Vec<Value<'_>> = groups.iter().flat_map(|group| group.question.values()).collect();
        for row in self.database.fetch(statement, &values).await? {
            let place = row.number(0)?.and_then(|number| usize::try_from(number).ok());
            if let Some(place) = place.and_then(|place| found.get_mut(place)) {
                *place = Some(row);
            }
        }
        Ok(found)
    }
}

impl<Q: Question> Group<Q> {
    fn tell(self, row: Option<Row>) {
        let mut row = row;
        let mut askers = self.askers.into_iter().peekable();
        while let Some(asker) = askers.next() {
            let row = if askers.peek().is_some() { row.clone() } else { row.take() };
            // who went away is told nothing
            let _gone = asker.send(row.map(Q::answer).transpose());
        }
    }
}

fn statement<E: Engine, Q: Question>(count: usize) -> String {
    let parts: Vec<String> = (0..count).map(|number| Q::statement::<E>(number, number * Q::PARAMETERS + 1)).collect();
    all_of::<E>(&parts)
}

/// Takes what goes into one statement; whose asker went away is left out.
fn taken<Q: Question>(waiting: &mut VecDeque<Asked<Q>>) -> Vec<Group<Q>> {
    let mut groups: Vec<Group<Q>> = Vec::new();
    while let Some(Asked { question, asker }) = waiting.pop_front() {
        if asker.is_closed() {
            continue;
        }
        if let Some(group) = groups.iter_mut().find(|group| group.question == question) {
            group.askers.push(asker);
        } else if groups.len() < MAX_QUESTIONS {
            groups.push(Group { question, askers: vec![asker] });
        } else {
            waiting.push_front(Asked { question, asker });
            break;
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Number(usize);

    impl Question for Number {
        type Answer = i64;

        const PARAMETERS: usize = 1;

        fn statement<E: Engine>(number: usize, first: usize) -> String {
            format!("SELECT {number} AS number, length(${first}) AS length WHERE ${first} <> 'none'")
        }

        fn values(&self) -> impl Iterator<Item = Value<'_>> {
            std::iter::once(Value::Text(if self.0 == 0 { "none" } else { "xxxxxxxxxxxxxxxxxxxx".split_at(self.0).0 }))
        }

        fn answer(row: Row) -> Result<i64, StoreError> {
            super::super::rows::number(&row, 1)
        }
    }

    type Waiting = (VecDeque<Asked<Number>>, Vec<oneshot::Receiver<Outcome<Number>>>);

    fn waiting(numbers: impl IntoIterator<Item = usize>) -> Waiting {
        let asked = |number| {
            let (asker, answer) = oneshot::channel();
            (Asked { question: Number(number), asker }, answer)
        };
        numbers.into_iter().map(asked).unzip()
    }

    fn sizes(groups: &[Group<Number>]) -> Vec<(usize, usize)> {
        groups.iter().map(|group| (group.question.0, group.askers.len())).collect()
    }

    async fn database() -> (tempfile::TempDir, Database<bulla_database::Sqlite>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("together.db");
        std::fs::write(&path, "").unwrap();
        let database = Database::sqlite(&path, 1).await.unwrap();
        (directory, database)
    }

    #[test]
    fn the_same_question_is_asked_once_and_answers_all_who_asked() {
        let (mut queue, _answers) = waiting([3, 5, 3, 3]);
        assert_eq!(sizes(&taken(&mut queue)), [(3, 3), (5, 1)]);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_statement_asks_sixteen_questions_and_leaves_the_seventeenth_for_the_next() {
        let (mut queue, _answers) = waiting((1..=MAX_QUESTIONS).chain([1]));
        assert_eq!(taken(&mut queue).len(), MAX_QUESTIONS);
        assert!(queue.is_empty());
        let (mut queue, _answers) = waiting(1..=MAX_QUESTIONS + 1);
        assert_eq!(taken(&mut queue).len(), MAX_QUESTIONS);
        assert_eq!(sizes(&taken(&mut queue)), [(MAX_QUESTIONS + 1, 1)]);
    }

    #[test]
    fn a_question_whose_asker_went_away_is_not_asked() {
        let (mut queue, mut answers) = waiting([1, 2]);
        drop(answers.remove(0));
        assert_eq!(sizes(&taken(&mut queue)), [(2, 1)]);
    }

    #[tokio::test]
    async fn everybody_gets_the_answer_to_his_own_question() {
        let (_directory, database) = database().await;
        let together = Together::<_, Number>::new(database);
        // each question twice, of which the last of a group gets the row itself; 0 has no row
        let questions = (0..=MAX_QUESTIONS + 1).chain(0..=MAX_QUESTIONS + 1);
        let asked = questions.map(|number| {
            let together = &together;
            async move { (number, together.ask(Number(number)).await.unwrap()) }
        });
        for (number, answer) in futures_util::future::join_all(asked).await {
            assert_eq!(answer, (number > 0).then(|| i64::try_from(number).unwrap()));
        }
        assert_eq!(together.0.queue().on_their_way, 0);
    }

    #[tokio::test]
    async fn a_failure_is_told_to_everybody_and_the_next_question_is_asked_all_the_same() {
        let (_directory, database) = database().await;
        let together = Together::<_, Number>::new(database.clone());
        database.close().await;
        for _ in 0..2 {
            let (one, other) = tokio::join!(together.ask(Number(1)), together.ask(Number(2)));
            assert!(matches!(one, Err(StoreError::Unavailable(_))), "{one:?}");
            assert!(matches!(other, Err(StoreError::Unavailable(_))), "{other:?}");
        }
        assert_eq!(together.0.queue().on_their_way, 0);
    }

    #[tokio::test]
    async fn who_goes_away_takes_the_answer_from_nobody() {
        let (_directory, database) = database().await;
        let together = Together::<_, Number>::new(database);
        let mut first = Box::pin(together.ask(Number(1)));
        // begins to send, and goes
        assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let second = together.ask(Number(2));
        drop(first);
        assert_eq!(second.await.unwrap(), Some(2));
    }
}
