//! The chain: each line carries its number, the hash of the line before it and its own. Pure: knows no files and no clock.
//!
//! A line is one JSON object whose first two members and whose last one are the chain's:
//!
//! ```text
//! {"sequence":17,"previous":"HASH OF LINE 16", ... ,"hash":"HASH"}
//! ```
//!
//! `HASH` is the SHA-256, in lower-case hexadecimal, of all bytes of the line before `,"hash":"`. So it covers the hash
//! of the line before, and by it every line before that. Before the first line stand 64 zeros.

use ring::digest::{SHA256, digest};

/// The longest line that is read or written, without its line end.
pub const MAX_LINE_BYTES: usize = 16 * 1024;

const HASH_CHARACTERS: usize = 64;
const SEQUENCE: &str = "{\"sequence\":";
const PREVIOUS: &str = ",\"previous\":\"";
const HASH: &str = ",\"hash\":\"";
const END: &str = "\"}";

/// The hash of a line, in lower-case hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LineHash([u8; HASH_CHARACTERS]);

/// How far a chain has come: how many lines it has, and the hash of the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Lines so far; the sequence number of the last one.
    pub count: u64,
    /// Its hash.
    pub hash: LineHash,
}

/// A line whose own hash is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number in the chain, from 1.
    pub sequence: u64,
    /// The hash of the line it follows.
    pub previous: LineHash,
    /// Its own hash.
    pub hash: LineHash,
    /// All of it, without the line end.
    pub text: &'a str,
}

/// Why bytes are no line of a chain as its signer wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Not of the form of a line.
    #[error("it is no line of an audit chain")]
    Form,
    /// The bytes are not those that were hashed.
    #[error("its bytes do not have the hash that stands in it")]
    Hash,
}

/// Why a line does not follow another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Gap {
    /// Lines between the two are missing here.
    #[error("line {expected} should stand here, and line {found} does")]
    Missing {
        /// The number that comes next.
        expected: u64,
        /// The number that stands there.
        found: u64,
    },
    /// A line that belongs further to the front, or stands twice.
    #[error("line {found} stands behind line {last}")]
    Back {
        /// The number of the line before.
        last: u64,
        /// The number that stands there.
        found: u64,
    },
    /// The numbers follow each other and the hashes do not: the line before is not the one that was there when this one
    /// was written.
    #[error("line {found} was written behind another line {last} than stands there")]
    Replaced {
        /// The number of the line before.
        last: u64,
        /// The number that stands there.
        found: u64,
    },
}

impl LineHash {
    /// What stands in the first line of a chain, which follows none.
    pub const NONE: Self = Self([b'0'; HASH_CHARACTERS]);

    /// The hash that these bytes have.
    fn of(bytes: &[u8]) -> Self {
        let mut text = [0; HASH_CHARACTERS];
        // the lengths are those of SHA-256; were they not, the zeros would match nothing
        let _ = hex::encode_to_slice(digest(&SHA256, bytes).as_ref(), &mut text);
        Self(text)
    }

    /// Reads 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let digits: [u8; HASH_CHARACTERS] = text.as_bytes().try_into().ok()?;
        digits.iter().all(is_digit).then_some(Self(digits))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // only digits go in
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl std::fmt::Display for LineHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Tip {
    /// Before the first line.
    pub const START: Self = Self { count: 0, hash: LineHash::NONE };

    /// Writes the next line, with its line end, behind `into`. `body` is a JSON object that has members, as
    /// `entry` writes it.
    pub fn extend(&mut self, body: &str, into: &mut Vec<u8>) {
        let members = body.strip_prefix('{').and_then(|body| body.strip_suffix('}')).unwrap_or_default();
        let sequence = self.count.saturating_add(1);
        let start = into.len();
        into.extend_from_slice(format!("{SEQUENCE}{sequence}{PREVIOUS}{}\",{members}", self.hash).as_bytes());
        let hash = LineHash::of(into.get(start..).unwrap_or_default());
        for part in [HASH, hash.as_str(), END, "\n"] {
            into.extend_from_slice(part.as_bytes());
        }
        *self = Self { count: sequence, hash };
    }

    /// Goes on to `line`, if it is the next one.
    ///
    /// # Errors
    /// [`Gap`] says what is there instead; nothing is changed then.
    pub fn follow(&mut self, line: &Line<'_>) -> Result<(), Gap> {
        let (last, found) = (self.count, line.sequence);
        let expected = last.saturating_add(1);
        if found > expected {
            return Err(Gap::Missing { expected, found });
        }
        if found < expected {
            return Err(Gap::Back { last, found });
        }
        if line.previous != self.hash {
            return Err(Gap::Replaced { last, found });
        }
        *self = Self { count: found, hash: line.hash };
        Ok(())
    }
}

impl<'a> Line<'a> {
    /// Reads a line, without its line end, and holds its bytes against its hash.
    ///
    /// # Errors
    /// [`LineError`].
    pub fn read(bytes: &'a [u8]) -> Result<Self, LineError> {
        let read = || {
            let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= MAX_LINE_BYTES)?;
            let front = text.strip_suffix(END)?;
            let (covered, own) = front.split_at_checked(front.len().checked_sub(HASH_CHARACTERS + HASH.len())?)?;
            let hash = LineHash::parse(own.strip_prefix(HASH)?)?;
            let (number, rest) = covered.strip_prefix(SEQUENCE)?.split_once(PREVIOUS)?;
            let (previous, _members) = rest.split_once("\",")?;
            let sequence = number.parse().ok().filter(|sequence: &u64| *sequence > 0)?;
            Some((covered, Self { sequence, previous: LineHash::parse(previous)?, hash, text }))
        };
        let (covered, line) = read().ok_or(LineError::Form)?;
        if LineHash::of(covered.as_bytes()) == line.hash { Ok(line) } else { Err(LineError::Hash) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A chain of lines with these bodies, without line ends.
    fn chain(bodies: &[String]) -> Vec<Vec<u8>> {
        let mut tip = Tip::START;
        let lines = bodies.iter().map(|body| {
            let mut line = Vec::new();
            tip.extend(&format!(r#"{{"event":{body:?}}}"#), &mut line);
            line.pop();
            line
        });
        lines.collect()
    }

    /// How far the lines follow each other.
    fn follow(lines: &[Vec<u8>]) -> Result<Tip, String> {
        let mut tip = Tip::START;
        for line in lines {
            let line = Line::read(line).map_err(|error| error.to_string())?;
            tip.follow(&line).map_err(|gap| gap.to_string())?;
        }
        Ok(tip)
    }

    #[test]
    fn a_line_is_json_and_its_hash_is_that_of_the_bytes_before_it() {
        let mut text = Vec::new();
        Tip::START.clone().extend(r#"{"event":"x"}"#, &mut text);
        let text = String::from_utf8(text).unwrap();
        let zeros = "0".repeat(64);
        let covered = format!(r#"{{"sequence":1,"previous":"{zeros}","event":"x""#);
        let hash = hex::encode(digest(&SHA256, covered.as_bytes()));
        assert_eq!(text, format!("{covered},\"hash\":\"{hash}\"}}\n"));
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
    }

    #[test]
    fn a_digit_in_upper_case_is_no_digit_of_a_hash() {
        assert!(LineHash::parse(&"a".repeat(64)).is_some());
        assert_eq!(LineHash::parse(&"A".repeat(64)), None);
        assert_eq!(LineHash::parse(&"a".repeat(63)), None);
    }

    #[test]
    fn a_line_that_is_too_long_is_none() {
        let body = |length| chain(&["x".repeat(length)]).remove(0);
        let frame = body(0).len();
        assert!(Line::read(&body(MAX_LINE_BYTES - frame)).is_ok());
        assert_eq!(Line::read(&body(MAX_LINE_BYTES - frame + 1)), Err(LineError::Form));
    }

    #[test]
    fn a_line_that_was_hashed_anew_is_noticed_at_the_next() {
        let bodies = ["a", "b", "c"].map(str::to_owned);
        let mut lines = chain(&bodies);
        let first = Line::read(&lines[0]).unwrap();
        let mut forged = Vec::new();
        Tip { count: 1, hash: first.hash }.extend(r#"{"event":"other"}"#, &mut forged);
        forged.pop();
        lines[1] = forged;
        assert_eq!(follow(&lines).unwrap_err(), Gap::Replaced { last: 2, found: 3 }.to_string());
    }

    proptest! {
        #[test]
        fn what_is_written_follows(bodies in prop::collection::vec(".{0,40}", 0..8)) {
            let lines = chain(&bodies);
            prop_assert_eq!(follow(&lines).unwrap().count, bodies.len() as u64);
        }

        #[test]
        fn a_changed_bit_is_noticed_in_its_line(
            bodies in prop::collection::vec("[a-z\"\\\\é]{0,20}", 1..6), at in any::<prop::sample::Index>(), bit in 0..8_u8,
        ) {
            let mut lines = chain(&bodies);
            let place = at.index(lines.iter().map(Vec::len).sum());
            let mut before = 0;
            for line in &mut lines {
                if let Some(byte) = place.checked_sub(before).and_then(|place| line.get_mut(place)) {
                    *byte ^= 1_u8 << bit;
                    prop_assert!(Line::read(line).is_err());
                }
                before += line.len();
            }
        }

        #[test]
        fn two_lines_that_changed_places_are_noticed(
            bodies in prop::collection::vec("[a-c]{0,2}", 2..8), one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(),
        ) {
            let mut lines = chain(&bodies);
            let (one, other) = (one.index(lines.len()), other.index(lines.len()));
            prop_assume!(one != other);
            lines.swap(one, other);
            prop_assert!(follow(&lines).is_err());
        }

        #[test]
        fn a_line_that_was_taken_out_is_noticed_or_was_the_last(
            bodies in prop::collection::vec("[a-c]{0,2}", 1..8), at in any::<prop::sample::Index>(),
        ) {
            let mut lines = chain(&bodies);
            let (at, whole) = (at.index(lines.len()), follow(&lines).unwrap());
            lines.remove(at);
            match follow(&lines) {
                Err(_) => prop_assert!(at < lines.len()),
                // this is what heads are for
                Ok(tip) => prop_assert!(at == lines.len() && tip.count < whole.count),
            }
        }

        #[test]
        fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Line::read(&bytes);
        }
    }
}
