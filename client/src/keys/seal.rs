//! Keys as text: private ones sealed under a passphrase, public ones to hand out.

use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::der::Encode as _;
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{EncryptionScheme as Cipher, Kdf, Parameters, Pbkdf2Params, Pbkdf2Prf, Salt, ScryptParams};
use ring::rand::SecureRandom;
use tuf_schema::sign::{Passphrase, SecretKey, SecretKeyError};
use tuf_schema::{Gun, KeyType, PublicKey, SigningKey as _};
use zeroize::Zeroizing;

use super::file::{ENCRYPTED, KeyFile};
use super::pem::Block;
use super::public_file::ED25519_PREFIX;
use super::role::KeyRole;

/// PBKDF2 rounds of a compatible file: what the reference writes, and the only count that old clients were tried with.
const COMPATIBLE_ROUNDS: u32 = 2048;
/// What a strong file costs: 16 MiB of memory (N blocks of 1 KiB, r = 8), gone through five times (p), some tenths of a
/// second. OWASP's measure for a limit of memory: openssl opens nothing that takes more than 32 MiB.
const STRONG_COST: u64 = 1 << 14;
const STRONG_BLOCK: u16 = 8;
const STRONG_PASSES: u16 = 5;

/// How the key that seals a private key is derived from a passphrase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Derivation {
    /// PBKDF2-HMAC-SHA-1 of 2048 rounds: what docker and notary write, and all that they open.
    #[default]
    Compatible,
    /// scrypt of five times 16 MiB, after which neither docker nor notary opens the file; openssl does.
    Strong,
}

/// Why a key cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The source of randomness gave none.
    #[error("no randomness to seal the key with")]
    Randomness,
    /// Encoding or encrypting failed, or what came of it does not open again.
    #[error("the key cannot be encrypted")]
    Encrypt,
    /// The key has no PKCS #8 form.
    #[error(transparent)]
    Key(#[from] SecretKeyError),
}

/// Writes a key as the reference does: PBES2 with AES-256-CBC, headers before it.
///
/// An empty passphrase writes the key in the clear, as the reference does. What is returned has been opened again: it
/// may be all that will be left of the key.
///
/// # Errors
/// [`SealError`].
pub fn seal(
    key: &SecretKey,
    role: &KeyRole,
    gun: Option<&Gun>,
    passphrase: &Passphrase,
    derivation: Derivation,
    rng: &dyn SecureRandom,
) -> Result<Zeroizing<String>, SealError> {
    let clear = key.to_pkcs8_der()?;
    let mut headers = vec![("role".to_owned(), role.to_string())];
    headers.extend(gun.map(|gun| ("gun".to_owned(), gun.to_string())));
    let block = if passphrase.is_empty() {
        Block { label: "PRIVATE KEY".to_owned(), headers, content: clear }
    } else {
        let content = encrypt(&clear, passphrase, derivation, rng)?.into();
        Block { label: ENCRYPTED.to_owned(), headers, content }
    };
    let text = block.encode();
    let opened = KeyFile::parse_all(&text).into_iter().next().and_then(|file| file.open(Some(passphrase)).ok());
    if opened.is_none_or(|opened| opened.public() != key.public()) {
        return Err(SealError::Encrypt);
    }
    Ok(text)
}

/// A public key as docker writes it for handing out: PEM with the header `role`.
#[must_use]
pub fn public_pem(key: &PublicKey, name: &str) -> String {
    // In metadata these are 32 bare bytes, which no other tool reads.
    let frame = if key.key_type() == &KeyType::Ed25519 { ED25519_PREFIX.as_slice() } else { &[] };
    let block = Block {
        label: "PUBLIC KEY".to_owned(),
        headers: vec![("role".to_owned(), name.to_owned())],
        content: Zeroizing::new([frame, key.public_bytes()].concat()),
    };
    block.encode().to_string()
}

fn encrypt(
    clear: &[u8],
    passphrase: &Passphrase,
    derivation: Derivation,
    rng: &dyn SecureRandom,
) -> Result<Vec<u8>, SealError> {
    let (mut salt, mut iv) = ([0_u8; 16], [0_u8; 16]);
    rng.fill(&mut salt).and_then(|()| rng.fill(&mut iv)).map_err(|_| SealError::Randomness)?;
    let parameters = Parameters { kdf: kdf(derivation, &salt)?, encryption: Cipher::Aes256Cbc { iv } };
    let encrypted = parameters.encrypt(passphrase.expose(), clear).map_err(|_| SealError::Encrypt)?;
    let info = EncryptedPrivateKeyInfoRef {
        encryption_algorithm: EncryptionScheme::Pbes2(parameters),
        encrypted_data: OctetStringRef::new(&encrypted).map_err(|_| SealError::Encrypt)?,
    };
    info.to_der().map_err(|_| SealError::Encrypt)
}

fn kdf(derivation: Derivation, random: &[u8; 16]) -> Result<Kdf, SealError> {
    Ok(match derivation {
        Derivation::Compatible => {
            // The reference's salt is half as long.
            let [short @ .., _, _, _, _, _, _, _, _] = random;
            Kdf::Pbkdf2(Pbkdf2Params {
                salt: Salt::new(short).map_err(|_| SealError::Encrypt)?,
                iteration_count: COMPATIBLE_ROUNDS,
                key_length: None,
                prf: Pbkdf2Prf::HmacWithSha1,
            })
        }
        Derivation::Strong => Kdf::Scrypt(ScryptParams {
            salt: Salt::new(random).map_err(|_| SealError::Encrypt)?,
            cost_parameter: STRONG_COST,
            block_size: STRONG_BLOCK,
            parallelization: STRONG_PASSES,
            key_length: None,
        }),
    })
}
