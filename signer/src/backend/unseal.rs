//! From a row to the secret half that belongs to its public half.

use tuf_schema::key::KeyType;
use tuf_schema::sign::{SecretKey, SigningKey as _};
use zeroize::Zeroizing;

use super::BackendError;
use crate::memory::stack;
use crate::seal::Sealing;
use crate::store::KeyRecord;

/// The secret half of a stored key, found to belong to its public half.
pub(crate) struct Unsealed {
    /// The key.
    pub(crate) secret: SecretKey,
    /// What was sealed of it.
    pub(crate) plaintext: Zeroizing<Vec<u8>>,
}

/// Opens a stored key under the alias of its row.
///
/// # Errors
/// [`BackendError`] tells a locked alias from a provider that is away and from damage.
pub(crate) async fn unseal(sealing: &Sealing, record: &KeyRecord) -> Result<Unsealed, BackendError> {
    let plaintext = sealing.open(record).await.map_err(|error| BackendError::of_opening(record, error))?;
    let secret = stack::wiped(|| decode(record.key.key_type(), &plaintext));
    let secret = secret.filter(|secret| *secret.public() == record.key);
    let not_its_half = || BackendError::NotItsHalf { key: record.key.id().clone() };
    Ok(Unsealed { secret: secret.ok_or_else(not_its_half)?, plaintext })
}

fn decode(key_type: &KeyType, plaintext: &[u8]) -> Option<SecretKey> {
    match key_type {
        KeyType::Ecdsa => SecretKey::from_sec1_der(plaintext).ok(),
        KeyType::Ed25519 => SecretKey::from_ed25519_reference(plaintext).ok(),
        KeyType::EcdsaX509 | KeyType::Rsa | KeyType::RsaX509 | KeyType::Other(_) => None,
    }
}
