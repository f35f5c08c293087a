//! A statement, written once for every engine with numbered parameters.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use crate::engine::{Engine, EngineName};

/// A statement as one engine takes it. Its parameters are written `$1`, `$2` ..., also more than once; no text in it
/// may come from outside, and no literal may hold a `$`.
pub struct Statement<E> {
    text: Arc<str>,
    /// For engines whose parameters have no numbers: which value stands at each place.
    order: Option<Vec<usize>>,
    engine: PhantomData<fn() -> E>,
}

impl<E: Engine> Statement<E> {
    /// Makes a statement of a text of our own.
    #[must_use]
    pub fn new(text: &str) -> Self {
        match E::ENGINE {
            EngineName::Sqlite | EngineName::Postgres => Self { text: text.into(), order: None, engine: PhantomData },
            EngineName::MySql => {
                let (text, order) = without_numbers(text);
                Self { text: text.into(), order: Some(order), engine: PhantomData }
            }
        }
    }

    /// The text for the driver.
    pub(crate) fn sql(&self) -> SqlStr {
        AssertSqlSafe(Arc::clone(&self.text)).into_sql_str()
    }

    /// `values` as the places of the text ask for them.
    pub(crate) fn arranged<V: Copy>(&self, values: &[V]) -> Vec<V> {
        match &self.order {
            None => values.to_vec(),
            Some(order) => order.iter().filter_map(|place| values.get(*place)).copied().collect(),
        }
    }
}

impl<E> fmt::Debug for Statement<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `$n` as `?`, and which value stands at each `?`.
fn without_numbers(text: &str) -> (String, Vec<usize>) {
    let (mut written, mut order) = (String::with_capacity(text.len()), Vec::new());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let (number, behind) = after.split_at(digits);
        written.push_str(before);
        written.push('?');
        order.push(number.parse::<usize>().unwrap_or_default().saturating_sub(1));
        rest = behind;
    }
    written.push_str(rest);
    (written, order)
}

#[cfg(test)]
mod tests {
    use sqlx::{MySql, Postgres};

    use super::*;

    #[test]
    fn numbers_become_places_and_values_are_repeated() {
        let statement = Statement::<MySql>::new("SELECT $2 WHERE a = $1 AND b > $10 AND c = $1");
        assert_eq!(&*statement.text, "SELECT ? WHERE a = ? AND b > ? AND c = ?");
        assert_eq!(statement.arranged(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), [2, 1, 10, 1]);
    }

    #[test]
    fn an_engine_that_numbers_its_parameters_gets_the_text_as_it_is() {
        let statement = Statement::<Postgres>::new("SELECT $2, $1");
        assert_eq!(&*statement.text, "SELECT $2, $1");
        assert_eq!(statement.arranged(&[1, 2]), [1, 2]);
    }
}
