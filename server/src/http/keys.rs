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
use crate::rate::Client;

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

/// What waits for its first use may have been made for this answer, so those are counted.
pub(super) async fn public_key(
    app: &App,
    access: Access<Push>,
    client: Client,
    role: ServerRole,
) -> Result<Answer, ApiError> {
    app.rates.count_key_request(access.gun())?;
    if let Some(held) = app.keys.held_key(&access, role).await? {
        return Ok(key(&held));
    }
    app.rates.count_new_key(access.gun(), client)?;
    Ok(key(&app.keys.waiting_key(&access, role).await?))
}

pub(super) async fn rotate(
    app: &App,
    access: Access<Admin>,
    client: Client,
    role: ServerRole,
) -> Result<Answer, ApiError> {
    app.rates.count_key_request(access.gun())?;
    app.rates.count_new_key(access.gun(), client)?;
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
