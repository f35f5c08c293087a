//! GET and POST of a `.key`: the server's public key for a role, and a new one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use tuf_schema::PublicKey;

use super::error::ApiError;
use super::{Answer, answer};
use crate::app::App;
use crate::auth::{Access, Admin, Push};
use crate::keys::ServerRole;

/// A public key, its members in the reference's order, which is not the canonical one.
#[derive(Serialize)]
struct WireKey<'a> {
    keytype: &'a str,
    keyval: WireKeyValue,
}

#[derive(Serialize)]
struct WireKeyValue {
    public: String,
    /// Always null; clients insist on the member.
    private: Option<()>,
}

pub(super) async fn public_key(app: &App, access: Access<Push>, role: ServerRole) -> Result<Answer, ApiError> {
    Ok(key(&app.keys.public_key(&access, role).await?))
}

pub(super) async fn rotate(app: &App, access: Access<Admin>, role: ServerRole) -> Result<Answer, ApiError> {
    Ok(key(&app.keys.rotate(&access, role).await?))
}

fn key(key: &PublicKey) -> Answer {
    let keyval = WireKeyValue { public: STANDARD.encode(key.public_bytes()), private: None };
    answer::json(&WireKey { keytype: key.key_type().name(), keyval })
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tuf_schema::KeyType;

    use super::*;

    #[tokio::test]
    async fn public_comes_before_private() {
        let body = key(&PublicKey::new(KeyType::Ed25519, vec![1; 32])).into_body().collect().await.unwrap().to_bytes();
        let expected = r#"{"keytype":"ed25519","keyval":{"public":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=","private":null}}"#;
        assert_eq!(body, expected.as_bytes());
    }
}
