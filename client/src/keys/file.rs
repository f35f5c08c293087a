//! Key files as docker and notary keep them, and as other tools write them: what they say, and the key in them.

use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::der::Decode as _;
use pkcs8::pkcs5::pbes2::Kdf;
use pkcs8::pkcs5::{EncryptionScheme, Error as DecryptError};
use tuf_schema::sign::{Passphrase, SecretKey, SecretKeyError};
use tuf_schema::{Gun, KeyId};
use zeroize::Zeroizing;

use super::pem::Block;
use super::role::KeyRole;
use super::traditional;

/// The most PBKDF2 rounds that a key file may ask for; some seconds of work.
const MAX_ROUNDS: u32 = 10_000_000;
/// The most memory that scrypt may ask for, in bytes: 128·r·(N+p).
const MAX_SCRYPT_BYTES: u64 = 256 << 20;
/// The most passes over that memory that scrypt may ask for (its p).
const MAX_SCRYPT_PASSES: u16 = 16;
/// The length of a key id, in hexadecimal digits.
const KEY_ID_DIGITS: usize = 64;
/// The label of an encrypted PKCS #8 key.
pub(super) const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";

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
        self.block.header("role").filter(|text| !text.is_empty()).map(KeyRole::parse)
    }

    /// The repository it is for, if the file names one.
    #[must_use]
    pub fn gun(&self) -> Option<Gun> {
        self.block.header("gun").and_then(|text| Gun::parse(text).ok())
    }

    /// The id under which the key was exported, if the file says so; nothing but an opened key proves it.
    #[must_use]
    pub fn exported_id(&self) -> Option<KeyId> {
        let path = self.block.header("path")?;
        // Before 0.4 the path was that of the old layout: `tuf_keys/GUN/ID_ROLE`.
        let name = path.rsplit('/').next().unwrap_or(path);
        key_id(name.split_once('_').map_or(name, |(id, _)| id))
    }

    /// The same block, still sealed, in the form of a key file: of this role and repository, and at no other place.
    pub(super) fn kept_as(&self, role: &KeyRole, gun: Option<&Gun>) -> Zeroizing<String> {
        self.with_headers([("role", Some(role.to_string())), ("gun", gun.map(Gun::to_string)), ("path", None)])
    }

    /// The same block, still sealed, in the form of an export.
    pub(super) fn exported_as(&self, role: &KeyRole, gun: Option<&Gun>, id: &KeyId) -> Zeroizing<String> {
        let path = Some(id.to_string());
        self.with_headers([("role", Some(role.to_string())), ("gun", gun.map(Gun::to_string)), ("path", path)])
    }

    fn with_headers(&self, set: [(&str, Option<String>); 3]) -> Zeroizing<String> {
        let mut headers = self.block.headers.clone();
        headers.retain(|(name, _)| set.iter().all(|(changed, _)| name != changed));
        headers.extend(set.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        Block { label: self.block.label.clone(), headers, content: self.block.content.clone() }.encode()
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

/// The id that a text is, if it can be one: 64 lower-case hexadecimal digits.
#[must_use]
pub fn key_id(text: &str) -> Option<KeyId> {
    let digits = text.len() == KEY_ID_DIGITS && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    digits.then(|| KeyId::from_wire(text))
}

/// Refuses what costs too much before anything is derived: anybody may put a file among the keys.
fn affordable(scheme: &EncryptionScheme) -> Result<(), OpenError> {
    let fits = match scheme.pbes2().map(|parameters| &parameters.kdf) {
        Some(Kdf::Pbkdf2(pbkdf2)) => pbkdf2.iteration_count <= MAX_ROUNDS,
        Some(Kdf::Scrypt(scrypt)) => {
            scrypt_is_affordable(scrypt.cost_parameter, scrypt.block_size.into(), scrypt.parallelization.into())
        }
        // Any other is refused by name.
        Some(_) | None => true,
    };
    if fits { Ok(()) } else { Err(OpenError::TooMuchWork) }
}

/// Whether scrypt with these parameters (its N, r and p) costs no more than any passphrase is worth.
pub(crate) fn scrypt_is_affordable(cost: u64, block: u32, passes: u32) -> bool {
    let bytes = cost.saturating_add(passes.into()).saturating_mul(block.into()).saturating_mul(128);
    bytes <= MAX_SCRYPT_BYTES && passes <= MAX_SCRYPT_PASSES.into()
}

#[cfg(test)]
mod tests {
    use pkcs8::der::Encode as _;
    use pkcs8::pkcs5::pbes2::{EncryptionScheme as Cipher, Parameters, Pbkdf2Params, Pbkdf2Prf, Salt, ScryptParams};
    use proptest::prelude::*;
    use tuf_schema::SigningKey as _;

    use super::*;

    const SEALED: &str = include_str!("../../../tests/fixtures/keys/genkey-key.pem");

    /// The key of [`SEALED`] after its block was changed.
    fn opened(change: impl FnOnce(&mut Vec<u8>)) -> Result<SecretKey, OpenError> {
        let mut file = KeyFile::parse_all(SEALED).remove(0);
        change(&mut file.block.content);
        file.open(Some(&Passphrase::from_text("fixture-delegation-pass".into())))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_changed_byte_never_makes_another_key_of_a_file(place: proptest::sample::Index, bits in 1_u8..) {
            let whole = opened(|_| {}).unwrap();
            let changed = opened(|content| {
                let place = place.index(content.len());
                content[place] ^= bits;
            });
            if let Ok(changed) = changed {
                prop_assert_eq!(changed.public(), whole.public());
            }
        }

        #[test]
        fn what_stands_in_a_file_says_an_id_or_nothing(path in "([0-9a-f]{62,66}|[A-F0-9]{64}|[a-z./_]{0,9}){1,3}") {
            let text = SEALED.replace("role: root", &format!("path: {path}"));
            for file in KeyFile::parse_all(&text) {
                if let Some(id) = file.exported_id() {
                    prop_assert!(id.as_str().len() == 64 && path.contains(id.as_str()));
                }
                let kept = file.kept_as(&KeyRole::Root, None);
                prop_assert_eq!(kept.as_str(), SEALED);
            }
        }
    }

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
        assert!(rounds(2048) && rounds(MAX_ROUNDS) && !rounds(MAX_ROUNDS + 1) && !rounds(u32::MAX));
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
