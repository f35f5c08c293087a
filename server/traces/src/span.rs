//! A span that has ended, as it waits for its export. What it holds is bounded, whatever a request says.

use crate::context::Context;
use crate::current::SpanKind;

/// The most attributes of a span.
pub(crate) const MOST_ATTRIBUTES: usize = 16;
/// The longest text of one, in characters.
const LONGEST_TEXT: usize = 256;

/// What an attribute says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text, of a long one the beginning.
    Text(String),
    /// A whole number.
    Number(i64),
}

/// A span that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) context: Context,
    pub(crate) parent: Option<[u8; 8]>,
    pub(crate) kind: SpanKind,
    pub(crate) name: &'static str,
    /// In nanoseconds since 1970.
    pub(crate) begun: u64,
    pub(crate) ended: u64,
    pub(crate) attributes: Vec<(&'static str, Value)>,
    pub(crate) has_failed: bool,
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.chars().take(LONGEST_TEXT).collect())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let [fits, long] = [256, 257].map(|count| "ä".repeat(count));
        assert_eq!(Value::from(fits.as_str()), Value::Text(fits.clone()));
        assert_eq!(Value::from(long.as_str()), Value::Text(fits));
    }
}
