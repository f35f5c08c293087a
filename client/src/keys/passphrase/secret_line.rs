//! The one line of a file, a descriptor or a command that is a passphrase.

use std::io::{ErrorKind, Read};

use tuf_schema::sign::Passphrase;
use zeroize::Zeroizing;

use super::place::Fault;

/// The longest passphrase, in bytes.
pub const MAX_BYTES: usize = 4096;

/// Reads up to the end of the first line and no further than it takes to know that a line is too long.
///
/// # Errors
/// [`Fault`]; an empty line is one, as an empty passphrase would write keys in the clear.
pub(super) fn read(from: &mut impl Read) -> Result<Passphrase, Fault> {
    // Of this size at once, and read into directly: no copy stays behind. Two more for the line's end.
    let mut buffer = Zeroizing::new([0_u8; MAX_BYTES + 2]);
    let mut filled = 0;
    while let Some(free) = buffer.get_mut(filled..).filter(|free| !free.is_empty()) {
        match from.read(free) {
            Ok(0) => break,
            Ok(read) => {
                let line_ended = free.iter().take(read).any(|byte| *byte == b'\n');
                filled = filled.saturating_add(read);
                if line_ended {
                    break;
                }
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(Fault::Unreadable(e)),
        }
    }
    let line = buffer.get(..filled).and_then(|read| read.split(|byte| *byte == b'\n').next()).unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line).map_err(|e| match e.error_len() {
        // Cut in a character, which only a line that is too long can be.
        None if line.len() > MAX_BYTES => Fault::TooLong,
        _ => Fault::NotText,
    })?;
    let passphrase = Passphrase::from_text(text.to_owned());
    if passphrase.is_empty() {
        return Err(Fault::Empty);
    }
    within_bounds(passphrase)
}

/// The passphrase, unless it is too long.
pub(super) fn within_bounds(passphrase: Passphrase) -> Result<Passphrase, Fault> {
    if passphrase.expose().len() > MAX_BYTES { Err(Fault::TooLong) } else { Ok(passphrase) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(bytes: &[u8]) -> Result<Vec<u8>, Fault> {
        read(&mut &*bytes).map(|passphrase| passphrase.expose().to_vec())
    }

    /// Gives one byte at a time.
    struct Drop<'a>(&'a [u8]);

    impl Read for Drop<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let (first, rest) = self.0.split_at(self.0.len().min(1));
            self.0 = rest;
            (&*first).read(buffer)
        }
    }

    #[test]
    fn the_first_line_is_the_passphrase_with_its_blanks_and_without_its_end() {
        for text in ["a word ", "a word \n", "a word \r\n", "a word \nurl: x\n"] {
            assert_eq!(line(text.as_bytes()).unwrap(), b"a word ");
        }
    }

    #[test]
    fn what_holds_no_passphrase_is_told_apart() {
        for text in ["", "\n", "\r\n", "\nsecond"] {
            assert!(matches!(line(text.as_bytes()), Err(Fault::Empty)), "{text:?}");
        }
        assert!(matches!(line(b"\xff\xfe"), Err(Fault::NotText)));
    }

    #[test]
    fn a_passphrase_of_4096_bytes_is_taken_and_one_byte_more_is_not() {
        for end in ["", "\n", "\r\n", "\nmore"] {
            let longest = "x".repeat(MAX_BYTES);
            assert_eq!(line(format!("{longest}{end}").as_bytes()).unwrap(), longest.as_bytes(), "{end:?}");
            assert!(matches!(line(format!("{longest}x{end}").as_bytes()), Err(Fault::TooLong)), "{end:?}");
        }
        assert!(matches!(read(&mut std::io::repeat(b'x')), Err(Fault::TooLong)));
        // Two bytes each, so that the end of the buffer falls into a character.
        assert!(matches!(line("é".repeat(MAX_BYTES).as_bytes()), Err(Fault::TooLong)));
        assert!(matches!(line(format!("x{}", "é".repeat(MAX_BYTES)).as_bytes()), Err(Fault::TooLong)));
    }

    proptest! {
        #[test]
        fn how_the_bytes_arrive_makes_no_difference(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let at_once = line(&bytes).ok();
            let in_drops = read(&mut Drop(&bytes)).ok().map(|passphrase| passphrase.expose().to_vec());
            prop_assert_eq!(at_once, in_drops);
        }
    }
}
