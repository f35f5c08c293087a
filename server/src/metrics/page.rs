//! Prometheus' text format, version 0.0.4: families of samples, one sample a line.

use std::fmt::{Display, Write as _};

/// What the samples of a family are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Summary,
}

/// A page that is being written.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
        }
    }
}

impl Page {
    /// Begins a family: the samples that follow are its own.
    pub(super) fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let _infallible = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {}\n", kind.as_str());
    }

    /// One sample. `name` is the family's, with what its kind adds.
    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        let mut before = '{';
        for (label, value) in labels {
            self.0.push(before);
            self.0.push_str(label);
            self.0.push_str("=\"");
            self.escaped(value);
            self.0.push('"');
            before = ',';
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _infallible = writeln!(self.0, " {value}");
    }

    /// The text of the page.
    pub(super) fn finish(self) -> String {
        self.0
    }

    /// A label's value may be anything, and must not end itself or the line.
    fn escaped(&mut self, value: &str) {
        for character in value.chars() {
            match character {
                '\\' => self.0.push_str(r"\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str(r"\n"),
                other => self.0.push(other),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_told_before_its_samples() {
        let mut page = Page::default();
        page.family("apples_total", Kind::Counter, "Apples so far.");
        page.sample("apples_total", &[], 7);
        page.sample("apples_total", &[("colour", "red"), ("size", "large")], 1.5);
        let expected = "# HELP apples_total Apples so far.\n\
                        # TYPE apples_total counter\n\
                        apples_total 7\n\
                        apples_total{colour=\"red\",size=\"large\"} 1.5\n";
        assert_eq!(page.finish(), expected);
    }

    #[test]
    fn no_value_of_a_label_ends_the_label_or_the_line() {
        let mut page = Page::default();
        page.sample("apples", &[("of", "a\"} 1\nb\\größe")], 2);
        assert_eq!(page.finish(), "apples{of=\"a\\\"} 1\\nb\\\\größe\"} 2\n");
    }
}
