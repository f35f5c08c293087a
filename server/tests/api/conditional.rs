//! What a client holds already is not sent again, and whoever holds something else is sent what is current.

use serde_json::json;
use tuf_schema::Sha256;

use crate::repositories::published;
use crate::server::{Answer, Server, multipart};

const GUN: &str = "example.com/app";

fn path(file: &str) -> String {
    format!("/v2/{GUN}/_trust/tuf/{file}.json")
}

async fn holding(server: &Server, file: &str, tags: &str) -> Answer {
    server.request("GET", &path(file), &[("If-None-Match", tags)]).await
}

fn tag_of(bytes: &[u8]) -> String {
    format!("\"{}\"", Sha256::of(bytes).to_hex())
}

#[tokio::test]
async fn the_tag_of_a_file_is_the_digest_of_what_was_stored_by_name_version_and_hash() {
    let server = Server::start().await;
    published(&server, GUN).await;
    let root = server.get(&path("root")).await;
    let tag = tag_of(&root.body);
    for file in ["root".to_owned(), "1.root".to_owned(), format!("root.{}", Sha256::of(&root.body).to_hex())] {
        let whole = server.get(&path(&file)).await;
        assert_eq!((whole.status, whole.header("etag")), (200, Some(tag.as_str())), "{file}");
        let none = holding(&server, &file, &tag).await;
        assert_eq!((none.status, none.body.as_slice()), (304, b"".as_slice()), "{file}");
        for name in ["etag", "cache-control", "vary", "last-modified"] {
            assert!(none.header(name).is_some(), "{name}");
            assert_eq!(none.header(name), whole.header(name), "{file}: {name}");
        }
        for of_a_body in ["content-type", "content-length", "content-encoding"] {
            assert_eq!(none.header(of_a_body), None, "{file}");
        }
    }
}

#[tokio::test]
async fn tags_come_in_lists_weak_or_as_a_star_and_one_that_cannot_be_read_is_none() {
    let server = Server::start().await;
    published(&server, GUN).await;
    let tag = tag_of(&server.get(&path("targets")).await.body);
    for held in [format!("\"a,b\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
        assert_eq!(holding(&server, "targets", &held).await.status, 304, "{held}");
    }
    for held in ["\"a\"".to_owned(), tag.replace('"', ""), format!("\"a\" {tag}"), tag.to_uppercase()] {
        assert_eq!(holding(&server, "targets", &held).await.status, 200, "{held}");
    }
}

#[tokio::test]
async fn after_a_publish_whoever_holds_what_was_current_is_sent_what_is() {
    let server = Server::start().await;
    published(&server, GUN).await;
    let before = server.get(&path("timestamp")).await;
    assert_eq!(server.post(GUN, &multipart(&[])).await.status, 200);
    let after = holding(&server, "timestamp", &tag_of(&before.body)).await;
    assert_eq!((after.status, after.json()["signed"]["version"].clone()), (200, json!(2)));
    assert_eq!(after.header("etag"), Some(tag_of(&after.body).as_str()));
    assert_eq!(holding(&server, "1.timestamp", &tag_of(&before.body)).await.status, 304);
}

#[tokio::test]
async fn a_date_alone_is_no_reason_to_send_nothing() {
    let server = Server::start().await;
    published(&server, GUN).await;
    let before = server.get(&path("timestamp")).await;
    let date = before.header("last-modified").unwrap();
    // within the same second, as likely as not
    assert_eq!(server.post(GUN, &multipart(&[])).await.status, 200);
    for since in [date, "Fri, 31 Dec 2100 00:00:00 GMT"] {
        let answer = server.request("GET", &path("timestamp"), &[("If-Modified-Since", since)]).await;
        assert_eq!((answer.status, answer.json()["signed"]["version"].clone()), (200, json!(2)), "{since}");
    }
}

#[tokio::test]
async fn who_may_not_read_and_what_is_not_there_is_answered_as_without_a_tag() {
    let bundle = rcgen::generate_simple_self_signed([]).unwrap().cert.pem();
    let sections = json!({"auth": {"type": "token", "options": {
        "realm": "https://auth.example.com/token", "service": "notary-server",
        "issuer": "auth.example.com", "rootcertbundle": "bundle.crt",
    }}});
    let closed = Server::start_with(sections, &[("bundle.crt", &bundle)]).await;
    holding(&closed, "root", "*").await.assert_refused(401, "UNAUTHORIZED");

    let server = Server::start().await;
    holding(&server, "root", "*").await.assert_refused(404, "METADATA_NOT_FOUND");
    published(&server, GUN).await;
    let tag = tag_of(&server.get(&path("root")).await.body);
    assert_eq!(server.request("DELETE", &format!("/v2/{GUN}/_trust/tuf/"), &[]).await.status, 200);
    for file in ["root", "1.root"] {
        let gone = holding(&server, file, &tag).await;
        gone.assert_refused(404, "METADATA_NOT_FOUND");
        assert_eq!((gone.header("etag"), gone.header("vary")), (None, None));
    }
}
