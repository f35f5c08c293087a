//! How the body of a request is coded, and what the server says of that.
//!
//! RFC 7694: what a server takes it says by `Accept-Encoding` in an answer, and in its refusal (415) of another coding.

use hyper::HeaderMap;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderName, HeaderValue};

/// What was done to a body before it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Zstd,
}

/// The codings that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codings {
    /// None: there is too little memory for uploads.
    Identity,
    Zstd,
}

impl Codings {
    /// How a body is coded, or `None` when that is none of these, or more than one.
    pub(super) fn of(self, headers: &HeaderMap) -> Option<Coding> {
        let mut found = Coding::Identity;
        for value in headers.get_all(CONTENT_ENCODING) {
            let codings = value.to_str().ok()?.split(',').map(str::trim).filter(|coding| !coding.is_empty());
            for coding in codings.filter(|coding| !coding.eq_ignore_ascii_case("identity")) {
                if self == Self::Identity || found == Coding::Zstd || !coding.eq_ignore_ascii_case("zstd") {
                    return None;
                }
                found = Coding::Zstd;
            }
        }
        Some(found)
    }

    /// The header that says what is taken.
    pub(super) fn header(self) -> (HeaderName, HeaderValue) {
        let value = match self {
            Self::Identity => HeaderValue::from_static("identity"),
            Self::Zstd => HeaderValue::from_static("zstd"),
        };
        (ACCEPT_ENCODING, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coding(codings: Codings, values: &[&str]) -> Option<Coding> {
        let value = |text: &&str| (CONTENT_ENCODING, HeaderValue::from_bytes(text.as_bytes()).unwrap());
        codings.of(&values.iter().map(value).collect())
    }

    #[test]
    fn a_body_has_one_coding_that_is_known_or_none() {
        for plain in [&[][..], &["identity"], &["Identity, identity"], &[""], &[" , "]] {
            assert_eq!(coding(Codings::Zstd, plain), Some(Coding::Identity), "{plain:?}");
            assert_eq!(coding(Codings::Identity, plain), Some(Coding::Identity), "{plain:?}");
        }
        for packed in [&["zstd"][..], &["ZSTD"], &["identity", "zstd"], &[" zstd ,"]] {
            assert_eq!(coding(Codings::Zstd, packed), Some(Coding::Zstd), "{packed:?}");
            assert_eq!(coding(Codings::Identity, packed), None, "{packed:?}");
        }
        for foreign in [&["gzip"][..], &["zstd, zstd"], &["zstd", "zstd"], &["gzip, zstd"], &["zstd;q=1"], &["\u{e4}"]]
        {
            assert_eq!(coding(Codings::Zstd, foreign), None, "{foreign:?}");
        }
    }
}
