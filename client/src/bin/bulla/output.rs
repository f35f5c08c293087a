//! Standard output is data, standard error is talk; neither carries what a terminal would obey.

use std::error::Error;
use std::io::{self, Write as _};

use crate::printable;

/// Where a run writes to.
#[derive(Clone, Copy)]
pub(crate) struct Output(());

impl Output {
    /// This process' standard streams.
    pub(crate) fn standard() -> Self {
        Self(())
    }

    /// Writes what was asked for.
    pub(crate) fn data(self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(printable::lines(text).as_bytes())?;
        stdout.write_all(b"\n")?;
        stdout.flush()
    }

    /// Says something by the way, in one line. That nobody listens is no reason to stop.
    pub(crate) fn note(self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{}", printable::line(text));
    }

    /// Says something in several lines.
    pub(crate) fn lines(self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{}", printable::lines(text));
    }

    /// Says why a run failed: the error and its causes, in one line.
    pub(crate) fn error(self, error: &dyn Error) {
        self.note(&format!("Error: {}", chain(error)));
    }
}

/// An error and its causes in one line; a cause that is already in the text is not repeated.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
