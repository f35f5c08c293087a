//! What keys are sealed with: the default alias, the aliases that are named, and where the secret of each comes from.

use super::settings::{Environment, Settings};
use super::wrapping::Provider;
use super::{ConfigError, ConfigWarning, Storage};
use crate::seal::passphrase::{Alias, PassphraseError, Passphrases};
use crate::seal::passphrase_file;
use crate::token::TokenName;

/// What keys are sealed with.
#[derive(Debug)]
pub enum Sealing {
    /// With passphrases from the environment, and by the providers of `wrapping`.
    Environment {
        /// The alias under whose passphrase new keys are sealed.
        default_alias: Alias,
        /// Every alias that the configuration names: [`Passphrases::from_environment`] says why.
        aliases: Vec<Alias>,
        /// Where the passphrase of an alias is looked up.
        environment: Environment,
        /// The aliases that have another provider than the environment.
        wrapping: Vec<(Alias, Provider)>,
    },
    /// With a random passphrase that nobody knows: keys in memory, which the reference does not seal at all.
    Ephemeral,
}

impl Sealing {
    /// Whether there is what new keys are sealed with, as far as this machine alone can tell.
    pub(super) fn prove(&self) -> Result<(), PassphraseError> {
        let Self::Environment { default_alias, aliases, environment, wrapping } = self else { return Ok(()) };
        match wrapping.iter().find(|(alias, _)| alias == default_alias) {
            Some((_, Provider::PassphraseFile(file))) => passphrase_file(file).map(|_| ()),
            // what may take its time is not asked here: readiness says whether it answers
            Some((_, Provider::PassphraseCommand(_) | Provider::Vault(_) | Provider::Token { .. })) => Ok(()),
            None => Passphrases::from_environment(environment.clone(), aliases).of(default_alias).map(|_| ()),
        }
    }

    /// Whether the configuration names this alias.
    pub(super) fn names(&self, name: &str) -> bool {
        let Self::Environment { aliases, wrapping, .. } = self else { return false };
        aliases.iter().chain(wrapping.iter().map(|(alias, _)| alias)).any(|alias| alias.as_str() == name)
    }

    /// Whether an alias is wrapped by a key of this token.
    pub(crate) fn wraps_with(&self, name: &TokenName) -> bool {
        let Self::Environment { wrapping, .. } = self else { return false };
        wrapping.iter().any(|(_, provider)| matches!(provider, Provider::Token { token, .. } if token == name))
    }

    pub(super) fn read(
        settings: &Settings,
        storage: &Storage,
        environment: &Environment,
        wrapping: Vec<(Alias, Provider)>,
        warnings: &mut Vec<ConfigWarning>,
    ) -> Result<Self, ConfigError> {
        // NOTARY_SIGNER_DEFAULT_ALIAS is the older of the reference's two names
        let default_alias = match settings.text("storage.default_alias")? {
            Some(alias) => Some(alias),
            None => settings.text("default_alias")?,
        };
        let alias = |name| move |text: String| Alias::parse(&text).ok_or(ConfigError::NoAlias { name });
        let aliases = settings.list("storage.aliases")?.unwrap_or_default();
        let mut aliases = aliases.into_iter().map(alias("storage.aliases")).collect::<Result<Vec<_>, _>>()?;
        match default_alias.map(alias("storage.default_alias")).transpose()? {
            Some(default_alias) if storage.is_durable() => {
                aliases.push(default_alias.clone());
                Ok(Self::Environment { default_alias, aliases, environment: environment.clone(), wrapping })
            }
            None if storage.is_durable() => Err(ConfigError::Missing("storage.default_alias")),
            Some(_) | None => {
                if !wrapping.is_empty() {
                    warnings.push(ConfigWarning::WithoutEffect("wrapping"));
                }
                Ok(Self::Ephemeral)
            }
        }
    }
}
