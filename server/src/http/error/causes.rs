//! From what can go wrong below to what the client is told.

use super::ApiError;
use super::Header;
use super::body::Detail;
use super::code::ErrorCode;
use crate::auth::Denied;
use crate::chain::with_sources;
use crate::http::NoPlace;
use crate::http::multipart::MultipartError;
use crate::http::unpacking::ZstdFault;
use crate::http::upload::UploadError;
use crate::http::upload_memory::NoRoom;
use crate::keys::KeyError;
use crate::publish::PublishError;
use crate::rate::TooMany;
use crate::signer::SignerError;
use crate::store::StoreError;

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        let error = Self::new(ErrorCode::Unauthorized, Detail::Wanted(denied.wanted), denied.reason.to_string());
        Self { header: Some(Header::Challenge(denied.challenge)), ..error }
    }
}

impl From<TooMany> for ApiError {
    fn from(refused: TooMany) -> Self {
        Self::too_many(refused.to_string(), refused.wait.as_secs())
    }
}

impl From<NoPlace> for ApiError {
    fn from(reason: NoPlace) -> Self {
        match reason {
            NoPlace::OfAll => Self::unavailable("connections", "all connections are in use"),
            NoPlace::OfAddress => {
                let detail = "other requests from this address hold its share of the connections; try again later";
                Self::too_many(detail.to_owned(), super::RETRY_AFTER_SECONDS)
            }
        }
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
            UploadError::ForeignCoding(codings) => {
                let error = Self::new(ErrorCode::UnsupportedCoding, Detail::Text(reason.clone()), reason);
                Self { header: Some(Header::Accepted(codings)), ..error }
            }
            UploadError::Zstd(ZstdFault::NoMemory) | UploadError::NoRoom(NoRoom::InUse) => {
                Self::unavailable("uploads", reason)
            }
            UploadError::Zstd(
                ZstdFault::Damaged | ZstdFault::Checksum | ZstdFault::Window | ZstdFault::BreaksOff | ZstdFault::GoesOn,
            ) => Self::new(ErrorCode::MalformedUpload, Detail::Text(reason.clone()), reason),
            UploadError::Twice(_) => Self::new(ErrorCode::MalformedUpload, Detail::Text(reason.clone()), reason),
            UploadError::NoFileName => Self::new(ErrorCode::NoFilename, Detail::Absent, reason),
            UploadError::NoRole(name) => Self::new(ErrorCode::InvalidRole, Detail::Text(name), reason),
            UploadError::TooLarge { .. } => Self::new(ErrorCode::UploadTooLarge, Detail::Text(reason.clone()), reason),
            UploadError::TooSlow(_) => Self::new(ErrorCode::UploadTooSlow, Detail::Text(reason.clone()), reason),
            UploadError::NoRoom(NoRoom::Share(_)) => Self::too_many(reason, super::RETRY_AFTER_SECONDS),
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
            PublishError::VersionConflict { role, current } | PublishError::Overtaken { role, current } => {
                Self::new(ErrorCode::Version, Detail::Stale { role, current }, reason)
            }
            PublishError::DoesNotFit { reason: misfit } => StoreError::DoesNotFit { reason: misfit }.into(),
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
            // Its operator sets the right passphrase, and the same request works.
            SignerError::Unavailable(_)
            | SignerError::Deadline(_)
            | SignerError::Busy { .. }
            | SignerError::WrongPassphrase { .. } => Self::unavailable("signer", reason),
            SignerError::NotHeld(_) | SignerError::Refused { .. } | SignerError::BadAnswer(_) => Self::unknown(reason),
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
            StoreError::DoesNotFit { reason: misfit } => {
                Self::new(ErrorCode::InvalidGun, Detail::Text(misfit.to_string()), reason)
            }
            StoreError::Unavailable(_) => Self::unavailable("storage", reason),
            StoreError::Corrupt { .. } => Self::unknown(reason),
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

#[cfg(test)]
mod tests {
    use tuf_schema::{Role, Version};

    use super::*;
    use crate::store::Misfit;

    fn body(error: &ApiError) -> String {
        String::from_utf8(error.body().to_vec()).unwrap()
    }

    #[test]
    fn a_conflict_tells_the_version_that_is_current() {
        let (role, current) = (Role::Targets, Version::new(7).ok());
        let detail = "\"detail\":{\"Role\":\"targets\",\"Current\":7}";
        for error in [
            PublishError::VersionConflict { role: role.clone(), current },
            PublishError::Overtaken { role: role.clone(), current },
        ] {
            let error = ApiError::from(error);
            assert_eq!(error.code, ErrorCode::Version);
            assert!(body(&error).contains(detail));
        }
    }

    #[test]
    fn a_name_that_the_tables_cannot_hold_is_refused_with_the_reason() {
        let misfit = Misfit::EqualName { stored: "example.com/App".into() };
        let error = ApiError::from(PublishError::Store(StoreError::DoesNotFit { reason: misfit }));
        assert_eq!(error.code.status(), 400);
        assert_eq!(
            body(&error),
            "{\"errors\":[{\"code\":\"INVALID_GUN\",\"message\":\"The server does not support actions on images of this \
             name.\",\"detail\":\"its tables do not tell the name from \\\"example.com/App\\\"\"}]}\n"
        );
    }

    #[test]
    fn a_signer_or_database_that_is_down_is_never_the_client_s_fault() {
        let down = || Box::<dyn std::error::Error + Send + Sync>::from("secret address");
        for (error, part) in [
            (ApiError::from(PublishError::Signer(SignerError::Unavailable(down()))), "signer"),
            (ApiError::from(PublishError::Store(StoreError::Unavailable(down()))), "storage"),
            (ApiError::from(SignerError::Deadline(std::time::Duration::from_secs(1))), "signer"),
            (ApiError::from(SignerError::Busy { message: "more than 6 requests".into() }), "signer"),
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
        assert_eq!(locked.code.status(), 503);
        assert!(body(&locked).contains("\"UNAVAILABLE\"") && body(&locked).contains("\"detail\":\"signer\""));
        assert!(!body(&locked).contains("secret") && locked.reason.contains("secret"));
    }
}
