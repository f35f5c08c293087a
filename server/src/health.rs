//! Whether what a server stands on answers: its database and its signer.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use futures_util::future::OptionFuture;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::signer::RoleSigner;
use crate::store::MetadataStore;

/// How long an answer is repeated.
const FRESH: Duration = Duration::from_secs(1);
/// How long a check may take; both are made at the same time.
const LONGEST: Duration = Duration::from_secs(3);

/// What a server stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Nothing is served without it.
    Database,
    /// Nothing is published without it; reads go on.
    Signer,
}

/// How a condition was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) condition: Condition,
    /// What is amiss; `None` if nothing is.
    pub(crate) amiss: Option<String>,
}

/// The checks of a server, and what they said last: anybody may ask, so a flood of questions must not become one at
/// database and signer.
#[derive(Debug)]
pub(crate) struct Health {
    /// Whether the store can fail by itself; memory cannot.
    checks_store: bool,
    /// Whether the signer can; keys in memory cannot.
    checks_signer: bool,
    last: Mutex<Option<Looked>>,
}

#[derive(Debug)]
struct Looked {
    /// The clock's uptime when the answer was there: who waited for it meanwhile takes it, too.
    at: Duration,
    standings: Vec<Standing>,
}

impl Condition {
    /// Its name in lines for operators and in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Signer => "signer",
        }
    }

    /// The reference's name of its check.
    pub(crate) fn check_name(self) -> &'static str {
        match self {
            Self::Database => "DB operational",
            Self::Signer => "Trust operational",
        }
    }

    /// Whether reads need it.
    pub(crate) fn is_needed_to_read(self) -> bool {
        match self {
            Self::Database => true,
            Self::Signer => false,
        }
    }
}

/// One line for an operator, in the form of the signer's.
impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let needed = if self.condition.is_needed_to_read() { "to read and to publish" } else { "to publish" };
        let amiss = self.amiss.as_deref().unwrap_or("ok");
        write!(f, "{} ({needed}): {amiss}", self.condition.as_str())
    }
}

impl Health {
    pub(crate) fn new(checks_store: bool, checks_signer: bool) -> Self {
        Self { checks_store, checks_signer, last: Mutex::new(None) }
    }

    /// How each condition stands that can fail, or stood a moment ago.
    pub(crate) async fn look(
        &self,
        store: &dyn MetadataStore,
        signer: &dyn RoleSigner,
        clock: &dyn Clock,
    ) -> Vec<Standing> {
        let mut last = self.last.lock().await;
        if let Some(looked) = &*last
            && clock.uptime().saturating_sub(looked.at) < FRESH
        {
            return looked.standings.clone();
        }
        let store = self.checks_store.then(|| store.check());
        let signer = self.checks_signer.then(|| signer.check());
        let standings = standings(store, signer).await;
        *last = Some(Looked { at: clock.uptime(), standings: standings.clone() });
        standings
    }
}

/// Makes the checks at the same time, as a load balancer waits for both.
async fn standings<S: Error + 'static, T: Error + 'static>(
    store: Option<impl Future<Output = Result<(), S>>>,
    signer: Option<impl Future<Output = Result<(), T>>>,
) -> Vec<Standing> {
    let store = OptionFuture::from(store.map(|check| standing(Condition::Database, check)));
    let signer = OptionFuture::from(signer.map(|check| standing(Condition::Signer, check)));
    let (store, signer) = tokio::join!(store, signer);
    store.into_iter().chain(signer).collect()
}

/// The words of a check that fails, or is not done in time. The log gets all that led to it, who asks does not.
async fn standing<E: Error + 'static>(condition: Condition, check: impl Future<Output = Result<(), E>>) -> Standing {
    let name = condition.check_name();
    let amiss = match timeout(LONGEST, check).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => {
            let reason: &(dyn Error + 'static) = &error;
            tracing::error!(operation = "Health", check = name, reason, "not healthy");
            Some(error.to_string())
        }
        Err(_) => {
            let reason = "no answer in time";
            tracing::error!(operation = "Health", check = name, reason, "not healthy");
            Some(reason.to_owned())
        }
    };
    Standing { condition, amiss }
}

#[cfg(test)]
mod tests {
    use std::fmt::Error as Broken;

    use tokio::sync::Barrier;

    use super::*;

    #[tokio::test]
    async fn both_checks_are_under_way_at_the_same_time() {
        let both = Barrier::new(2);
        let check = async || {
            both.wait().await;
            Ok::<(), Broken>(())
        };
        let found = standings(Some(check()), Some(check())).await;
        assert!(found.iter().all(|standing| standing.amiss.is_none()), "{found:?}");
    }

    #[tokio::test]
    async fn each_check_that_fails_is_named_and_none_stands_for_the_other() {
        let fails = async || Err::<(), Broken>(Broken);
        let works = async || Ok::<(), Broken>(());
        let lines = |found: Vec<Standing>| found.iter().map(ToString::to_string).collect::<Vec<_>>();
        let database = "database (to read and to publish)";
        assert_eq!(
            lines(standings(Some(fails()), Some(works())).await),
            [format!("{database}: {Broken}"), "signer (to publish): ok".to_owned()]
        );
        assert_eq!(
            lines(standings(Some(works()), Some(fails())).await),
            [format!("{database}: ok"), format!("signer (to publish): {Broken}")]
        );
        assert_eq!(
            lines(standings(Some(fails()), Some(fails())).await),
            [format!("{database}: {Broken}"), format!("signer (to publish): {Broken}")]
        );
    }
}
