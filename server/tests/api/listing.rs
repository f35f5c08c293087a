//! The list of repositories over HTTP: pages, and what a caller's scopes let it see.

use serde_json::{Value, json};

use crate::repositories::published;
use crate::server::{Answer, Server};
use crate::tokens::{Service, ask, assert_denied, claims, publish};

const LIST: &str = "/v2/_trust/repositories";

/// The names of a page, and where the next one is.
fn told(answer: &Answer) -> (Vec<String>, Option<String>) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    let names = body["repositories"].as_array().unwrap().iter().map(|one| one["gun"].as_str().unwrap().to_owned());
    let names: Vec<String> = names.collect();
    let link = answer.header("link").map(str::to_owned);
    assert_eq!(link.is_some(), body["next"].is_string(), "{}", answer.text());
    (names, link)
}

/// A token that grants these actions on these repositories.
fn token(service: &Service, grants: &[(&str, &[&str])]) -> String {
    let mut claims = claims("x", &[]);
    let grants = grants.iter().map(|(name, actions)| json!({"type": "repository", "name": name, "actions": actions}));
    claims["access"] = grants.collect::<Vec<_>>().into();
    service.sign(&service.header(), &claims)
}

#[tokio::test]
async fn pages_follow_each_other_and_tell_each_repository_once() {
    let server = Server::start().await;
    assert_eq!(told(&server.get(LIST).await), (Vec::new(), None));
    let names = ["a", "a/b", "a/b:c", "b", "c"];
    for name in ["c", "a/b", "b", "a/b:c", "a"] {
        published(&server, name).await;
    }
    let mut seen = Vec::new();
    let mut path = format!("{LIST}?n=2");
    loop {
        let (page, link) = told(&server.get(&path).await);
        assert!(page.len() <= 2);
        seen.extend(page);
        let Some(link) = link else { break };
        path = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned();
    }
    assert_eq!(seen, names);
    assert_eq!(told(&server.get(&format!("{LIST}?n=5")).await), (names.map(str::to_owned).to_vec(), None));
    let one = &server.get(&format!("{LIST}?n=1")).await.json()["repositories"][0];
    assert_eq!((&one["roles"]["targets"]["version"], &one["trouble"]), (&json!(1), &Value::Null));
    for query in ["n=0", "n=1001", "n=x", "n="] {
        server.get(&format!("{LIST}?{query}")).await.assert_refused(400, "INVALID_PARAMETERS");
    }
    assert_eq!(server.get(&format!("{LIST}?n=1000")).await.status, 200);
    for method in ["HEAD", "POST", "PUT", "DELETE"] {
        assert_eq!(server.request(method, LIST, &[]).await.status, 404, "{method}");
    }
}

#[tokio::test]
async fn a_tenant_is_answered_as_if_there_were_no_other() {
    let service = Service::new();
    let (shared, alone) = (service.server().await, service.server().await);
    let mine = ["tenant-a/app", "tenant-a/web"];
    for server in [&shared, &alone] {
        for name in mine {
            publish(server, &service, name).await;
        }
    }
    // names before, between and behind, and some that begin like those of the tenant
    for name in ["tenant-0/x", "tenant-a", "tenant-a/app/deep", "tenant-a/app2", "tenant-b/secret", "Tenant-A/app"] {
        publish(&shared, &service, name).await;
    }
    let all: &[&str] = &["*"];
    let pull: &[&str] = &["pull"];
    let tokens = [
        token(&service, &[("tenant-a/web", pull), ("tenant-a/app", all)]),
        // names that are none, or that nobody stored, let nobody see what begins like them
        token(&service, &[("tenant-a/app", pull), ("tenant-a/*", pull), ("*", all), ("", pull), ("tenant-", pull)]),
        // to push is not to pull
        token(&service, &[("tenant-a/app", pull), ("tenant-b/secret", &["push"]), ("tenant-b/secret", &["delete"])]),
    ];
    for token in &tokens {
        for query in [
            "",
            "?n=1",
            "?n=2",
            "?last=tenant-0/x",
            "?last=tenant-a/app",
            "?last=tenant-b/secret",
            "?n=1&last=tenant-a",
        ] {
            let path = format!("{LIST}{query}");
            let said = async |server: &Server| {
                let answer = ask(server, "GET", &path, token).await;
                // the two were published to a moment apart
                let mut body = answer.json();
                for one in body["repositories"].as_array_mut().unwrap() {
                    for role in one["roles"].as_object_mut().unwrap().values_mut() {
                        role["expires"] = Value::Null;
                        // and each has keys of its own
                        role["keys"] = Value::Null;
                    }
                }
                let headers: Vec<_> =
                    answer.headers.iter().filter(|(name, _)| name != "content-length").cloned().collect();
                (answer.status, headers, body)
            };
            let (shared, alone) = (said(&shared).await, said(&alone).await);
            assert_eq!(shared, alone, "{query}");
            assert_eq!(shared.0, 200);
        }
    }
    assert_eq!(told(&ask(&shared, "GET", LIST, &tokens[0]).await).0, mine);
    assert_eq!(told(&ask(&shared, "GET", LIST, &tokens[2]).await).0, mine[..1]);
}

#[tokio::test]
async fn the_catalog_is_all_and_a_token_without_either_is_told_what_to_ask_for() {
    let service = Service::new();
    let server = service.server().await;
    for name in ["tenant-b/secret", "tenant-a/app"] {
        publish(&server, &service, name).await;
    }
    let everything = told(&ask(&server, "GET", LIST, &service.token("catalog", &["*"])).await).0;
    assert_eq!(everything, ["tenant-a/app", "tenant-b/secret"]);
    assert_denied(&server.get(LIST).await, None, "no token");
    let refused = server.get(LIST).await;
    assert!(refused.header("www-authenticate").unwrap().contains("scope=\"registry:catalog:*\""));
    for (what, token) in [
        ("nothing", token(&service, &[])),
        ("push alone", token(&service, &[("tenant-a/app", &["push"])])),
        ("a part of the catalog", service.token("catalog", &["pull"])),
        ("a repository of that name", token(&service, &[("catalog", &[])])),
    ] {
        assert_denied(&ask(&server, "GET", LIST, &token).await, Some("insufficient_scope"), what);
    }
    assert_denied(&ask(&server, "GET", LIST, "x.y.z").await, Some("invalid_token"), "no token at all");
}
