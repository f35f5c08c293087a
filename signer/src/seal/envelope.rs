//! The envelope around a sealed key: a compact JWE (RFC 7516) whose content is encrypted with A256GCM (RFC 7518). With
//! a passphrase it is exactly as the reference's signer writes it, so that either signer opens the other's rows.
//!
//! `base64url(header).base64url(wrapped key).base64url(iv).base64url(ciphertext).base64url(tag)`

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::rand::SecureRandom;
use tuf_schema::key::KeyId;
use zeroize::Zeroizing;

use super::error::{Damage, SealError};
use super::header::{Header, read_header, write_header};
use super::wrapping::{ContentKey, HELD, IV_BYTES, KeyWrap, TAG_BYTES, WrappedKey};

/// How the key is encrypted, as the header and the reference's column name it.
pub(crate) const CONTENT_ENCRYPTION: &str = "A256GCM";

/// The longest envelope that is accepted from data, in bytes. The longest that is written has less than 2,000.
pub(super) const MAX_BYTES: usize = 16 * 1024;

/// A sealed key, as it stands in the store. Holds no secret without what its alias names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SealedKey {
    key_wrap: KeyWrap,
    text: String,
}

/// An envelope that was read and not opened yet.
#[derive(Debug)]
pub(super) struct Envelope {
    /// The protected header as it stands in the text.
    header: String,
    /// The key that the content belongs to, where the envelope says so.
    of: Option<KeyId>,
    iv: [u8; IV_BYTES],
    /// With the tag behind it.
    content: Vec<u8>,
}

impl SealedKey {
    /// Takes the text of a row and what its column says of it; both are checked when it is opened.
    #[must_use]
    pub(crate) fn from_row(key_wrap: KeyWrap, text: String) -> Self {
        Self { key_wrap, text }
    }

    /// The text for a row.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// How the key is encrypted, as the reference's column names it.
    #[must_use]
    pub(crate) fn encryption(&self) -> &'static str {
        match self.key_wrap {
            KeyWrap::Passphrase | KeyWrap::Token | KeyWrap::Vault => CONTENT_ENCRYPTION,
            KeyWrap::Held => HELD,
        }
    }

    /// What the row's column says of it.
    #[must_use]
    pub(crate) fn key_wrap(&self) -> KeyWrap {
        self.key_wrap
    }
}

/// Whether a sealed key has a form that what its alias names could open. Asks no provider and derives no key.
///
/// # Errors
/// [`Damage`], as far as it shows without opening.
pub(crate) fn check_form(sealed: &SealedKey) -> Result<(), Damage> {
    match sealed.key_wrap {
        // there is no envelope; whoever reads the name of the object checks that
        KeyWrap::Held => Ok(()),
        KeyWrap::Passphrase | KeyWrap::Token | KeyWrap::Vault => Envelope::read(sealed).map(|_| ()),
    }
}

/// Encrypts `plaintext`, the secret half of `key`, with a content key that has been wrapped.
///
/// # Errors
/// [`SealError`] when there is no randomness.
pub(super) fn close(
    plaintext: &[u8],
    content_key: &ContentKey,
    wrapped: WrappedKey,
    key: &KeyId,
    rng: &dyn SecureRandom,
) -> Result<SealedKey, SealError> {
    let key_wrap = wrapped.method();
    let (header, encrypted_key) = write_header(wrapped, key).ok_or(SealError::Encryption)?;
    let header = URL_SAFE_NO_PAD.encode(header);
    let mut iv = [0; IV_BYTES];
    rng.fill(&mut iv).map_err(|_| SealError::Randomness)?;
    let cipher = cipher(content_key).ok_or(SealError::Encryption)?;
    let mut content = Zeroizing::new(plaintext.to_vec());
    let tag = cipher
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(iv), Aad::from(header.as_bytes()), &mut content)
        .map_err(|_| SealError::Encryption)?;
    let parts = [
        header,
        URL_SAFE_NO_PAD.encode(encrypted_key),
        URL_SAFE_NO_PAD.encode(iv),
        URL_SAFE_NO_PAD.encode(content.as_slice()),
        URL_SAFE_NO_PAD.encode(tag),
    ];
    Ok(SealedKey { key_wrap, text: parts.join(".") })
}

impl Envelope {
    /// Reads a sealed key into its wrapped content key and the rest.
    ///
    /// # Errors
    /// [`Damage`]; nothing has been decrypted, so this says nothing of who wrote it.
    pub(super) fn read(sealed: &SealedKey) -> Result<(WrappedKey, Self), Damage> {
        if sealed.text.len() > MAX_BYTES {
            return Err(Damage::TooLong { found: sealed.text.len() });
        }
        let mut parts = sealed.text.split('.');
        let mut part = || parts.next().ok_or(Damage::Form);
        let (header, encrypted_key, iv, content, tag) = (part()?, part()?, part()?, part()?, part()?);
        if parts.next().is_some() {
            return Err(Damage::Form);
        }
        let Header { wrapped, of } = read_header(&decode(header)?, decode(encrypted_key)?)?;
        let (column, found) = (sealed.key_wrap, wrapped.method());
        if column != found {
            return Err(Damage::Column { column, header: found });
        }
        let iv = fixed(iv)?;
        let tag: [u8; TAG_BYTES] = fixed(tag)?;
        let mut content = decode(content)?;
        content.extend_from_slice(&tag);
        Ok((wrapped, Self { header: header.to_owned(), of, iv, content }))
    }

    /// Decrypts the secret half of `key`.
    ///
    /// # Errors
    /// [`Damage`] when it was altered or made for another key.
    pub(super) fn open(self, content_key: &ContentKey, key: &KeyId) -> Result<Zeroizing<Vec<u8>>, Damage> {
        let mut content = Zeroizing::new(self.content);
        let plaintext_bytes = content.len().saturating_sub(TAG_BYTES);
        let cipher = cipher(content_key).ok_or(Damage::Altered)?;
        let nonce = Nonce::assume_unique_for_key(self.iv);
        let opened = cipher.open_in_place(nonce, Aad::from(self.header.as_bytes()), &mut content);
        opened.map_err(|_| Damage::Altered)?;
        // the header has been found unaltered, so this is what its writer said
        if let Some(found) = self.of.filter(|of| of != key) {
            return Err(Damage::OtherKeys { found });
        }
        content.truncate(plaintext_bytes);
        Ok(content)
    }
}

fn cipher(content_key: &ContentKey) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, content_key.expose()).ok().map(LessSafeKey::new)
}

pub(super) fn decode(part: &str) -> Result<Vec<u8>, Damage> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Damage::Form)
}

pub(super) fn fixed<const N: usize>(part: &str) -> Result<[u8; N], Damage> {
    decode(part)?.try_into().map_err(|_| Damage::Form)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use ring::rand::SystemRandom;

    use super::*;

    fn content_key() -> ContentKey {
        ContentKey::from_bytes(&[7; 32]).unwrap()
    }

    fn id(digit: &str) -> KeyId {
        KeyId::from_wire(&digit.repeat(64))
    }

    fn passphrase() -> WrappedKey {
        WrappedKey::Passphrase { salt: vec![1; 12], rounds: NonZeroU32::new(8192).unwrap(), wrapped: [2; 40] }
    }

    fn vault() -> WrappedKey {
        WrappedKey::Vault { key_name: "bulla".to_owned(), ciphertext: "vault:v1:AAAA".to_owned() }
    }

    fn closed(wrapped: WrappedKey, plaintext: &[u8]) -> SealedKey {
        close(plaintext, &content_key(), wrapped, &id("a"), &SystemRandom::new()).unwrap()
    }

    fn open(sealed: &SealedKey) -> Result<Zeroizing<Vec<u8>>, Damage> {
        let (_, envelope) = Envelope::read(sealed)?;
        envelope.open(&content_key(), &id("a"))
    }

    fn with_part(sealed: &SealedKey, index: usize, text: &str) -> SealedKey {
        let mut parts: Vec<&str> = sealed.text.split('.').collect();
        parts[index] = text;
        SealedKey { text: parts.join("."), key_wrap: sealed.key_wrap }
    }

    fn header(text: &str) -> String {
        URL_SAFE_NO_PAD.encode(text)
    }

    #[test]
    fn parts_have_the_lengths_of_the_reference() {
        let lengths: Vec<usize> = closed(passphrase(), &[7; 121]).text.split('.').map(str::len).collect();
        assert_eq!(lengths, [107, 54, 16, 162, 22]);
    }

    #[test]
    fn every_encrypted_part_is_protected() {
        for sealed in [closed(passphrase(), b"the secret"), closed(vault(), b"the secret")] {
            assert_eq!(open(&sealed).unwrap().as_slice(), b"the secret");
            for index in 2..5 {
                let part = sealed.text.split('.').nth(index).unwrap();
                let first = if part.starts_with('A') { 'B' } else { 'A' };
                let altered = with_part(&sealed, index, &format!("{first}{}", &part[1..]));
                assert_eq!(open(&altered).unwrap_err(), Damage::Altered, "part {index}");
            }
        }
    }

    #[test]
    fn the_header_is_protected_too() {
        let sealed = closed(passphrase(), b"the secret");
        let bytes = URL_SAFE_NO_PAD.decode(sealed.text.split('.').next().unwrap()).unwrap();
        let spaced = String::from_utf8(bytes).unwrap().replace(",\"enc\"", ", \"enc\"");
        assert_eq!(open(&with_part(&sealed, 0, &header(&spaced))).unwrap_err(), Damage::Altered);
    }

    #[test]
    fn an_envelope_of_another_key_is_told() {
        let (_, envelope) = Envelope::read(&closed(vault(), b"the secret")).unwrap();
        let refusal = envelope.open(&content_key(), &id("b")).unwrap_err();
        assert_eq!(refusal, Damage::OtherKeys { found: id("a") });
    }

    #[test]
    fn the_column_and_the_envelope_name_one_method() {
        let sealed = SealedKey { key_wrap: KeyWrap::Token, ..closed(vault(), b"the secret") };
        let refusal = open(&sealed).unwrap_err();
        assert_eq!(refusal, Damage::Column { column: KeyWrap::Token, header: KeyWrap::Vault });
    }

    #[test]
    fn four_and_six_parts_are_no_envelope() {
        let sealed = closed(passphrase(), b"the secret");
        let four = sealed.text.rsplit_once('.').unwrap().0.to_owned();
        for text in [four, format!("{}.AAAA", sealed.text), String::new()] {
            assert_eq!(open(&SealedKey { text, ..sealed }).unwrap_err(), Damage::Form);
        }
    }

    #[test]
    fn an_envelope_has_at_most_16_kib() {
        let of = |bytes: usize| open(&SealedKey { key_wrap: KeyWrap::Passphrase, text: "A".repeat(bytes) });
        assert_eq!(of(MAX_BYTES).unwrap_err(), Damage::Form);
        assert_eq!(of(MAX_BYTES + 1).unwrap_err(), Damage::TooLong { found: MAX_BYTES + 1 });
    }

    proptest! {
        #[test]
        fn any_content_comes_back(content in proptest::collection::vec(any::<u8>(), 0..300)) {
            for wrapped in [passphrase(), vault()] {
                let opened = open(&closed(wrapped, &content)).unwrap();
                prop_assert_eq!(opened.as_slice(), content.as_slice());
            }
        }

        #[test]
        fn no_text_makes_opening_panic(text in "[A-Za-z0-9_.-]{0,200}", head in ".{0,100}", rest in "[A-Za-z0-9_.-]{0,80}") {
            let with_header = format!("{}.{rest}", header(&head));
            for text in [text, with_header] {
                let opened = open(&SealedKey { key_wrap: KeyWrap::Passphrase, text });
                prop_assert!(opened.is_err());
            }
        }
    }
}
