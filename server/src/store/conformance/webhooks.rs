//! How far webhooks have got, and who delivers for them.

use super::subject::Subject;
use super::{commit, file, gun};
use crate::clock::Clock as _;
use crate::webhooks::WebhookName;

on_every_store!(
    a_webhook_begins_behind_the_newest_record_and_keeps_its_place,
    a_webhook_is_of_one_holder_until_its_time_runs_out,
    only_the_holder_moves_a_webhook_on_and_only_from_where_it_is,
);

fn name() -> WebhookName {
    WebhookName::parse("builds").unwrap()
}

async fn take(subject: &Subject, holder: &str) -> Option<i64> {
    subject.store.take_webhook(&name(), holder, subject.clock.now(), 30).await.unwrap()
}

async fn a_webhook_begins_behind_the_newest_record_and_keeps_its_place(subject: Subject) {
    assert_eq!(take(&subject, "one").await, None, "not known yet");
    let (other, empty) = (WebhookName::parse("mirror").unwrap(), subject.clock.now());
    subject.store.begin_webhook(&other).await.unwrap();
    assert_eq!(subject.store.take_webhook(&other, "one", empty, 30).await.unwrap(), Some(0));
    commit(&subject, "g", 1, vec![file("targets", 1)]).await;
    subject.store.delete(&gun("g")).await.unwrap();
    subject.store.begin_webhook(&name()).await.unwrap();
    let place = take(&subject, "one").await.unwrap();
    assert!(place >= 2, "{place}");
    commit(&subject, "h", 1, vec![file("targets", 1)]).await;
    subject.store.begin_webhook(&name()).await.unwrap();
    assert_eq!(take(&subject, "one").await, Some(place));
}

async fn a_webhook_is_of_one_holder_until_its_time_runs_out(subject: Subject) {
    subject.store.begin_webhook(&name()).await.unwrap();
    assert_eq!(take(&subject, "one").await, Some(0));
    subject.clock.advance_seconds(29);
    assert_eq!(take(&subject, "two").await, None);
    subject.clock.advance_seconds(1);
    assert_eq!(take(&subject, "two").await, Some(0));
    assert_eq!(take(&subject, "one").await, None);
    // What is not his he does not give back.
    subject.store.give_back_webhook(&name(), "one").await.unwrap();
    assert_eq!(take(&subject, "one").await, None);
    subject.store.give_back_webhook(&name(), "two").await.unwrap();
    assert_eq!(take(&subject, "one").await, Some(0));
    // Lent by a clock that was wrong.
    subject.clock.advance_seconds(-31);
    assert_eq!(take(&subject, "two").await, Some(0));
}

async fn only_the_holder_moves_a_webhook_on_and_only_from_where_it_is(subject: Subject) {
    subject.store.begin_webhook(&name()).await.unwrap();
    let advance = async |holder: &str, from, to| subject.store.move_webhook(&name(), holder, from, to).await.unwrap();
    assert!(!advance("one", 0, 5).await, "nobody has it");
    assert_eq!(take(&subject, "one").await, Some(0));
    assert!(advance("one", 0, 5).await);
    assert!(!advance("one", 0, 6).await, "it is elsewhere");
    assert!(!advance("two", 5, 6).await, "it is another's");
    assert_eq!(take(&subject, "one").await, Some(5));
}
