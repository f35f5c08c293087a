//! One question in place of many: all that a reader lacks, of a trust server that says that it answers so.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Response, StatusCode, Url};
use tuf_schema::update_answer::{self, Held};

use super::auth::is_of;
use super::http::{HttpRemote, read_capped};

/// How long one answer to an update may take, a fifth of what the update may: where it is slow, there is time left to ask
/// for what is needed by its name.
const LACKING_TIMEOUT: Duration = Duration::from_secs(120);

/// Whether a server says in its answer at `/v2/` that it answers updates in one.
pub(super) fn is_offered(ping: &Response, asked: &str) -> bool {
    let said = ping.headers().get(update_answer::HEADER).filter(|_| is_of(ping, asked));
    said.is_some_and(|said| said == update_answer::HEADER_VALUE)
}

impl HttpRemote {
    /// One answer to an update. Who does not give it at once is not waited for, as there is another way.
    pub(super) async fn ask_at_once(&self, held: &Held, cap: u64) -> Option<Bytes> {
        let mut url = Url::parse(&format!("{}/v2/{}/_trust/update", self.server, self.gun)).ok()?;
        let query = held.to_query();
        url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));
        let request = self.client.get(url).timeout(LACKING_TIMEOUT);
        let shown = self.shown().clone();
        let request = shown.into_iter().fold(request, |request, header| request.header(AUTHORIZATION, header));
        let response = request.send().await.ok()?;
        let is_answer = response.status() == StatusCode::OK
            && response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == update_answer::CONTENT_TYPE);
        if !is_answer {
            return None;
        }
        read_capped(response, self.server.authority(), cap).await.ok().map(Bytes::from)
    }
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use tuf_schema::version::Version;
    use tuf_schema::{Gun, Role, Sha256, UtcTime};

    use super::*;
    use crate::cache::Cache;
    use crate::credentials::Credentials;
    use crate::paths::TrustDirectory;
    use crate::remote::http::tests::remote;
    use crate::remote::{Action, Remote as _, TrustServer};
    use crate::testing::{self, Scripted};
    use crate::tls::Scheme;
    use crate::tls::tests_support::client_of;
    use crate::trust::{self, Offline};

    /// What a server says at `/v2/`, and to one question what a reader lacks.
    async fn offering(ping: String, answer: String) -> (Scripted, HttpRemote) {
        let server = Scripted::start(move |line| match line.split(' ').nth(1) {
            Some("/v2/") => ping.clone(),
            Some(path) if path.contains("/_trust/update") => answer.clone(),
            _ => testing::answer("404 Not Found", &[], ""),
        })
        .await;
        let address = TrustServer::of_test(&format!("http://{}", server.address));
        let (client, gun) = (client_of(Scheme::PlainOnLoopback), Gun::parse("a.test/b").unwrap());
        let remote = HttpRemote::connect(client, &address, &gun, Credentials::Anonymous, Action::Pull).await.unwrap();
        (server, remote)
    }

    const OFFERED: (&str, &str) = ("Bulla-Trust-Update", "v1");
    const BASIC: (&str, &str) = ("WWW-Authenticate", "Basic realm=\"x\"");

    /// An update by somebody who has nothing, of a repository that is not there.
    async fn update(remote: &HttpRemote) {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::new(TrustDirectory::new(home.path().to_owned()), remote.gun.clone());
        let (now, rng) = (UtcTime::parse("2026-11-22T00:00:00Z").unwrap(), SystemRandom::new());
        let offline = Offline::Refuse;
        let updated = trust::update(&remote.gun, Ok(remote), &cache, offline, now, &rng).await;
        assert_eq!(updated.unwrap_err().to_string(), "no trust data for a.test/b");
    }

    #[tokio::test]
    async fn one_question_is_asked_where_the_server_says_that_it_answers_it_and_nowhere_else() {
        for (status, headers, is_asked) in [
            ("200 OK", &[OFFERED][..], true),
            ("401 Unauthorized", &[OFFERED, BASIC], true),
            ("200 OK", &[], false),
            ("401 Unauthorized", &[BASIC], false),
            ("200 OK", &[("Bulla-Trust-Update", "v2")], false),
            ("200 OK", &[("Bulla-Trust-Update", "")], false),
        ] {
            let (server, remote) = offering(testing::answer(status, headers, ""), String::new()).await;
            update(&remote).await;
            let mut expected = vec!["GET /v2/ HTTP/1.1", "GET /v2/a.test/b/_trust/tuf/root.json HTTP/1.1"];
            if is_asked {
                expected.insert(1, "GET /v2/a.test/b/_trust/update HTTP/1.1");
            }
            assert_eq!(server.requests(), expected, "{status} {headers:?}");
        }
    }

    #[tokio::test]
    async fn who_gives_no_answer_to_one_question_is_asked_for_each_document_from_then_on() {
        let kind = ("Content-Type", "application/vnd.bulla.update.v1");
        for answer in [
            testing::answer("404 Not Found", &[], ""),
            testing::answer("500 Internal Server Error", &[kind], "{}"),
            testing::answer("401 Unauthorized", &[BASIC], ""),
            testing::answer("503 Service Unavailable", &[("Retry-After", "60")], ""),
            testing::answer("302 Found", &[("Location", "/v2/a.test/b/_trust/update/")], ""),
            testing::answer("200 OK", &[("Content-Type", "text/html")], "{}"),
            testing::answer("200 OK", &[], "{}"),
            format!("HTTP/1.1 200 OK\r\n{}: {}\r\nContent-Length: 9\r\n\r\ncut", kind.0, kind.1),
            format!("HTTP/1.1 200 OK\r\n{}: {}\r\nContent-Length: {}\r\n\r\n", kind.0, kind.1, 1_u64 << 40),
            String::new(),
        ] {
            let (server, remote) = offering(testing::answer("200 OK", &[OFFERED], ""), answer.clone()).await;
            for _ in 0..2 {
                update(&remote).await;
            }
            let root = "GET /v2/a.test/b/_trust/tuf/root.json HTTP/1.1";
            let expected = ["GET /v2/ HTTP/1.1", "GET /v2/a.test/b/_trust/update HTTP/1.1", root, root];
            assert_eq!(server.requests(), expected, "{answer}");
        }
    }

    #[tokio::test]
    async fn one_question_says_what_is_held_and_shows_the_token() {
        let kind = ("Content-Type", "application/vnd.bulla.update.v1");
        let server = Scripted::start(move |_| testing::answer("200 OK", &[kind], "{}")).await;
        let remote = remote(&server, Credentials::Anonymous, Some("Bearer it"));
        let digest = Sha256::of(b"");
        let held =
            Held { root: Some(Version::FIRST), documents: [(Role::parse("targets/releases").unwrap(), digest)].into() };
        assert_eq!(remote.lacking(&held, 2).await.unwrap(), "{}");
        assert_eq!(remote.lacking(&held, 1).await, None);
        let asked = format!("GET /v2/a.test/b/_trust/update?root=1&have=targets/releases:{digest} HTTP/1.1");
        assert_eq!(server.requests(), [asked.as_str(), asked.as_str()]);
        assert!(server.full_requests()[0].contains("authorization: Bearer it"), "{:?}", server.full_requests());
    }

    #[tokio::test]
    async fn an_answer_without_an_end_is_left_at_the_most_that_it_may_have() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sends = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {}\r\n\r\n", update_answer::CONTENT_TYPE);
            let mut sent = head.into_bytes();
            while tokio::io::AsyncWriteExt::write_all(&mut stream, &sent).await.is_ok() {
                sent = vec![b'{'; 1 << 16];
            }
        });
        let silent = Scripted::start(|_| String::new()).await;
        let mut remote = remote(&silent, Credentials::Anonymous, None);
        remote.server = TrustServer::of_test(&format!("http://{address}"));
        assert_eq!(remote.lacking(&Held::default(), 1 << 20).await, None);
        sends.await.unwrap();
    }
}
