//! What is asked of Vault, and what each of its answers means. In Vault's place there is [`StandIn`].

use std::time::Duration;

use reqwest::Url;
use tempfile::TempDir;

use super::stand_in::{Mood, ROLE, StandIn, TOKEN, secret_file};
use super::*;
use crate::causes::WithCauses;
use crate::config::VaultLogin;

struct Place {
    vault: StandIn,
    folder: TempDir,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        secret_file(folder.path().join("token"), &format!("{TOKEN}\n"));
        secret_file(folder.path().join("role"), ROLE[0]);
        secret_file(folder.path().join("secret"), ROLE[1]);
        Self { vault: StandIn::start().await, folder }
    }

    fn settings(&self) -> VaultSettings {
        VaultSettings {
            address: Url::parse(&format!("http://{}", self.vault.address)).unwrap(),
            mount: "team/transit".to_owned(),
            key: "bulla".to_owned(),
            login: VaultLogin::TokenFile(self.folder.path().join("token")),
            authority_file: None,
            namespace: Some("tenant".to_owned()),
            timeout: Duration::from_secs(20),
        }
    }

    fn by_role(&self) -> VaultSettings {
        let (role_id_file, secret_id_file) = (self.folder.path().join("role"), self.folder.path().join("secret"));
        let login = VaultLogin::AppRole { mount: "approle".to_owned(), role_id_file, secret_id_file };
        VaultSettings { login, ..self.settings() }
    }
}

fn wrapping(settings: VaultSettings) -> VaultWrapping {
    VaultWrapping::new(Alias::parse("k1").unwrap(), settings).unwrap()
}

fn key(digit: &str) -> KeyId {
    KeyId::from_wire(&digit.repeat(64))
}

fn content_key() -> ContentKey {
    ContentKey::from_bytes(&[7; 32]).unwrap()
}

async fn wrap(wrapping: &VaultWrapping) -> Result<WrappedKey, SealError> {
    wrapping.wrap(&content_key(), &key("a")).await
}

/// Why nothing is wrapped, as an operator reads it, and whether it may pass.
async fn refusal(wrapping: &VaultWrapping) -> (String, bool) {
    let error = wrap(wrapping).await.unwrap_err();
    let text = WithCauses(&error).to_string();
    assert!(!text.contains(TOKEN) && !format!("{error:?}").contains(TOKEN), "{error:?}");
    match error {
        SealError::Away(_) => (text, true),
        SealError::Locked(_) => (text, false),
        SealError::Randomness | SealError::Encryption => panic!("{text}"),
    }
}

#[tokio::test]
async fn a_content_key_goes_to_vault_and_comes_back_as_documented() {
    let place = Place::new().await;
    let wrapping = wrapping(place.settings());
    let wrapped = wrap(&wrapping).await.unwrap();
    assert_eq!((wrapped.method(), wrapped.key_name()), (KeyWrap::Vault, Some("bulla")));
    assert_eq!(wrapping.unwrap(wrapped, &key("a")).await.unwrap().expose(), &[7; 32]);
    assert_eq!((place.vault.faults(), place.vault.counts()), (vec![], [1, 1, 0, 0]));
}

#[tokio::test]
async fn vault_unwraps_for_no_other_key() {
    let place = Place::new().await;
    let wrapping = wrapping(place.settings());
    let wrapped = wrap(&wrapping).await.unwrap();
    let refusal = wrapping.unwrap(wrapped, &key("b")).await.unwrap_err();
    assert!(matches!(&refusal, OpenError::Locked(Locked::Refused { .. })), "{refusal}");
    let text = WithCauses(&refusal).to_string();
    let expected =
        "the provider of alias k1 refuses: Vault answers 400 Bad Request: cipher: message authentication failed";
    assert_eq!(text, expected);
}

#[tokio::test]
async fn a_token_that_was_renewed_is_read_from_its_file() {
    let place = Place::new().await;
    let wrapping = wrapping(place.settings());
    wrap(&wrapping).await.unwrap();
    place.vault.set_token("hvs.renewed");
    let expected = "the provider of alias k1 refuses: Vault answers 403 Forbidden: permission denied";
    assert_eq!(refusal(&wrapping).await, (expected.to_owned(), false));
    secret_file(place.folder.path().join("token"), "hvs.renewed");
    wrap(&wrapping).await.unwrap();
    std::fs::remove_file(place.folder.path().join("token")).unwrap();
    let (text, may_pass) = refusal(&wrapping).await;
    assert!(text.contains("/token cannot be read") && !may_pass, "{text}");
}

#[tokio::test]
async fn a_token_that_no_header_holds_is_not_sent_or_shown() {
    let place = Place::new().await;
    secret_file(place.folder.path().join("token"), "hush\u{1}hush");
    let (text, may_pass) = refusal(&wrapping(place.settings())).await;
    assert!(text.contains("characters that no token has") && !text.contains("hush") && !may_pass, "{text}");
    assert_eq!(place.vault.counts(), [0; 4]);
}

#[tokio::test]
async fn a_role_logs_in_once_and_again_when_its_token_has_ended() {
    let place = Place::new().await;
    let wrapping = wrapping(place.by_role());
    wrap(&wrapping).await.unwrap();
    wrap(&wrapping).await.unwrap();
    assert_eq!(place.vault.counts(), [2, 0, 1, 0]);
    place.vault.set_token("hvs.next");
    wrap(&wrapping).await.unwrap();
    assert_eq!((place.vault.faults(), place.vault.counts()), (vec![], [4, 0, 2, 0]));
    place.vault.set_token("hvs.another");
    secret_file(place.folder.path().join("secret"), "another");
    let expected = "the provider of alias k1 refuses: Vault answers 403 Forbidden: invalid role or secret ID";
    assert_eq!(refusal(&wrapping).await, (expected.to_owned(), false));
}

#[tokio::test]
async fn a_token_that_is_refused_at_once_is_not_asked_for_again_and_again() {
    let place = Place::new().await;
    place.vault.set(Mood::Refuses(403, "permission denied"));
    assert!(!refusal(&wrapping(place.settings())).await.1);
    assert_eq!(place.vault.counts(), [1, 0, 0, 0]);
}

#[tokio::test]
async fn what_may_pass_is_told_from_what_has_to_be_changed() {
    let place = Place::new().await;
    let wrapping = wrapping(place.settings());
    for (status, may_pass) in [
        (400, false),
        (403, false),
        (404, false),
        (405, false),
        (412, true),
        (429, true),
        (473, true),
        (500, true),
        (502, true),
        (503, true),
    ] {
        place.vault.set(Mood::Refuses(status, "in its words"));
        let (text, passes) = refusal(&wrapping).await;
        assert!(text.contains(&status.to_string()) && text.ends_with(": in its words"), "{text}");
        assert_eq!(passes, may_pass, "{status}");
    }
    place.vault.set(Mood::Well);
    wrap(&wrapping).await.unwrap();
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let place = Place::new().await;
    place.vault.set(Mood::Redirects);
    let (text, may_pass) = refusal(&wrapping(place.settings())).await;
    assert!(text.contains("307") && text.contains("not followed") && may_pass, "{text}");
    assert_eq!(place.vault.counts(), [1, 0, 0, 0]);
}

#[tokio::test]
async fn what_is_not_vault_s_is_no_answer() {
    let place = Place::new().await;
    place.vault.set(Mood::Garbage);
    let (text, may_pass) = refusal(&wrapping(place.settings())).await;
    assert!(text.contains("is not Vault") && may_pass, "{text}");
}

#[tokio::test]
async fn an_answer_has_at_most_64_kib() {
    let place = Place::new().await;
    let wrapping = wrapping(place.settings());
    place.vault.set(Mood::Padded(64 * 1024));
    wrap(&wrapping).await.unwrap();
    place.vault.set(Mood::Padded(64 * 1024 + 1));
    let (text, may_pass) = refusal(&wrapping).await;
    assert!(text.contains("more than 65536 bytes") && may_pass, "{text}");
}

#[tokio::test]
async fn vault_is_not_waited_for_for_ever() {
    let place = Place::new().await;
    place.vault.set(Mood::Silent);
    let wrapping = wrapping(VaultSettings { timeout: Duration::from_millis(100), ..place.settings() });
    let (text, may_pass) = refusal(&wrapping).await;
    assert!(
        text.starts_with("the provider of alias k1 does not answer: Vault cannot be reached") && may_pass,
        "{text}"
    );
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_a_vault_that_is_away() {
    let place = Place::new().await;
    let wrapping = wrapping(place.settings());
    drop(place.vault);
    let (text, may_pass) = refusal(&wrapping).await;
    assert!(text.contains("Vault cannot be reached") && may_pass, "{text}");
}

mod over_tls {
    use std::sync::Arc;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::ServerConfig;
    use rustls::crypto::ring;
    use rustls_pki_types::PrivateKeyDer;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    fn authority() -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn acceptor(authority: &CertifiedIssuer<'static, KeyPair>, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, authority).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key);
        TlsAcceptor::from(Arc::new(tls.unwrap()))
    }

    #[tokio::test]
    async fn only_a_vault_of_its_authority_and_name_is_given_the_token() {
        let place = Place::new().await;
        let (authority, other) = (authority(), authority());
        let ca_file = place.folder.path().join("ca.crt");
        std::fs::write(&ca_file, authority.pem()).unwrap();
        for (issuer, name, is_trusted) in
            [(&authority, "localhost", true), (&other, "localhost", false), (&authority, "elsewhere", false)]
        {
            let vault = StandIn::start_tls(acceptor(issuer, name)).await;
            let address = Url::parse(&format!("https://localhost:{}", vault.address.port())).unwrap();
            let settings = VaultSettings { address, authority_file: Some(ca_file.clone()), ..place.settings() };
            let wrapping = wrapping(settings);
            if is_trusted {
                wrap(&wrapping).await.unwrap();
                assert_eq!((vault.faults(), vault.counts()), (vec![], [1, 0, 0, 0]));
            } else {
                let (text, may_pass) = refusal(&wrapping).await;
                assert!(text.contains("Vault cannot be reached") && may_pass, "{text}");
                assert_eq!(vault.counts(), [0; 4]);
            }
        }
    }

    #[tokio::test]
    async fn a_file_without_authorities_is_named() {
        let place = Place::new().await;
        for (content, cause) in [
            (None, "No such file"),
            (Some(""), "it is empty"),
            (Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), ""),
        ] {
            let file = place.folder.path().join("absent.crt");
            if let Some(content) = content {
                std::fs::write(&file, content).unwrap();
            }
            let settings = VaultSettings { authority_file: Some(file), ..place.settings() };
            let Err(refusal) = VaultWrapping::new(Alias::parse("k1").unwrap(), settings) else { panic!("taken") };
            let text = WithCauses(&refusal).to_string();
            assert!(text.contains("absent.crt holds no certificates") && text.contains(cause), "{text}");
        }
    }
}
