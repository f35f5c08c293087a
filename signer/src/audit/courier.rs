//! The one thread that goes to the second place. A mount that hangs holds up this thread, and nobody who asks it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::head::Head;
use super::second::SecondPlaceError;

/// How long the second place may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// Where heads are kept beside the key database. Its calls may take as long as they like.
pub(super) trait Place: Send + 'static {
    /// Appends a head; durable on return.
    fn append(&self, head: &Head) -> Result<(), SecondPlaceError>;

    /// The last head that is there.
    fn last(&self) -> Result<Option<Head>, SecondPlaceError>;
}

/// Who is asked to go there, one errand at a time. A thread that never comes back does not keep the process from ending.
pub(super) struct Courier {
    errands: mpsc::Sender<Errand>,
    patience: Duration,
    /// Held by the errand that is under way.
    free: Arc<Semaphore>,
    /// Whether that one is late already.
    is_late: Arc<AtomicBool>,
}

type Errand = Box<dyn FnOnce(&dyn Place) + Send>;

impl Courier {
    /// Starts the thread; it ends when this value is gone and the place answers.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn start(place: impl Place, patience: Duration) -> io::Result<Self> {
        let (errands, mut queue) = mpsc::channel::<Errand>(1);
        std::thread::Builder::new().name("audit-second".to_owned()).spawn(move || {
            while let Some(errand) = queue.blocking_recv() {
                errand(&place);
            }
        })?;
        Ok(Self { errands, patience, free: Arc::new(Semaphore::new(1)), is_late: Arc::default() })
    }

    /// Appends a head. After [`SecondPlaceError::Late`] it may still get there.
    pub(super) async fn append(&self, head: Head) -> Result<(), SecondPlaceError> {
        self.ask(move |place| place.append(&head)).await
    }

    /// The last head that is there.
    pub(super) async fn last(&self) -> Result<Option<Head>, SecondPlaceError> {
        self.ask(|place| place.last()).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        errand: impl FnOnce(&dyn Place) -> Result<T, SecondPlaceError> + Send + 'static,
    ) -> Result<T, SecondPlaceError> {
        let is_under_way = self.free.available_permits() == 0;
        // an errand that is late has been waited for; heads go on to the database at their usual pace
        let patience = if is_under_way && self.is_late() { Duration::ZERO } else { self.patience };
        let asking = async {
            let gone = |_| SecondPlaceError::Gone;
            let permit = Arc::clone(&self.free).acquire_owned().await.map_err(|_| SecondPlaceError::Gone)?;
            self.is_late.store(false, Ordering::Relaxed);
            let (answer, answered) = oneshot::channel();
            let errand: Errand = Box::new(move |place| {
                let result = errand(place);
                drop(permit);
                // an error means that nobody waits any more
                let _ = answer.send(result);
            });
            self.errands.send(errand).await.map_err(|_| SecondPlaceError::Gone)?;
            answered.await.map_err(gone)?
        };
        timeout(patience, asking).await.unwrap_or_else(|_| {
            self.is_late.store(true, Ordering::Relaxed);
            Err(SecondPlaceError::Late { seconds: self.patience.as_secs() })
        })
    }

    fn is_late(&self) -> bool {
        self.is_late.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;
    use crate::audit::second::tests::heads;

    /// Answers each question when it is told to, and never once nobody is left who could tell it.
    pub(in crate::audit) struct Hanging {
        told: Mutex<Receiver<()>>,
        appended: Sender<Head>,
    }

    /// What tells it, and what it appended.
    pub(in crate::audit) fn hanging() -> (Hanging, Sender<()>, Receiver<Head>) {
        let ((tell, told), (appended, arrived)) = (channel(), channel());
        (Hanging { told: Mutex::new(told), appended }, tell, arrived)
    }

    impl Place for Hanging {
        fn append(&self, head: &Head) -> Result<(), SecondPlaceError> {
            self.told.lock().unwrap().recv().map_err(|_| SecondPlaceError::Gone)?;
            self.appended.send(head.clone()).map_err(|_| SecondPlaceError::Gone)
        }
        fn last(&self) -> Result<Option<Head>, SecondPlaceError> {
            self.told.lock().unwrap().recv().map(|()| None).map_err(|_| SecondPlaceError::Gone)
        }
    }

    /// A place that never answers is given up after this, so that it may be short.
    pub(in crate::audit) const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn a_place_that_hangs_is_late_and_is_asked_again_when_it_has_answered() {
        let (place, tell, arrived) = hanging();
        let courier = Courier::start(place, SHORT).unwrap();
        let heads = heads(2);
        assert!(matches!(courier.last().await, Err(SecondPlaceError::Late { .. })));
        // not waited for again: nothing is handed in behind what is under way
        for _ in 0..3 {
            assert!(matches!(courier.append(heads[0].clone()).await, Err(SecondPlaceError::Late { .. })));
        }
        (0..2).for_each(|_| tell.send(()).unwrap());
        drop(courier.free.acquire().await.unwrap());
        let patient = Courier { patience: Duration::from_secs(60), ..courier };
        patient.append(heads[1].clone()).await.unwrap();
        assert_eq!(arrived.try_iter().collect::<Vec<_>>(), heads[1..]);
    }

    #[tokio::test]
    async fn what_is_under_way_is_waited_for_unless_it_is_late() {
        let (place, tell, arrived) = hanging();
        let courier = Courier::start(place, Duration::from_secs(60)).unwrap();
        let heads = heads(2);
        let tell_both = async { (0..2).for_each(|_| tell.send(()).unwrap()) };
        let (first, second, ()) =
            tokio::join!(courier.append(heads[0].clone()), courier.append(heads[1].clone()), tell_both);
        assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
        assert_eq!(arrived.try_iter().collect::<Vec<_>>(), heads);
    }

    #[tokio::test]
    async fn a_thread_that_has_ended_is_told_of() {
        struct Panics;
        impl Place for Panics {
            fn append(&self, _: &Head) -> Result<(), SecondPlaceError> {
                panic!("on purpose")
            }
            fn last(&self) -> Result<Option<Head>, SecondPlaceError> {
                Ok(None)
            }
        }
        let courier = Courier::start(Panics, Duration::from_secs(60)).unwrap();
        assert_eq!(courier.last().await.unwrap(), None);
        for head in heads(2) {
            assert!(matches!(courier.append(head).await, Err(SecondPlaceError::Gone)));
        }
    }
}
