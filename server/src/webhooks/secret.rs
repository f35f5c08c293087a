//! The secrets by which a receiver knows that an event comes from this server, and the signatures that they make
//! (Standard Webhooks, symmetric).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac::{HMAC_SHA256, Key, sign};

/// What a secret in base64 begins with.
const PREFIX: &str = "whsec_";

/// How long a secret is, in bytes.
const LEAST_BYTES: usize = 24;
const MOST_BYTES: usize = 256;

/// How many secrets are in force at once: each event is signed with each.
const MOST_SECRETS: usize = 4;

/// The secrets of a webhook. They can neither be printed nor taken out again.
#[derive(Debug)]
pub(crate) struct Secrets(Vec<Key>);

/// Why a file of secrets cannot be used. It holds nothing of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// There is none.
    #[error("there is no secret in it")]
    Empty,
    /// There are too many.
    #[error("there are more than {MOST_SECRETS} secrets in it")]
    TooMany,
    /// What stands behind the prefix is no base64.
    #[error("what stands behind {PREFIX} in line {line} is no base64")]
    NotBase64 {
        /// The line, from 1.
        line: usize,
    },
    /// It is too short to be a secret, or too long.
    #[error("the secret in line {line} has {bytes} bytes, and must have {LEAST_BYTES} to {MOST_BYTES}")]
    Length {
        /// The line, from 1.
        line: usize,
        /// How long it is.
        bytes: usize,
    },
}

impl Secrets {
    /// Takes a secret from each line: `whsec_` and base64, or the bytes of the secret themselves. Blanks around it
    /// and lines of nothing else count for nothing.
    ///
    /// # Errors
    /// [`SecretError`].
    pub(crate) fn parse(content: &[u8]) -> Result<Self, SecretError> {
        let mut keys = Vec::new();
        for (at, line) in content.split(|byte| *byte == b'\n').enumerate() {
            let (line, number) = (line.trim_ascii(), at.saturating_add(1));
            if line.is_empty() {
                continue;
            }
            if keys.len() >= MOST_SECRETS {
                return Err(SecretError::TooMany);
            }
            keys.push(match line.strip_prefix(PREFIX.as_bytes()) {
                Some(text) => key(&STANDARD.decode(text).map_err(|_| SecretError::NotBase64 { line: number })?, number),
                None => key(line, number),
            }?);
        }
        if keys.is_empty() { Err(SecretError::Empty) } else { Ok(Self(keys)) }
    }

    /// The header `webhook-signature`: one signature for each secret.
    pub(super) fn signatures(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut content = format!("{id}.{timestamp}.").into_bytes();
        content.extend_from_slice(body);
        let one = |key: &Key| format!("v1,{}", STANDARD.encode(sign(key, &content)));
        self.0.iter().map(one).collect::<Vec<_>>().join(" ")
    }
}

fn key(bytes: &[u8], line: usize) -> Result<Key, SecretError> {
    if (LEAST_BYTES..=MOST_BYTES).contains(&bytes.len()) {
        Ok(Key::new(HMAC_SHA256, bytes))
    } else {
        Err(SecretError::Length { line, bytes: bytes.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(content: &[u8]) -> SecretError {
        Secrets::parse(content).unwrap_err()
    }

    #[test]
    fn a_signature_is_that_of_the_convention() {
        // The example of the convention's own libraries.
        let secrets = Secrets::parse(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let signature = secrets.signatures("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn an_event_is_signed_with_the_secret_of_each_line() {
        let (one, two) = ("a".repeat(24), "b".repeat(24));
        let both = Secrets::parse(format!("{one}\r\n\n  {two}  \n").as_bytes()).unwrap();
        let alone = |secret: &str| Secrets::parse(secret.as_bytes()).unwrap().signatures("id", 7, b"{}");
        assert_eq!(both.signatures("id", 7, b"{}"), format!("{} {}", alone(&one), alone(&two)));
    }

    #[test]
    fn a_secret_has_24_to_256_bytes() {
        assert!(Secrets::parse("a".repeat(24).as_bytes()).is_ok());
        assert!(Secrets::parse("a".repeat(256).as_bytes()).is_ok());
        assert_eq!(refusal("a".repeat(23).as_bytes()), SecretError::Length { line: 1, bytes: 23 });
        assert_eq!(refusal("a".repeat(257).as_bytes()), SecretError::Length { line: 1, bytes: 257 });
        let encoded = |bytes: usize| format!("\nwhsec_{}", STANDARD.encode(vec![7; bytes]));
        assert!(Secrets::parse(encoded(24).as_bytes()).is_ok());
        assert_eq!(refusal(encoded(23).as_bytes()), SecretError::Length { line: 2, bytes: 23 });
    }

    #[test]
    fn four_secrets_are_taken_and_not_one_more() {
        let line = format!("{}\n", "a".repeat(24));
        assert!(Secrets::parse(line.repeat(4).as_bytes()).is_ok());
        assert_eq!(refusal(line.repeat(5).as_bytes()), SecretError::TooMany);
    }

    #[test]
    fn what_is_no_secret_is_refused_and_not_told() {
        assert_eq!(refusal(b""), SecretError::Empty);
        assert_eq!(refusal(b" \n\n"), SecretError::Empty);
        assert_eq!(refusal(b"whsec_geheim-geheim-geheim-geheim"), SecretError::NotBase64 { line: 1 });
        let secrets = Secrets::parse(b"geheim-geheim-geheim-geheim").unwrap();
        assert!(!format!("{secrets:?}").contains("geheim"));
    }
}
