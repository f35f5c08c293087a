//! The codes of errors, each with its status and message: the one table.

use hyper::StatusCode;

/// The codes of errors: the reference's, and four of our own where it has no answer at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum ErrorCode {
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
    /// Of the error table that registries share; the reference never uses it.
    TooManyRequests,
    Unknown,
    /// Ours: the body is above the limit.
    UploadTooLarge,
    /// Ours: the body is coded in a way that is not taken.
    UnsupportedCoding,
    /// Ours: the body did not come in time.
    UploadTooSlow,
    /// Ours: signer, database or memory cannot serve the request now; nothing is wrong with it.
    Unavailable,
}

impl ErrorCode {
    /// Each of them.
    #[cfg(test)]
    pub(in crate::http) const EVERY: [Self; 16] = [
        Self::NoFilename,
        Self::InvalidRole,
        Self::MalformedJson,
        Self::MalformedUpload,
        Self::InvalidUpdate,
        Self::Version,
        Self::MetadataNotFound,
        Self::InvalidGun,
        Self::InvalidParameters,
        Self::Unauthorized,
        Self::TooManyRequests,
        Self::Unknown,
        Self::UploadTooLarge,
        Self::UnsupportedCoding,
        Self::UploadTooSlow,
        Self::Unavailable,
    ];

    /// The code as the client gets it.
    pub(in crate::http) fn as_str(self) -> &'static str {
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
            Self::TooManyRequests => "TOOMANYREQUESTS",
            Self::Unknown => "UNKNOWN",
            Self::UploadTooLarge => "UPLOAD_TOO_LARGE",
            Self::UnsupportedCoding => "UNSUPPORTED_CODING",
            Self::UploadTooSlow => "UPLOAD_TOO_SLOW",
            Self::Unavailable => "UNAVAILABLE",
        }
    }

    pub(in crate::http) fn status(self) -> StatusCode {
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
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
            Self::UploadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedCoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::UploadTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(in crate::http) fn message(self) -> &'static str {
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
            Self::TooManyRequests => "too many requests",
            Self::Unknown => "unknown error",
            Self::UploadTooLarge => "The upload is larger than this server allows.",
            Self::UnsupportedCoding => "The coding of the body is none that this server takes.",
            Self::UploadTooSlow => "The upload took longer than this server allows.",
            Self::Unavailable => "The server cannot do this now. Try again later.",
        }
    }
}
