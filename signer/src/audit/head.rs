//! Heads: what says, signed, how far a chain has come. A chain that ends before its last head was cut off.
//!
//! A head is one JSON object, of which all bytes before `,"signature":"` are signed:
//!
//! ```text
//! {"head":1,"signer":"NAME","chain":"ID","count":17,"hash":"HASH OF LINE 17","time":"...",
//!  "algorithm":"ed25519","key":"PUBLIC KEY","signature":"..."}
//! ```
//!
//! in one line; key and signature in lower-case hexadecimal. The key is the bare 32 bytes of Ed25519, or the DER of a
//! public key on P-256 where `algorithm` is `ecdsa`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use tuf_schema::UtcTime;
use tuf_schema::key::{KeyType, PublicKey};
use tuf_schema::sign::RawSignature;
use tuf_schema::signature::{Signature, SignatureMethod};

use super::chain::{LineHash, Tip};
use super::name::{ChainId, SignerName};

/// The longest head that is read.
pub const MAX_HEAD_BYTES: usize = 2048;

const FORMAT: u32 = 1;
const SIGNATURE: &str = ",\"signature\":\"";
const END: &str = "\"}";

/// A head whose signature is that of the key it names. Whether that is the signer's is for who reads it to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Whose chain it tells of.
    pub signer: SignerName,
    /// Which chain.
    pub chain: ChainId,
    /// How far the chain had come.
    pub tip: Tip,
    /// When, in RFC 3339.
    pub time: String,
    /// The key that it is signed with.
    pub key: PublicKey,
    /// As it is written, without a line end.
    pub text: String,
}

/// What is to be signed of a head.
#[derive(Clone, Debug)]
pub(super) struct Unsigned {
    signer: SignerName,
    chain: ChainId,
    tip: Tip,
    time: String,
    key: PublicKey,
    /// All before the signature.
    text: String,
}

/// Why a text is no head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// Not of the form of a head, or of a form that this program does not know.
    #[error("it is no head of an audit chain")]
    Form,
    /// The key is none that signs heads.
    #[error("it names a key that signs no heads")]
    Key,
    /// The signature is not that of the key over the text.
    #[error("its signature is not that of the key it names")]
    Signature,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Members<'a> {
    head: u32,
    signer: Cow<'a, str>,
    chain: Cow<'a, str>,
    count: u64,
    hash: Cow<'a, str>,
    time: Cow<'a, str>,
    algorithm: Cow<'a, str>,
    key: Cow<'a, str>,
}

impl Unsigned {
    pub(super) fn new(signer: SignerName, chain: ChainId, tip: Tip, now: UtcTime, key: PublicKey) -> Self {
        let time = now.to_rfc3339();
        let members = Members {
            head: FORMAT,
            signer: signer.as_str().into(),
            chain: chain.as_str().into(),
            count: tip.count,
            hash: tip.hash.as_str().into(),
            time: time.as_str().into(),
            algorithm: key.key_type().name().into(),
            key: hex::encode(key.public_bytes()).into(),
        };
        // texts and numbers are always JSON
        let text = serde_json::to_string(&members).unwrap_or_default();
        let text = text.strip_suffix('}').unwrap_or_default().to_owned();
        Self { signer, chain, tip, time, key, text }
    }

    /// What the key has to sign.
    pub(super) fn message(&self) -> &[u8] {
        self.text.as_bytes()
    }

    pub(super) fn signed(self, signature: &RawSignature) -> Head {
        let Self { signer, chain, tip, time, key, text } = self;
        let text = format!("{text}{SIGNATURE}{}{END}", hex::encode(&signature.bytes));
        Head { signer, chain, tip, time, key, text }
    }
}

impl Head {
    /// Reads a head, without its line end, and checks its signature with the key that it names.
    ///
    /// # Errors
    /// [`HeadError`].
    pub fn read(bytes: &[u8]) -> Result<Self, HeadError> {
        let text =
            std::str::from_utf8(bytes).ok().filter(|text| text.len() <= MAX_HEAD_BYTES).ok_or(HeadError::Form)?;
        let parts = text.strip_suffix(END).and_then(|front| front.rsplit_once(SIGNATURE));
        let (message, signature) = parts.ok_or(HeadError::Form)?;
        let members = format!("{message}}}");
        let members: Members<'_> = serde_json::from_str(&members).map_err(|_| HeadError::Form)?;
        let head = members.into_head(text).ok_or(HeadError::Form)?;
        let bytes = from_hex(signature).ok_or(HeadError::Form)?;
        let method = match head.key.key_type() {
            KeyType::Ed25519 => SignatureMethod::Eddsa,
            KeyType::Ecdsa => SignatureMethod::Ecdsa,
            KeyType::Rsa | KeyType::RsaX509 | KeyType::EcdsaX509 | KeyType::Other(_) => return Err(HeadError::Key),
        };
        let signature = Signature { key_id: head.key.id().clone(), method, bytes };
        if head.key.verifies(message.as_bytes(), &signature) { Ok(head) } else { Err(HeadError::Signature) }
    }
}

impl Members<'_> {
    fn into_head(self, text: &str) -> Option<Head> {
        let key_type = KeyType::parse(&self.algorithm);
        let tip = Tip { count: self.count, hash: LineHash::parse(&self.hash)? };
        let head = Head {
            signer: SignerName::parse(&self.signer)?,
            chain: ChainId::parse(&self.chain)?,
            tip,
            time: self.time.into_owned(),
            key: PublicKey::new(key_type, from_hex(&self.key)?),
            text: text.to_owned(),
        };
        let is_known = self.head == FORMAT && UtcTime::parse(&head.time).is_ok();
        is_known.then_some(head)
    }
}

/// Bytes of lower-case hexadecimal: one way of writing only.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    hex::decode(text).ok().filter(|bytes| hex::encode(bytes) == text)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use ring::rand::SystemRandom;
    use tuf_schema::sign::{SecretKey, SecretKind, SigningKey as _};

    use super::*;

    /// A head of `tip` by `key`.
    pub(crate) fn head_of(key: &SecretKey, signer: &SignerName, chain: &ChainId, tip: Tip) -> Head {
        let now = UtcTime::from_unix_seconds(1_800_000_000).unwrap();
        let unsigned = Unsigned::new(signer.clone(), chain.clone(), tip, now, key.public().clone());
        let signature = key.sign(unsigned.message(), &SystemRandom::new()).unwrap();
        unsigned.signed(&signature)
    }

    fn head(kind: SecretKind) -> Head {
        let key = SecretKey::generate(kind, &SystemRandom::new()).unwrap();
        let (signer, chain) = (SignerName::parse("s-1").unwrap(), ChainId::parse(&"0a".repeat(16)).unwrap());
        head_of(&key, &signer, &chain, Tip { count: 17, hash: LineHash::NONE })
    }

    #[test]
    fn a_head_that_was_written_is_read_again() {
        for kind in [SecretKind::Ed25519, SecretKind::EcdsaP256] {
            let head = head(kind);
            assert_eq!(Head::read(head.text.as_bytes()), Ok(head));
        }
    }

    #[test]
    fn a_head_of_another_form_is_none() {
        let text = head(SecretKind::Ed25519).text;
        for changed in [
            text.replace(r#"{"head":1"#, r#"{"head":2"#),
            text.replace("ed25519", "rsa"),
            text.replace(r#""count":17"#, r#""count":17,"more":1"#),
            text.replace("\"s-1\"", "\"s/1\""),
            format!("{text} "),
            " ".repeat(MAX_HEAD_BYTES) + &text,
        ] {
            let refusal = Head::read(changed.as_bytes()).unwrap_err();
            assert!(matches!(refusal, HeadError::Form | HeadError::Key), "{changed}: {refusal}");
        }
    }

    #[test]
    fn the_signature_covers_every_byte_before_it() {
        let text = head(SecretKind::Ed25519).text;
        let other = text.replace(r#""count":17"#, r#""count":16"#);
        assert_eq!(Head::read(other.as_bytes()), Err(HeadError::Signature));
    }

    proptest! {
        #[test]
        fn a_changed_bit_makes_it_none(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let mut bytes = head(SecretKind::Ed25519).text.into_bytes();
            let place = at.index(bytes.len());
            bytes[place] ^= 1_u8 << bit;
            prop_assert!(Head::read(&bytes).is_err());
        }

        #[test]
        fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Head::read(&bytes);
        }
    }
}
