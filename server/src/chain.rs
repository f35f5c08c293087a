//! An error and what led to it, on one line.

use std::error::Error;

/// The texts of an error and of its sources. Libraries that repeat in an error what its source says are heard once.
#[must_use]
pub fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let words = inner.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        source: Option<Box<Self>>,
    }

    fn chain(texts: &[&'static str]) -> Link {
        let (first, rest) = texts.split_first().unwrap();
        Link { text: first, source: (!rest.is_empty()).then(|| Box::new(chain(rest))) }
    }

    #[test]
    fn what_a_source_repeats_is_said_once() {
        let denied = "1045 (28000): Access denied";
        let doubled = "error returned from database: 1045 (28000): Access denied";
        let told = with_sources(&chain(&["the database failed", doubled, denied, "os error 2"]));
        assert_eq!(told, "the database failed: error returned from database: 1045 (28000): Access denied: os error 2");
    }
}
