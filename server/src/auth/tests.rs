//! Which tokens count. Every refused one differs from a good one in one thing.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData,
};
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, RsaKeyPair};
use serde_json::{Value, json};
use tuf_schema::UtcTime;

use super::key::TokenKey;
use super::*;

const NOW: &str = "2026-11-21T21:00:00Z";
const GUN: &str = "example.com/app";
const RSA_KEY: &str = include_str!("../../../tests/fixtures/keys/rsatgt.key");

fn now() -> UtcTime {
    UtcTime::parse(NOW).unwrap()
}

/// A key of a token service, with the certificate that stands for it.
struct Service {
    key: KeyPair,
    parameters: CertificateParams,
    certificate: rcgen::Certificate,
}

fn parameters(name: &str, is_ca: IsCa) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = is_ca;
    parameters.not_before = rcgen::date_time_ymd(2026, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2036, 1, 1);
    parameters
}

/// Self-signed and a CA, as `openssl req -x509` makes it and registries use it.
fn service() -> Service {
    self_signed(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap())
}

fn rsa_service() -> Service {
    self_signed(KeyPair::from_pem(RSA_KEY).unwrap())
}

fn self_signed(key: KeyPair) -> Service {
    let parameters = parameters("token service", IsCa::Ca(BasicConstraints::Unconstrained));
    let certificate = parameters.self_signed(&key).unwrap();
    Service { key, parameters, certificate }
}

impl Service {
    fn bundle(&self) -> RootBundle {
        RootBundle::from_pem(self.certificate.pem().as_bytes()).unwrap()
    }

    fn x5c(&self) -> Value {
        json!([STANDARD.encode(self.certificate.der())])
    }

    /// A certificate issued by this one, and its key.
    fn issue(&self, parameters: CertificateParams) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let issuer = Issuer::from_params(&self.parameters, &self.key);
        let certificate = parameters.signed_by(&key, &issuer).unwrap();
        Self { key, parameters, certificate }
    }

    fn token_key(&self) -> TokenKey {
        TokenKey::from_spki(&self.key.subject_public_key_info()).unwrap()
    }

    fn token(&self, algorithm: &str, header: Value, claims: &Value) -> String {
        let mut header = header;
        header["alg"] = algorithm.into();
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let signature = self.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let der = self.key.serialize_der();
        if let Ok(key) = RsaKeyPair::from_pkcs8(&der) {
            let mut signature = vec![0; key.public().modulus_len()];
            key.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
            return signature;
        }
        let key = EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, &der, &random).unwrap();
        key.sign(&random, message).unwrap().as_ref().to_vec()
    }
}

fn claims() -> Value {
    let now = now().unix_seconds();
    json!({
        "iss": "issuer", "sub": "alice", "aud": "trust", "exp": now + 300, "nbf": now - 10, "iat": now, "jti": "x",
        "access": [{"type": "repository", "name": GUN, "actions": ["pull"]}],
    })
}

fn claims_with(member: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[member] = value;
    claims
}

fn rules(bundle: RootBundle) -> TokenRules {
    TokenRules {
        realm: "https://auth.example.com/token".into(),
        auto_redirect: false,
        service: "trust".into(),
        issuer: "issuer".into(),
        bundle: Arc::new(SharedBundle::new(bundle)),
        token_bytes: 16_384,
    }
}

/// The refusal of a token when `pull` is asked for; `None` when it is let in.
fn refusal(bundle: RootBundle, token: &str) -> Option<TokenError> {
    let rules = rules(bundle);
    match rules.check(credentials(&format!("Bearer {token}")), &[Wanted::repository(GUN, "pull")], now()) {
        Ok(_) => None,
        Err(DeniedReason::InvalidToken(error)) => Some(error),
        Err(other) => panic!("{other}"),
    }
}

fn credentials(header: &str) -> Credentials<'_> {
    Credentials { authorization: Some(header.as_bytes()), host: None }
}

#[test]
fn a_token_by_a_certificate_of_the_bundle_is_good() {
    let service = service();
    assert_eq!(refusal(service.bundle(), &service.token("ES256", json!({"x5c": service.x5c()}), &claims())), None);
    let rsa = rsa_service();
    assert_eq!(refusal(rsa.bundle(), &rsa.token("RS256", json!({"x5c": rsa.x5c()}), &claims())), None);
}

#[test]
fn a_token_by_a_certificate_that_the_bundle_issued_is_good() {
    let root = service();
    let leaf = root.issue(parameters("leaf", IsCa::NoCa));
    assert_eq!(refusal(root.bundle(), &leaf.token("ES256", json!({"x5c": leaf.x5c()}), &claims())), None);

    let intermediate = root.issue(parameters("intermediate", IsCa::Ca(BasicConstraints::Constrained(0))));
    let leaf = intermediate.issue(parameters("leaf", IsCa::NoCa));
    let chain = json!([STANDARD.encode(leaf.certificate.der()), STANDARD.encode(intermediate.certificate.der())]);
    assert_eq!(refusal(root.bundle(), &leaf.token("ES256", json!({"x5c": chain}), &claims())), None);
    let alone = leaf.token("ES256", json!({"x5c": leaf.x5c()}), &claims());
    assert_eq!(refusal(root.bundle(), &alone), Some(TokenError::UntrustedCertificate));
}

#[test]
fn a_key_of_the_bundle_may_be_named_by_kid() {
    for (service, algorithm) in [(service(), "ES256"), (rsa_service(), "RS256")] {
        let kid = service.token_key().id().to_owned();
        assert_eq!(refusal(service.bundle(), &service.token(algorithm, json!({"kid": kid}), &claims())), None);
    }
}

#[test]
fn a_key_of_the_bundle_may_be_named_by_jwk() {
    let service = service();
    let token = service.token("ES256", json!({"jwk": ec_jwk(&service)}), &claims());
    assert_eq!(refusal(service.bundle(), &token), None);

    let rsa = rsa_service();
    let der = rsa.key.serialize_der();
    let pair = RsaKeyPair::from_pkcs8(&der).unwrap();
    let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
    let jwk = json!({"kty": "RSA", "n": number(&public.n), "e": number(&public.e)});
    let token = rsa.token("RS256", json!({"jwk": jwk}), &claims());
    assert_eq!(refusal(rsa.bundle(), &token), None);
}

fn ec_jwk(service: &Service) -> Value {
    let raw = service.key.public_key_raw().to_vec();
    let (x, y) = raw.get(1..).unwrap().split_at(32);
    json!({"kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)})
}

#[test]
fn a_certificate_of_version_1_counts_if_a_root_signed_it() {
    // what `openssl x509 -req` makes; the reference takes it (fixture 223)
    let root = service();
    let leaf = service();
    let certificate = version_1(&root, &leaf, "token service");
    let x5c = json!({"x5c": [STANDARD.encode(&certificate)]});
    assert_eq!(refusal(root.bundle(), &leaf.token("ES256", x5c.clone(), &claims())), None);

    let foreign = version_1(&service(), &leaf, "token service");
    let x5c_foreign = json!({"x5c": [STANDARD.encode(foreign)]});
    let token = leaf.token("ES256", x5c_foreign, &claims());
    assert_eq!(refusal(root.bundle(), &token), Some(TokenError::UntrustedCertificate));

    let not_a_ca = self_signed_leaf();
    let by_a_leaf = version_1(&not_a_ca, &leaf, "token service");
    let token = leaf.token("ES256", json!({"x5c": [STANDARD.encode(by_a_leaf)]}), &claims());
    assert_eq!(refusal(not_a_ca.bundle(), &token), Some(TokenError::UntrustedCertificate));
}

fn self_signed_leaf() -> Service {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let parameters = parameters("token service", IsCa::ExplicitNoCa);
    let certificate = parameters.self_signed(&key).unwrap();
    Service { key, parameters, certificate }
}

/// A certificate of version 1 for `leaf`'s key, signed by `root`, put together by hand.
fn version_1(root: &Service, leaf: &Service, issuer: &str) -> Vec<u8> {
    fn der(tag: u8, content: &[&[u8]]) -> Vec<u8> {
        let content = content.concat();
        let length = u16::try_from(content.len()).unwrap();
        let mut out = vec![tag, 0x82];
        out.extend(length.to_be_bytes());
        out.extend(content);
        out
    }
    let algorithm = der(0x30, &[&der(0x06, &[&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]])]);
    let name = |text: &str| {
        let attribute = der(0x30, &[&der(0x06, &[&[0x55, 0x04, 0x03]]), &der(0x0c, &[text.as_bytes()])]);
        der(0x30, &[&der(0x31, &[&attribute])])
    };
    // the name as the root's certificate holds it, in its own encoding
    let (_, parsed) = x509_parser::parse_x509_certificate(root.certificate.der()).unwrap();
    assert!(parsed.subject().to_string().contains(issuer));
    let time = |text: &[u8]| der(0x17, &[text]);
    let tbs = der(
        0x30,
        &[
            &der(0x02, &[&[1]]),
            &algorithm,
            parsed.subject().as_raw(),
            &der(0x30, &[&time(b"260101000000Z"), &time(b"360101000000Z")]),
            &name("leaf"),
            &leaf.key.subject_public_key_info(),
        ],
    );
    let pkcs8 = root.key.serialize_der();
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8, &random).unwrap();
    let signature = key.sign(&random, &tbs).unwrap();
    der(0x30, &[&tbs, &algorithm, &der(0x03, &[&[0], signature.as_ref()])])
}

#[test]
fn a_key_that_the_token_brings_along_counts_for_nothing() {
    let (good, own) = (service(), service());
    let own_jwk = own.token("ES256", json!({"jwk": ec_jwk(&own)}), &claims());
    assert_eq!(refusal(good.bundle(), &own_jwk), Some(TokenError::UnknownKey));
    // naming the good key's id beside it does not help
    let mut jwk = ec_jwk(&own);
    jwk["kid"] = good.token_key().id().into();
    let own_jwk = own.token("ES256", json!({"jwk": jwk, "kid": good.token_key().id()}), &claims());
    assert_eq!(refusal(good.bundle(), &own_jwk), Some(TokenError::UnknownKey));

    let own_certificate = own.token("ES256", json!({"x5c": own.x5c()}), &claims());
    assert_eq!(refusal(good.bundle(), &own_certificate), Some(TokenError::UntrustedCertificate));
    let own_jwk_certificate = own.token("ES256", json!({"jwk": {"x5c": own.x5c()}}), &claims());
    assert_eq!(refusal(good.bundle(), &own_jwk_certificate), Some(TokenError::UntrustedCertificate));

    let foreign_kid = own.token("ES256", json!({"kid": own.token_key().id()}), &claims());
    assert_eq!(refusal(good.bundle(), &foreign_kid), Some(TokenError::UnknownKey));
    let good_kid = own.token("ES256", json!({"kid": good.token_key().id()}), &claims());
    assert_eq!(refusal(good.bundle(), &good_kid), Some(TokenError::BadSignature));
    assert_eq!(refusal(good.bundle(), &own.token("ES256", json!({}), &claims())), Some(TokenError::NamesNoKey));
    // an empty list is no chain (fixture 227)
    let empty = own.token("ES256", json!({"x5c": []}), &claims());
    assert_eq!(refusal(good.bundle(), &empty), Some(TokenError::NamesNoKey));
}

#[test]
fn the_good_certificate_with_another_key_s_signature_is_refused() {
    let (good, own) = (service(), service());
    let token = own.token("ES256", json!({"x5c": good.x5c()}), &claims());
    assert_eq!(refusal(good.bundle(), &token), Some(TokenError::BadSignature));
}

#[test]
fn the_token_does_not_choose_how_it_is_verified() {
    let rsa = rsa_service();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let forged = |algorithm: &str, header: Value, signature: &dyn Fn(&[u8]) -> Vec<u8>| {
        let mut header = header;
        header["alg"] = algorithm.into();
        let signed = format!("{}.{}", part(&header), part(&claims()));
        let signature = URL_SAFE_NO_PAD.encode(signature(signed.as_bytes()));
        refusal(rsa.bundle(), &format!("{signed}.{signature}"))
    };
    let x5c = json!({"x5c": rsa.x5c()});
    assert_eq!(forged("none", x5c.clone(), &|_| vec![0]), Some(TokenError::AlgorithmNotAccepted));
    assert_eq!(forged("none", x5c.clone(), &|_| Vec::new()), Some(TokenError::Malformed("signature")));
    // the certificate, which everybody knows, as a shared secret
    let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, rsa.certificate.pem().as_bytes());
    let hmac = |message: &[u8]| ring::hmac::sign(&secret, message).as_ref().to_vec();
    assert_eq!(forged("HS256", x5c, &hmac), Some(TokenError::AlgorithmNotAccepted));
    let kid = json!({"kid": rsa.token_key().id()});
    assert_eq!(forged("ES256", kid.clone(), &|m| rsa.sign(m)), Some(TokenError::AlgorithmOfOtherKey));
    assert_eq!(forged("PS256", kid.clone(), &|m| rsa.sign(m)), Some(TokenError::AlgorithmNotAccepted));
    assert_eq!(forged("rs256", kid, &|m| rsa.sign(m)), Some(TokenError::AlgorithmNotAccepted));
}

#[test]
fn a_header_that_demands_to_be_understood_is_refused() {
    let service = service();
    let token = service.token("ES256", json!({"x5c": service.x5c(), "crit": ["b64"]}), &claims());
    assert_eq!(refusal(service.bundle(), &token), Some(TokenError::CriticalExtension));
}

#[test]
fn a_certificate_out_of_its_time_signs_nothing() {
    let root = service();
    let mut ended = parameters("leaf", IsCa::NoCa);
    ended.not_after = rcgen::date_time_ymd(2026, 2, 1);
    let leaf = root.issue(ended);
    let token = leaf.token("ES256", json!({"x5c": leaf.x5c()}), &claims());
    assert_eq!(refusal(root.bundle(), &token), Some(TokenError::CertificateOutOfTime));
}

#[test]
fn each_claim_is_checked() {
    let service = service();
    let at = now().unix_seconds();
    let ours = json!({"x5c": service.x5c()});
    let verdict = |claims: Value| refusal(service.bundle(), &service.token("ES256", ours.clone(), &claims));
    let without = |member: &str| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(member);
        claims
    };
    assert_eq!(verdict(claims_with("iss", "other".into())), Some(TokenError::ForeignIssuer));
    assert_eq!(verdict(without("iss")), Some(TokenError::ForeignIssuer));
    assert_eq!(verdict(claims_with("aud", "other".into())), Some(TokenError::OtherAudience));
    assert_eq!(verdict(claims_with("aud", json!(["other", "trust2"]))), Some(TokenError::OtherAudience));
    assert_eq!(verdict(claims_with("aud", json!([]))), Some(TokenError::OtherAudience));
    assert_eq!(verdict(without("aud")), Some(TokenError::OtherAudience));
    assert_eq!(verdict(claims_with("aud", json!(["other", "trust"]))), None);
    assert_eq!(verdict(without("exp")), Some(TokenError::WithoutEnd));
    assert_eq!(verdict(claims_with("exp", json!(at - 60))), None);
    assert_eq!(verdict(claims_with("exp", json!(at - 61))), Some(TokenError::Expired));
    assert_eq!(verdict(claims_with("exp", json!(at as f64 + 0.5))), None);
    assert_eq!(verdict(claims_with("exp", "tomorrow".into())), Some(TokenError::Malformed("claims")));
    assert_eq!(verdict(claims_with("nbf", json!(at + 60))), None);
    assert_eq!(verdict(claims_with("nbf", json!(at + 61))), Some(TokenError::NotYetValid));
    assert_eq!(verdict(without("nbf")), None);
}

#[test]
fn a_member_given_twice_is_refused() {
    let service = service();
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let header = json!({"alg": "ES256", "x5c": service.x5c()}).to_string();
    let twice = claims().to_string().replacen('{', "{\"aud\":\"other\",", 1);
    let signed = format!("{}.{}", part(&header), part(&twice));
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(service.sign(signed.as_bytes())));
    assert_eq!(refusal(service.bundle(), &token), Some(TokenError::Malformed("claims")));
}

#[test]
fn a_token_above_the_limit_is_not_looked_at() {
    let service = service();
    let token = "a".repeat(1 << 20);
    assert_eq!(refusal(service.bundle(), &token), Some(TokenError::TooLong { bytes: 1 << 20, limit: 16_384 }));
}

#[test]
fn texts_that_are_no_token_are_malformed() {
    let service = service();
    for text in [
        "",
        ".",
        "..",
        "...",
        "a.b",
        "a.b.c",
        "e30.e30.",
        "e30.e30.e30",
        "e30=.e30.e30",
        "\u{0}",
        "this-is.not-a.token",
    ] {
        let error = refusal(service.bundle(), text);
        assert!(matches!(error, Some(TokenError::Malformed(_))), "{text}: {error:?}");
    }
}

#[test]
fn the_star_grants_every_action_and_a_type_must_be_the_same() {
    let service = service();
    let rules = rules(service.bundle());
    let granted = |access: Value, wanted: Wanted| {
        let token = service.token("ES256", json!({"x5c": service.x5c()}), &claims_with("access", access));
        rules.check(credentials(&format!("bearer {token}")), &[wanted], now()).is_ok()
    };
    let one = |kind: &str, name: &str, action: &str| json!([{"type": kind, "name": name, "actions": [action]}]);
    assert!(granted(one("repository", GUN, "*"), Wanted::repository(GUN, "push")));
    assert!(granted(one("repository", GUN, "*"), Wanted::repository(GUN, "*")));
    assert!(granted(one("registry", "catalog", "*"), Wanted::catalog()));
    assert!(!granted(one("repository", GUN, "pull"), Wanted::repository(GUN, "push")));
    assert!(!granted(one("repository", GUN, "pull"), Wanted::repository(GUN, "*")));
    assert!(!granted(one("repository(plugin)", GUN, "*"), Wanted::repository(GUN, "pull")));
    assert!(!granted(one("repository", "example.com/other", "*"), Wanted::repository(GUN, "pull")));
    assert!(!granted(one("repository", "example.com/APP", "*"), Wanted::repository(GUN, "pull")));
    assert!(!granted(json!(null), Wanted::repository(GUN, "pull")));
    assert!(!granted(json!([{"type": "repository", "name": GUN, "actions": null}]), Wanted::repository(GUN, "pull")));
}

#[test]
fn push_needs_push_and_pull() {
    let service = service();
    let authenticator = Authenticator::Token(Box::new(rules(service.bundle())));
    let access = json!([{"type": "repository", "name": GUN, "actions": ["push"]}]);
    let token = service.token("ES256", json!({"x5c": service.x5c()}), &claims_with("access", access));
    let header = format!("Bearer {token}");
    let denied = authenticator.authorize::<Push>(credentials(&header), GUN, now()).err().unwrap();
    assert!(matches!(denied.reason, DeniedReason::InsufficientScope));
    assert_eq!(
        denied.challenge,
        "Bearer realm=\"https://auth.example.com/token\",service=\"trust\",\
         scope=\"repository:example.com/app:push,pull\",error=\"insufficient_scope\""
    );
}

#[test]
fn what_is_not_a_bearer_token_of_two_words_counts_as_none() {
    let service = service();
    let authenticator = Authenticator::Token(Box::new(rules(service.bundle())));
    for header in ["Basic YTpi", "Bearer", "Bearer  x", "Bearer x y", "x", ""] {
        let denied = authenticator.authorize::<Pull>(credentials(header), GUN, now()).err().unwrap();
        assert!(matches!(denied.reason, DeniedReason::NoToken), "{header}");
        assert!(denied.challenge.ends_with("scope=\"repository:example.com/app:pull\""), "{}", denied.challenge);
    }
}

#[test]
fn auto_redirect_names_the_host_that_was_asked() {
    let mut rules = rules(service().bundle());
    rules.auto_redirect = true;
    let authenticator = Authenticator::Token(Box::new(rules));
    let credentials = Credentials { authorization: None, host: Some(b"trust.test:4443") };
    let denied = authenticator.authorize_catalog(credentials, now()).err().unwrap();
    assert_eq!(
        denied.challenge,
        "Bearer realm=\"https://trust.test:4443/auth/token\",service=\"trust\",scope=\"registry:catalog:*\""
    );
}

#[test]
fn without_authentication_everybody_may_do_everything() {
    let access = Authenticator::Open.authorize::<Admin>(Credentials::default(), GUN, now()).unwrap().access().unwrap();
    assert_eq!(access.gun().as_str(), GUN);
}

#[test]
fn the_libtrust_id_is_the_one_registries_compute() {
    // openssl x509 -pubkey | openssl pkey -pubin -outform der | sha256, first 240 bits in base 32
    let der = STANDARD
        .decode("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEmJ7j/b7KMp4ooh5aJx3owXtrPCOXRU9rCD6CO2aC6udNOVrZbbb71unErLsysVjS+JAMyBsS6tlT765RyJBlCg==")
        .unwrap();
    assert_eq!(TokenKey::from_spki(&der).unwrap().id(), LIBTRUST_ID);
}
const LIBTRUST_ID: &str = "OXGC:KLEY:ATUY:4QZL:WEBZ:W3SP:YJIU:NF4M:BEIJ:FSD5:VIMA:FA3R";

#[test]
fn a_bundle_without_certificates_is_refused() {
    assert_eq!(RootBundle::from_pem(b"").err(), Some(BundleError::Empty));
    let not_a_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(RootBundle::from_pem(not_a_certificate.as_bytes()).err(), Some(BundleError::Unreadable(1)));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_parser_fail_otherwise_than_by_refusal(text in "[a-zA-Z0-9_.=-]{0,200}") {
        let _ = SignedToken::parse(text.as_bytes());
    }

    #[test]
    fn a_token_with_one_byte_changed_is_refused(place in 0_usize..2000, flip in 1_u8..128) {
        thread_local! {
            static SERVICE: Service = service();
        }
        SERVICE.with(|service| {
            let mut token = service.token("ES256", json!({"x5c": service.x5c()}), &claims()).into_bytes();
            let place = place % token.len();
            token[place] ^= flip;
            // the last character of the signature holds two bits that stand for nothing
            if place + 1 < token.len() {
                proptest::prop_assert!(rules(service.bundle()).claims(&token, now()).is_err());
            }
            Ok(())
        })?;
    }
}

#[test]
fn a_bundle_put_in_the_place_of_another_counts_from_the_next_token_on() {
    let (before, after) = (service(), service());
    let rules = rules(before.bundle());
    let is_let_in = |service: &Service| {
        let token = service.token("ES256", json!({"x5c": service.x5c()}), &claims());
        rules.check(credentials(&format!("Bearer {token}")), &[Wanted::repository(GUN, "pull")], now()).is_ok()
    };
    assert!(is_let_in(&before) && !is_let_in(&after));
    rules.bundle.replace(after.bundle());
    assert!(is_let_in(&after) && !is_let_in(&before));
}
