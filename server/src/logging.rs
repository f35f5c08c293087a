//! The log: one JSON object or one logfmt line per event, with the members that the reference's log has.

use std::fmt;
use std::io::IsTerminal;
use std::sync::Arc;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock::Clock;
use crate::config::LogLevel;

/// The target of what is said at the start, and of a level that is set, whatever the level.
pub const STARTUP: &str = "bulla_server::startup";

/// The longest text of one member of a line, in bytes. What clients send may be far longer.
const LONGEST_TEXT_BYTES: usize = 1024;

/// How an event is written (`-logf`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// `key=value` pairs.
    Logfmt,
}

/// What is written from now on.
pub struct Log {
    level: LogLevel,
    write_from: Box<dyn Fn(EnvFilter) -> bool + Send + Sync>,
}

/// Writes events from `level` up, and warnings of the start, to standard error.
pub fn start(level: LogLevel, format: LogFormat, clock: Arc<dyn Clock>) -> Log {
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter(level))
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .event_format(Line { format, clock })
        .with_filter_reloading();
    let handle = log.reload_handle();
    // a second start, as in tests, keeps the first
    drop(log.try_init());
    Log { level, write_from: Box::new(move |filter| handle.reload(filter).is_ok()) }
}

impl Log {
    /// Writes one level more, or less, and says so whatever the level is.
    pub fn turn(&mut self, to: impl FnOnce(LogLevel) -> LogLevel) {
        let level = to(self.level);
        if (self.write_from)(filter(level)) {
            self.level = level;
        }
        tracing::warn!(target: STARTUP, log_level = self.level.as_str(), "a signal set the log level");
    }
}

fn filter(level: LogLevel) -> EnvFilter {
    EnvFilter::new(match level {
        LogLevel::Error => "error,bulla_server::startup=warn",
        LogLevel::Warning => "warn",
        LogLevel::Info => "warn,bulla_server=info",
        LogLevel::Debug => "info,bulla_server=debug",
    })
}

struct Line {
    format: LogFormat,
    clock: Arc<dyn Clock>,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        let message = fields.0.remove("message").unwrap_or_default();
        let mut line = vec![
            ("time".to_owned(), Value::String(self.clock.now().to_rfc3339())),
            ("level".to_owned(), Value::String(level_name(*event.metadata().level()).to_owned())),
            ("msg".to_owned(), message),
        ];
        let is_said = |value: &Value| !matches!(value, Value::String(text) if text.is_empty());
        line.extend(fields.0.into_iter().filter(|(_, value)| is_said(value)));
        match self.format {
            LogFormat::Json => writeln!(writer, "{}", json(&line)),
            LogFormat::Logfmt => writeln!(writer, "{}", logfmt(&line)),
        }
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warning",
        Level::INFO => "info",
        Level::DEBUG | Level::TRACE => "debug",
    }
}

fn json(line: &[(String, Value)]) -> String {
    let members: Vec<String> =
        line.iter().map(|(key, value)| format!("{}:{value}", Value::from(key.as_str()))).collect();
    format!("{{{}}}", members.join(","))
}

fn logfmt(line: &[(String, Value)]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._/:@+".contains(c);
    let pairs: Vec<String> = line
        .iter()
        .map(|(key, value)| match value {
            Value::String(text) if text.chars().all(plain) => format!("{key}={text}"),
            other => format!("{key}={other}"),
        })
        .collect();
    pairs.join(" ")
}

struct Fields(Map<String, Value>);

/// The text, or its first kibibyte and a sign that there was more.
fn cut(text: &str) -> Value {
    let end = text.floor_char_boundary(LONGEST_TEXT_BYTES);
    match text.split_at_checked(end) {
        Some((start, rest)) if !rest.is_empty() => Value::String(format!("{start}…")),
        _ => text.into(),
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), cut(&format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), cut(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.0.insert(field.name().to_owned(), u64::try_from(value).unwrap_or(u64::MAX).into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Vec<(String, Value)> {
        vec![
            ("msg".into(), "a b".into()),
            ("gun".into(), "x/\"\n".into()),
            ("status".into(), 200.into()),
            ("n".into(), "a:1".into()),
        ]
    }

    #[test]
    fn a_text_of_a_line_has_at_most_a_kibibyte_and_whole_characters() {
        let (exact, long) = ("a".repeat(1024), format!("{}ä and more", "a".repeat(1023)));
        assert_eq!(cut(&exact), exact);
        assert_eq!(cut(&long), format!("{}…", "a".repeat(1023)));
    }

    #[test]
    fn nothing_a_client_sends_ends_a_line_or_a_value() {
        assert_eq!(json(&line()), r#"{"msg":"a b","gun":"x/\"\n","status":200,"n":"a:1"}"#);
        assert_eq!(logfmt(&line()), r#"msg="a b" gun="x/\"\n" status=200 n=a:1"#);
    }
}
