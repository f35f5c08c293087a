//! What became of the spans of requests.

use bulla_traces::Counts;

use super::page::{Kind, Page};

const NAME: &str = "bulla_spans_total";

pub(super) fn write(page: &mut Page, counts: &Counts) {
    page.family(NAME, Kind::Counter, "Spans of requests that the collector took, and that were given up.");
    page.sample(NAME, &[("outcome", "exported")], counts.exported());
    page.sample(NAME, &[("outcome", "dropped")], counts.dropped());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_tracing_both_outcomes_are_none() {
        let mut page = Page::default();
        write(&mut page, &Counts::default());
        let page = page.finish();
        assert!(page.ends_with("{outcome=\"exported\"} 0\nbulla_spans_total{outcome=\"dropped\"} 0\n"), "{page}");
    }
}
