//! Seals keys and opens them: an alias has one provider, which the configuration names and data never chooses.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tuf_schema::key::KeyId;
use zeroize::Zeroizing;

use super::envelope::{Envelope, SealedKey, close};
use super::error::{Locked, OpenError, SealError};
use super::passphrase::{Alias, PassphraseError, Passphrases};
use super::pbes2::PassphraseWrapping;
use super::source::PassphraseSource;
use super::token::TokenWrapping;
use super::vault::{VaultClientError, VaultWrapping};
use super::wrapping::{ContentKey, WrappedKey, Wrapping};
use crate::Randomness;
use crate::config::{self, Provider};
use crate::excerpt::Excerpt;
use crate::memory::stack;
use crate::store::KeyRecord;
use crate::token::{Token, TokenName};

/// Why there is nothing to seal with.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// No passphrase could be made.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// The token is not configured.
    #[error("wrapping of alias {alias} names token {token}, which is not under tokens")]
    Token {
        /// The alias.
        alias: Alias,
        /// The token.
        token: TokenName,
    },
    /// What is configured for Vault cannot be used.
    #[error("wrapping of alias {alias} cannot be used")]
    Vault {
        /// The alias.
        alias: Alias,
        /// What is wrong.
        source: VaultClientError,
    },
}

/// The providers of all aliases.
pub(crate) struct Sealing {
    /// Of the aliases that the configuration gives one.
    configured: HashMap<Alias, Arc<dyn Wrapping>>,
    /// Of every other alias, as in the reference.
    passphrases: Arc<Passphrases>,
    rng: Randomness,
}

impl Sealing {
    /// Every alias has the passphrase that `passphrases` knows of it, but for those of `configured`.
    #[must_use]
    pub(crate) fn new(
        passphrases: Passphrases,
        configured: HashMap<Alias, Arc<dyn Wrapping>>,
        rng: Randomness,
    ) -> Self {
        Self { configured, passphrases: Arc::new(passphrases), rng }
    }

    /// What the configuration says, and the alias that new keys are sealed under. No provider is asked.
    ///
    /// # Errors
    /// [`ProviderError`] names the file that cannot be used.
    pub(crate) fn from_config(
        config: &config::Sealing,
        tokens: &BTreeMap<TokenName, Arc<Token>>,
        rng: Randomness,
    ) -> Result<(Self, Alias), ProviderError> {
        match config {
            config::Sealing::Ephemeral => {
                let passphrases = Passphrases::ephemeral(rng.as_ref())?;
                Ok((Self::new(passphrases, HashMap::new(), rng), Alias::ephemeral()))
            }
            config::Sealing::Environment { default_alias, aliases, environment, wrapping } => {
                let mut configured = HashMap::new();
                for (alias, provider) in wrapping {
                    configured.insert(alias.clone(), provider_of(alias, provider, tokens, &rng)?);
                }
                let passphrases = Passphrases::from_environment(environment.clone(), aliases);
                Ok((Self::new(passphrases, configured, rng), default_alias.clone()))
            }
        }
    }

    /// Only passphrases.
    #[cfg(test)]
    pub(crate) fn with_passphrases(passphrases: Passphrases) -> Self {
        Self::new(passphrases, HashMap::new(), Arc::new(ring::rand::SystemRandom::new()))
    }

    /// Seals `plaintext`, the secret half of `key`, under an alias.
    ///
    /// # Errors
    /// [`SealError`] tells a locked alias from a provider that is away.
    pub(crate) async fn seal(&self, alias: &Alias, key: &KeyId, plaintext: &[u8]) -> Result<SealedKey, SealError> {
        stack::wiping(async {
            let content_key = ContentKey::random(self.rng.as_ref())?;
            let wrapped = self.of(alias).wrap(&content_key, key).await?;
            close(plaintext, &content_key, wrapped, key, self.rng.as_ref())
        })
        .await
    }

    /// Opens the secret half of a record. What comes out is not yet known to belong to the record's public half.
    ///
    /// # Errors
    /// [`OpenError`] tells a locked alias from a provider that is away and from damage.
    pub(crate) async fn open(&self, record: &KeyRecord) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        stack::wiping(self.open_sealed(&record.alias, record.key.id(), &record.sealed)).await
    }

    /// Whether the provider of an alias wraps now, and unwraps what it wrapped. Says nothing of what is stored: only a
    /// stored key shows that the secret is still the one that sealed it.
    ///
    /// # Errors
    /// [`OpenError`] says what is amiss.
    pub(crate) async fn prove(&self, alias: &Alias) -> Result<(), OpenError> {
        let nobody = KeyId::from_wire(&"0".repeat(64));
        let sealed = self.seal(alias, &nobody, b"").await?;
        self.open_sealed(alias, &nobody, &sealed).await.map(|_| ())
    }

    /// Whether the provider of an alias is not in this process, so that it may stop answering.
    pub(crate) fn may_be_away(&self, alias: &Alias) -> bool {
        self.configured.get(alias).is_some_and(|wrapping| wrapping.may_be_away())
    }

    /// Opens what is sealed for a key under an alias.
    pub(crate) async fn open_sealed(
        &self,
        alias: &Alias,
        key: &KeyId,
        sealed: &SealedKey,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (wrapped, envelope) = Envelope::read(sealed)?;
        let wrapping = self.of(alias);
        is_of(wrapping.as_ref(), &wrapped, alias)?;
        let content_key = wrapping.unwrap(wrapped, key).await?;
        Ok(envelope.open(&content_key, key)?)
    }

    fn of(&self, alias: &Alias) -> Arc<dyn Wrapping> {
        match self.configured.get(alias) {
            Some(wrapping) => Arc::clone(wrapping),
            None => {
                let source = PassphraseSource::Kept(alias.clone(), Arc::clone(&self.passphrases));
                Arc::new(PassphraseWrapping::new(source, Arc::clone(&self.rng)))
            }
        }
    }
}

fn provider_of(
    alias: &Alias,
    provider: &Provider,
    tokens: &BTreeMap<TokenName, Arc<Token>>,
    rng: &Randomness,
) -> Result<Arc<dyn Wrapping>, ProviderError> {
    let source = match provider {
        Provider::PassphraseFile(file) => PassphraseSource::File(file.clone()),
        Provider::PassphraseCommand(command) => PassphraseSource::Command(command.clone()),
        Provider::Token { token, key_label } => {
            // the configuration was checked: it is there
            let unknown = || ProviderError::Token { alias: alias.clone(), token: token.clone() };
            let token = Arc::clone(tokens.get(token).ok_or_else(unknown)?);
            return Ok(Arc::new(TokenWrapping::new(alias.clone(), token, key_label.clone(), Arc::clone(rng))));
        }
        Provider::Vault(settings) => {
            let wrapping = VaultWrapping::new(alias.clone(), settings.clone());
            let named = |source| ProviderError::Vault { alias: alias.clone(), source };
            return Ok(Arc::new(wrapping.map_err(named)?));
        }
    };
    Ok(Arc::new(PassphraseWrapping::new(source, Arc::clone(rng))))
}

/// Whether the configured provider is the one that wrapped it.
fn is_of(wrapping: &dyn Wrapping, wrapped: &WrappedKey, alias: &Alias) -> Result<(), Locked> {
    let (configured, found) = (wrapping.method(), wrapped.method());
    if configured != found {
        return Err(Locked::OtherProvider { alias: alias.clone(), configured, found });
    }
    let (configured, found) = (wrapping.key_name().unwrap_or_default(), wrapped.key_name().unwrap_or_default());
    if configured != found {
        let (alias, configured) = (alias.clone(), configured.to_owned());
        return Err(Locked::OtherKey { alias, configured, found: Excerpt::of(found) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use ring::rand::SystemRandom;
    use tuf_schema::key::{KeyType, PublicKey};

    use super::super::error::{Away, Damage};
    use super::super::wrapping::KeyWrap;
    use super::*;
    use crate::config::Environment;
    use crate::store::Purpose;

    /// A provider that hides the content key under one byte of its own, and can be away.
    struct Fake {
        name: &'static str,
        hidden_by: u8,
        is_away: bool,
    }

    impl Fake {
        fn ciphertext(&self, content_key: &ContentKey) -> String {
            hex::encode(content_key.expose().map(|byte| byte ^ self.hidden_by))
        }
    }

    #[async_trait]
    impl Wrapping for Fake {
        fn method(&self) -> KeyWrap {
            KeyWrap::Vault
        }
        fn key_name(&self) -> Option<&str> {
            Some(self.name)
        }
        fn may_be_away(&self) -> bool {
            true
        }
        async fn wrap(&self, content_key: &ContentKey, _key: &KeyId) -> Result<WrappedKey, SealError> {
            if self.is_away {
                return Err(Away { alias: alias("remote"), source: "told to be away".into() }.into());
            }
            Ok(WrappedKey::Vault { key_name: self.name.to_owned(), ciphertext: self.ciphertext(content_key) })
        }
        async fn unwrap(&self, wrapped: WrappedKey, _key: &KeyId) -> Result<ContentKey, OpenError> {
            let WrappedKey::Vault { ciphertext, .. } = wrapped else { panic!("asked for another method") };
            let bytes = hex::decode(ciphertext).unwrap();
            let bytes: Vec<u8> = bytes.into_iter().map(|byte| byte ^ self.hidden_by).collect();
            Ok(ContentKey::from_bytes(&bytes).unwrap())
        }
    }

    fn alias(text: &str) -> Alias {
        Alias::parse(text).unwrap()
    }

    /// Alias `remote` by a provider, `k1` and `k2` by passphrases.
    fn sealing(fake: Fake) -> Sealing {
        let variables = [("NOTARY_SIGNER_K1", "one"), ("NOTARY_SIGNER_K2", "two"), ("NOTARY_SIGNER_REMOTE", "known")];
        let environment = Environment::new(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let configured = [(alias("remote"), Arc::new(fake) as Arc<dyn Wrapping>)].into();
        Sealing::new(Passphrases::from_environment(environment, &[]), configured, Arc::new(SystemRandom::new()))
    }

    const FAKE: Fake = Fake { name: "bulla", hidden_by: 1, is_away: false };

    async fn sealed(sealing: &Sealing, under: &str) -> KeyRecord {
        let key = PublicKey::new(KeyType::Ed25519, vec![1; 32]);
        let sealed = sealing.seal(&alias(under), key.id(), b"the secret").await.unwrap();
        let purpose = Purpose { gun: None, role: None };
        KeyRecord { key, purpose, alias: alias(under), sealed, last_used: None, retired: None }
    }

    fn locked(opened: Result<Zeroizing<Vec<u8>>, OpenError>) -> Locked {
        match opened.unwrap_err() {
            OpenError::Locked(locked) => locked,
            error => panic!("{error}"),
        }
    }

    #[tokio::test]
    async fn each_alias_opens_what_was_sealed_under_it() {
        let sealing = sealing(FAKE);
        for (under, method) in [("k1", KeyWrap::Passphrase), ("remote", KeyWrap::Vault)] {
            let record = sealed(&sealing, under).await;
            assert_eq!(record.sealed.key_wrap(), method);
            assert_eq!(sealing.open(&record).await.unwrap().as_slice(), b"the secret");
            sealing.prove(&alias(under)).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_row_whose_alias_was_exchanged_for_one_of_another_provider_stays_shut_and_both_are_named() {
        let sealing = sealing(FAKE);
        for (under, moved_to, configured, found) in [
            ("k1", "remote", KeyWrap::Vault, KeyWrap::Passphrase),
            ("remote", "k1", KeyWrap::Passphrase, KeyWrap::Vault),
        ] {
            let moved = KeyRecord { alias: alias(moved_to), ..sealed(&sealing, under).await };
            let refusal = locked(sealing.open(&moved).await);
            assert!(
                matches!(&refusal, Locked::OtherProvider { configured: one, found: other, .. } if (*one, *other) == (configured, found)),
                "{refusal}"
            );
            let text = refusal.to_string();
            assert!([moved_to, configured.name(), found.name()].iter().all(|named| text.contains(named)), "{text}");
        }
    }

    /// Who writes to the database and knows a passphrase of the environment, say one that was given up, seals a key of
    /// his own with it: under the alias of a provider it is not taken, also when the variable of that alias is set.
    #[tokio::test]
    async fn an_envelope_of_a_known_passphrase_is_not_taken_under_the_alias_of_a_provider() {
        let elsewhere = Sealing::new(
            Passphrases::from_environment(
                Environment::new([("NOTARY_SIGNER_REMOTE".to_owned(), "known".to_owned())]),
                &[],
            ),
            HashMap::new(),
            Arc::new(SystemRandom::new()),
        );
        let planted = sealed(&elsewhere, "remote").await;
        let refusal = locked(sealing(FAKE).open(&planted).await);
        assert!(matches!(refusal, Locked::OtherProvider { .. }), "{refusal}");
    }

    #[tokio::test]
    async fn a_row_whose_alias_was_exchanged_for_another_passphrase_stays_shut() {
        let sealing = sealing(FAKE);
        let moved = KeyRecord { alias: alias("k2"), ..sealed(&sealing, "k1").await };
        assert!(matches!(locked(sealing.open(&moved).await), Locked::DoesNotOpen { .. }));
    }

    #[tokio::test]
    async fn an_envelope_that_names_another_key_of_its_provider_is_not_sent_to_it() {
        let record = sealed(&sealing(Fake { name: "other", ..FAKE }), "remote").await;
        let text = locked(sealing(FAKE).open(&record).await).to_string();
        assert!(text.contains(r#"configured for wrapping key "bulla" and the key was sealed with other"#), "{text}");
    }

    #[tokio::test]
    async fn envelopes_that_two_rows_exchanged_are_told() {
        let sealing = sealing(FAKE);
        let record = sealed(&sealing, "remote").await;
        let swapped = KeyRecord { key: PublicKey::new(KeyType::Ed25519, vec![2; 32]), ..record.clone() };
        let refusal = sealing.open(&swapped).await.unwrap_err();
        let found = record.key.id().clone();
        assert!(matches!(&refusal, OpenError::Damaged(Damage::OtherKeys { found: of }) if *of == found), "{refusal}");
    }

    #[tokio::test]
    async fn a_content_key_of_another_wrapping_key_is_told_from_a_wrong_name() {
        let record = sealed(&sealing(Fake { hidden_by: 2, ..FAKE }), "remote").await;
        let refusal = sealing(FAKE).open(&record).await.unwrap_err();
        assert!(matches!(refusal, OpenError::Damaged(Damage::Altered)), "{refusal}");
    }

    #[tokio::test]
    async fn a_provider_that_is_away_is_no_lock_and_no_damage() {
        let sealing = sealing(Fake { is_away: true, ..FAKE });
        assert!(matches!(sealing.prove(&alias("remote")).await, Err(OpenError::Away(_))));
        sealing.prove(&alias("k1")).await.unwrap();
    }
}
