//! A list of images in a file: one a line, `IMAGE[:TAG] [sha256:HEX]`; `#` begins a comment.

use tuf_schema::Sha256;

use super::{Source, Wanted, WantedError};

/// Why a list cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// A line names no image.
    #[error("line {line}: {why}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// Why.
        why: WantedError,
    },
    /// What stands behind an image is no digest.
    #[error("line {line}: expected IMAGE[:TAG], or IMAGE[:TAG] sha256: and 64 lower-case hexadecimal digits")]
    Words {
        /// Which, from 1.
        line: usize,
    },
}

/// The images of a list, with the digests that stand behind them.
///
/// # Errors
/// [`ListError`] of the first line that is not understood: nothing is signed from half a list.
pub fn parse_list(text: &str) -> Result<Vec<Wanted>, ListError> {
    let mut wanted = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        let content = content.split('#').next().unwrap_or_default();
        let mut words = content.split_whitespace();
        let Some(name) = words.next() else { continue };
        let source = match (words.next(), words.next()) {
            (None, _) => Source::Registry,
            (Some(digest), None) => Source::Digest(parse_digest(digest).ok_or(ListError::Words { line })?),
            (Some(_), Some(_)) => return Err(ListError::Words { line }),
        };
        wanted.push(Wanted::parse(name, source).map_err(|why| ListError::Line { line, why })?);
    }
    Ok(wanted)
}

fn parse_digest(text: &str) -> Option<Sha256> {
    Sha256::from_hex(text.strip_prefix("sha256:")?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_list_has_one_image_a_line_perhaps_with_a_digest() {
        let hex = "ab".repeat(32);
        let text = format!("# release 4\n\na.test/b:1\n  a.test/c:2\tsha256:{hex}  # the index\r\na.test/d\n");
        let list = parse_list(&text).unwrap();
        let told: Vec<_> = list.iter().map(|wanted| (wanted.name(), wanted.source)).collect();
        let digest = Source::Digest(Sha256::from_hex(&hex).unwrap());
        let expected =
            [("a.test/b:1", Source::Registry), ("a.test/c:2", digest), ("a.test/d:latest", Source::Registry)];
        assert_eq!(told, expected.map(|(name, source)| (name.to_owned(), source)));
    }

    #[test]
    fn a_line_that_is_not_understood_is_named_and_nothing_is_read() {
        let hex = "ab".repeat(32);
        for (line, expected) in [
            ("a.test/B:1", "line 2: invalid reference format: repository name (B) must be lowercase"),
            (&format!("a.test/b@sha256:{hex}"), "line 2: cannot use a digest reference for IMAGE:TAG"),
            (&format!("a.test/b:1 {hex}"), "line 2: expected IMAGE[:TAG], or IMAGE"),
            (&format!("a.test/b:1 sha256:{}", hex.to_uppercase()), "line 2: expected IMAGE[:TAG], or IMAGE"),
            (&format!("a.test/b:1 sha256:{hex} 12"), "line 2: expected IMAGE[:TAG], or IMAGE"),
        ] {
            let error = parse_list(&format!("a.test/a:1\n{line}\n")).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_what_is_read_reads_the_same_again(text in "([a-z./:#@ \t\n0-9]|sha256:[0-9a-f]{64}){0,40}") {
            if let Ok(list) = parse_list(&text) {
                let line = |wanted: &Wanted| match wanted.source {
                    Source::Digest(digest) => format!("{} sha256:{digest}\n", wanted.name()),
                    Source::Registry | Source::RegistryOrLocal | Source::Local | Source::Known(_) => format!("{}\n", wanted.name()),
                };
                let again = parse_list(&list.iter().map(line).collect::<String>()).unwrap();
                let told = |list: &[Wanted]| list.iter().map(|w| (w.name(), w.source)).collect::<Vec<_>>();
                prop_assert_eq!(told(&again), told(&list));
            }
        }
    }
}
