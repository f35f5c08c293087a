//! What became of the uploads that were judged.

use super::label::{Counters, Label};
use super::page::Page;
use crate::publish::PublishError;

/// Uploads by what became of them.
#[derive(Debug)]
pub(crate) struct Publishes(Counters<Outcome>);

/// An upload that is being judged. It is counted when that ends, however it ends.
#[derive(Debug)]
pub(crate) struct Judged<'a> {
    counters: &'a Counters<Outcome>,
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It is stored.
    Accepted,
    /// It breaks a rule.
    Refused,
    /// Something as new was stored before it came.
    Conflict,
    /// Others published each time that it was prepared.
    Overtaken,
    /// Signer or database failed, or nobody waited for the end.
    Failed,
}

impl Publishes {
    pub(super) fn new() -> Self {
        Self(Counters::new())
    }

    pub(crate) fn begun(&self) -> Judged<'_> {
        Judged { counters: &self.0, outcome: Outcome::Failed }
    }

    pub(super) fn write(&self, page: &mut Page) {
        self.0.write(page, "bulla_publishes_total", "Uploads that were judged, by what became of them.");
    }
}

impl Judged<'_> {
    pub(crate) fn ended(mut self, published: &Result<(), PublishError>) {
        self.outcome = Outcome::of(published);
    }
}

impl Drop for Judged<'_> {
    fn drop(&mut self) {
        self.counters.count(self.outcome);
    }
}

impl Outcome {
    fn of(published: &Result<(), PublishError>) -> Self {
        match published {
            Ok(()) => Self::Accepted,
            Err(
                PublishError::MalformedJson { .. }
                | PublishError::BadRoot(_)
                | PublishError::BadTargets(_)
                | PublishError::BadSnapshot(_)
                | PublishError::BadHierarchy { .. }
                | PublishError::Validation(_)
                | PublishError::DoesNotFit { .. },
            ) => Self::Refused,
            Err(PublishError::VersionConflict { .. }) => Self::Conflict,
            Err(PublishError::Overtaken { .. }) => Self::Overtaken,
            Err(PublishError::Signer(_) | PublishError::Store(_) | PublishError::Unwritable(_)) => Self::Failed,
        }
    }
}

impl Label for Outcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[Self::Accepted, Self::Refused, Self::Conflict, Self::Overtaken, Self::Failed];

    fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Conflict => "conflict",
            Self::Overtaken => "overtaken",
            Self::Failed => "failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use tuf_schema::Role;

    use super::*;
    use crate::publish::Violation;
    use crate::store::StoreError;

    #[test]
    fn an_upload_is_counted_once_by_what_became_of_it() {
        let publishes = Publishes::new();
        let role = Role::Targets;
        let unavailable = StoreError::Unavailable("no connection".into());
        for published in [
            Ok(()),
            Ok(()),
            Err(PublishError::Validation(Violation::NoRoot)),
            Err(PublishError::VersionConflict { role: role.clone(), current: None }),
            Err(PublishError::Overtaken { role, current: None }),
            Err(PublishError::Store(unavailable)),
        ] {
            publishes.begun().ended(&published);
        }
        // Whoever sent it hung up.
        drop(publishes.begun());
        let mut page = Page::default();
        publishes.write(&mut page);
        let expected = "\
# HELP bulla_publishes_total Uploads that were judged, by what became of them.
# TYPE bulla_publishes_total counter
bulla_publishes_total{outcome=\"accepted\"} 2
bulla_publishes_total{outcome=\"refused\"} 1
bulla_publishes_total{outcome=\"conflict\"} 1
bulla_publishes_total{outcome=\"overtaken\"} 1
bulla_publishes_total{outcome=\"failed\"} 2
";
        assert_eq!(page.finish(), expected);
    }
}
