//! In which form a client takes a document: `Accept-Encoding` (RFC 9110, 12.5.3).

use std::cmp::Reverse;

use hyper::HeaderMap;
use hyper::header::{ACCEPT_ENCODING, HeaderValue};

/// Documents below this size are sent as they are: they and their head are a few packets.
pub(super) const SMALLEST_BYTES: usize = 4 << 10;

/// What 1 is in [`weight`]: weights have three decimals.
const MOST: u16 = 1000;

/// How the bytes of a document are compressed. No coding is the document as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Packing {
    Gzip,
    Zstd,
}

/// How much a client wants each form, in thousandths; 0 is not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accepted {
    plain: u16,
    gzip: u16,
    zstd: u16,
}

/// Forms of a document, at least one: the one that is wanted most, and what may stand in for it. No allocation, as each
/// read makes them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forms {
    all: [Option<Packing>; 3],
    taken: usize,
}

impl Forms {
    pub(super) fn as_slice(&self) -> &[Option<Packing>] {
        self.all.get(..self.taken).unwrap_or_default()
    }

    /// The one that is wanted most.
    pub(super) fn first(&self) -> Option<Packing> {
        self.as_slice().first().copied().flatten()
    }
}

impl Packing {
    /// Its name in `Content-Encoding`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

impl Accepted {
    /// What a request says. What cannot be read says nothing, and the first word about a form counts.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let (mut plain, mut gzip, mut zstd, mut any) = (None, None, None, None);
        let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| HeaderValue::to_str(value).ok());
        for (name, weight) in values.flat_map(|value| value.split(',')).filter_map(element) {
            let place = match name.to_ascii_lowercase().as_str() {
                "identity" => &mut plain,
                "gzip" | "x-gzip" => &mut gzip,
                "zstd" => &mut zstd,
                "*" => &mut any,
                _ => continue,
            };
            place.get_or_insert(weight);
        }
        Self {
            // taken by everybody who does not refuse it, and wanted by nobody who names something else
            plain: plain.or(any).unwrap_or(1),
            gzip: gzip.or(any).unwrap_or(0),
            zstd: zstd.or(any).unwrap_or(0),
        }
    }

    /// The forms that the client takes of a document of so many bytes, the one that it wants most first; of those that it
    /// wants alike the one that is made and read fastest. Who takes nothing that there is has the document as it is.
    pub(super) fn forms(self, document_bytes: usize) -> Forms {
        let mut all = [(self.zstd, Some(Packing::Zstd)), (self.gzip, Some(Packing::Gzip)), (self.plain, None)];
        all.sort_by_key(|(weight, _)| Reverse(*weight));
        match all.iter().filter(|(weight, _)| *weight > 0).count() {
            taken @ 1.. if document_bytes >= SMALLEST_BYTES => Forms { all: all.map(|(_, form)| form), taken },
            _ => Forms { all: [None; 3], taken: 1 },
        }
    }
}

/// `gzip;q=0.5`: a name and its weight.
fn element(text: &str) -> Option<(&str, u16)> {
    let Some((name, parameter)) = text.split_once(';') else { return Some((text.trim(), MOST)) };
    let (key, value) = parameter.split_once('=')?;
    key.trim().eq_ignore_ascii_case("q").then_some((name.trim(), weight(value.trim())?))
}

/// A number from 0 to 1 with at most three decimals, in thousandths.
fn weight(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(MOST),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GZIP: Option<Packing> = Some(Packing::Gzip);
    const ZSTD: Option<Packing> = Some(Packing::Zstd);

    fn accepted(values: &[&[u8]]) -> Accepted {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_bytes(value).unwrap());
        }
        Accepted::of(&headers)
    }

    fn forms(value: &str) -> Vec<Option<Packing>> {
        accepted(&[value.as_bytes()]).forms(SMALLEST_BYTES).as_slice().to_vec()
    }

    #[test]
    fn forms_come_in_the_order_of_their_weights() {
        for (value, expected) in [
            ("gzip", vec![GZIP, None]),
            ("X-GZIP", vec![GZIP, None]),
            ("zstd", vec![ZSTD, None]),
            ("gzip, deflate, br, zstd", vec![ZSTD, GZIP, None]),
            ("gzip;q=1.000, zstd;q=0.999", vec![GZIP, ZSTD, None]),
            ("gzip ; Q=0.5 ,identity", vec![None, GZIP]),
            ("gzip;q=0.001", vec![GZIP, None]),
            ("*", vec![ZSTD, GZIP, None]),
            ("*;q=0.5, gzip", vec![GZIP, ZSTD, None]),
            ("*, zstd;q=0", vec![GZIP, None]),
            ("", vec![None]),
            ("br", vec![None]),
        ] {
            assert_eq!(forms(value), expected, "{value}");
        }
        assert_eq!(accepted(&[]).forms(SMALLEST_BYTES).as_slice(), [None], "who says nothing is sent what is stored");
    }

    #[test]
    fn a_weight_of_zero_is_a_refusal() {
        for (value, expected) in [
            ("gzip;q=0", vec![None]),
            ("gzip;q=0.000, zstd", vec![ZSTD, None]),
            ("gzip, identity;q=0", vec![GZIP]),
            ("gzip, *;q=0", vec![GZIP]),
            ("identity, *;q=0", vec![None]),
        ] {
            assert_eq!(forms(value), expected, "{value}");
        }
    }

    #[test]
    fn who_takes_nothing_that_there_is_has_the_document_as_it_is() {
        for value in ["identity;q=0", "*;q=0", "br, identity;q=0"] {
            assert_eq!(forms(value), [None], "{value}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        for value in ["gzip;q=2", "gzip;q=1.001", "gzip;q=0.0001", "gzip;q=-1", "gzip;q=.5", "gzip;q=", "gzip;v=1"] {
            assert_eq!(forms(value), [None], "{value}");
        }
        assert_eq!(forms("gzip;q=0;q=1, zstd"), [ZSTD, None]);
        assert_eq!(accepted(&[b"gzip\xff", b"zstd"]).forms(SMALLEST_BYTES).as_slice(), [ZSTD, None]);
    }

    #[test]
    fn several_lines_are_one_and_the_first_word_counts() {
        assert_eq!(accepted(&[b"gzip", b"zstd;q=0.5"]).forms(SMALLEST_BYTES).as_slice(), [GZIP, ZSTD, None]);
        assert_eq!(accepted(&[b"gzip;q=0", b"gzip"]).forms(SMALLEST_BYTES).as_slice(), [None]);
    }

    #[test]
    fn a_document_of_4_kibibytes_has_other_forms_and_a_smaller_one_has_none() {
        let all = accepted(&[b"gzip, zstd, identity;q=0"]);
        assert_eq!(all.forms(4096).as_slice(), [ZSTD, GZIP]);
        assert_eq!(all.forms(4095).as_slice(), [None]);
    }

    proptest! {
        #[test]
        fn any_words_are_read_without_harm(values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..4)) {
            let mut headers = HeaderMap::new();
            for value in values.iter().filter_map(|value| HeaderValue::from_bytes(value).ok()) {
                headers.append(ACCEPT_ENCODING, value);
            }
            prop_assert!(!Accepted::of(&headers).forms(SMALLEST_BYTES).as_slice().is_empty());
        }

        #[test]
        fn words_that_nearly_mean_something_are_read_without_harm(value in "(gzip|zstd|\\*|identity|;|=|q|,| |[0-9.]){0,12}") {
            let forms = forms(&value);
            prop_assert!((1..=3).contains(&forms.len()));
        }

        #[test]
        fn a_weight_is_read_as_it_was_written(thousandths in 0_u16..=999) {
            prop_assert_eq!(weight(&format!("0.{thousandths:03}")), Some(thousandths));
        }
    }
}
