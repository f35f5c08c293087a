//! Where this server answers otherwise than the reference did: each is a row of docs/compatibility.md.

/// A difference.
pub(super) struct Difference {
    /// The capture.
    pub(super) name: &'static str,
    /// Our status.
    pub(super) status: u16,
    /// Our code; empty without.
    pub(super) code: &'static str,
    /// Why it is right.
    pub(super) reason: &'static str,
}

const fn differs(name: &'static str, status: u16, code: &'static str, reason: &'static str) -> Difference {
    Difference { name, status, code, reason }
}

/// All of them. An entry that is no longer needed fails the replay.
pub(super) const DIFFERENCES: &[Difference] = &[
    differs("http/003-metrics", 200, "", "counters of this process; none of the runtime of the reference's language"),
    differs(
        "http/016-get-root-version-zero",
        404,
        "METADATA_NOT_FOUND",
        "version 0 names no version; the reference returns any row",
    ),
    differs(
        "http/020-get-delegation-missing",
        404,
        "METADATA_NOT_FOUND",
        "a delegation that is not there is not there",
    ),
    differs(
        "http/032-leak-other-gun-by-hash",
        404,
        "METADATA_NOT_FOUND",
        "a hash leads to nothing of another repository or role",
    ),
    differs(
        "http/043-key-gun-256-chars",
        404,
        "METADATA_NOT_FOUND",
        "a name of 256 characters is none; it overflows the reference's column",
    ),
    differs("http/050-cf-records-0-default-100", 200, "", "the hash of the deletion in it is empty"),
    differs(
        "http/056-cf-gun-deleted",
        200,
        "",
        "the hash of a deletion is empty, as with the reference on MySQL; on PostgreSQL it has 64 blanks",
    ),
    differs(
        "http/059-post-truncated-multipart",
        400,
        "MALFORMED_UPLOAD",
        "the reference closes the connection without an answer",
    ),
    differs("http/166-post-trailing-spaces-accepted", 400, "INVALID_UPDATE", "the reference could not read it again"),
    differs("http/173-post-unknown-signed-field", 400, "INVALID_UPDATE", "the reference could not read it again"),
    differs("http/177-post-duplicate-role-last-wins", 400, "MALFORMED_UPLOAD", "nobody means the same role twice"),
    differs("http/186-post-same-versions-again", 400, "VERSION", "the detail tells the role and its current version"),
    differs("http/192-post-snapshot-old-version", 400, "VERSION", "the detail tells the role and its current version"),
    differs(
        "http/194-post-snapshot-lists-unknown-targets",
        400,
        "INVALID_UPDATE",
        "the repository would be unreadable",
    ),
    differs("http/195-get-after-snapshot-lists-unknown-targets", 200, "", "it was not made unreadable"),
    differs(
        "http/201-post-root-same-version-new-content",
        400,
        "VERSION",
        "the detail tells the role and its current version",
    ),
    differs("http/209-cf-after-delete", 200, "", "the hash of a deletion is empty"),
    differs(
        "http/219-auth-none-metrics",
        200,
        "",
        "counters of this process; none of the runtime of the reference's language",
    ),
    differs("http-signer-down/001-health", 503, "", "the words of the failure are ours"),
    differs("http-signer-down/004-key-get", 503, "UNAVAILABLE", "the signer is down, and the server is not broken"),
    differs("http-signer-down/005-key-post", 503, "UNAVAILABLE", "the signer is down, and the server is not broken"),
    differs("http-signer-down/006-upload-needing-signature", 503, "UNAVAILABLE", "nothing is wrong with the upload"),
];
