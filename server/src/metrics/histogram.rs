//! How long things took, in classes of fixed bounds. Nobody waits for anybody: each observation is two additions.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::page::Page;

/// Up to how long the classes reach, the bound included, and how it is written in seconds. A read is in the first, a
/// publish in the middle, and what takes longer than the last was waiting for something that does not answer.
const BOUNDS: [(Duration, &str); 14] = [
    (Duration::from_millis(1), "0.001"),
    (Duration::from_micros(2_500), "0.0025"),
    (Duration::from_millis(5), "0.005"),
    (Duration::from_millis(10), "0.01"),
    (Duration::from_millis(25), "0.025"),
    (Duration::from_millis(50), "0.05"),
    (Duration::from_millis(100), "0.1"),
    (Duration::from_millis(250), "0.25"),
    (Duration::from_millis(500), "0.5"),
    (Duration::from_secs(1), "1"),
    (Duration::from_millis(2_500), "2.5"),
    (Duration::from_secs(5), "5"),
    (Duration::from_secs(10), "10"),
    (Duration::from_secs(30), "30"),
];

/// What was observed so far.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// One for each of [`BOUNDS`]: what is above the bound before.
    within: [AtomicU64; BOUNDS.len()],
    beyond: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Histogram {
    pub(super) fn observe(&self, took: Duration) {
        let class = BOUNDS.iter().zip(&self.within).find(|((bound, _), _)| took <= *bound);
        class.map_or(&self.beyond, |(_, within)| within).fetch_add(1, Ordering::Relaxed);
        // Begins anew after five hundred years, which whoever reads a counter takes for a restart.
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// The samples of the family `name` with these labels; none where nothing was observed.
    pub(super) fn write(&self, page: &mut Page, name: &str, labels: &[(&str, &str)]) {
        let within = self.within.each_ref().map(|count| count.load(Ordering::Relaxed));
        let beyond = self.beyond.load(Ordering::Relaxed);
        if beyond == 0 && within.iter().all(|count| *count == 0) {
            return;
        }
        let classes = BOUNDS.iter().map(|(_, bound)| *bound).zip(within).chain([("+Inf", beyond)]);
        // A class holds all that took no longer. The count is the last one's, so that both agree while others observe.
        let mut count = 0_u64;
        for (bound, more) in classes {
            count = count.wrapping_add(more);
            page.sample(&format!("{name}_bucket"), &[labels, &[("le", bound)]].concat(), count);
        }
        let sum = Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed));
        let seconds = format!("{}.{:09}", sum.as_secs(), sum.subsec_nanos());
        page.sample(&format!("{name}_sum"), labels, seconds);
        page.sample(&format!("{name}_count"), labels, count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(observed: &[Duration]) -> String {
        let histogram = Histogram::default();
        observed.iter().for_each(|took| histogram.observe(*took));
        let mut page = Page::default();
        histogram.write(&mut page, "x", &[("of", "a")]);
        page.finish()
    }

    /// How many of `took` and of a nanosecond more are within each bound.
    fn counts(took: Duration) -> Vec<(String, u64)> {
        let page = written(&[took, took + Duration::from_nanos(1)]);
        let buckets = page.lines().filter_map(|line| line.strip_prefix("x_bucket{of=\"a\",le=\""));
        buckets
            .map(|line| line.split_once("\"} ").unwrap())
            .map(|(le, n)| (le.to_owned(), n.parse().unwrap()))
            .collect()
    }

    #[test]
    fn what_takes_as_long_as_a_bound_is_within_it_and_a_nanosecond_more_is_not() {
        for (index, (bound, text)) in BOUNDS.into_iter().enumerate() {
            let counts = counts(bound);
            assert_eq!(counts[index], (text.to_owned(), 1));
            assert_eq!(counts[index + 1].1, 2, "{text}");
            assert!(counts[..index].iter().all(|(_, count)| *count == 0), "{counts:?}");
        }
    }

    #[test]
    fn bounds_rise_from_a_millisecond_to_half_a_minute_and_are_written_as_they_are() {
        assert!(BOUNDS.is_sorted_by(|(one, _), (next, _)| one < next));
        assert_eq!((BOUNDS[0].0, BOUNDS[13].0), (Duration::from_millis(1), Duration::from_secs(30)));
        for (bound, text) in BOUNDS {
            assert_eq!(text.parse::<f64>().unwrap(), bound.as_secs_f64());
        }
    }

    #[test]
    fn a_class_holds_what_is_in_the_smaller_ones_and_the_last_holds_all() {
        let took = [1, 3, 3, 700, 31_000].map(Duration::from_millis);
        let expected = "\
x_bucket{of=\"a\",le=\"0.001\"} 1
x_bucket{of=\"a\",le=\"0.0025\"} 1
x_bucket{of=\"a\",le=\"0.005\"} 3
x_bucket{of=\"a\",le=\"0.01\"} 3
x_bucket{of=\"a\",le=\"0.025\"} 3
x_bucket{of=\"a\",le=\"0.05\"} 3
x_bucket{of=\"a\",le=\"0.1\"} 3
x_bucket{of=\"a\",le=\"0.25\"} 3
x_bucket{of=\"a\",le=\"0.5\"} 3
x_bucket{of=\"a\",le=\"1\"} 4
x_bucket{of=\"a\",le=\"2.5\"} 4
x_bucket{of=\"a\",le=\"5\"} 4
x_bucket{of=\"a\",le=\"10\"} 4
x_bucket{of=\"a\",le=\"30\"} 4
x_bucket{of=\"a\",le=\"+Inf\"} 5
x_sum{of=\"a\"} 31.707000000
x_count{of=\"a\"} 5
";
        assert_eq!(written(&took), expected);
    }

    #[test]
    fn what_never_happened_has_no_samples() {
        assert_eq!(written(&[]), "");
    }
}
