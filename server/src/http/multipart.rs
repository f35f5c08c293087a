//! `multipart/form-data` (RFC 7578) over a body that is already in memory: a pure function, so that every cut and
//! every oddity can be tried.
//!
//! Only file names count. Nothing is copied: a part is a slice of the body.

use bytes::Bytes;

/// The longest header section of one part, in bytes.
const MAX_HEADER_BYTES: usize = 8192;

const LINE_END: &[u8; 2] = b"\r\n";

/// One part of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// The `filename` of its `Content-Disposition`, slashes included; `None` when there is none.
    pub(super) file_name: Option<String>,
    /// Its content.
    pub(super) content: Bytes,
}

/// Why a body is no multipart body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum MultipartError {
    /// The content type is another, or has no boundary.
    #[error("the content type is not multipart/form-data with a boundary")]
    NoBoundary,
    /// The body ends before its closing boundary.
    #[error("the body ends before its closing boundary")]
    Truncated,
    /// A part's headers cannot be read.
    #[error("the headers of a part cannot be read")]
    BadHeaders,
    /// The body has more parts than allowed.
    #[error("the body has more than {0} parts")]
    TooManyParts(usize),
}

/// The boundary that a `Content-Type` names.
pub(super) fn boundary(content_type: &str) -> Result<String, MultipartError> {
    let (kind, parameters) = content_type.split_once(';').ok_or(MultipartError::NoBoundary)?;
    let kind = kind.trim();
    if !kind.eq_ignore_ascii_case("multipart/form-data") && !kind.eq_ignore_ascii_case("multipart/mixed") {
        return Err(MultipartError::NoBoundary);
    }
    // RFC 2046, 5.1.1: 1 to 70 characters
    let found = parameter(parameters, "boundary").filter(|boundary| (1..=70).contains(&boundary.len()));
    found.ok_or(MultipartError::NoBoundary)
}

/// Takes a body apart. Text before the first and after the closing boundary is ignored (RFC 2046).
pub(super) fn parse(body: &Bytes, boundary: &str, max_parts: usize) -> Result<Vec<Part>, MultipartError> {
    let dashed = [b"--", boundary.as_bytes()].concat();
    let mut delimiter = first_delimiter(body, &dashed)?;
    let mut parts = Vec::new();
    while let Delimiter::Part { content_at } = delimiter {
        if parts.len() >= max_parts {
            return Err(MultipartError::TooManyParts(max_parts));
        }
        let (headers, start) = header_section(body, content_at)?;
        let (end, next) = next_delimiter(body, start, &dashed)?;
        parts.push(Part { file_name: file_name(headers)?, content: body.slice(start..end) });
        delimiter = next;
    }
    Ok(parts)
}

/// A line that starts with the dashed boundary.
enum Delimiter {
    /// A part follows, at this place.
    Part { content_at: usize },
    /// Nothing follows.
    Closing,
}

/// What stands at `at`, if the dashed boundary does: a delimiter line must have nothing else on it but blanks.
fn delimiter_at(body: &[u8], at: usize, dashed: &[u8]) -> Option<Delimiter> {
    let rest = body.get(at..)?.strip_prefix(dashed)?;
    let blanks = |text: &[u8]| text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    if let Some(after) = rest.strip_prefix(b"--") {
        let end = after.get(blanks(after)..)?;
        return (end.is_empty() || end.starts_with(LINE_END)).then_some(Delimiter::Closing);
    }
    let padding = blanks(rest);
    rest.get(padding..)?.starts_with(LINE_END).then(|| Delimiter::Part { content_at: at + dashed.len() + padding + 2 })
}

fn first_delimiter(body: &[u8], dashed: &[u8]) -> Result<Delimiter, MultipartError> {
    let mut at = 0;
    loop {
        if let Some(delimiter) = delimiter_at(body, at, dashed) {
            return Ok(delimiter);
        }
        at = find_line_end(body, at).ok_or(MultipartError::Truncated)? + 2;
    }
}

/// Where the content that starts at `start` ends, and what comes after it.
fn next_delimiter(body: &[u8], start: usize, dashed: &[u8]) -> Result<(usize, Delimiter), MultipartError> {
    // an empty content may have no line end of its own
    if let Some(delimiter) = delimiter_at(body, start, dashed) {
        return Ok((start, delimiter));
    }
    let mut from = start;
    loop {
        let end = find_line_end(body, from).ok_or(MultipartError::Truncated)?;
        if let Some(delimiter) = delimiter_at(body, end + 2, dashed) {
            return Ok((end, delimiter));
        }
        from = end + 1;
    }
}

/// The headers that start at `at`, and where the content does.
fn header_section(body: &[u8], at: usize) -> Result<(&[u8], usize), MultipartError> {
    let rest = body.get(at..).unwrap_or_default();
    if rest.starts_with(LINE_END) {
        return Ok((&[], at + 2));
    }
    let window = rest.get(..MAX_HEADER_BYTES.min(rest.len())).unwrap_or_default();
    match window.windows(4).position(|four| four == b"\r\n\r\n") {
        Some(length) => Ok((window.get(..length).unwrap_or_default(), at + length + 4)),
        None if window.len() < MAX_HEADER_BYTES => Err(MultipartError::Truncated),
        None => Err(MultipartError::BadHeaders),
    }
}

fn file_name(headers: &[u8]) -> Result<Option<String>, MultipartError> {
    let text = std::str::from_utf8(headers).map_err(|_| MultipartError::BadHeaders)?;
    for line in text.split("\r\n").filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or(MultipartError::BadHeaders)?;
        if name.trim_end().eq_ignore_ascii_case("content-disposition") {
            let kind = value.split_once(';').filter(|(kind, _)| is_token(kind.trim()));
            return Ok(kind.and_then(|(_, parameters)| parameter(parameters, "filename")));
        }
    }
    Ok(None)
}

/// The value of `name` among parameters `name=value; name=value`, as the reference reads them: a value is a token
/// (RFC 2045, 5.1), or a quoted string in which `\` stands before a character meant as itself, and where one parameter is
/// malformed or comes twice there is none.
fn parameter(parameters: &str, name: &str) -> Option<String> {
    let mut found = None;
    let mut seen = Vec::new();
    let mut rest = parameters.trim_start();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=')?;
        let key = key.trim_end().to_ascii_lowercase();
        if !is_token(&key) || seen.contains(&key) {
            return None;
        }
        let after = after.trim_start();
        let (value, tail) = match after.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let (word, tail) = after.split_at(after.find(|c| !is_token_character(c)).unwrap_or(after.len()));
                (Some(word).filter(|word| !word.is_empty())?.to_owned(), tail)
            }
        };
        if key == name {
            found = Some(value);
        }
        seen.push(key);
        rest = tail.trim_start();
        if !rest.is_empty() {
            rest = rest.strip_prefix(';')?.trim_start();
        }
    }
    found
}

fn is_token(word: &str) -> bool {
    !word.is_empty() && word.chars().all(is_token_character)
}

fn is_token_character(c: char) -> bool {
    c.is_ascii_graphic() && !r#"()<>@,;:\"/[]?="#.contains(c)
}

/// A quoted string up to its closing quote, and what follows.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

/// The next line end from `from` on.
fn find_line_end(body: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += body.get(at..)?.iter().position(|byte| *byte == b'\r')?;
        if body.get(at + 1) == Some(&b'\n') {
            return Some(at);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As Go's `mime/multipart` writes it.
    fn body(parts: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (n, (name, content)) in parts.iter().enumerate() {
            let start = if n == 0 { "" } else { "\r\n" };
            out.extend(
                format!(
                    "{start}--xyz\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\
                     Content-Type: application/octet-stream\r\n\r\n{content}"
                )
                .bytes(),
            );
        }
        out.extend(format!("{}--xyz--\r\n", if parts.is_empty() { "" } else { "\r\n" }).bytes());
        out
    }

    type NamedContent = (Option<String>, Vec<u8>);

    fn parsed(body: &[u8]) -> Result<Vec<NamedContent>, MultipartError> {
        let parts = parse(&Bytes::copy_from_slice(body), "xyz", 10)?;
        Ok(parts.into_iter().map(|part| (part.file_name, part.content.to_vec())).collect())
    }

    #[test]
    fn slashes_in_file_names_survive() {
        let parts = parsed(&body(&[("root", "{}"), ("targets/releases", "a\r\nb\r\n")])).unwrap();
        assert_eq!(
            parts,
            [(Some("root".into()), b"{}".to_vec()), (Some("targets/releases".into()), b"a\r\nb\r\n".to_vec())]
        );
    }

    #[test]
    fn a_body_of_the_closing_boundary_alone_has_no_parts() {
        assert_eq!(parsed(b"--xyz--\r\n"), Ok(vec![]));
        assert_eq!(parsed(b"--xyz--"), Ok(vec![]));
    }

    #[test]
    fn a_body_cut_anywhere_is_truncated() {
        let whole = body(&[("root", "{\"a\":1}"), ("targets/a", ""), ("snapshot", "x--xyz\r\n--xy")]);
        // the line end after the closing boundary may be missing, but not half of it
        let without_line_end = whole.len() - 2;
        for end in (0..whole.len()).filter(|end| *end != without_line_end) {
            assert_eq!(parsed(&whole[..end]), Err(MultipartError::Truncated), "cut at {end}");
        }
        assert!(parsed(&whole[..without_line_end]).is_ok());
        assert!(parsed(&whole).is_ok());
    }

    #[test]
    fn a_boundary_inside_a_line_or_with_more_on_its_line_is_content() {
        let content = "x--xyz\r\n--xyz1\r\n--xyz-\r\n--xyz--1\r\n";
        assert_eq!(parsed(&body(&[("a", content)])).unwrap(), [(Some("a".into()), content.as_bytes().to_vec())]);
    }

    #[test]
    fn text_around_the_boundaries_is_ignored() {
        let mut text = b"preamble\r\nmore\r\n".to_vec();
        text.extend(body(&[("a", "b")]));
        text.extend(b"epilogue");
        assert_eq!(parsed(&text).unwrap(), [(Some("a".into()), b"b".to_vec())]);
    }

    #[test]
    fn a_part_without_disposition_has_no_name() {
        assert_eq!(parsed(b"--xyz\r\nContent-Type: a/b\r\n\r\n{}\r\n--xyz--").unwrap(), [(None, b"{}".to_vec())]);
        assert_eq!(parsed(b"--xyz\r\n\r\n{}\r\n--xyz--").unwrap(), [(None, b"{}".to_vec())]);
        let field = b"--xyz\r\nContent-Disposition: form-data; name=\"filename\"\r\n\r\n{}\r\n--xyz--";
        assert_eq!(parsed(field).unwrap(), [(None, b"{}".to_vec())]);
    }

    #[test]
    fn one_part_more_than_allowed_is_refused() {
        let ten = vec![("a", ""); 10];
        assert!(parsed(&body(&ten)).is_ok());
        assert_eq!(parsed(&body(&[ten, vec![("a", "")]].concat())), Err(MultipartError::TooManyParts(10)));
    }

    #[test]
    fn headers_without_end_or_form_are_refused() {
        let long = format!("--xyz\r\nX: {}\r\n\r\n\r\n--xyz--", "a".repeat(MAX_HEADER_BYTES));
        assert_eq!(parsed(long.as_bytes()), Err(MultipartError::BadHeaders));
        assert_eq!(parsed(b"--xyz\r\nnothing\r\n\r\n{}\r\n--xyz--"), Err(MultipartError::BadHeaders));
        assert_eq!(parsed(b"--xyz\r\n\xff: x\r\n\r\n{}\r\n--xyz--"), Err(MultipartError::BadHeaders));
    }

    #[test]
    fn the_boundary_is_found_in_the_content_type() {
        assert_eq!(boundary("multipart/form-data; boundary=abc").as_deref(), Ok("abc"));
        assert_eq!(boundary("Multipart/Form-Data; charset=x;Boundary=\"a b\"").as_deref(), Ok("a b"));
        for none in
            ["text/plain", "multipart/form-data", "multipart/form-data; boundary=", "text/plain; boundary=a", ""]
        {
            assert_eq!(boundary(none), Err(MultipartError::NoBoundary), "{none}");
        }
        let long = format!("multipart/form-data; boundary={}", "a".repeat(71));
        assert_eq!(boundary(&long), Err(MultipartError::NoBoundary));
    }

    #[test]
    fn quotes_are_undone() {
        assert_eq!(parameter(r#" name="a;b=c"; filename="x\"y\\z""#, "filename").as_deref(), Some("x\"y\\z"));
        assert_eq!(parameter(" filename=root", "filename").as_deref(), Some("root"));
        assert_eq!(parameter(" filename=\"root", "filename"), None);
        assert_eq!(parameter("Filename = \"root\" ; ", "filename").as_deref(), Some("root"));
    }

    #[test]
    fn a_disposition_with_a_fault_names_no_file() {
        for fault in [
            " filename=targets/releases", // a slash is no character of a token
            " filename=root; filename=root",
            " filename=\"root\" x",
            " x; filename=root",
            " filename=root; x=",
            " =x; filename=root",
        ] {
            assert_eq!(parameter(fault, "filename"), None, "{fault}");
        }
    }

    proptest! {
        #[test]
        fn parts_come_out_as_they_went_in(
            parts in prop::collection::vec(("[a-z/._-]{1,20}", "[ -~\r\n]{0,60}"), 0..6),
        ) {
            prop_assume!(parts.iter().all(|(_, content)| !content.contains("--xyz")));
            let written: Vec<(&str, &str)> = parts.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            let read = parsed(&body(&written)).unwrap();
            prop_assert_eq!(read, parts.iter().map(|(a, b)| (Some(a.clone()), b.as_bytes().to_vec())).collect::<Vec<_>>());
        }

        #[test]
        fn any_body_is_taken_apart_or_refused(body in "(--xyz|--|\r\n|:|[a-z]|\"){0,40}") {
            let _ = parsed(body.as_bytes());
        }
    }
}
