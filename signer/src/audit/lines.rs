//! Lines of a file, read one at a time and none of them longer than a line may be.

use std::io::{self, BufRead, BufReader, Read};

use super::chain::MAX_LINE_BYTES;

/// The lines of one file.
pub(super) struct Lines<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    number: u64,
}

/// What comes next in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<'a> {
    /// A line, without its end.
    Line(&'a [u8]),
    /// Bytes at the end of the file without a line end.
    Unfinished(&'a [u8]),
    /// More bytes without a line end than a line may have.
    TooLong,
    /// Nothing.
    End,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input: BufReader::with_capacity(64 * 1024, input), line: Vec::new(), number: 0 }
    }

    /// The number of the line that was read last, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Reads on.
    pub(super) fn next(&mut self) -> io::Result<Next<'_>> {
        const LIMIT: u64 = MAX_LINE_BYTES as u64 + 1;
        self.line.clear();
        let bytes = self.input.by_ref().take(LIMIT).read_until(b'\n', &mut self.line)?;
        if bytes == 0 {
            return Ok(Next::End);
        }
        self.number += 1;
        match self.line.split_last() {
            Some((b'\n', line)) => Ok(Next::Line(line)),
            _ if bytes > MAX_LINE_BYTES => Ok(Next::TooLong),
            _ => Ok(Next::Unfinished(&self.line)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_one_by_one_and_an_unfinished_one_last() {
        let mut lines = Lines::new(&b"one\n\nthree"[..]);
        assert_eq!(lines.next().unwrap(), Next::Line(b"one"));
        assert_eq!(lines.next().unwrap(), Next::Line(b""));
        assert_eq!(lines.next().unwrap(), Next::Unfinished(b"three"));
        assert_eq!(lines.number(), 3);
        assert_eq!(lines.next().unwrap(), Next::End);
    }

    #[test]
    fn no_more_is_held_than_a_line_may_have() {
        let text = |length: usize| "x".repeat(length) + "\n";
        let longest = text(MAX_LINE_BYTES);
        assert_eq!(Lines::new(longest.as_bytes()).next().unwrap(), Next::Line(&longest.as_bytes()[..MAX_LINE_BYTES]));
        let longer = text(MAX_LINE_BYTES + 1);
        assert_eq!(Lines::new(longer.as_bytes()).next().unwrap(), Next::TooLong);
    }
}
