//! The console over real connections: who may look, what is shown, and that nothing of others gets into a page.

use serde_json::json;

use crate::repositories::published;
use crate::server::{Answer, Server};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const BEARER: &str = "Bearer 0123456789abcdef0123456789abcdef";

/// A server with a console.
async fn shown() -> Server {
    let console = json!({"console": {"http_addr": "127.0.0.1:0", "token_file": "token"}});
    Server::start_with(console, &[("token", TOKEN)]).await
}

/// The answer to who knows the token.
async fn page(server: &Server, path: &str) -> Answer {
    server.visit("GET", path, BEARER).await
}

#[tokio::test]
async fn who_does_not_know_the_token_is_told_the_same_of_every_page() {
    let server = shown().await;
    published(&server, "example.com/app").await;
    let paths = ["/", "/repository?gun=example.com/app", "/changes", "/style.css", "/nothing"];
    for authorization in ["", "Bearer 0123456789abcdef0123456789abcdeF", "Basic eDp5", "Basic !", TOKEN] {
        for path in paths {
            let answer = server.visit("GET", path, authorization).await;
            assert_eq!(answer.status, 401, "{path} {authorization}");
            assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"Bulla console\", charset=\"UTF-8\""));
            assert!(!answer.text().contains("example.com"), "{path}");
            assert_eq!(answer, server.visit("GET", "/", "").await, "{path}");
        }
    }
    // x:TOKEN
    let basic = "Basic eDowMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg==";
    assert_eq!(server.visit("GET", "/", basic).await.status, 200);
}

#[tokio::test]
async fn pages_tell_repositories_roles_keys_versions_and_changes() {
    let server = shown().await;
    for name in ["example.com/app", "example.com/web", "other.test/app"] {
        published(&server, name).await;
    }
    let all = page(&server, "/").await;
    assert_eq!(all.status, 200);
    for name in ["example.com/app", "example.com/web", "other.test/app"] {
        let link = format!("<a href=\"/repository?gun={name}\">{name}</a>");
        assert!(all.text().contains(&link), "{}", all.text());
    }
    let some = page(&server, "/?prefix=example.com%2Fw").await;
    assert!(some.text().contains("example.com/web") && !some.text().contains("example.com/app"), "{}", some.text());
    let rest = page(&server, "/?last=example.com/web").await;
    assert!(rest.text().contains("other.test/app") && !rest.text().contains("example.com/"), "{}", rest.text());
    let one = page(&server, "/repository?gun=example.com/app").await;
    assert_eq!(one.status, 200);
    let root = server.get("/v2/example.com/app/_trust/tuf/root.json").await.json();
    for role in ["root", "targets", "snapshot", "timestamp"] {
        let keys = root["signed"]["roles"][role]["keyids"].as_array().unwrap();
        for key in keys.iter().map(|key| key.as_str().unwrap()) {
            assert!(one.text().contains(&format!("<code>{key}</code>")), "{role} {key}");
        }
    }
    let changes = page(&server, "/changes").await;
    let place = |name: &str| changes.text().find(&format!("gun={name}\"")).unwrap();
    assert!(place("other.test/app") < place("example.com/web"), "the newest comes first");
    let before = page(&server, "/changes?before=2").await;
    assert!(before.text().contains("example.com/app") && !before.text().contains("example.com/web"));
}

#[tokio::test]
async fn what_is_deleted_is_told_and_what_never_was_is_not_there() {
    let server = shown().await;
    published(&server, "example.com/app").await;
    assert_eq!(server.request("DELETE", "/v2/example.com/app/_trust/tuf/", &[]).await.status, 200);
    let gone = page(&server, "/repository?gun=example.com/app").await;
    assert_eq!(gone.status, 404);
    assert!(gone.text().contains("<strong>deleted</strong>"), "{}", gone.text());
    for path in ["/repository?gun=example.com/other", "/repository", "/repository?gun=", "/repository?gun=%00", "/x"] {
        assert_eq!(page(&server, path).await.status, 404, "{path}");
    }
    assert!(page(&server, "/").await.text().contains("<p>There are none.</p>"));
}

#[tokio::test]
async fn text_of_others_never_becomes_markup() {
    let server = shown().await;
    let hostile = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
    for path in [format!("/?prefix={hostile}"), format!("/?last={hostile}"), format!("/repository?gun={hostile}")] {
        let answer = page(&server, &path).await;
        assert!(!answer.text().contains("<script"), "{path}: {}", answer.text());
    }
    let shown = page(&server, &format!("/?prefix={hostile}")).await;
    assert!(shown.text().contains("value=\"&quot;&gt;&lt;script&gt;"), "{}", shown.text());
}

#[tokio::test]
async fn a_browser_is_told_to_run_nothing_to_keep_nothing_and_to_tell_nobody() {
    let server = shown().await;
    for (path, status) in [("/", 200), ("/style.css", 200), ("/nothing", 404)] {
        let answer = page(&server, path).await;
        assert_eq!(answer.status, status, "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'self';"), "{policy}");
        assert!(policy.ends_with("frame-ancestors 'none'"), "{policy}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
}

#[tokio::test]
async fn nothing_can_be_changed_and_the_other_address_shows_nothing() {
    let server = shown().await;
    for method in ["POST", "PUT", "DELETE", "HEAD"] {
        assert_eq!(server.visit(method, "/", BEARER).await.status, 405, "{method}");
    }
    for path in ["/repository?gun=a", "/changes", "/style.css"] {
        server.get(path).await.assert_refused(404, "METADATA_NOT_FOUND");
    }
}
