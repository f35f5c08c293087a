//! What Vault answers: read from as little JSON as is needed, and bounded, as it comes over a network.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::super::header::MAX_VAULT_BYTES;
use super::super::wrapping::ContentKey;

/// The longest token that is accepted, in bytes; Vault's have some hundred.
const MAX_TOKEN_BYTES: usize = 4096;
/// How much of Vault's words is repeated, in characters.
const MAX_SAID_CHARACTERS: usize = 200;

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
struct Encrypted {
    ciphertext: String,
}

#[derive(Deserialize)]
struct Decrypted {
    plaintext: String,
}

#[derive(Deserialize)]
struct LoggedIn {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    client_token: String,
}

#[derive(Deserialize)]
struct Refused {
    errors: Vec<String>,
}

/// The text to keep of an answer to `encrypt`: `vault:v`, the key's version, `:` and base64.
pub(super) fn ciphertext(body: &[u8]) -> Option<String> {
    let Answer { data: Encrypted { ciphertext } } = serde_json::from_slice(body).ok()?;
    let (version, rest) = ciphertext.strip_prefix("vault:v")?.split_once(':')?;
    let is_version = (1..=10).contains(&version.len()) && version.bytes().all(|byte| byte.is_ascii_digit());
    let is_text = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic());
    (is_version && is_text && ciphertext.len() <= MAX_VAULT_BYTES).then_some(ciphertext)
}

/// The content key of an answer to `decrypt`.
pub(super) fn content_key(body: &[u8]) -> Option<ContentKey> {
    let Answer { data: Decrypted { plaintext } } = serde_json::from_slice(body).ok()?;
    let plaintext = Zeroizing::new(plaintext);
    let bytes = Zeroizing::new(STANDARD.decode(plaintext.as_bytes()).ok()?);
    ContentKey::from_bytes(&bytes)
}

/// The token of an answer to a login.
pub(super) fn token(body: &[u8]) -> Option<Zeroizing<String>> {
    let LoggedIn { auth: Auth { client_token } } = serde_json::from_slice(body).ok()?;
    let token = Zeroizing::new(client_token);
    ((1..=MAX_TOKEN_BYTES).contains(&token.len())).then_some(token)
}

/// Vault's words in an answer that is an error, as far as they can be shown. Empty if there are none.
pub(super) fn said(body: &[u8]) -> String {
    let errors = serde_json::from_slice(body).map(|Refused { errors }| errors).unwrap_or_default();
    let mut said = String::new();
    for (index, character) in errors.join("; ").chars().enumerate() {
        if index == MAX_SAID_CHARACTERS {
            said.push_str("...");
            break;
        }
        if character.is_control() { said.push(' ') } else { said.push(character) }
    }
    said
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn encrypted(ciphertext: &str) -> Option<String> {
        super::ciphertext(
            format!(r#"{{"request_id": "x", "data": {{"ciphertext": "{ciphertext}", "key_version": 1}}}}"#).as_bytes(),
        )
    }

    #[test]
    fn a_ciphertext_is_vault_s_and_of_bounded_length() {
        assert_eq!(encrypted("vault:v1:AAAA").as_deref(), Some("vault:v1:AAAA"));
        let longest = format!("vault:v1:{}", "A".repeat(4096 - 9));
        assert_eq!(encrypted(&longest).as_deref(), Some(longest.as_str()));
        assert_eq!(encrypted(&format!("{longest}A")), None);
        for other in [
            "",
            "vault:v1:",
            "vault:v:AAAA",
            "vault:vx:AAAA",
            "vault:v12345678901:A",
            "AAAA",
            "vault:v1:A A",
            "vault:v1:\\u0000",
        ] {
            assert_eq!(encrypted(other), None, "{other}");
        }
    }

    #[test]
    fn a_content_key_has_32_bytes() {
        let of = |bytes: usize| {
            content_key(format!(r#"{{"data": {{"plaintext": "{}"}}}}"#, STANDARD.encode(vec![7; bytes])).as_bytes())
        };
        assert_eq!(of(32).unwrap().expose(), &[7; 32]);
        assert!(of(31).is_none() && of(33).is_none() && of(0).is_none());
        assert!(content_key(br#"{"data": {"plaintext": "?"}}"#).is_none());
        assert!(content_key(br#"{"data": null}"#).is_none());
    }

    #[test]
    fn a_token_has_1_to_4096_bytes() {
        let of = |bytes: usize| {
            token(
                format!(r#"{{"auth": {{"client_token": "{}", "lease_duration": 1200}}}}"#, "t".repeat(bytes))
                    .as_bytes(),
            )
        };
        assert_eq!(of(4096).unwrap().len(), 4096);
        assert!(of(0).is_none() && of(4097).is_none());
    }

    #[test]
    fn vault_s_words_are_repeated_in_part_and_without_what_steers_a_terminal() {
        assert_eq!(said(br#"{"errors": ["permission denied", "no"]}"#), "permission denied; no");
        assert_eq!(said(br#"{"errors": ["a\u001b[2Jb"]}"#), "a [2Jb");
        let long = |characters: usize| said(format!(r#"{{"errors": ["{}"]}}"#, "x".repeat(characters)).as_bytes());
        assert_eq!(long(200), "x".repeat(200));
        assert_eq!(long(201), format!("{}...", "x".repeat(200)));
        assert_eq!(said(b"<html>"), "");
    }

    proptest! {
        #[test]
        fn whatever_answers_is_bounded(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in ".{0,500}") {
            let json = serde_json::json!({
                "data": {"ciphertext": &text, "plaintext": &text}, "auth": {"client_token": &text}, "errors": [&text],
            });
            for body in [bytes, text.clone().into_bytes(), json.to_string().into_bytes()] {
                prop_assert!(ciphertext(&body).is_none_or(|text| text.len() <= 4096));
                prop_assert!(token(&body).is_none_or(|text| text.len() <= 4096));
                prop_assert!(said(&body).chars().count() <= 203);
                // a text that decodes to 32 bytes is one
                let _ = content_key(&body);
            }
        }

        #[test]
        fn a_content_key_comes_back(bytes: [u8; 32]) {
            let body = serde_json::json!({"data": {"plaintext": STANDARD.encode(bytes)}}).to_string();
            let key = content_key(body.as_bytes()).unwrap();
            prop_assert_eq!(key.expose(), &bytes);
        }
    }
}
