//! Dates as pages show them.

use maud::{Markup, html};
use tuf_schema::UtcTime;

use crate::days::days_left;

/// From how many days on the end of a document is marked: a root or a targets takes people to sign anew.
const SOON_DAYS: i64 = 30;

/// A time, to the minute.
pub(super) fn time(time: UtcTime) -> Markup {
    html! { time datetime=(time.to_rfc3339()) { (time.to_utc().format("%Y-%m-%d %H:%M")) } }
}

/// The days that are left of what people sign, with a word where they are few: a colour alone is not seen by everybody.
pub(super) fn days(end: UtcTime, now: UtcTime) -> Markup {
    let days = days_left(end, now);
    html! {
        @if days < 0 { strong.over { (days) " expired" } }
        @else if days < SOON_DAYS { strong.soon { (days) " soon" } }
        @else { (days) }
    }
}
