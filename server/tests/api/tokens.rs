//! Token authentication over HTTP: which route wants which right, and that no bad token gets anywhere.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bulla_server::clock::{Clock as _, SystemClock};
use rcgen::{CertificateParams, KeyPair};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use crate::server::{Answer, BOUNDARY, Server, multipart};

const GUN: &str = "example.com/app";
const RSA_KEY: &str = include_str!("../../../tests/fixtures/keys/rsatgt.key");
/// The name that libtrust gives [`RSA_KEY`].
const RSA_KID: &str = "JL26:XDYR:WE6W:FJL7:KXEI:6H22:JNWZ:PT3R:BLSH:YQGD:EWXV:O5FO";

/// A token service with a self-signed certificate.
pub(crate) struct Service {
    key: KeyPair,
    certificate: rcgen::Certificate,
}

impl Service {
    pub(crate) fn new() -> Self {
        Self::of(KeyPair::generate().unwrap())
    }

    fn of(key: KeyPair) -> Self {
        let certificate = CertificateParams::default().self_signed(&key).unwrap();
        Self { key, certificate }
    }

    pub(crate) async fn server(&self) -> Server {
        self.server_with(json!({})).await
    }

    /// The same, with other sections.
    async fn server_with(&self, mut sections: Value) -> Server {
        let options =
            json!({"realm": "https://auth/token", "service": "trust", "issuer": "i", "rootcertbundle": "b.crt"});
        sections["auth"] = json!({"type": "token", "options": options});
        Server::start_with(sections, &[("b.crt", &self.certificate.pem())]).await
    }

    pub(crate) fn header(&self) -> Value {
        json!({"alg": "ES256", "x5c": [STANDARD.encode(self.certificate.der())]})
    }

    /// A token that grants `actions` on `name`.
    pub(crate) fn token(&self, name: &str, actions: &[&str]) -> String {
        self.sign(&self.header(), &claims(name, actions))
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let random = SystemRandom::new();
        let der = self.key.serialize_der();
        if let Ok(key) = RsaKeyPair::from_pkcs8(&der) {
            let mut signature = vec![0; key.public().modulus_len()];
            key.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
            return format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        }
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &random).unwrap();
        let signature = key.sign(&random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn now() -> i64 {
    SystemClock.now().unix_seconds()
}

pub(crate) fn claims(name: &str, actions: &[&str]) -> Value {
    let kind = if name == "catalog" { "registry" } else { "repository" };
    json!({
        "iss": "i", "aud": "trust", "exp": now() + 300, "nbf": now() - 10,
        "access": [{"type": kind, "name": name, "actions": actions}],
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims(GUN, &["*"]);
    claims[name] = value;
    claims
}

pub(crate) async fn ask(server: &Server, method: &str, path: &str, token: &str) -> Answer {
    server.request(method, path, &[("Authorization", &format!("Bearer {token}"))]).await
}

#[track_caller]
pub(crate) fn assert_denied(answer: &Answer, error: Option<&str>, what: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (401, "UNAUTHORIZED"), "{what}");
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(
        challenge.starts_with("Bearer realm=\"https://auth/token\",service=\"trust\",scope=\""),
        "{what}: {challenge}"
    );
    match error {
        Some(error) => assert!(challenge.ends_with(&format!(",error=\"{error}\"")), "{what}: {challenge}"),
        None => assert!(!challenge.contains("error="), "{what}: {challenge}"),
    }
}

#[tokio::test]
async fn each_route_wants_its_right_and_no_other() {
    let service = Service::new();
    let server = service.server().await;
    let tuf = format!("/v2/{GUN}/_trust/tuf/");
    let hash = "a".repeat(64);
    // method, path, status when let in, actions that let in
    let routes: &[(&str, String, u16, &[&[&str]])] = &[
        ("GET", format!("{tuf}root.json"), 404, &[&["pull"], &["pull", "push"], &["*"]]),
        ("GET", format!("{tuf}1.root.json"), 404, &[&["pull"], &["*"]]),
        ("GET", format!("{tuf}root.{hash}.json"), 404, &[&["pull"], &["*"]]),
        ("GET", format!("/v2/{GUN}/_trust/changefeed?records=1"), 200, &[&["pull"], &["*"]]),
        ("GET", format!("/v2/{GUN}/_trust/update"), 404, &[&["pull"], &["*"]]),
        ("GET", format!("{tuf}timestamp.key"), 200, &[&["push", "pull"], &["*"]]),
        ("POST", format!("{tuf}timestamp.key"), 200, &[&["*"]]),
        ("POST", tuf.clone(), 400, &[&["pull", "push"], &["*"]]),
        ("DELETE", tuf, 200, &[&["*"]]),
    ];
    let kinds: &[&[&str]] = &[&[], &["pull"], &["push"], &["pull", "push"], &["push", "pull"], &["*"], &["delete"]];
    for (method, path, status, enough) in routes {
        assert_denied(&server.request(method, path, &[]).await, None, path);
        for actions in kinds {
            let answer = ask(&server, method, path, &service.token(GUN, actions)).await;
            let lets_in = enough.iter().any(|set| set.iter().all(|one| actions.contains(one)));
            if lets_in {
                assert_eq!(answer.status, *status, "{method} {path} {actions:?}: {}", answer.text());
            } else {
                assert_denied(&answer, Some("insufficient_scope"), &format!("{method} {path} {actions:?}"));
            }
        }
        let other = ask(&server, method, path, &service.token("example.com/other", &["*"])).await;
        assert_denied(&other, Some("insufficient_scope"), path);
    }
    for (path, status) in [("/v2/", 200), ("/v2/_trust/changefeed?records=1", 200), ("/nothing", 404)] {
        assert_eq!(ask(&server, "GET", path, &service.token("catalog", &["*"])).await.status, status, "{path}");
        assert_denied(&ask(&server, "GET", path, &service.token(GUN, &["*"])).await, Some("insufficient_scope"), path);
    }
    assert_eq!(server.get("/_notary_server/health").await.status, 200);
    assert_eq!(server.get("/metrics").await.status, 200);
}

#[tokio::test]
async fn bad_tokens_are_invalid_whatever_they_claim() {
    let (service, stranger) = (Service::new(), Service::new());
    let server = service.server().await;
    let all = claims(GUN, &["*"]);
    let raw = stranger.key.public_key_raw().to_vec();
    let (x, y) = raw[1..].split_at(32);
    let own_jwk = json!({"kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)});
    let good_x5c = service.header()["x5c"].clone();
    let forged = |alg: &str, signature: &dyn Fn(&[u8]) -> Vec<u8>| {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({"alg": alg, "x5c": good_x5c})), part(&all));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature(signed.as_bytes())))
    };
    let mut without_end = all.clone();
    without_end.as_object_mut().unwrap().remove("exp");
    let good = service.token(GUN, &["*"]);
    let bad = [
        ("own key in jwk", stranger.sign(&json!({"alg": "ES256", "jwk": own_jwk}), &all)),
        ("own certificate in x5c", stranger.sign(&stranger.header(), &all)),
        ("the good certificate, another's signature", stranger.sign(&service.header(), &all)),
        ("alg none", forged("none", &|_| Vec::new())),
        ("alg none with a signature", forged("none", &|_| b"x".to_vec())),
        ("HS256 with the certificate as secret", {
            let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, service.certificate.pem().as_bytes());
            forged("HS256", &|message| ring::hmac::sign(&secret, message).as_ref().to_vec())
        }),
        ("RS256 on an EC certificate", forged("RS256", &|_| vec![1; 256])),
        ("foreign kid", stranger.sign(&json!({"alg": "ES256", "kid": "AAAA:BBBB"}), &all)),
        ("no key named", stranger.sign(&json!({"alg": "ES256"}), &all)),
        ("exp missing", service.sign(&service.header(), &without_end)),
        ("expired", service.sign(&service.header(), &with("exp", json!(now() - 600)))),
        ("nbf in the future", service.sign(&service.header(), &with("nbf", json!(now() + 600)))),
        ("longer than the limit of 64 KiB", "a".repeat(256 << 10)),
        ("wrong aud", service.sign(&service.header(), &with("aud", json!("other")))),
        ("wrong aud in a list", service.sign(&service.header(), &with("aud", json!(["other", "trusty"])))),
        ("wrong issuer", service.sign(&service.header(), &with("iss", json!("other")))),
        ("cut", good[..good.len() - 4].to_owned()),
        ("garbage", "this-is.not-a.token".to_owned()),
    ];
    for (what, token) in &bad {
        for (method, path) in [("GET", "root.json"), ("GET", "timestamp.key"), ("DELETE", "")] {
            let answer = ask(&server, method, &format!("/v2/{GUN}/_trust/tuf/{path}"), token).await;
            assert_denied(&answer, Some("invalid_token"), what);
        }
    }
    let list = service.sign(&service.header(), &with("aud", json!(["other", "trust"])));
    assert_eq!(ask(&server, "GET", &format!("/v2/{GUN}/_trust/tuf/root.json"), &list).await.status, 404);
}

#[tokio::test]
async fn a_token_cannot_name_another_algorithm_than_its_key_has() {
    let rsa = Service::of(KeyPair::from_pem(RSA_KEY).unwrap());
    let server = rsa.server().await;
    let path = format!("/v2/{GUN}/_trust/tuf/root.json");
    let token = |algorithm: &str| rsa.sign(&json!({"alg": algorithm, "kid": RSA_KID}), &claims(GUN, &["*"]));
    assert_eq!(ask(&server, "GET", &path, &token("RS256")).await.status, 404, "the key itself is good");
    for algorithm in ["ES256", "ES384", "PS256", "HS256", "none"] {
        assert_denied(&ask(&server, "GET", &path, &token(algorithm)).await, Some("invalid_token"), algorithm);
    }
}

#[tokio::test]
async fn a_head_longer_than_a_token_and_256_kibibytes_is_not_waited_for() {
    let server = Service::new().server().await;
    let mut head = b"GET /v2/ HTTP/1.1\r\nAuthorization: Bearer ".to_vec();
    head.resize((64 << 10) + (256 << 10), b'a');
    // it has no end, so that only its size can end it
    assert_eq!(server.send(&head).await.status, 431);
}

#[tokio::test]
async fn a_subject_is_counted_wherever_it_is_and_an_address_only_for_what_has_no_subject() {
    let service = Service::new();
    let limits = json!({"client_requests_per_minute": 2, "address_requests_per_minute": 3});
    let server = service.server_with(json!({"limits": limits})).await;
    let of = |subject: &str| service.sign(&service.header(), &with("sub", json!(subject)));
    let path = format!("/v2/{GUN}/_trust/tuf/root.json");
    let statuses = async |token: &str, times: usize| {
        let mut statuses = Vec::new();
        for _ in 0..times {
            statuses.push(ask(&server, "GET", &path, token).await.status);
        }
        statuses
    };
    assert_eq!(statuses(&of("alice"), 3).await, [404, 404, 429]);
    assert_eq!(statuses(&of("bob"), 3).await, [404, 404, 429]);
    // a token for everybody, one that names nobody readable, and none that counts: all the address's
    assert_eq!(statuses(&of(""), 1).await, [404]);
    assert_eq!(statuses(&service.sign(&service.header(), &with("sub", json!(7))), 1).await, [404]);
    assert_eq!(statuses("x.y.z", 2).await, [401, 429]);
    assert_eq!(statuses(&of("carol"), 1).await, [404]);
}

#[tokio::test]
async fn a_caller_without_rights_cannot_tell_whether_a_repository_exists() {
    let service = Service::new();
    let server = service.server().await;
    let (known, unknown) = ("example.com/aaaa", "example.com/bbbb");
    publish(&server, &service, known).await;
    let too_small = service.token("example.com/cccc", &["*"]);
    let invalid = "x.y.z";
    for (method, path) in [
        ("GET", "tuf/root.json"),
        ("GET", "tuf/1.root.json"),
        ("GET", "tuf/timestamp.key"),
        ("POST", "tuf/timestamp.key"),
        ("POST", "tuf/"),
        ("DELETE", "tuf/"),
        ("GET", "changefeed?records=1"),
        ("HEAD", "tuf/root.json"),
    ] {
        for headers in [vec![], vec![format!("Bearer {too_small}")], vec![format!("Bearer {invalid}")]] {
            let headers: Vec<(&str, &str)> = headers.iter().map(|value| ("Authorization", value.as_str())).collect();
            let ask = async |gun: &str| {
                let answer = server.request(method, &format!("/v2/{gun}/_trust/{path}"), &headers).await;
                format!("{} {:?} {}", answer.status, answer.headers, answer.text()).replace(gun, "GUN")
            };
            let (one, other) = (ask(known).await, ask(unknown).await);
            assert!(one.starts_with("401"), "{one}");
            assert_eq!(one, other, "{method} {path}");
        }
    }
    // a name that is no GUN at all is answered like any other
    let answer = server.request("POST", "/v2/a%00b/_trust/tuf/", &[]).await;
    assert_denied(&answer, None, "NUL");
}

pub(crate) async fn publish(server: &Server, service: &Service, gun: &str) {
    let token = service.token(gun, &["*"]);
    let key = async |role: &str| {
        crate::repositories::server_key(&ask(server, "GET", &format!("/v2/{gun}/_trust/tuf/{role}.key"), &token).await)
    };
    let (snapshot, timestamp) = (key("snapshot").await, key("timestamp").await);
    let now = SystemClock.now();
    let gun = tuf_schema::Gun::parse(gun).unwrap();
    let publisher = tuf_schema::testing::Publisher::new(&gun, &snapshot, &timestamp, now);
    let body = multipart(&[("root", &publisher.root_bytes()), ("targets", &publisher.targets_bytes())]);
    let head = format!(
        "POST /v2/{gun}/_trust/tuf/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let answer = server.send(&[head.as_bytes(), &body].concat()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}
