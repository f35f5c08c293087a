//! Where keys are: in software or on a token. The configuration says where new ones are made; of a stored one its row does.

use async_trait::async_trait;
use tuf_schema::Role;
use tuf_schema::key::{KeyId, KeyShape};
use tuf_schema::sign::RawSignature;

use super::{BackendError, KeyBackend, SoftwareKeys, TokenKeys, TokenStanding};
use crate::config::{KeyPlaces, Place};
use crate::seal::KeyWrap;
use crate::seal::passphrase::Alias;
use crate::store::{Algorithm, KeyKind, KeyRecord, Purpose};

/// Keys in software and on tokens.
pub(crate) struct Places {
    software: SoftwareKeys,
    tokens: TokenKeys,
    new_keys: KeyPlaces,
}

impl Places {
    /// New keys are made where `new_keys` says.
    #[must_use]
    pub(crate) fn new(software: SoftwareKeys, tokens: TokenKeys, new_keys: KeyPlaces) -> Self {
        Self { software, tokens, new_keys }
    }
}

#[async_trait]
impl KeyBackend for Places {
    fn kind(&self, algorithm: Algorithm, purpose: &Purpose) -> Result<KeyKind, BackendError> {
        let place = match &purpose.role {
            Some(Role::Snapshot) => self.new_keys.snapshot.as_ref(),
            Some(Role::Timestamp) => self.new_keys.timestamp.as_ref(),
            Some(_) | None => None,
        };
        let Place::Token(token) = place.unwrap_or(&self.new_keys.everywhere) else {
            return self.software.kind(algorithm, purpose);
        };
        let shape = match algorithm {
            Algorithm::Ecdsa => KeyShape::Ecdsa(self.new_keys.ecdsa_curve),
            Algorithm::Ed25519 => KeyShape::Ed25519,
            Algorithm::Rsa => KeyShape::Rsa { bits: self.new_keys.rsa_bits },
        };
        Ok(KeyKind::OnToken { token: token.clone(), shape })
    }

    async fn generate(&self, algorithm: Algorithm, purpose: &Purpose) -> Result<KeyRecord, BackendError> {
        match self.kind(algorithm, purpose)? {
            KeyKind::Software(algorithm) => self.software.generate(algorithm, purpose).await,
            KeyKind::OnToken { token, shape } => self.tokens.generate(&token, shape, purpose).await,
        }
    }

    async fn discard(&self, record: &KeyRecord) {
        match record.sealed.key_wrap() {
            KeyWrap::Held => self.tokens.discard(record).await,
            KeyWrap::Passphrase | KeyWrap::Token | KeyWrap::Vault => self.software.discard(record).await,
        }
    }

    async fn prove(&self, record: &KeyRecord) -> Result<(), BackendError> {
        match record.sealed.key_wrap() {
            KeyWrap::Held => self.tokens.prove(record).await,
            KeyWrap::Passphrase | KeyWrap::Token | KeyWrap::Vault => self.software.prove(record).await,
        }
    }

    async fn try_anew(&self, record: &KeyRecord) -> Result<(), BackendError> {
        match record.sealed.key_wrap() {
            KeyWrap::Held => self.tokens.prove(record).await,
            KeyWrap::Passphrase | KeyWrap::Token | KeyWrap::Vault => self.software.try_anew(record).await,
        }
    }

    async fn sign(&self, record: &KeyRecord, message: &[u8]) -> Result<RawSignature, BackendError> {
        match record.sealed.key_wrap() {
            KeyWrap::Held => self.tokens.sign(record, message).await,
            KeyWrap::Passphrase | KeyWrap::Token | KeyWrap::Vault => self.software.sign(record, message).await,
        }
    }

    async fn prove_alias(&self, alias: &Alias) -> Result<(), BackendError> {
        self.software.prove_alias(alias).await
    }

    async fn look_at_tokens(&self) -> Vec<TokenStanding> {
        let mut standings = Vec::new();
        for token in self.tokens.tokens() {
            let makes_keys = self.new_keys.are_made_on(token.name());
            let amiss = token.probe().await.err().map(BackendError::TokenAway);
            standings.push(TokenStanding { token: token.name().clone(), makes_keys, amiss });
        }
        standings
    }

    fn may_be_away(&self, alias: &Alias) -> bool {
        self.software.may_be_away(alias)
    }

    fn default_alias(&self) -> &Alias {
        self.software.default_alias()
    }

    fn forget(&self, id: &KeyId) {
        self.software.forget(id);
    }

    fn sweep(&self) {
        self.software.sweep();
    }
}
