//! The envelope around a sealed key: a compact JWE (RFC 7516) with PBES2-HS256+A128KW and A256GCM (RFC 7518), exactly
//! as the reference's signer writes it, so that either signer opens the other's rows.
//!
//! `base64url(header).base64url(wrapped key).base64url(iv).base64url(ciphertext).base64url(tag)`

use std::num::NonZeroU32;

use aes_kw::{AesKw, KeyInit as _, aes::Aes128};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::pbkdf2;
use ring::rand::SecureRandom;
use serde::{Deserialize, Serialize};
use tuf_schema::sign::Passphrase;
use zeroize::Zeroizing;

/// How the content key is wrapped, as the header and the reference's column name it.
pub(crate) const KEY_WRAP: &str = "PBES2-HS256+A128KW";
/// How the key is encrypted, as the header and the reference's column name it.
pub(crate) const CONTENT_ENCRYPTION: &str = "A256GCM";

/// Rounds of PBKDF2 that the reference writes, and so do we.
const ROUNDS: u32 = 8192;
/// The most rounds that are accepted from data: the limit of the reference's JOSE library. Without one, a row could
/// keep a core busy for hours.
const MAX_ROUNDS: u32 = 1_300_000;
const SALT_BYTES: usize = 12;
/// The longest salt that is accepted from data.
const MAX_SALT_BYTES: usize = 128;
const KEK_BYTES: usize = 16;
const CEK_BYTES: usize = 32;
/// AES key wrap adds one block of 8 bytes (RFC 3394).
const WRAPPED_CEK_BYTES: usize = CEK_BYTES + 8;
const IV_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// A sealed key, as it stands in the store. Holds no secret without its passphrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SealedKey(String);

/// Why a key could not be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealError {
    /// The source of randomness gave none.
    #[error("no randomness to seal with")]
    Randomness,
    /// The cryptographic library refused.
    #[error("the key could not be encrypted")]
    Encryption,
}

/// Why a sealed key did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenError {
    /// Not five parts of base64url with the lengths they must have.
    #[error("a sealed key is not a compact JWE")]
    Form,
    /// The header is not JSON or names other methods than [`KEY_WRAP`] and [`CONTENT_ENCRYPTION`].
    #[error("a sealed key names methods that are not supported")]
    Header,
    /// The header asks for a number of rounds out of bounds.
    #[error("a sealed key asks for {found} rounds of key derivation; 1 to {MAX_ROUNDS} are accepted")]
    Rounds {
        /// The number found.
        found: u64,
    },
    /// The content key does not unwrap: the passphrase is not the one it was sealed with.
    #[error("the passphrase does not open this key")]
    Passphrase,
    /// The content key unwraps, so the passphrase is right, and the content was altered.
    #[error("a sealed key was altered")]
    Altered,
}

/// The protected header; the order of the members is the reference's.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    enc: String,
    p2c: u64,
    p2s: String,
}

impl SealedKey {
    /// Takes the text of a row, which is checked when it is opened.
    #[must_use]
    pub(crate) fn from_row(text: String) -> Self {
        Self(text)
    }

    /// The text for a row.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Seals `plaintext` under `passphrase`. Takes some milliseconds of a core.
///
/// # Errors
/// [`SealError`] when there is no randomness.
pub(crate) fn seal(plaintext: &[u8], passphrase: &Passphrase, rng: &dyn SecureRandom) -> Result<SealedKey, SealError> {
    let salt: [u8; SALT_BYTES] = random(rng)?;
    let iv: [u8; IV_BYTES] = random(rng)?;
    let cek = Zeroizing::new(random::<CEK_BYTES>(rng)?);
    let header = Header {
        alg: KEY_WRAP.to_owned(),
        enc: CONTENT_ENCRYPTION.to_owned(),
        p2c: u64::from(ROUNDS),
        p2s: URL_SAFE_NO_PAD.encode(salt),
    };
    let header = URL_SAFE_NO_PAD.encode(serde_json::to_string(&header).map_err(|_| SealError::Encryption)?);

    let rounds = NonZeroU32::new(ROUNDS).ok_or(SealError::Encryption)?;
    let kek = derive(passphrase, &salt, rounds);
    let mut wrapped = [0; WRAPPED_CEK_BYTES];
    AesKw::<Aes128>::new((&*kek).into()).wrap_key(cek.as_ref(), &mut wrapped).map_err(|_| SealError::Encryption)?;

    let key = content_key(&cek).ok_or(SealError::Encryption)?;
    let mut content = Zeroizing::new(plaintext.to_vec());
    let nonce = Nonce::assume_unique_for_key(iv);
    let tag = key
        .seal_in_place_separate_tag(nonce, Aad::from(header.as_bytes()), &mut content)
        .map_err(|_| SealError::Encryption)?;

    let parts = [
        header,
        URL_SAFE_NO_PAD.encode(wrapped),
        URL_SAFE_NO_PAD.encode(iv),
        URL_SAFE_NO_PAD.encode(content.as_slice()),
        URL_SAFE_NO_PAD.encode(tag),
    ];
    Ok(SealedKey(parts.join(".")))
}

/// Opens a sealed key. Takes some milliseconds of a core.
///
/// # Errors
/// [`OpenError`] tells a wrong passphrase from a damaged row.
pub(crate) fn open(sealed: &SealedKey, passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let mut parts = sealed.0.split('.');
    let mut part = || parts.next().ok_or(OpenError::Form);
    let (header, wrapped, iv, content, tag) = (part()?, part()?, part()?, part()?, part()?);
    if parts.next().is_some() {
        return Err(OpenError::Form);
    }
    let (salt, rounds) = read_header(header)?;
    let wrapped: [u8; WRAPPED_CEK_BYTES] = fixed(wrapped)?;
    let iv: [u8; IV_BYTES] = fixed(iv)?;
    let tag: [u8; TAG_BYTES] = fixed(tag)?;
    let mut content = Zeroizing::new(decode(content)?);
    let plaintext_bytes = content.len();
    content.extend_from_slice(&tag);

    let kek = derive(passphrase, &salt, rounds);
    let mut cek = Zeroizing::new([0; CEK_BYTES]);
    AesKw::<Aes128>::new((&*kek).into()).unwrap_key(&wrapped, cek.as_mut()).map_err(|_| OpenError::Passphrase)?;

    let key = content_key(&cek).ok_or(OpenError::Altered)?;
    let nonce = Nonce::assume_unique_for_key(iv);
    key.open_in_place(nonce, Aad::from(header.as_bytes()), &mut content).map_err(|_| OpenError::Altered)?;
    content.truncate(plaintext_bytes);
    Ok(content)
}

/// The salt and the number of rounds that a header asks for.
fn read_header(part: &str) -> Result<(Vec<u8>, NonZeroU32), OpenError> {
    let header: Header = serde_json::from_slice(&decode(part)?).map_err(|_| OpenError::Header)?;
    if header.alg != KEY_WRAP || header.enc != CONTENT_ENCRYPTION {
        return Err(OpenError::Header);
    }
    let bounded = u32::try_from(header.p2c).ok().filter(|rounds| *rounds <= MAX_ROUNDS);
    let rounds = bounded.and_then(NonZeroU32::new).ok_or(OpenError::Rounds { found: header.p2c })?;
    let salt = decode(&header.p2s)?;
    if salt.is_empty() || salt.len() > MAX_SALT_BYTES {
        return Err(OpenError::Header);
    }
    Ok((salt, rounds))
}

/// The key that wraps the content key (RFC 7518, 4.8.1.1: the salt is the method's name, a zero byte and `p2s`).
fn derive(passphrase: &Passphrase, salt: &[u8], rounds: NonZeroU32) -> Zeroizing<[u8; KEK_BYTES]> {
    let salt = [KEY_WRAP.as_bytes(), &[0], salt].concat();
    let mut kek = Zeroizing::new([0; KEK_BYTES]);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, passphrase.expose(), kek.as_mut());
    kek
}

fn content_key(cek: &[u8; CEK_BYTES]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, cek).ok().map(LessSafeKey::new)
}

fn random<const N: usize>(rng: &dyn SecureRandom) -> Result<[u8; N], SealError> {
    let mut bytes = [0; N];
    rng.fill(&mut bytes).map_err(|_| SealError::Randomness)?;
    Ok(bytes)
}

fn decode(part: &str) -> Result<Vec<u8>, OpenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| OpenError::Form)
}

fn fixed<const N: usize>(part: &str) -> Result<[u8; N], OpenError> {
    decode(part)?.try_into().map_err(|_| OpenError::Form)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use proptest::test_runner::Config as ProptestConfig;
    use ring::rand::SystemRandom;

    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::from_text(text.to_owned())
    }

    fn sealed() -> SealedKey {
        seal(b"the secret", &passphrase("right"), &SystemRandom::new()).unwrap()
    }

    /// `sealed()` with one part replaced.
    fn with_part(index: usize, text: &str) -> SealedKey {
        let sealed = sealed();
        let mut parts: Vec<&str> = sealed.0.split('.').collect();
        parts[index] = text;
        SealedKey(parts.join("."))
    }

    fn header(text: &str) -> String {
        URL_SAFE_NO_PAD.encode(text)
    }

    fn header_with_rounds(rounds: &str) -> String {
        header(&format!(r#"{{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":{rounds},"p2s":"AAAAAAAAAAAAAAAA"}}"#))
    }

    #[test]
    fn what_was_sealed_opens_with_its_passphrase() {
        assert_eq!(open(&sealed(), &passphrase("right")).unwrap().as_slice(), b"the secret");
    }

    #[test]
    fn another_passphrase_is_told_from_damage() {
        assert_eq!(open(&sealed(), &passphrase("wrong")).unwrap_err(), OpenError::Passphrase);
    }

    #[test]
    fn parts_have_the_lengths_of_the_reference() {
        let sealed = seal(&[7; 121], &passphrase("right"), &SystemRandom::new()).unwrap();
        let lengths: Vec<usize> = sealed.0.split('.').map(str::len).collect();
        assert_eq!(lengths, [107, 54, 16, 162, 22]);
    }

    #[test]
    fn every_part_is_protected() {
        for index in 1..5 {
            let sealed = sealed();
            let part = sealed.0.split('.').nth(index).unwrap();
            let first = if part.starts_with('A') { 'B' } else { 'A' };
            let altered = with_part_of(&sealed, index, &format!("{first}{}", &part[1..]));
            let expected = if index == 1 { OpenError::Passphrase } else { OpenError::Altered };
            assert_eq!(open(&altered, &passphrase("right")).unwrap_err(), expected, "part {index}");
        }
    }

    fn with_part_of(sealed: &SealedKey, index: usize, text: &str) -> SealedKey {
        let mut parts: Vec<&str> = sealed.0.split('.').collect();
        parts[index] = text;
        SealedKey(parts.join("."))
    }

    #[test]
    fn the_header_is_protected_too() {
        let sealed = sealed();
        let bytes = URL_SAFE_NO_PAD.decode(sealed.0.split('.').next().unwrap()).unwrap();
        let spaced = String::from_utf8(bytes).unwrap().replace(",\"enc\"", ", \"enc\"");
        let altered = with_part_of(&sealed, 0, &header(&spaced));
        assert_eq!(open(&altered, &passphrase("right")).unwrap_err(), OpenError::Altered);
    }

    #[test]
    fn rounds_are_accepted_up_to_the_limit_and_not_one_more() {
        assert_eq!(read_header(&header_with_rounds("1300000")).unwrap().1.get(), 1_300_000);
        assert_eq!(read_header(&header_with_rounds("1")).unwrap().1.get(), 1);
        for (text, found) in [("1300001", 1_300_001), ("0", 0), ("18446744073709551615", u64::MAX)] {
            let refusal = open(&with_part(0, &header_with_rounds(text)), &passphrase("right")).unwrap_err();
            assert_eq!(refusal, OpenError::Rounds { found });
        }
    }

    #[test]
    fn other_methods_and_unknown_members_are_refused() {
        for text in [
            r#"{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2c":8192,"p2s":"AAAAAAAAAAAAAAAA"}"#,
            r#"{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":8192,"p2s":"AAAAAAAAAAAAAAAA"}"#,
            r#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":8192,"p2s":"AAAAAAAAAAAAAAAA","zip":"DEF"}"#,
            r#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":8192,"p2s":""}"#,
            r#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2s":"AAAAAAAAAAAAAAAA"}"#,
            "[]",
        ] {
            let refusal = open(&with_part(0, &header(text)), &passphrase("right")).unwrap_err();
            assert_eq!(refusal, OpenError::Header, "{text}");
        }
    }

    #[test]
    fn a_salt_has_at_most_128_bytes() {
        let with_salt = |bytes: usize| {
            let salt = URL_SAFE_NO_PAD.encode(vec![1; bytes]);
            read_header(&header(&format!(r#"{{"alg":"{KEY_WRAP}","enc":"A256GCM","p2c":1,"p2s":"{salt}"}}"#)))
        };
        assert_eq!(with_salt(128).unwrap().0.len(), 128);
        assert_eq!(with_salt(129).unwrap_err(), OpenError::Header);
    }

    #[test]
    fn four_and_six_parts_are_no_envelope() {
        let sealed = sealed();
        let four = sealed.0.rsplit_once('.').unwrap().0.to_owned();
        for text in [four, format!("{}.AAAA", sealed.0), String::new()] {
            assert_eq!(open(&SealedKey(text), &passphrase("right")).unwrap_err(), OpenError::Form);
        }
    }

    #[test]
    fn a_wrapped_key_of_another_length_is_no_envelope() {
        let short = URL_SAFE_NO_PAD.encode([0; 32]);
        assert_eq!(open(&with_part(1, &short), &passphrase("right")).unwrap_err(), OpenError::Form);
    }

    proptest! {
        // each case derives a key twice
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn any_content_comes_back(content in proptest::collection::vec(any::<u8>(), 0..300), text in ".{0,40}") {
            let sealed = seal(&content, &passphrase(&text), &SystemRandom::new()).unwrap();
            let opened = open(&sealed, &passphrase(&text)).unwrap();
            prop_assert_eq!(opened.as_slice(), content.as_slice());
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_opening_panic(text in "[A-Za-z0-9_.-]{0,200}", head in ".{0,100}", rest in "[A-Za-z0-9_.-]{0,80}") {
            let passphrase = passphrase("right");
            let with_header = format!("{}.{rest}", header(&head));
            prop_assert!(open(&SealedKey(text), &passphrase).is_err());
            prop_assert!(open(&SealedKey(with_header), &passphrase).is_err());
        }
    }
}
