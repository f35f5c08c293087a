//! Errors on the wire: the one table from what can go wrong to code, status and body.
//!
//! Clients read one error and the first kilobyte (measured); unknown failures tell them nothing but a code, and the
//! log the rest.

use std::error::Error as StdError;
use std::fmt::Write;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde::ser::{Serialize, SerializeMap, Serializer};
use tuf_schema::gun::GunError;
use tuf_schema::{Role, Version};

use super::multipart::MultipartError;
use super::upload::UploadError;
use crate::auth::Denied;
use crate::keys::KeyError;
use crate::publish::PublishError;
use crate::read::ReadError;
use crate::signer::SignerError;
use crate::store::StoreError;

/// The longest error body in bytes; clients read 1024.
const MAX_BODY_BYTES: usize = 1000;

/// What a client should wait before it tries again, in seconds.
const RETRY_AFTER_SECONDS: u32 = 5;

/// The codes of errors: the reference's, and three of our own where it has no answer at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorCode {
    NoFilename,
    InvalidRole,
    MalformedJson,
    MalformedUpload,
    InvalidUpdate,
    Version,
    MetadataNotFound,
    InvalidGun,
    InvalidParameters,
    Unauthorized,
    Unknown,
    /// Ours: the body is above the limit.
    UploadTooLarge,
    /// Ours: the body did not come in time.
    UploadTooSlow,
    /// Ours: signer, database or memory cannot serve the request now; nothing is wrong with it.
    Unavailable,
}

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
    /// When to try again.
    RetryAfter,
}

/// The `detail` member of an error.
#[derive(Debug)]
enum Detail {
    /// No member.
    Absent,
    /// `{}`: what the reference's language makes of an error value without public fields.
    Empty,
    Text(String),
    /// A rule of metadata: clients print `message` (`Msg`).
    Violation {
        name: &'static str,
        missing: Option<Role>,
        message: String,
    },
    /// A version that cannot be read.
    Number(String),
    Stale {
        role: Role,
        current: Option<Version>,
    },
    Wanted(Vec<crate::auth::Wanted>),
}

impl ErrorCode {
    /// The code as the client gets it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::NoFilename => "NO_FILENAME",
            Self::InvalidRole => "INVALID_ROLE",
            Self::MalformedJson => "MALFORMED_JSON",
            Self::MalformedUpload => "MALFORMED_UPLOAD",
            Self::InvalidUpdate => "INVALID_UPDATE",
            Self::Version => "VERSION",
            Self::MetadataNotFound => "METADATA_NOT_FOUND",
            Self::InvalidGun => "INVALID_GUN",
            Self::InvalidParameters => "INVALID_PARAMETERS",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Unknown => "UNKNOWN",
            Self::UploadTooLarge => "UPLOAD_TOO_LARGE",
            Self::UploadTooSlow => "UPLOAD_TOO_SLOW",
            Self::Unavailable => "UNAVAILABLE",
        }
    }

    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::NoFilename
            | Self::InvalidRole
            | Self::MalformedJson
            | Self::MalformedUpload
            | Self::InvalidUpdate
            | Self::Version
            | Self::InvalidGun
            | Self::InvalidParameters => StatusCode::BAD_REQUEST,
            Self::MetadataNotFound => StatusCode::NOT_FOUND,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
            Self::UploadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UploadTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::NoFilename => "No file/role name provided.",
            Self::InvalidRole => "The role you are attempting to operate on is invalid.",
            Self::MalformedJson => "JSON sent by the client could not be parsed by the server",
            Self::MalformedUpload => "The body of your request is malformed.",
            Self::InvalidUpdate => "Update sent by the client is invalid.",
            Self::Version => "A newer version of metadata is already available.",
            Self::MetadataNotFound => "You have requested metadata that does not exist.",
            Self::InvalidGun => "The server does not support actions on images of this name.",
            Self::InvalidParameters => "The parameters provided are not valid.",
            Self::Unauthorized => "authentication required",
            Self::Unknown => "unknown error",
            Self::UploadTooLarge => "The upload is larger than this server allows.",
            Self::UploadTooSlow => "The upload took longer than this server allows.",
            Self::Unavailable => "The server cannot do this now. Try again later.",
        }
    }
}

impl ApiError {
    fn new(code: ErrorCode, detail: Detail, reason: impl Into<String>) -> Self {
        Self { code, detail: Box::new(detail), header: None, reason: reason.into() }
    }

    fn unavailable(what: &str, reason: impl Into<String>) -> Self {
        let error = Self::new(ErrorCode::Unavailable, Detail::Text(what.to_owned()), reason);
        Self { header: Some(Header::RetryAfter), ..error }
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

    /// The request took longer than it may.
    pub(super) fn out_of_time() -> Self {
        Self::unavailable("time", "the request was not done in time")
    }

    /// The answer that tells the client.
    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body()));
        *response.status_mut() = self.code.status();
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, json);
        match self.header {
            // a challenge has no control characters, so it is always a header's value
            Some(Header::Challenge(challenge)) => response
                .headers_mut()
                .extend(HeaderValue::from_bytes(challenge.as_bytes()).ok().map(|value| (WWW_AUTHENTICATE, value))),
            Some(Header::RetryAfter) => drop(response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS.into())),
            None => {}
        }
        response
    }

    /// One error, and never more than [`MAX_BODY_BYTES`]: long texts of the detail are cut.
    fn body(&self) -> Bytes {
        let mut shortest = String::new();
        for longest_text in [MAX_BODY_BYTES, 600, 300, 100, 30, 0] {
            let error = WireError { error: self, longest_text };
            shortest = serde_json::json!({ "errors": [] }).to_string();
            if let Ok(text) = serde_json::to_string(&error) {
                shortest = format!("{{\"errors\":[{text}]}}\n");
            }
            if shortest.len() <= MAX_BODY_BYTES {
                break;
            }
        }
        shortest.into()
    }
}

/// An error with every text of its detail cut to so many bytes.
struct WireError<'a> {
    error: &'a ApiError,
    longest_text: usize,
}

struct WireDetail<'a>(&'a WireError<'a>);

impl Serialize for WireError<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("code", self.error.code.as_str())?;
        map.serialize_entry("message", self.error.code.message())?;
        if !matches!(*self.error.detail, Detail::Absent) {
            map.serialize_entry("detail", &WireDetail(self))?;
        }
        map.end()
    }
}

impl WireDetail<'_> {
    fn cut(&self, text: &str) -> String {
        let limit = self.0.longest_text;
        if text.len() <= limit {
            return text.to_owned();
        }
        let mut cut: String =
            text.char_indices().take_while(|(at, c)| at + c.len_utf8() <= limit).map(|(_, c)| c).collect();
        cut.push_str("...");
        cut
    }
}

impl Serialize for WireDetail<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// Members in this order, which is the reference's.
        struct Members<'a>(Vec<(&'static str, Member<'a>)>);
        enum Member<'a> {
            Text(String),
            Number(u32),
            Inner(Members<'a>),
            Static(&'a str),
        }
        impl Serialize for Members<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(Some(self.0.len()))?;
                for (name, member) in &self.0 {
                    match member {
                        Member::Text(text) => map.serialize_entry(name, text)?,
                        Member::Number(number) => map.serialize_entry(name, number)?,
                        Member::Inner(members) => map.serialize_entry(name, members)?,
                        Member::Static(text) => map.serialize_entry(name, text)?,
                    }
                }
                map.end()
            }
        }
        let text = |text: &str| Member::Text(self.cut(text));
        let members = match &*self.0.error.detail {
            Detail::Absent | Detail::Empty => Members(Vec::new()),
            Detail::Text(detail) => return serializer.serialize_str(&self.cut(detail)),
            Detail::Violation { name, missing, message } => {
                let mut inner = Vec::new();
                inner.extend(missing.as_ref().map(|role| ("Missing", text(role.as_str()))));
                inner.push(("Msg", text(message)));
                Members(vec![("Name", Member::Static(name)), ("Error", Member::Inner(Members(inner)))])
            }
            Detail::Number(digits) => Members(vec![
                ("Func", Member::Static("Atoi")),
                ("Num", text(digits)),
                ("Err", Member::Inner(Members(Vec::new()))),
            ]),
            Detail::Stale { role, current } => {
                let mut members = vec![("Role", text(role.as_str()))];
                members.extend(current.map(|version| ("Current", Member::Number(version.number()))));
                Members(members)
            }
            Detail::Wanted(wanted) => {
                let entries = wanted.iter().map(|one| {
                    Members(vec![
                        ("Type", Member::Static(one.kind)),
                        ("Class", Member::Static("")),
                        ("Name", text(&one.name)),
                        ("Action", Member::Static(one.action)),
                    ])
                });
                return serializer.collect_seq(entries);
            }
        };
        members.serialize(serializer)
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        let error = Self::new(ErrorCode::Unauthorized, Detail::Wanted(denied.wanted), denied.reason.to_string());
        Self { header: Some(Header::Challenge(denied.challenge)), ..error }
    }
}

impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> Self {
        let reason = with_sources(&error);
        match error {
            UploadError::Multipart(MultipartError::TooManyParts(_)) => {
                Self::new(ErrorCode::MalformedUpload, Detail::Text(reason.clone()), reason)
            }
            UploadError::Multipart(
                MultipartError::NoBoundary | MultipartError::Truncated | MultipartError::BadHeaders,
            )
            | UploadError::BrokenOff => Self::new(ErrorCode::MalformedUpload, Detail::Absent, reason),
            UploadError::Twice(_) => Self::new(ErrorCode::MalformedUpload, Detail::Text(reason.clone()), reason),
            UploadError::NoFileName => Self::new(ErrorCode::NoFilename, Detail::Absent, reason),
            UploadError::NoRole(name) => Self::new(ErrorCode::InvalidRole, Detail::Text(name), reason),
            UploadError::TooLarge { .. } => Self::new(ErrorCode::UploadTooLarge, Detail::Text(reason.clone()), reason),
            UploadError::TooSlow(_) => Self::new(ErrorCode::UploadTooSlow, Detail::Text(reason.clone()), reason),
            UploadError::NoMemory => Self::unavailable("uploads", reason),
        }
    }
}

impl From<PublishError> for ApiError {
    fn from(error: PublishError) -> Self {
        let reason = with_sources(&error);
        let violation = |name, missing, message: String| {
            Self::new(ErrorCode::InvalidUpdate, Detail::Violation { name, missing, message }, reason.clone())
        };
        match error {
            PublishError::MalformedJson { .. } => Self::new(ErrorCode::MalformedJson, Detail::Absent, reason),
            PublishError::BadRoot(rule) => violation("ErrBadRoot", None, rule.to_string()),
            PublishError::BadTargets(rule) => violation("ErrBadTargets", None, rule.to_string()),
            PublishError::BadSnapshot(rule) => violation("ErrBadSnapshot", None, rule.to_string()),
            PublishError::BadHierarchy { missing, violation: rule } => {
                violation("ErrBadHierarchy", Some(missing), rule.to_string())
            }
            PublishError::Validation(rule) => violation("ErrValidation", None, rule.to_string()),
            PublishError::VersionConflict { role, current } => {
                Self::new(ErrorCode::Version, Detail::Stale { role, current }, reason)
            }
            PublishError::Unwritable(_) => Self::unknown(reason),
            PublishError::Signer(error) => error.into(),
            PublishError::Store(error) => error.into(),
        }
    }
}

impl From<SignerError> for ApiError {
    fn from(error: SignerError) -> Self {
        let reason = with_sources(&error);
        match error {
            SignerError::Unavailable(_) | SignerError::Deadline(_) => Self::unavailable("signer", reason),
            SignerError::NotHeld(_)
            | SignerError::WrongPassphrase { .. }
            | SignerError::Refused { .. }
            | SignerError::BadAnswer(_) => Self::unknown(reason),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let reason = with_sources(&error);
        match error {
            StoreError::Conflict { role, current } => {
                Self::new(ErrorCode::Version, Detail::Stale { role, current }, reason)
            }
            StoreError::Unavailable(_) => Self::unavailable("storage", reason),
            StoreError::Corrupt { .. } => Self::unknown(reason),
        }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        let reason = with_sources(&error);
        match error {
            ReadError::NotRenewable { .. } | ReadError::Unwritable(_) => Self::unknown(reason),
            ReadError::Store(error) => error.into(),
            ReadError::Signer(error) => error.into(),
        }
    }
}

impl From<KeyError> for ApiError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Store(error) => error.into(),
            KeyError::Signer(error) => error.into(),
        }
    }
}

/// An error and what led to it, on one line.
fn with_sources(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let words = inner.to_string();
        if !text.ends_with(&words) {
            let _infallible = write!(text, ": {words}");
        }
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::auth::Wanted;

    fn body(error: &ApiError) -> String {
        String::from_utf8(error.body().to_vec()).unwrap()
    }

    #[test]
    fn members_stand_in_the_reference_s_order() {
        assert_eq!(
            body(&PublishError::Validation(crate::publish::Violation::NoRoot).into()),
            "{\"errors\":[{\"code\":\"INVALID_UPDATE\",\"message\":\"Update sent by the client is invalid.\",\
             \"detail\":{\"Name\":\"ErrValidation\",\"Error\":{\"Msg\":\"no pre-existing root and no root provided in \
             update.\"}}}]}\n"
        );
        assert_eq!(
            body(&ApiError::unreadable_version("99")),
            "{\"errors\":[{\"code\":\"METADATA_NOT_FOUND\",\"message\":\"You have requested metadata that does not \
             exist.\",\"detail\":{\"Func\":\"Atoi\",\"Num\":\"99\",\"Err\":{}}}]}\n"
        );
    }

    #[test]
    fn a_conflict_tells_the_version_that_is_current() {
        let error = PublishError::VersionConflict { role: Role::Targets, current: Version::new(7).ok() };
        let detail = "\"detail\":{\"Role\":\"targets\",\"Current\":7}";
        assert!(body(&error.into()).contains(detail));
    }

    #[test]
    fn no_body_is_longer_than_clients_read() {
        let longest = "\u{1}é\"".repeat(30_000);
        let wanted = |action| Wanted { kind: "repository", name: longest.clone(), action };
        for detail in [
            Detail::Text(longest.clone()),
            Detail::Violation { name: "ErrBadHierarchy", missing: Some(Role::Snapshot), message: longest.clone() },
            Detail::Number("9".repeat(60_000)),
            Detail::Wanted(vec![wanted("push"), wanted("pull")]),
        ] {
            let error = ApiError::new(ErrorCode::MetadataNotFound, detail, "");
            let body = body(&error);
            assert!((100..=MAX_BODY_BYTES).contains(&body.len()), "{body}");
            let read: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(read["errors"].as_array().map(Vec::len), Some(1));
        }
    }

    #[test]
    fn a_signer_or_database_that_is_down_is_never_the_client_s_fault() {
        let down = || Box::<dyn StdError + Send + Sync>::from("secret address");
        for (error, part) in [
            (ApiError::from(PublishError::Signer(SignerError::Unavailable(down()))), "signer"),
            (ApiError::from(PublishError::Store(StoreError::Unavailable(down()))), "storage"),
            (ApiError::from(SignerError::Deadline(std::time::Duration::from_secs(1))), "signer"),
        ] {
            assert_eq!(error.code.status(), 503);
            assert_eq!(
                body(&error),
                format!(
                    "{{\"errors\":[{{\"code\":\"UNAVAILABLE\",\"message\":\"The server cannot do this now. Try again \
                     later.\",\"detail\":\"{part}\"}}]}}\n"
                )
            );
        }
        let locked = ApiError::from(KeyError::Signer(SignerError::WrongPassphrase { message: "secret".into() }));
        assert_eq!(locked.code.status(), 500);
        assert!(!body(&locked).contains("secret") && locked.reason.contains("secret"));
    }
}
