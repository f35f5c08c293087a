//! Answers that are no errors: bodies and headers as the reference sends them.

use bytes::Bytes;
use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LAST_MODIFIED,
    LOCATION, PRAGMA, VARY,
};
use hyper::{Response, StatusCode};
use tuf_schema::{Sha256, UtcTime};

use super::entity_tag::entity_tag;
use super::packing::Packing;
use super::{Answer, AnswerBody};

/// The reference lets its library guess; clients do not look at it.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Whether a file may change under its URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CacheClass {
    /// Asked for by name: a cache must ask again.
    Current,
    /// Asked for by hash or version: never changes.
    Consistent,
}

/// Done, and nothing to say.
pub(super) fn empty() -> Answer {
    Response::new(AnswerBody::default())
}

/// A short text or JSON document.
pub(super) fn text(body: Bytes) -> Answer {
    with_header(Response::new(body.into()), CONTENT_TYPE, TEXT)
}

/// A document of ours in JSON, under the type that the reference sends.
pub(super) fn json(document: &impl serde::Serialize) -> Answer {
    text(to_json(document))
}

/// A document of ours in JSON.
pub(super) fn to_json(document: &impl serde::Serialize) -> Bytes {
    // derived documents of texts and numbers always serialise
    serde_json::to_vec(document).unwrap_or_default().into()
}

/// The state of health as JSON.
pub(super) fn health(status: StatusCode, body: Bytes) -> Answer {
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    with_status(status, with_header(Response::new(body.into()), CONTENT_TYPE, json))
}

/// Lines for an operator.
pub(super) fn lines(status: StatusCode, body: String) -> Answer {
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    with_status(status, with_header(Response::new(Bytes::from(body).into()), CONTENT_TYPE, kind))
}

/// Numbers in Prometheus' text format.
pub(super) fn metrics(body: String) -> Answer {
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    with_header(Response::new(Bytes::from(body).into()), CONTENT_TYPE, kind)
}

/// What a cache is told of a stored file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    pub(super) sha256: Sha256,
    pub(super) created_at: UtcTime,
    pub(super) class: CacheClass,
    pub(super) max_age_seconds: u32,
}

/// A stored file in the form that is sent, and how long it may be kept.
pub(super) fn metadata(bytes: Bytes, form: Option<Packing>, facts: &Facts) -> Answer {
    let mut answer = cacheable(text(bytes), form, facts);
    let encoding = form.map(|coding| (CONTENT_ENCODING, HeaderValue::from_static(coding.name())));
    answer.headers_mut().extend(encoding);
    answer
}

/// That the client holds a stored file in this form: what a cache is told of it, and no body (RFC 9110, 15.4.5).
pub(super) fn not_modified(form: Option<Packing>, facts: &Facts) -> Answer {
    with_status(StatusCode::NOT_MODIFIED, cacheable(empty(), form, facts))
}

/// The same answer, with all that a cache goes by.
fn cacheable(mut answer: Answer, form: Option<Packing>, facts: &Facts) -> Answer {
    let headers = answer.headers_mut();
    headers.insert(VARY, HeaderValue::from_name(ACCEPT_ENCODING));
    let (control, pragma) = cache_control(facts.class, facts.max_age_seconds);
    // the reference writes its zone's name here, which no HTTP date may have (RFC 9110, 5.6.7)
    let modified = facts.created_at.to_utc().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let texts = [(ETAG, entity_tag(&facts.sha256, form)), (LAST_MODIFIED, modified), (CACHE_CONTROL, control)];
    // digests, dates and numbers are always header values
    headers.extend(texts.into_iter().filter_map(|(name, text)| Some((name, HeaderValue::try_from(text).ok()?))));
    headers.extend(pragma.map(|value| (PRAGMA, value)));
    answer
}

fn cache_control(class: CacheClass, seconds: u32) -> (String, Option<HeaderValue>) {
    if seconds == 0 {
        return ("max-age=0, no-cache, no-store".to_owned(), Some(HeaderValue::from_static("no-cache")));
    }
    let revalidate = match class {
        CacheClass::Current => ", must-revalidate",
        CacheClass::Consistent => "",
    };
    (format!("public, max-age={seconds}, s-maxage={seconds}{revalidate}"), None)
}

/// The same, at the clean path.
pub(super) fn moved(location: &str) -> Answer {
    match HeaderValue::from_str(location) {
        Ok(location) => with_status(StatusCode::MOVED_PERMANENTLY, with_header(empty(), LOCATION, location)),
        // a path from a URL is always a header value
        Err(_) => with_status(StatusCode::BAD_REQUEST, empty()),
    }
}

/// No route has this method.
pub(super) fn method_not_allowed() -> Answer {
    with_status(StatusCode::METHOD_NOT_ALLOWED, empty())
}

fn with_header(mut answer: Answer, name: HeaderName, value: HeaderValue) -> Answer {
    answer.headers_mut().insert(name, value);
    answer
}

fn with_status(status: StatusCode, mut answer: Answer) -> Answer {
    *answer.status_mut() = status;
    answer
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;

    use super::*;

    fn facts(class: CacheClass, max_age_seconds: u32) -> Facts {
        let created_at = UtcTime::parse("2026-11-21T21:56:10.5+01:00").unwrap();
        Facts { sha256: Sha256::of(b"{}"), created_at, class, max_age_seconds }
    }

    fn answered(class: CacheClass, seconds: u32) -> Answer {
        metadata(Bytes::from_static(b"{}"), None, &facts(class, seconds))
    }

    fn header(answer: &Answer, name: HeaderName) -> Option<&str> {
        answer.headers().get(name).map(|value| value.to_str().unwrap())
    }

    #[test]
    fn what_never_changes_may_be_kept_without_asking() {
        let answer = answered(CacheClass::Consistent, 2_592_000);
        assert_eq!(header(&answer, CACHE_CONTROL), Some("public, max-age=2592000, s-maxage=2592000"));
        let answer = answered(CacheClass::Current, 300);
        assert_eq!(header(&answer, CACHE_CONTROL), Some("public, max-age=300, s-maxage=300, must-revalidate"));
        assert_eq!(header(&answer, PRAGMA), None);
    }

    #[test]
    fn an_age_of_zero_forbids_keeping() {
        let answer = answered(CacheClass::Consistent, 0);
        assert_eq!(header(&answer, CACHE_CONTROL), Some("max-age=0, no-cache, no-store"));
        assert_eq!(header(&answer, PRAGMA), Some("no-cache"));
    }

    #[test]
    fn the_time_of_change_is_an_http_date() {
        let answer = answered(CacheClass::Current, 300);
        assert_eq!(header(&answer, LAST_MODIFIED), Some("Sat, 21 Nov 2026 20:56:10 GMT"));
    }

    #[test]
    fn an_answer_without_a_body_tells_a_cache_what_the_one_with_it_does() {
        for (form, seconds) in [(None, 300), (Some(Packing::Gzip), 0), (Some(Packing::Zstd), 300)] {
            let facts = facts(CacheClass::Current, seconds);
            let mut with_body = metadata(Bytes::from_static(b"{}"), form, &facts);
            let without = not_modified(form, &facts);
            assert_eq!(header(&with_body, CONTENT_ENCODING), form.map(Packing::name));
            for of_the_body in [CONTENT_TYPE, CONTENT_ENCODING] {
                with_body.headers_mut().remove(of_the_body);
            }
            assert_eq!(without.headers(), with_body.headers());
            assert_eq!(header(&without, ETAG), Some(entity_tag(&facts.sha256, form).as_str()));
            assert_eq!(header(&without, VARY), Some("accept-encoding"));
            assert_eq!((without.status(), without.body().size_hint().exact()), (StatusCode::NOT_MODIFIED, Some(0)));
        }
    }
}
