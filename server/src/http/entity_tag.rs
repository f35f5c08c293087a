//! What a form of a document is told from every other by (`ETag`), and which of them a client holds (`If-None-Match`;
//! RFC 9110, 8.8.3 and 13.1.2).

use hyper::HeaderMap;
use hyper::header::{HeaderValue, IF_NONE_MATCH};
use tuf_schema::Sha256;

use super::packing::Packing;

/// The tag of a document in one form: its digest, and the coding, as each form is a representation of its own.
pub(super) fn entity_tag(sha256: &Sha256, form: Option<Packing>) -> String {
    match form {
        None => format!("\"{}\"", sha256.to_hex()),
        Some(coding) => format!("\"{}-{}\"", sha256.to_hex(), coding.name()),
    }
}

/// What a client says that it holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Held<'a> {
    /// `*`: something, whatever there is.
    Anything,
    /// Tags with their quotes; whether they are weak does not matter here.
    Tags(Vec<&'a [u8]>),
}

impl<'a> Held<'a> {
    /// What a request says. From where a list cannot be read it names nothing, and is answered with the document.
    pub(super) fn of(headers: &'a HeaderMap) -> Self {
        let values = || headers.get_all(IF_NONE_MATCH).iter().map(HeaderValue::as_bytes);
        if values().any(|value| value.trim_ascii() == b"*") {
            return Self::Anything;
        }
        Self::Tags(values().flat_map(tags).collect())
    }

    /// The first of these forms of a document that the client holds.
    pub(super) fn among(&self, forms: &[Option<Packing>], sha256: &Sha256) -> Option<Option<Packing>> {
        match self {
            Self::Anything => forms.first().copied(),
            Self::Tags(tags) if tags.is_empty() => None,
            Self::Tags(tags) => forms.iter().copied().find(|form| tags.contains(&entity_tag(sha256, *form).as_bytes())),
        }
    }
}

/// The tags of a list, with their quotes; a comma may stand within one.
fn tags(mut list: &[u8]) -> Vec<&[u8]> {
    let mut tags = Vec::new();
    loop {
        list = list.trim_ascii_start();
        while let Some(rest) = list.strip_prefix(b",") {
            list = rest.trim_ascii_start();
        }
        let opaque = list.strip_prefix(b"W/").unwrap_or(list);
        let Some((tag, rest)) = quoted(opaque) else { return tags };
        tags.push(tag);
        list = rest.trim_ascii_start();
        if !list.is_empty() && !list.starts_with(b",") {
            return tags;
        }
    }
}

/// A quoted tag at the beginning of a text, and what follows it.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = text.strip_prefix(b"\"")?;
    let end = inner.iter().position(|byte| !matches!(byte, 0x21 | 0x23..=0x7e | 0x80..))?;
    (inner.get(end) == Some(&b'"')).then(|| text.split_at(end.saturating_add(2)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Option<Packing>; 3] = [Some(Packing::Zstd), Some(Packing::Gzip), None];

    fn headers(values: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IF_NONE_MATCH, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn each_form_has_a_tag_of_its_own() {
        let digest = Sha256::of(b"{}");
        assert_eq!(entity_tag(&digest, None), format!("\"{}\"", digest.to_hex()));
        assert_eq!(entity_tag(&digest, Some(Packing::Gzip)), format!("\"{}-gzip\"", digest.to_hex()));
        assert_eq!(entity_tag(&digest, Some(Packing::Zstd)), format!("\"{}-zstd\"", digest.to_hex()));
    }

    #[test]
    fn a_list_may_have_weak_tags_empty_elements_and_commas_within_a_tag() {
        for (value, expected) in [
            (r#""a""#, vec![r#""a""#]),
            (r#"W/"a""#, vec![r#""a""#]),
            (r#" , "a" ,, W/"b,c","" ,"#, vec![r#""a""#, r#""b,c""#, r#""""#]),
            ("", vec![]),
        ] {
            let expected: Vec<&[u8]> = expected.iter().map(|tag| tag.as_bytes()).collect();
            assert_eq!(Held::of(&headers(&[value.as_bytes()])), Held::Tags(expected), "{value}");
        }
        let headers = headers(&[b"\"a\"", b"\"\xfc\""]);
        assert_eq!(Held::of(&headers), Held::Tags(vec![b"\"a\"", b"\"\xfc\""]));
    }

    #[test]
    fn from_where_a_list_cannot_be_read_it_names_nothing() {
        for value in
            [r#""a" "b""#, r#""a", b"#, r#""a", "b"#, r#""a", w/"b""#, r#""a", W/ "b""#, r#""a", "b c""#, r#""a", *"#]
        {
            assert_eq!(Held::of(&headers(&[value.as_bytes()])), Held::Tags(vec![b"\"a\""]), "{value}");
        }
        assert_eq!(Held::of(&headers(&[b"abc"])), Held::Tags(vec![]));
    }

    #[test]
    fn who_holds_a_form_that_he_takes_holds_the_document() {
        let digest = Sha256::of(b"{}");
        let tag = |form| entity_tag(&digest, form);
        for form in ALL {
            let list = format!("\"x\", W/{}", tag(form));
            let headers = headers(&[list.as_bytes()]);
            let held = Held::of(&headers);
            assert_eq!(held.among(&ALL, &digest), Some(form));
            assert_eq!(held.among(&ALL, &Sha256::of(b"another")), None);
            let others: Vec<_> = ALL.into_iter().filter(|other| *other != form).collect();
            assert_eq!(held.among(&others, &digest), None, "he could not read it");
        }
    }

    #[test]
    fn a_star_is_whatever_there_is() {
        let headers = headers(&[b" * "]);
        assert_eq!(Held::of(&headers).among(&ALL, &Sha256::of(b"{}")), Some(ALL[0]));
    }

    proptest! {
        #[test]
        fn any_list_is_read_without_harm(value in prop::collection::vec(any::<u8>(), 0..200)) {
            for tag in tags(&value) {
                prop_assert!(tag.len() >= 2 && tag.starts_with(b"\"") && tag.ends_with(b"\""));
            }
        }

        #[test]
        fn a_list_that_is_nearly_one_is_read_without_harm(value in "(\"|W/|,| |a|\\*){0,20}") {
            prop_assert!(tags(value.as_bytes()).len() <= value.len() / 2);
        }

        #[test]
        fn a_list_is_read_as_it_was_written(inner in prop::collection::vec("[!#-~]{0,9}", 0..9)) {
            let written: Vec<String> = inner.iter().map(|inner| format!("\"{inner}\"")).collect();
            let list = written.join(", ");
            let expected: Vec<&[u8]> = written.iter().map(|tag| tag.as_bytes()).collect();
            prop_assert_eq!(tags(list.as_bytes()), expected);
        }
    }
}
