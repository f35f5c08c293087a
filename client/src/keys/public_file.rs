//! Files that people hand out their public keys in: a certificate or a bare key, as PEM text.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use tuf_schema::key::x509::{CertificateError, certified, signer_key};
use tuf_schema::{KeyType, PublicKey, UtcTime};

use super::pem::Block;

/// The largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;
const CERTIFICATE: &str = "CERTIFICATE";
const PUBLIC_KEY: &str = "PUBLIC KEY";
/// What stands before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410).
pub(super) const ED25519_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why a file gives no public key.
#[derive(Debug, thiserror::Error)]
pub enum PublicFileError {
    /// There is no such file (notary's words).
    #[error("file for public key does not exist: {path}", path = .0.display())]
    NotThere(PathBuf),
    /// It cannot be read.
    #[error("unable to read public key from file: {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds no key that can be used (notary's words).
    #[error("unable to parse valid public key certificate from PEM file {path}: {fault}", path = path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        fault: PublicKeyFault,
    },
}

/// What is wrong with a text that should be a public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyFault {
    /// There is no PEM block (notary's words).
    #[error("no valid public key found")]
    NoBlock,
    /// The first block is something else, perhaps a private key (notary's words).
    #[error("unsupported PEM block type {0:?}, expected CERTIFICATE or PUBLIC KEY")]
    Label(String),
    /// The key is of a kind that signs nothing, or too short.
    #[error("the key is neither ECDSA on P-256, P-384 or P-521, nor Ed25519, nor RSA of 2048 bits or more")]
    Kind,
    /// The certificate breaks a rule.
    #[error("invalid certificate: {0}")]
    Certificate(#[from] CertificateError),
}

/// The key of a signer in a file: that of its first certificate, or its first bare key. Headers, which docker writes, do
/// not matter.
///
/// # Errors
/// [`PublicFileError`].
pub fn signer(path: &Path, now: UtcTime) -> Result<PublicKey, PublicFileError> {
    from_file(path, |text| signer_in(text, now))
}

/// The key of a root in a file of certificates, its own first. What they say is for whoever reads the root to judge.
///
/// # Errors
/// [`PublicFileError`].
pub fn root(path: &Path) -> Result<PublicKey, PublicFileError> {
    from_file(path, root_in)
}

fn from_file(
    path: &Path,
    key: impl FnOnce(&str) -> Result<PublicKey, PublicKeyFault>,
) -> Result<PublicKey, PublicFileError> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)) {
        Ok(_) => key(&String::from_utf8_lossy(&bytes))
            .map_err(|fault| PublicFileError::Unusable { path: path.to_owned(), fault }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(PublicFileError::NotThere(path.to_owned())),
        Err(source) => Err(PublicFileError::Read { path: path.to_owned(), source }),
    }
}

fn signer_in(text: &str, now: UtcTime) -> Result<PublicKey, PublicKeyFault> {
    let block = Block::parse_all(text).into_iter().next().ok_or(PublicKeyFault::NoBlock)?;
    match block.label.as_str() {
        CERTIFICATE => Ok(signer_key(&block.content, now)?),
        PUBLIC_KEY => bare(&block.content).ok_or(PublicKeyFault::Kind),
        other => Err(PublicKeyFault::Label(other.to_owned())),
    }
}

fn root_in(text: &str) -> Result<PublicKey, PublicKeyFault> {
    let blocks = Block::parse_all(text);
    if blocks.is_empty() {
        return Err(PublicKeyFault::NoBlock);
    }
    if let Some(other) = blocks.iter().find(|block| block.label != CERTIFICATE) {
        return Err(PublicKeyFault::Label(other.label.clone()));
    }
    let certificates: Vec<&[u8]> = blocks.iter().map(|block| block.content.as_slice()).collect();
    certified(&certificates).ok_or(PublicKeyFault::Kind)
}

/// A key without a certificate: a SubjectPublicKeyInfo, or the 32 bytes of an Ed25519 key as the reference writes it.
fn bare(content: &[u8]) -> Option<PublicKey> {
    let ed25519 = content.strip_prefix(&ED25519_PREFIX).unwrap_or(content);
    let kinds = [(KeyType::Ecdsa, content), (KeyType::Rsa, content), (KeyType::Ed25519, ed25519)];
    let key = |(key_type, bytes): (KeyType, &[u8])| PublicKey::new(key_type, bytes.to_vec());
    kinds.into_iter().map(key).find(|key| key.material().is_some())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ring::rand::SystemRandom;
    use tuf_schema::SigningKey as _;
    use tuf_schema::sign::{SecretKey, SecretKind};

    use super::*;
    use crate::keys::seal::public_pem;

    fn now() -> UtcTime {
        UtcTime::parse("2026-11-22T00:00:00Z").unwrap()
    }

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/keys").join(name)
    }

    fn id(key: &PublicKey) -> String {
        key.bare().unwrap().id().as_str()[..8].to_owned()
    }

    fn fault(error: &PublicFileError) -> &PublicKeyFault {
        match error {
            PublicFileError::Unusable { fault, .. } => fault,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn certificates_and_bare_keys_are_known_by_the_ids_that_notary_gives_them() {
        // cli-transcript.txt
        for (name, expected) in [("alice.crt", "f9923499"), ("bob.crt", "412f8012"), ("carol.pub", "3dc9ef0b")] {
            assert_eq!(id(&signer(&fixture(name), now()).unwrap()), expected, "{name}");
        }
        assert_eq!(signer(&fixture("bob.crt"), now()).unwrap().key_type(), &KeyType::EcdsaX509);
    }

    #[test]
    fn public_keys_of_every_kind_are_read_as_they_are_handed_out() {
        let kinds = [SecretKind::EcdsaP256, SecretKind::EcdsaP384, SecretKind::EcdsaP521, SecretKind::Ed25519];
        for kind in kinds {
            let key = SecretKey::generate(kind, &SystemRandom::new()).unwrap();
            let read = signer_in(&public_pem(key.public(), "bob"), now()).unwrap();
            assert_eq!(&read, key.public(), "{kind}");
        }
    }

    #[test]
    fn a_private_key_is_no_public_key() {
        let error = signer(&fixture("alice.key"), now()).unwrap_err();
        assert_eq!(fault(&error), &PublicKeyFault::Label("EC PRIVATE KEY".into()));
        assert_eq!(fault(&root(&fixture("carol.pub")).unwrap_err()), &PublicKeyFault::Label(PUBLIC_KEY.into()));
    }

    #[test]
    fn what_holds_no_key_is_told_apart() {
        assert_eq!(signer_in("hello", now()).unwrap_err(), PublicKeyFault::NoBlock);
        assert_eq!(root_in("hello").unwrap_err(), PublicKeyFault::NoBlock);
        let block = |label: &str| format!("-----BEGIN {label}-----\nAQID\n-----END {label}-----\n");
        assert_eq!(signer_in(&block(PUBLIC_KEY), now()).unwrap_err(), PublicKeyFault::Kind);
        assert_eq!(root_in(&block(CERTIFICATE)).unwrap_err(), PublicKeyFault::Kind);
        assert_eq!(signer_in(&block(CERTIFICATE), now()).unwrap_err(), CertificateError::Unreadable.into());
        let missing = signer(Path::new("/nowhere/bob.pub"), now()).unwrap_err();
        assert_eq!(missing.to_string(), "file for public key does not exist: /nowhere/bob.pub");
    }

    proptest! {
        #[test]
        fn no_content_makes_the_reader_panic(content: Vec<u8>, label in "(CERTIFICATE|PUBLIC KEY)") {
            use base64::Engine as _;
            let base64 = base64::engine::general_purpose::STANDARD.encode(content);
            let text = format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n");
            let _ = signer_in(&text, now());
            let _ = root_in(&text);
        }
    }
}
