//! Errors on the wire: the one table from what can go wrong to code, status and body.
//!
//! Clients read one error and the first kilobyte (measured); unknown failures tell them nothing but a code, and the
//! log the rest.

mod body;
mod causes;
mod code;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use tuf_schema::gun::GunError;
use tuf_schema::update_answer::{HeldFault, IndexFault};

use super::coding::Codings;
use super::{Answer, AnswerBody};
use body::Detail;
pub(super) use code::ErrorCode;

/// What a client should wait before it tries again where nobody can tell, in seconds.
const RETRY_AFTER_SECONDS: u64 = 5;

/// An error as the client gets it, and what the log gets besides.
#[derive(Debug)]
pub(super) struct ApiError {
    pub(super) code: ErrorCode,
    detail: Box<Detail>,
    header: Option<Header>,
    /// Why, for the line of this request in the log.
    pub(super) reason: String,
}

/// A header that only some errors have.
#[derive(Debug)]
enum Header {
    /// Where to get a token, and for what.
    Challenge(String),
    /// When to try again, in seconds.
    RetryAfter(u64),
    /// How a body may be coded.
    Accepted(Codings),
}

impl ApiError {
    fn new(code: ErrorCode, detail: Detail, reason: impl Into<String>) -> Self {
        Self { code, detail: Box::new(detail), header: None, reason: reason.into() }
    }

    fn unavailable(what: &str, reason: impl Into<String>) -> Self {
        let error = Self::new(ErrorCode::Unavailable, Detail::Text(what.to_owned()), reason);
        Self { header: Some(Header::RetryAfter(RETRY_AFTER_SECONDS)), ..error }
    }

    fn too_many(reason: String, wait_seconds: u64) -> Self {
        let error = Self::new(ErrorCode::TooManyRequests, Detail::Text(reason.clone()), reason);
        Self { header: Some(Header::RetryAfter(wait_seconds)), ..error }
    }

    fn unknown(reason: impl Into<String>) -> Self {
        Self::new(ErrorCode::Unknown, Detail::Empty, reason)
    }

    /// No route leads there.
    pub(super) fn no_route() -> Self {
        Self::new(ErrorCode::MetadataNotFound, Detail::Absent, "no such route")
    }

    /// A route leads there, and nothing is stored.
    pub(super) fn not_found() -> Self {
        Self::new(ErrorCode::MetadataNotFound, Detail::Empty, "not stored")
    }

    /// The version asked for is a number that cannot be read.
    pub(super) fn unreadable_version(digits: &str) -> Self {
        Self::new(ErrorCode::MetadataNotFound, Detail::Number(digits.to_owned()), "version out of range")
    }

    /// The name starts with none of the configured prefixes, and an upload is told which there are.
    pub(super) fn foreign_prefix(prefixes: &[&str]) -> Self {
        let detail = format!("Require GUNs with prefix: [{}]", prefixes.join(" "));
        Self::new(ErrorCode::InvalidGun, Detail::Text(detail), "prefix not served")
    }

    /// An upload to a name that is no GUN.
    pub(super) fn invalid_gun(error: &GunError) -> Self {
        Self::new(ErrorCode::InvalidGun, Detail::Text(error.to_string()), error.to_string())
    }

    /// `records` of the change feed is no number; the text is the reference's.
    pub(super) fn invalid_records(text: &str, what: &str) -> Self {
        let shown: String = text.escape_debug().take(100).collect();
        let detail = format!("invalid records parameter: strconv.ParseInt: parsing \"{shown}\": {what}");
        Self::new(ErrorCode::InvalidParameters, Detail::Text(detail), "records is no number")
    }

    /// `change_id` of the change feed is no number.
    pub(super) fn invalid_change_id() -> Self {
        Self::new(ErrorCode::InvalidParameters, Detail::Empty, "change_id is no number")
    }

    /// How many repositories a page is to have is no number of a page.
    pub(super) fn invalid_page(most: u32) -> Self {
        let why = format!("n is a number from 1 to {most}");
        Self::new(ErrorCode::InvalidParameters, Detail::Text(why.clone()), why)
    }

    /// What a client says that it holds cannot be understood.
    pub(super) fn invalid_held(fault: &HeldFault) -> Self {
        Self::new(ErrorCode::InvalidParameters, Detail::Text(fault.to_string()), fault.to_string())
    }

    /// Documents that no answer can bring together.
    pub(super) fn unlisted(fault: &IndexFault) -> Self {
        Self::unknown(fault.to_string())
    }

    /// The request took longer than it may.
    pub(super) fn out_of_time() -> Self {
        Self::unavailable("time", "the request was not done in time")
    }

    /// Answers that others read hold all the memory that there is for answers.
    pub(super) fn answers() -> Self {
        Self::unavailable("answers", "the memory for answers is in use")
    }

    /// Answers that this client has not read yet hold its share of the memory for answers.
    pub(super) fn answers_of_client() -> Self {
        let detail = "other answers to this client hold its share of the memory for answers; try again later";
        Self::too_many(detail.to_owned(), RETRY_AFTER_SECONDS)
    }

    /// The answer that tells the client.
    pub(super) fn into_response(self) -> Answer {
        let mut response = Answer::new(AnswerBody::from(self.body()));
        *response.status_mut() = self.code.status();
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, json);
        match self.header {
            // a challenge has no control characters, so it is always a header's value
            Some(Header::Challenge(challenge)) => response
                .headers_mut()
                .extend(HeaderValue::from_bytes(challenge.as_bytes()).ok().map(|value| (WWW_AUTHENTICATE, value))),
            Some(Header::RetryAfter(seconds)) => drop(response.headers_mut().insert(RETRY_AFTER, seconds.into())),
            Some(Header::Accepted(codings)) => response.headers_mut().extend([codings.header()]),
            None => {}
        }
        response
    }

    fn body(&self) -> Bytes {
        body::body(self.code, &self.detail)
    }
}
