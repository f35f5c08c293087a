//! Wrapping by a key of Vault's transit engine, over its HTTP API: `encrypt` and `decrypt`, as documented for Vault 1.13
//! and newer and for OpenBao. The key never leaves Vault; a content key goes there and back for each key that is sealed
//! or opened.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use tuf_schema::key::KeyId;
use zeroize::Zeroizing;

use super::error::{Away, Damage, Locked, OpenError, SealError};
use super::passphrase::Alias;
use super::wrapping::{ContentKey, KeyWrap, WrappedKey, Wrapping};
use crate::config::VaultSettings;

mod answer;
mod client;
#[cfg(test)]
pub(crate) mod stand_in;
#[cfg(test)]
mod tests;

use client::VaultClient;
pub use client::VaultClientError;
use client::VaultError;

/// A key of Vault.
pub(crate) struct VaultWrapping {
    alias: Alias,
    key_name: String,
    client: VaultClient,
}

#[derive(Serialize)]
struct Encrypt<'a> {
    plaintext: &'a str,
    associated_data: &'a str,
}

#[derive(Serialize)]
struct Decrypt<'a> {
    ciphertext: &'a str,
    associated_data: &'a str,
}

impl VaultWrapping {
    /// For an alias, with a key of Vault, which is not asked yet.
    ///
    /// # Errors
    /// [`VaultClientError`] names the file that cannot be used.
    pub(crate) fn new(alias: Alias, settings: VaultSettings) -> Result<Self, VaultClientError> {
        Ok(Self { alias, key_name: settings.key.clone(), client: VaultClient::new(settings)? })
    }
}

#[async_trait]
impl Wrapping for VaultWrapping {
    fn method(&self) -> KeyWrap {
        KeyWrap::Vault
    }

    fn key_name(&self) -> Option<&str> {
        Some(&self.key_name)
    }

    fn may_be_away(&self) -> bool {
        true
    }

    async fn wrap(&self, content_key: &ContentKey, key: &KeyId) -> Result<WrappedKey, SealError> {
        let plaintext = Zeroizing::new(STANDARD.encode(content_key.expose()));
        let request = Encrypt { plaintext: &plaintext, associated_data: &associated_data(key) };
        let answer = self.client.post("encrypt", &request).await;
        let ciphertext = answer.and_then(|body| answer::ciphertext(&body).ok_or(VaultError::NotVault));
        let ciphertext = ciphertext.map_err(|error| match failed(&self.alias, error) {
            Ok(away) => SealError::Away(away),
            Err(locked) => SealError::Locked(locked),
        })?;
        Ok(WrappedKey::Vault { key_name: self.key_name.clone(), ciphertext })
    }

    async fn unwrap(&self, wrapped: WrappedKey, key: &KeyId) -> Result<ContentKey, OpenError> {
        let WrappedKey::Vault { ciphertext, .. } = wrapped else { return Err(Damage::Form.into()) };
        let request = Decrypt { ciphertext: &ciphertext, associated_data: &associated_data(key) };
        let answer = self.client.post("decrypt", &request).await;
        let content_key = answer.and_then(|body| answer::content_key(&body).ok_or(VaultError::NotVault));
        content_key.map_err(|error| match failed(&self.alias, error) {
            Ok(away) => OpenError::Away(away),
            Err(locked) => OpenError::Locked(locked),
        })
    }
}

/// For a fuzz target: an answer, read as each kind that there is. Gives what of it would be kept or shown.
#[cfg(fuzzing)]
pub(crate) fn look_at_answer(body: &[u8]) -> (Option<String>, String) {
    // secrets are read and not given
    let _ = (answer::content_key(body), answer::token(body));
    (answer::ciphertext(body), answer::said(body))
}

/// What Vault authenticates beside the content key, so that it decrypts for no other key's row.
fn associated_data(key: &KeyId) -> String {
    STANDARD.encode(format!("bulla-signer key {key}"))
}

fn failed(alias: &Alias, error: VaultError) -> Result<Away, Locked> {
    let alias = alias.clone();
    if error.may_pass() {
        Ok(Away { alias, source: error.into() })
    } else {
        Err(Locked::Refused { alias, source: error.into() })
    }
}
