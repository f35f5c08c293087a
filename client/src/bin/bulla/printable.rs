//! What may reach a terminal: text that others chose is shown there, never obeyed.
//!
//! Names of targets, ids of keys, answers of servers and names in certificates are anybody's. A terminal obeys control
//! characters, the C1 ones among them, and turns or hides text at some others.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text in one line, harmless characters only; the others as `\u{1b}`.
pub(crate) fn line(text: &str) -> String {
    escape(text, obeyed, |out, c| {
        let _ = write!(out, "{}", c.escape_unicode());
    })
    .into_owned()
}

/// The same for a text of several lines and tabs, which our own layout has and [`line`] has taken out of what it shows.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    let obeyed = |c| obeyed(c) && !matches!(c, '\n' | '\t');
    escape(text, obeyed, |out, c| {
        let _ = write!(out, "{}", c.escape_unicode());
    })
}

/// A JSON document with the same meaning and harmless characters only. Escapes what Go escapes, too, so that documents
/// with unusual names are docker's to the byte.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    let escaped = |c| matches!(c, '<' | '>' | '&') || (obeyed(c) && c != '\n');
    escape(text, escaped, |out, c| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    })
}

/// The text itself, as long as nothing in it is `dangerous`: it may be megabytes.
fn escape(text: &str, dangerous: impl Fn(char) -> bool, write: impl Fn(&mut String, char)) -> Cow<'_, str> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((at, c)) = rest.char_indices().find(|(_, c)| dangerous(*c)) {
        let (plain, from) = rest.split_at(at);
        out.push_str(plain);
        write(&mut out, c);
        rest = from.strip_prefix(c).unwrap_or_default();
    }
    if out.is_empty() {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Whether a terminal might do something else than show the character: control characters, separators of lines,
/// marks that turn the direction of writing, and characters without width.
fn obeyed(c: char) -> bool {
    // Nearly all there is.
    if matches!(c, ' '..='~') {
        return false;
    }
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_shown_escape_sequences_and_does_not_get_them() {
        assert_eq!(line("a\u{1b}[2Jb\u{9b}31m\r\n\tc\u{7f}"), r"a\u{1b}[2Jb\u{9b}31m\u{d}\u{a}\u{9}c\u{7f}");
        assert_eq!(line("1.17\u{202e}71.1"), r"1.17\u{202e}71.1");
        assert_eq!(line("v1\u{200b}"), r"v1\u{200b}");
        assert_eq!(line("schön 日本 ~"), "schön 日本 ~");
    }

    #[test]
    fn lines_and_tabs_of_our_own_stay() {
        assert_eq!(lines("a\n\tb\u{1b}\r"), "a\n\tb\\u{1b}\\u{d}");
    }

    #[test]
    fn a_json_document_keeps_its_meaning() {
        let value = serde_json::json!({"\u{9b}a": "<b>&\u{2028}\u{202e}\u{e0041}\u{7f}é"});
        let plain = serde_json::to_string_pretty(&value).unwrap();
        let text = json(&plain);
        assert!(text.chars().all(|c| !obeyed(c) || c == '\n'), "{text}");
        assert!(text.contains(r"\u003cb\u003e\u0026\u2028\u202e\udb40\udc41\u007fé"), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
