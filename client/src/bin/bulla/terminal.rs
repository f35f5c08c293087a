//! What is typed at the terminal: passphrases, and yes or no.

use std::io::{BufRead, Read as _};

use bulla::keys::Prompt;
use tuf_schema::sign::Passphrase;

use crate::output::Output;
use crate::printable;

/// The longest line that is read as an answer, in bytes.
const MAX_ANSWER: u64 = 100;

/// Asks at the terminal, without echo.
pub(crate) struct Terminal(pub(crate) Output);

impl Prompt for Terminal {
    fn secret(&self, text: &str) -> std::io::Result<Passphrase> {
        self.0.clear();
        rpassword::prompt_password(printable::line(text)).map(Passphrase::from_text)
    }

    fn say(&self, text: &str) {
        self.0.note(text);
    }

    fn warn(&self, text: &str) {
        self.0.warn(text);
    }
}

/// The answer to a question with yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Yes.
    Yes,
    /// No, or something else.
    No,
    /// Nobody answered: standard input is at its end.
    None,
}

/// Asks a question with yes or no; the answer is a line of standard input, as for docker and notary.
pub(crate) fn confirm(out: Output, question: &str) -> std::io::Result<Answer> {
    out.note(question);
    read_answer(&mut std::io::stdin().lock())
}

fn read_answer(from: &mut impl BufRead) -> std::io::Result<Answer> {
    let mut line = String::new();
    let read = from.take(MAX_ANSWER).read_line(&mut line)?;
    Ok(match line.trim().to_lowercase().as_str() {
        _ if read == 0 => Answer::None,
        "y" | "yes" => Answer::Yes,
        _ => Answer::No,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes_and_silence_is_no_answer() {
        let answer = |text: &str| read_answer(&mut text.as_bytes()).unwrap();
        assert!(["y\n", "yes\n", "YES", " Yes \r\n"].iter().all(|text| answer(text) == Answer::Yes));
        assert!(["n\n", "no", "\n", "yess\n", "1\n"].iter().all(|text| answer(text) == Answer::No));
        assert_eq!(answer(""), Answer::None);
    }
}
