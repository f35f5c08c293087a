//! Adding a signer: its own delegation, and a share of the releases.

use std::num::NonZeroU32;

use tuf_schema::{DelegationName, PublicKey};

use super::SignerName;
use crate::publish::{Edit, EditError, Working};

/// Gives a signer's keys every tag, in its own delegation and in the releases, as docker does. Keys that it has already
/// stay. A repository that the trust server does not know is made by it.
#[derive(Debug, Clone)]
pub struct AddSigner {
    name: SignerName,
    keys: Vec<PublicKey>,
}

impl AddSigner {
    /// Adds the signer `name` with `keys`.
    #[must_use]
    pub fn new(name: SignerName, keys: Vec<PublicKey>) -> Self {
        Self { name, keys }
    }

    /// Who is added.
    #[must_use]
    pub fn name(&self) -> &SignerName {
        &self.name
    }
}

impl Edit for AddSigner {
    fn apply(&self, working: &mut Working) -> Result<(), EditError> {
        for role in [self.name.delegation(), &DelegationName::releases()] {
            let unlimited = working.delegated(role).is_some_and(|given| given.paths.iter().any(String::is_empty));
            // What is there already makes no new version.
            if !unlimited || !self.keys.iter().all(|key| working.has_key(role, key.id())) {
                working.grant(role, NonZeroU32::MIN, &self.keys, &[String::new()])?;
            }
        }
        Ok(())
    }

    fn founds(&self) -> bool {
        true
    }
}
