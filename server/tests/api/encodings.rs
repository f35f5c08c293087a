//! Documents compressed for clients that take them so: the same bytes when they are opened, and errors as they are.

use std::io::Read as _;

use flate2::read::GzDecoder;
use tuf_schema::Sha256;
use zstd::zstd_safe::DCtx;

use crate::repositories::published;
use crate::server::{Answer, Server};
use crate::updates::with_tags;

const GUN: &str = "example.com/app";

fn path(file: &str) -> String {
    format!("/v2/{GUN}/_trust/tuf/{file}.json")
}

async fn taking(server: &Server, file: &str, codings: &str) -> Answer {
    server.request("GET", &path(file), &[("Accept-Encoding", codings)]).await
}

/// The document in an answer, which must be in this coding and have the tag of it.
#[track_caller]
fn opened(answer: &Answer, coding: Option<&str>) -> Vec<u8> {
    assert_eq!((answer.status, answer.header("content-encoding")), (200, coding));
    assert_eq!(answer.header("vary"), Some("accept-encoding"));
    assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    let mut document = Vec::with_capacity(1 << 20);
    match coding {
        Some("gzip") => assert!(GzDecoder::new(answer.body.as_slice()).read_to_end(&mut document).unwrap() > 0),
        Some(_) => assert!(DCtx::create().decompress(&mut document, answer.body.as_slice()).unwrap() > 0),
        None => document.clone_from(&answer.body),
    }
    let digest = Sha256::of(&document).to_hex();
    let tag = coding.map_or(format!("\"{digest}\""), |coding| format!("\"{digest}-{coding}\""));
    assert_eq!(answer.header("etag"), Some(tag.as_str()));
    document
}

#[tokio::test]
async fn a_long_document_is_sent_in_the_form_that_is_wanted_most() {
    let server = Server::start().await;
    with_tags(&server, GUN, 500).await;
    let whole = server.get(&path("targets")).await;
    let document = opened(&whole, None);
    for (codings, coding) in [
        ("gzip", Some("gzip")),
        ("zstd", Some("zstd")),
        ("gzip, deflate, br, zstd", Some("zstd")),
        ("gzip;q=0.9, zstd;q=0.5", Some("gzip")),
        ("identity, gzip;q=0.5", None),
        ("gzip;q=0", None),
        ("br", None),
        ("*;q=0", None),
    ] {
        for _made_and_remembered in 0..2 {
            let answer = taking(&server, "targets", codings).await;
            assert_eq!(opened(&answer, coding), document, "{codings}");
            assert!(coding.is_none() || answer.body.len() < document.len() * 7 / 8, "{codings}");
        }
    }
}

#[tokio::test]
async fn a_short_document_and_an_error_stay_as_they_are() {
    let server = Server::start().await;
    published(&server, GUN).await;
    for role in ["root", "timestamp", "snapshot", "targets"] {
        let answer = taking(&server, role, "gzip, zstd, identity;q=0").await;
        assert!(opened(&answer, None).len() < 4096, "{role}");
    }
    let missing = taking(&server, "targets/releases", "gzip").await;
    missing.assert_refused(404, "METADATA_NOT_FOUND");
    assert_eq!((missing.header("content-encoding"), missing.header("vary")), (None, None));
}

#[tokio::test]
async fn who_holds_a_form_that_he_takes_is_sent_nothing_and_who_cannot_read_it_is_sent_another() {
    let server = Server::start().await;
    with_tags(&server, GUN, 500).await;
    let plain = server.get(&path("targets")).await;
    let gzip = taking(&server, "targets", "gzip").await;
    let [plain_tag, gzip_tag] = [&plain, &gzip].map(|answer| answer.header("etag").unwrap());
    assert_ne!(plain_tag, gzip_tag);
    for (codings, tag, status) in [
        ("gzip", gzip_tag, 304),
        ("gzip", plain_tag, 304),
        ("identity", gzip_tag, 200),
        ("gzip, identity;q=0", plain_tag, 200),
        ("zstd", gzip_tag, 200),
    ] {
        let headers = [("Accept-Encoding", codings), ("If-None-Match", tag)];
        let answer = server.request("GET", &path("targets"), &headers).await;
        assert_eq!(answer.status, status, "{codings} {tag}");
        if status == 304 {
            assert_eq!((answer.header("etag"), answer.header("vary")), (Some(tag), Some("accept-encoding")));
            assert_eq!((answer.header("content-encoding"), answer.body.len()), (None, 0));
        }
    }
}

#[tokio::test]
async fn a_compressed_document_is_not_served_after_the_repository_was_deleted() {
    let server = Server::start().await;
    with_tags(&server, GUN, 500).await;
    opened(&taking(&server, "targets", "gzip").await, Some("gzip"));
    assert_eq!(server.request("DELETE", &format!("/v2/{GUN}/_trust/tuf/"), &[]).await.status, 200);
    taking(&server, "targets", "gzip").await.assert_refused(404, "METADATA_NOT_FOUND");
}
