//! Labels whose values are few and known before anything is counted, and what is counted for each of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::histogram::Histogram;
use super::page::{Kind, Page};

/// A label of a family of metrics.
pub(crate) trait Label: Copy + PartialEq + 'static {
    /// Its name on the page.
    const NAME: &'static str;

    /// Every value.
    const ALL: &'static [Self];

    /// A value on the page.
    fn as_str(self) -> &'static str;
}

/// A counter for each value of a label.
#[derive(Debug)]
pub(crate) struct Counters<L>(Vec<(L, AtomicU64)>);

impl<L: Label> Counters<L> {
    pub(crate) fn new() -> Self {
        Self(L::ALL.iter().map(|value| (*value, AtomicU64::new(0))).collect())
    }

    /// One more.
    pub(crate) fn count(&self, value: L) {
        if let Some((_, counter)) = self.0.iter().find(|(known, _)| *known == value) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many there were so far.
    #[cfg(test)]
    pub(crate) fn counted(&self, value: L) -> u64 {
        self.0.iter().find(|(known, _)| *known == value).map_or(0, |(_, counter)| counter.load(Ordering::Relaxed))
    }

    /// All of them as the family `name`; also those that are 0, so that the first one is seen as a rise.
    pub(super) fn write(&self, page: &mut Page, name: &str, help: &str) {
        page.family(name, Kind::Counter, help);
        for (value, counter) in &self.0 {
            page.sample(name, &[(L::NAME, value.as_str())], counter.load(Ordering::Relaxed));
        }
    }
}

/// A histogram for each pair of values of two labels.
#[derive(Debug)]
pub(super) struct Histograms<A, B>(Vec<(A, Vec<(B, Histogram)>)>);

impl<A: Label, B: Label> Histograms<A, B> {
    pub(super) fn new() -> Self {
        let of_each = || B::ALL.iter().map(|value| (*value, Histogram::default())).collect();
        Self(A::ALL.iter().map(|value| (*value, of_each())).collect())
    }

    pub(super) fn observe(&self, a: A, b: B, took: Duration) {
        let of_a = self.0.iter().find(|(known, _)| *known == a);
        if let Some((_, histogram)) = of_a.and_then(|(_, of_a)| of_a.iter().find(|(known, _)| *known == b)) {
            histogram.observe(took);
        }
    }

    /// Those that have observed something, as the family `name`.
    pub(super) fn write(&self, page: &mut Page, name: &str, help: &str) {
        page.family(name, Kind::Histogram, help);
        for (a, of_a) in &self.0 {
            for (b, histogram) in of_a {
                histogram.write(page, name, &[(A::NAME, a.as_str()), (B::NAME, b.as_str())]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Colour {
        Red,
        Green,
    }

    impl Label for Colour {
        const NAME: &'static str = "colour";
        const ALL: &'static [Self] = &[Self::Red, Self::Green];

        fn as_str(self) -> &'static str {
            match self {
                Self::Red => "red",
                Self::Green => "green",
            }
        }
    }

    #[test]
    fn each_value_is_counted_by_itself_and_told_from_the_start() {
        let counters = Counters::new();
        (0..3).for_each(|_| counters.count(Colour::Green));
        let mut page = Page::default();
        counters.write(&mut page, "apples_total", "Apples.");
        let expected = "# HELP apples_total Apples.\n# TYPE apples_total counter\n\
                        apples_total{colour=\"red\"} 0\napples_total{colour=\"green\"} 3\n";
        assert_eq!(page.finish(), expected);
    }

    #[test]
    fn a_pair_that_never_came_has_no_lines() {
        let histograms = Histograms::new();
        histograms.observe(Colour::Red, Colour::Green, Duration::from_millis(2));
        let mut page = Page::default();
        histograms.write(&mut page, "apple_seconds", "Apples.");
        let page = page.finish();
        assert!(
            page.starts_with("# HELP apple_seconds Apples.\n# TYPE apple_seconds histogram\napple_seconds_bucket{")
        );
        assert_eq!(page.lines().count(), 2 + 15 + 2, "{page}");
        assert_eq!(page.lines().filter(|line| line.contains("{colour=\"red\",colour=\"green\"")).count(), 17, "{page}");
    }
}
