//! The first signer of a repository that is made by a signature: the user of the registry, as with docker.

use tuf_schema::SigningKey as _;

use super::{AddSigner, SignerName};
use crate::keys::{KeyRole, KeyringError};
use crate::publish::{PublishError, Publisher};

/// Makes the registry's user a signer of the repository that is going to be made: with the first of the keys that bear
/// the name, else with a new one.
///
/// Nobody is, if the name is none that a signer may have, or one that a key file would take for that of a base role.
///
/// # Errors
/// [`PublishError::Keyring`].
pub fn first_signer(publisher: &mut Publisher<'_>, user: &str) -> Result<Option<AddSigner>, PublishError> {
    let role = KeyRole::parse(user);
    let (Ok(name), KeyRole::Signer(_)) = (SignerName::parse(user), &role) else { return Ok(None) };
    let key = public_key(publisher, role)?;
    Ok(Some(AddSigner::new(name, vec![key])))
}

fn public_key(publisher: &mut Publisher<'_>, role: KeyRole) -> Result<tuf_schema::PublicKey, KeyringError> {
    // The list is sorted by id, and docker takes the first.
    let existing = publisher.keys.list()?.into_iter().find(|key| key.role == role && key.gun.is_none());
    let stored = match existing {
        Some(key) => key,
        None => publisher.keys.create(role, None, publisher.rng)?,
    };
    Ok(publisher.keys.open(&stored)?.public().clone())
}
