//! The reference's recorded answers that depend on no repository: ours are the same, byte for byte, where no
//! difference is named.

use std::path::Path;

use serde_json::json;

use crate::server::{Answer, Server};

/// Routes, missing things, parameters and malformed uploads.
const WITHOUT_AUTH: &[&str] = &[
    "001-ping",
    "002-health",
    "004-head-ping",
    "005-v2-no-slash",
    "006-root-path",
    "007-double-slash-redirect",
    "017-get-root-version-missing",
    "018-get-root-version-overflow",
    "019-get-delegation-version-missing",
    "021-get-unknown-role",
    "022-get-no-extension",
    "025-key-get-targets",
    "026-get-collection",
    "029-get-root-by-sha256-uppercase",
    "030-get-root-by-sha512",
    "031-get-root-by-sha256-missing",
    "033-get-unknown-gun-root",
    "034-get-unknown-gun-timestamp",
    "035-get-unknown-gun-snapshot",
    "036-head-root",
    "037-put-root",
    "038-delete-root",
    "039-post-root",
    "040-patch-root",
    "041-options-root",
    "042-gun-with-star",
    "044-cf-missing-records",
    "051-cf-records-bad",
    "052-cf-changeid-bad",
    "053-cf-records-overflow",
    "054-cf-past-end",
    "057-cf-gun-unknown",
    "058-post-not-multipart",
    "060-post-empty-multipart-new-gun",
    "061-post-empty-filename",
    "062-post-bad-role",
    "063-post-uppercase-delegation",
    "064-post-unclean-delegation",
    "065-post-no-content-disposition",
    "066-post-malformed-json",
    "067-post-version-not-int",
    "207-delete-gun-again",
];

/// Challenges, and what precedes them.
const WITH_AUTH: &[&str] = &[
    "210-auth-none-ping",
    "211-auth-none-pull",
    "212-auth-none-push",
    "213-auth-none-delete",
    "214-auth-none-key-get",
    "215-auth-none-key-post",
    "216-auth-none-changefeed",
    "217-auth-none-gun-changefeed",
    "218-auth-none-health",
    "220-auth-none-unknown-path",
    "221-auth-prefix-get",
    "222-auth-prefix-post",
    "226-auth-expired",
    "227-auth-garbage-alg-none",
];

/// Where we differ, with the reason.
const DIFFERENT: &[(&str, u16, &str)] = &[
    // version 0 names no version; the reference returns any row
    ("016-get-root-version-zero", 404, "METADATA_NOT_FOUND"),
    // a delegation that is not there is not there; the reference says 500
    ("020-get-delegation-missing", 404, "METADATA_NOT_FOUND"),
    // a name of 256 characters overflows the reference's column
    ("043-key-gun-256-chars", 404, "METADATA_NOT_FOUND"),
    // the reference's handler panics and the connection closes without an answer
    ("059-post-truncated-multipart", 400, "MALFORMED_UPLOAD"),
];

fn recorded(name: &str) -> (Vec<u8>, Vec<u8>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/http").join(format!("{name}.http"));
    let text = String::from_utf8(std::fs::read(path).unwrap()).unwrap();
    let (request, answer) = text.strip_prefix(">>> REQUEST\n").unwrap().split_once("\n<<< RESPONSE\n").unwrap();
    (request.as_bytes().to_vec(), answer.as_bytes().to_vec())
}

async fn assert_as_recorded(server: &Server, name: &str) {
    let (request, answer) = recorded(name);
    let expected = Answer::parse(&answer);
    let found = server.send(&request).await;
    assert_eq!(found.status, expected.status, "{name}: {}", found.text());
    // the recorder put a line end after each answer
    assert_eq!(found.text(), expected.text().strip_suffix('\n').unwrap(), "{name}");
    for header in ["content-type", "content-length", "location", "www-authenticate", "cache-control", "last-modified"] {
        assert_eq!(found.header(header), expected.header(header), "{name}: {header}");
    }
}

#[tokio::test]
async fn answers_that_depend_on_no_repository_are_the_reference_s() {
    let server = Server::start().await;
    for name in WITHOUT_AUTH {
        assert_as_recorded(&server, name).await;
    }
}

#[tokio::test]
async fn challenges_are_the_reference_s() {
    let bundle = rcgen::generate_simple_self_signed([]).unwrap().cert.pem();
    let sections = json!({
        "auth": {"type": "token", "options": {
            "realm": "https://auth.example.com/token", "service": "notary-server",
            "issuer": "auth.example.com", "rootcertbundle": "bundle.crt",
        }},
        "repositories": {"gun_prefixes": ["example.com/", "other/"]},
    });
    let server = Server::start_with(sections, &[("bundle.crt", &bundle)]).await;
    for name in WITH_AUTH {
        assert_as_recorded(&server, name).await;
    }
    assert_eq!(server.get("/metrics").await.status, 200);
}

#[tokio::test]
async fn known_defects_are_not_copied() {
    let server = Server::start().await;
    for (name, status, code) in DIFFERENT {
        let answer = server.send(&recorded(name).0).await;
        assert_eq!((answer.status, answer.code().as_str()), (*status, *code), "{name}");
    }
}
