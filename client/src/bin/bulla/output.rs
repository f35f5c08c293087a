//! Standard output is data, standard error is talk; neither carries what a terminal would obey.
//!
//! With `--output json` what a verb found is one JSON document on standard output, and each line of standard error is
//! one, too: `{"note":...}`, `{"warning":...}`, and at the end of a run that failed `{"error":{"code":...,"message":...}}`.

use std::error::Error;
use std::io::{self, Write as _};

use bulla::progress::Progress;
use clap::ValueEnum;
use serde::Serialize;

use crate::error::CliError;
use crate::exit::Code;
use crate::plugin::Called;
use crate::printable;

/// Who reads what a run writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people, and for scripts that know docker's and notary's words
    #[default]
    Text,
    /// One JSON document
    Json,
}

/// What a verb has to show: a JSON document, and the same in words.
pub(crate) trait Show: Serialize {
    /// The words; nothing is printed if there are none.
    fn text(&self) -> String;
}

/// Where a run writes to.
#[derive(Clone, Copy)]
pub(crate) struct Output {
    format: Format,
    watcher: Watcher,
    called: Called,
}

/// Who watches standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watcher {
    /// Nobody, or somebody with a terminal that can do nothing: a file, a pipe.
    Nobody,
    /// Somebody at a terminal who wants no colours.
    Plain,
    /// Somebody at a terminal.
    Coloured,
}

/// Brings a terminal back to the beginning of its line, which is then empty.
const CLEAR_LINE: &str = "\r\u{1b}[2K";

/// A line of standard error for a program.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Line<'a> {
    Note(&'a str),
    Warning(&'a str),
    Error { code: &'a str, message: &'a str },
}

impl Output {
    /// This process' standard streams.
    pub(crate) fn new(format: Format, watcher: Watcher, called: Called) -> Self {
        // Programs read JSON, whoever looks on.
        Self { format, watcher: if format == Format::Text { watcher } else { Watcher::Nobody }, called }
    }

    /// The form of what was asked for.
    pub(crate) fn format(self) -> Format {
        self.format
    }

    /// Writes what was asked for, in the form that was asked for.
    pub(crate) fn show(self, value: &impl Show) -> io::Result<()> {
        match self.format {
            Format::Text => match value.text() {
                text if text.is_empty() => Ok(()),
                text => self.data(&text),
            },
            Format::Json => self.data(&json(value)?),
        }
    }

    /// Writes text as it is to be read: [`Output::show`] is for what a verb found.
    pub(crate) fn data(self, text: &str) -> io::Result<()> {
        self.clear();
        let mut stdout = io::stdout().lock();
        stdout.write_all(printable::lines(text).as_bytes())?;
        stdout.write_all(b"\n")?;
        stdout.flush()
    }

    /// Says something by the way, in one line. That nobody listens is no reason to stop.
    pub(crate) fn note(self, text: &str) {
        let text = &*self.called.commands(text);
        match self.format {
            Format::Text => self.say(&printable::line(text)),
            Format::Json => self.say_json(&Line::Note(text)),
        }
    }

    /// Says something by the way, in several lines.
    pub(crate) fn note_lines(self, text: &str) {
        let text = &*self.called.commands(text);
        match self.format {
            Format::Text => self.say(&printable::lines(text)),
            Format::Json => self.say_json(&Line::Note(text)),
        }
    }

    /// Says what somebody should look at, in one line.
    pub(crate) fn warn(self, text: &str) {
        let text = &*self.called.commands(text);
        match self.format {
            Format::Text => self.say(&format!("{} {}", self.coloured("33", "Warning:"), printable::line(text))),
            Format::Json => self.say_json(&Line::Warning(text)),
        }
    }

    /// Says why a run failed: the error and its causes, in one line.
    pub(crate) fn error(self, error: &CliError) {
        let message = chain(error);
        let message = &*self.called.commands(&message);
        match self.format {
            Format::Text => self.say(&format!("{} {}", self.coloured("31", "Error:"), printable::line(message))),
            Format::Json => self.failed(Code::of(error), message),
        }
    }

    /// Says why several things failed, each in a line.
    pub(crate) fn errors(self, code: Code, errors: &[CliError]) {
        match self.format {
            Format::Text => errors.iter().for_each(|error| self.error(error)),
            Format::Json => self.failed(code, &errors.iter().map(|e| chain(e)).collect::<Vec<_>>().join("; ")),
        }
    }

    /// Says what failed of several things in words of others, each in a line.
    pub(crate) fn failures(self, code: Code, messages: &[String]) {
        match self.format {
            Format::Text => messages.iter().for_each(|message| self.say(&printable::line(message))),
            Format::Json => self.failed(code, &messages.join("; ")),
        }
    }

    /// Says why a run failed in words of others, which may be several lines.
    pub(crate) fn failed(self, code: Code, message: &str) {
        let message = &*self.called.commands(message);
        match self.format {
            Format::Text => self.say(&printable::lines(message)),
            Format::Json => self.say_json(&Line::Error { code: code.name(), message }),
        }
    }

    /// Takes away what tells the progress.
    pub(crate) fn clear(self) {
        if self.watcher != Watcher::Nobody {
            let _ = write!(io::stderr().lock(), "{CLEAR_LINE}");
        }
    }

    fn say(self, text: &str) {
        self.clear();
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    fn say_json(self, line: &Line<'_>) {
        self.say(&printable::json(&serde_json::to_string(line).unwrap_or_default()));
    }

    fn coloured(self, colour: &str, word: &str) -> String {
        if self.watcher == Watcher::Coloured { format!("\u{1b}[{colour}m{word}\u{1b}[0m") } else { word.to_owned() }
    }
}

impl Progress for Output {
    /// A line that the next one takes the place of; only for somebody who watches, and where there is more than one step.
    fn at(&self, done: usize, all: usize, what: &str) {
        if self.watcher != Watcher::Nobody && all > 1 {
            let _ = write!(io::stderr().lock(), "{CLEAR_LINE}{done}/{all} {}", printable::line(what));
        }
    }

    fn said(&self, line: &str) {
        self.note(line);
    }
}

/// A JSON document, indented by four blanks as docker's are.
pub(crate) fn json(value: &impl Serialize) -> io::Result<String> {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter))?;
    Ok(printable::json(&String::from_utf8_lossy(&bytes)).into_owned())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_a_program_is_one_document_with_harmless_characters_only() {
        let line = Line::Error { code: "server", message: "a\n\u{1b}[2J" };
        let plain = serde_json::to_string(&line).unwrap();
        let text = printable::json(&plain);
        assert_eq!(text, r#"{"error":{"code":"server","message":"a\n\u001b[2J"}}"#);
        assert_eq!(serde_json::to_string(&Line::Warning("w")).unwrap(), r#"{"warning":"w"}"#);
    }

    #[test]
    fn only_text_for_people_is_coloured() {
        assert_eq!(
            Output::new(Format::Text, Watcher::Coloured, Called::Bulla).coloured("31", "x"),
            "\u{1b}[31mx\u{1b}[0m"
        );
        for (format, watcher) in
            [(Format::Text, Watcher::Plain), (Format::Text, Watcher::Nobody), (Format::Json, Watcher::Coloured)]
        {
            assert_eq!(Output::new(format, watcher, Called::Bulla).coloured("31", "x"), "x", "{format:?} {watcher:?}");
        }
    }
}
