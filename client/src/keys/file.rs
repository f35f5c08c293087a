//! Key files as docker and notary keep them: read in every form they read, written in the one they write.

use std::fmt;

use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::{Decode as _, Encode as _};
use pkcs8::pkcs5::pbes2::{EncryptionScheme as Cipher, Kdf, Parameters, Pbkdf2Params, Pbkdf2Prf, Salt};
use pkcs8::pkcs5::{EncryptionScheme, Error as DecryptError};
use ring::rand::SecureRandom;
use tuf_schema::sign::{Passphrase, SecretKey, SecretKeyError};
use tuf_schema::{Gun, PublicKey};
use zeroize::Zeroizing;

use super::pem::Block;
use super::traditional;

/// PBKDF2 rounds of a new file: what the reference writes, and the only count that old clients were tried with.
const ROUNDS: u32 = 2048;
/// The most PBKDF2 rounds that a key file may ask for; some seconds of work.
const MAX_ROUNDS: u32 = 10_000_000;
/// The most memory that scrypt may ask for, in bytes: 128·r·(N+p).
const MAX_SCRYPT_BYTES: u64 = 256 << 20;
/// The most passes over that memory that scrypt may ask for (its p).
const MAX_SCRYPT_PASSES: u16 = 16;
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";

/// What a private key is for, as the header `role` of its file says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyRole {
    /// Root of trust; not bound to a repository.
    Root,
    /// Signed tags of one repository.
    Targets,
    /// Snapshots of one repository.
    Snapshot,
    /// Timestamps of one repository; clients normally hold none.
    Timestamp,
    /// A person or machine that signs into delegations, by the name under which the key was made.
    Signer(String),
}

/// One private key in a file.
pub struct KeyFile {
    block: Block,
}

/// Why a key cannot be read from its file.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The passphrase does not fit, or the file is damaged: the format cannot tell one from the other.
    #[error("could not decrypt the key: wrong passphrase")]
    WrongPassphrase,
    /// The key is encrypted and no passphrase was given.
    #[error("the key is encrypted")]
    PassphraseNeeded,
    /// The block is no private key.
    #[error("a PEM block {0:?} holds no private key")]
    NoKey(String),
    /// Encrypted in a way that is not read.
    #[error("the key is encrypted in an unsupported way ({0})")]
    UnsupportedEncryption(String),
    /// Whoever wrote the file demands more work or memory than any passphrase is worth.
    #[error(
        "the key file asks for too much work (more than {MAX_ROUNDS} rounds of PBKDF2, or {MAX_SCRYPT_BYTES} bytes or \
         {MAX_SCRYPT_PASSES} passes of scrypt)"
    )]
    TooMuchWork,
    /// The key itself is not usable.
    #[error(transparent)]
    Key(#[from] SecretKeyError),
}

/// Why a key cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The source of randomness gave none.
    #[error("no randomness to seal the key with")]
    Randomness,
    /// Encoding or encrypting failed.
    #[error("the key cannot be encrypted")]
    Encrypt,
    /// The key has no PKCS #8 form.
    #[error(transparent)]
    Key(#[from] SecretKeyError),
}

impl KeyRole {
    /// Reads the text of a header.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "root" => Self::Root,
            "targets" => Self::Targets,
            "snapshot" => Self::Snapshot,
            "timestamp" => Self::Timestamp,
            name => Self::Signer(name.to_owned()),
        }
    }
}

impl fmt::Display for KeyRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "root",
            Self::Targets => "targets",
            Self::Snapshot => "snapshot",
            Self::Timestamp => "timestamp",
            Self::Signer(name) => name,
        })
    }
}

impl KeyFile {
    /// Every private key of a file.
    #[must_use]
    pub fn parse_all(text: &str) -> Vec<Self> {
        let private = |block: &Block| block.label.ends_with("PRIVATE KEY");
        Block::parse_all(text).into_iter().filter(private).map(|block| Self { block }).collect()
    }

    /// What the key is for, if the file says so.
    #[must_use]
    pub fn role(&self) -> Option<KeyRole> {
        self.block.header("role").map(KeyRole::parse)
    }

    /// The repository it is for, if the file names one.
    #[must_use]
    pub fn gun(&self) -> Option<Gun> {
        self.block.header("gun").and_then(|text| Gun::parse(text).ok())
    }

    /// Whether a passphrase is needed.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.block.label == ENCRYPTED || traditional::is_encrypted(&self.block)
    }

    /// The key.
    ///
    /// # Errors
    /// [`OpenError::WrongPassphrase`] also when the decrypted bytes make no sense: about one wrong passphrase in 256
    /// passes the padding.
    pub fn open(&self, passphrase: Option<&Passphrase>) -> Result<SecretKey, OpenError> {
        let clear = match (self.is_encrypted(), passphrase) {
            (false, _) => return Ok(self.read(&self.block.content)?),
            (true, None) => return Err(OpenError::PassphraseNeeded),
            (true, Some(passphrase)) if self.block.label == ENCRYPTED => self.decrypt_pkcs8(passphrase)?,
            (true, Some(passphrase)) => traditional::decrypt(&self.block, passphrase)?,
        };
        self.read(&clear).map_err(|e| match e {
            SecretKeyError::Malformed(_) => OpenError::WrongPassphrase,
            other => other.into(),
        })
    }

    fn read(&self, der: &[u8]) -> Result<SecretKey, SecretKeyError> {
        match self.block.label.as_str() {
            "EC PRIVATE KEY" => SecretKey::from_sec1_der(der),
            "RSA PRIVATE KEY" => SecretKey::from_pkcs1_der(der),
            "ED25519 PRIVATE KEY" => SecretKey::from_ed25519_reference(der),
            _ => SecretKey::from_pkcs8_der(der),
        }
    }

    fn decrypt_pkcs8(&self, passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let info = EncryptedPrivateKeyInfoRef::from_der(&self.block.content)
            .map_err(|e| OpenError::UnsupportedEncryption(e.to_string()))?;
        affordable(&info.encryption_algorithm)?;
        let clear = info.encryption_algorithm.decrypt(passphrase.expose(), info.encrypted_data.as_bytes());
        clear.map(Zeroizing::new).map_err(|e| match e {
            DecryptError::DecryptFailed => OpenError::WrongPassphrase,
            other => OpenError::UnsupportedEncryption(other.to_string()),
        })
    }
}

/// Refuses what costs too much before anything is derived: anybody may put a file among the keys.
fn affordable(scheme: &EncryptionScheme) -> Result<(), OpenError> {
    let fits = match scheme.pbes2().map(|parameters| &parameters.kdf) {
        Some(Kdf::Pbkdf2(pbkdf2)) => pbkdf2.iteration_count <= MAX_ROUNDS,
        Some(Kdf::Scrypt(scrypt)) => {
            let blocks = scrypt.cost_parameter.saturating_add(scrypt.parallelization.into());
            let bytes = blocks.saturating_mul(u64::from(scrypt.block_size)).saturating_mul(128);
            bytes <= MAX_SCRYPT_BYTES && scrypt.parallelization <= MAX_SCRYPT_PASSES
        }
        // Any other is refused by name.
        Some(_) | None => true,
    };
    if fits { Ok(()) } else { Err(OpenError::TooMuchWork) }
}

/// Writes a key as the reference does: PBES2 with PBKDF2-HMAC-SHA-1 of 2048 rounds and AES-256-CBC, headers before it.
///
/// An empty passphrase writes the key in the clear, as the reference does.
///
/// # Errors
/// [`SealError`].
pub fn seal(
    key: &SecretKey,
    role: &KeyRole,
    gun: Option<&Gun>,
    passphrase: &Passphrase,
    rng: &dyn SecureRandom,
) -> Result<Zeroizing<String>, SealError> {
    let clear = key.to_pkcs8_der()?;
    let mut headers = vec![("role".to_owned(), role.to_string())];
    headers.extend(gun.map(|gun| ("gun".to_owned(), gun.to_string())));
    let block = if passphrase.is_empty() {
        Block { label: "PRIVATE KEY".to_owned(), headers, content: clear }
    } else {
        Block { label: ENCRYPTED.to_owned(), headers, content: encrypt(&clear, passphrase, rng)?.into() }
    };
    Ok(block.encode())
}

/// A public key as docker writes it for handing out: PEM with the header `role`.
#[must_use]
pub fn public_pem(key: &PublicKey, name: &str) -> String {
    let block = Block {
        label: "PUBLIC KEY".to_owned(),
        headers: vec![("role".to_owned(), name.to_owned())],
        content: Zeroizing::new(key.public_bytes().to_vec()),
    };
    block.encode().to_string()
}

fn encrypt(clear: &[u8], passphrase: &Passphrase, rng: &dyn SecureRandom) -> Result<Vec<u8>, SealError> {
    let (mut salt, mut iv) = ([0_u8; 8], [0_u8; 16]);
    rng.fill(&mut salt).and_then(|()| rng.fill(&mut iv)).map_err(|_| SealError::Randomness)?;
    let kdf = Kdf::Pbkdf2(Pbkdf2Params {
        salt: Salt::new(salt).map_err(|_| SealError::Encrypt)?,
        iteration_count: ROUNDS,
        key_length: None,
        prf: Pbkdf2Prf::HmacWithSha1,
    });
    let parameters = Parameters { kdf, encryption: Cipher::Aes256Cbc { iv } };
    let encrypted = parameters.encrypt(passphrase.expose(), clear).map_err(|_| SealError::Encrypt)?;
    let info = EncryptedPrivateKeyInfoRef {
        encryption_algorithm: EncryptionScheme::Pbes2(parameters),
        encrypted_data: OctetStringRef::new(&encrypted).map_err(|_| SealError::Encrypt)?,
    };
    info.to_der().map_err(|_| SealError::Encrypt)
}

#[cfg(test)]
mod tests {
    use pkcs8::pkcs5::pbes2::ScryptParams;

    use super::*;

    /// Whether parameters as they stand in a file are affordable.
    fn fits(kdf: Kdf) -> bool {
        let scheme = EncryptionScheme::Pbes2(Parameters { kdf, encryption: Cipher::Aes256Cbc { iv: [0; 16] } });
        let der = scheme.to_der().unwrap();
        match affordable(&EncryptionScheme::from_der(&der).unwrap()) {
            Ok(()) => true,
            Err(OpenError::TooMuchWork) => false,
            Err(e) => panic!("{e}"),
        }
    }

    #[test]
    fn a_key_file_may_ask_for_so_much_work_and_no_more() {
        let salt = || Salt::new([0_u8; 8]).unwrap();
        let prf = Pbkdf2Prf::HmacWithSha1;
        let rounds =
            |iteration_count| fits(Kdf::Pbkdf2(Pbkdf2Params { salt: salt(), iteration_count, key_length: None, prf }));
        assert!(rounds(ROUNDS) && rounds(MAX_ROUNDS) && !rounds(MAX_ROUNDS + 1) && !rounds(u32::MAX));
        let scrypt = |cost_parameter, block_size, parallelization| {
            let salt = salt();
            fits(Kdf::Scrypt(ScryptParams { salt, cost_parameter, block_size, parallelization, key_length: None }))
        };
        // N + p blocks of 128·r bytes: 2^18 blocks of 1 KiB are 256 MiB.
        assert!(scrypt(1 << 14, 8, 1) && scrypt((1 << 18) - 1, 8, 1) && !scrypt(1 << 18, 8, 1));
        assert!(scrypt(1 << 14, 8, MAX_SCRYPT_PASSES) && !scrypt(1 << 14, 8, MAX_SCRYPT_PASSES + 1));
        assert!(!scrypt(u64::MAX, u16::MAX, 1));
    }
}
