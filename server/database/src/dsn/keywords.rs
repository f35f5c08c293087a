//! The keyword form of PostgreSQL addresses, `host=db user=server password='it''s'`, as lib/pq reads it.

use std::iter::Peekable;
use std::str::Chars;

use super::DsnError;

const FORM: DsnError =
    DsnError::Form { expected: "postgres://USER:PASSWORD@HOST:PORT/DATABASE or host=HOST user=USER ..." };

/// The pairs in their order. A value may be quoted; in and out of quotes a backslash takes the next character as it is.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>, DsnError> {
    let mut characters = text.chars().peekable();
    let mut pairs = Vec::new();
    loop {
        skip_blanks(&mut characters);
        if characters.peek().is_none() {
            return Ok(pairs);
        }
        let mut name = String::new();
        while let Some(character) = characters.next_if(|c| *c != '=' && !c.is_whitespace()) {
            name.push(character);
        }
        skip_blanks(&mut characters);
        if name.is_empty() || characters.next() != Some('=') {
            return Err(FORM);
        }
        skip_blanks(&mut characters);
        pairs.push((name, value(&mut characters)?));
    }
}

fn value(characters: &mut Peekable<Chars<'_>>) -> Result<String, DsnError> {
    let mut value = String::new();
    let quoted = characters.next_if_eq(&'\'').is_some();
    while let Some(character) = characters.next_if(|c| quoted || !c.is_whitespace()) {
        match character {
            '\'' if quoted => return Ok(value),
            '\\' => value.push(characters.next().ok_or(FORM)?),
            other => value.push(other),
        }
    }
    if quoted { Err(FORM) } else { Ok(value) }
}

fn skip_blanks(characters: &mut Peekable<Chars<'_>>) {
    while characters.next_if(|c| c.is_whitespace()).is_some() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        pairs(text).unwrap()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn blanks_quotes_and_backslashes_are_lib_pq_s() {
        assert_eq!(
            read(r"  host = db port=5432 password='a b\'c\\' user=x\ y dbname="),
            [
                pair("host", "db"),
                pair("port", "5432"),
                pair("password", r"a b'c\"),
                pair("user", "x y"),
                pair("dbname", "")
            ]
        );
        assert_eq!(read(""), []);
        assert_eq!(read("password=a=b@c"), [pair("password", "a=b@c")]);
    }

    #[test]
    fn what_is_no_pair_is_refused() {
        for text in ["host", "=x", "host db", "password='open", r"password=x\", r"password='x\"] {
            assert_eq!(pairs(text), Err(FORM), "{text}");
        }
    }
}
