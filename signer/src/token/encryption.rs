//! A secret key on a token that encrypts for us: AES-256 in GCM, found by its label.

use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::types::Ulong;
use zeroize::Zeroizing;

use super::Token;
use super::failure::{TokenError, Trouble};
use super::session::Open;

/// The length of the initialisation vector, in bytes.
pub(crate) const IV_BYTES: usize = 12;
/// The length of the tag behind the ciphertext, in bits.
const TAG_BITS: usize = 128;
/// AES-256, in bytes.
const KEY_BYTES: usize = 32;
/// What a key encrypts to show that it still does. No secret, and no content key, which has another length.
const TRIAL: &[u8] = b"bulla-signer";

impl Token {
    /// Encrypts by the key of this label; the tag stands at the end. An initialisation vector must be used once only.
    pub(crate) async fn encrypt(
        &self,
        label: String,
        iv: [u8; IV_BYTES],
        plaintext: Zeroizing<Vec<u8>>,
    ) -> Result<Vec<u8>, TokenError> {
        self.ask(move |open| {
            let key = secret_key(open, &label)?;
            // begun again it is the same under the same vector, which tells nobody anything
            encrypt(open, key, iv, &plaintext).map_err(Trouble::from)
        })
        .await
    }

    /// Decrypts what [`Token::encrypt`] gave. Nothing if the key works and this was not encrypted with it, which is tried
    /// with another vector.
    pub(crate) async fn decrypt(
        &self,
        label: String,
        iv: [u8; IV_BYTES],
        ciphertext: Vec<u8>,
        iv_of_trial: [u8; IV_BYTES],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, TokenError> {
        self.ask(move |open| {
            let key = secret_key(open, &label)?;
            match decrypt(open, key, iv, &ciphertext) {
                Ok(plaintext) => Ok(Some(plaintext)),
                // modules have no one word for a wrong tag; whether it is the token's fault is tried
                Err(error) if may_be_the_data_s(&error) => {
                    let trial = encrypt(open, key, iv_of_trial, TRIAL)?;
                    let is_well = decrypt(open, key, iv_of_trial, &trial)?.as_slice() == TRIAL;
                    if is_well { Ok(None) } else { Err(error.into()) }
                }
                Err(error) => Err(error.into()),
            }
        })
        .await
    }
}

fn encrypt(open: &Open, key: ObjectHandle, mut iv: [u8; IV_BYTES], plaintext: &[u8]) -> Result<Vec<u8>, Error> {
    let parameters = GcmParams::new(&mut iv, &[], Ulong::try_from(TAG_BITS)?)?;
    open.session.encrypt(&Mechanism::AesGcm(parameters), key, plaintext)
}

fn decrypt(
    open: &Open,
    key: ObjectHandle,
    mut iv: [u8; IV_BYTES],
    ciphertext: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let parameters = GcmParams::new(&mut iv, &[], Ulong::try_from(TAG_BITS)?)?;
    open.session.decrypt(&Mechanism::AesGcm(parameters), key, ciphertext).map(Zeroizing::new)
}

/// The one key of this label, if it is fit and cannot leave the token.
fn secret_key(open: &Open, label: &str) -> Result<ObjectHandle, Trouble> {
    let template = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::Label(label.as_bytes().to_vec()),
    ];
    let found = open.find(&template)?;
    let [key] = found.as_slice() else {
        return Err(Trouble::SecretKeys { label: label.to_owned(), found: found.len() });
    };
    let asked = [AttributeType::Sensitive, AttributeType::Extractable, AttributeType::ValueLen];
    let told = open.session.get_attributes(*key, &asked)?;
    let length = Ulong::try_from(KEY_BYTES)?;
    let wanted = [Attribute::Sensitive(true), Attribute::Extractable(false), Attribute::ValueLen(length)];
    if wanted.iter().all(|attribute| told.contains(attribute)) {
        Ok(*key)
    } else {
        Err(Trouble::UnfitSecretKey { label: label.to_owned() })
    }
}

fn may_be_the_data_s(error: &Error) -> bool {
    use RvError::{
        DataInvalid, EncryptedDataInvalid, EncryptedDataLenRange, FunctionFailed, GeneralError, SignatureInvalid,
    };
    let codes =
        [DataInvalid, EncryptedDataInvalid, EncryptedDataLenRange, FunctionFailed, GeneralError, SignatureInvalid];
    matches!(error, Error::Pkcs11(code, _) if codes.contains(code))
}

#[cfg(test)]
mod tests {
    use super::super::scratch::ScratchToken;
    use super::*;

    const LABEL: &str = "wrapping";

    /// Makes an AES key by hand, as an operator does.
    async fn made(scratch: &ScratchToken, extractable: bool, bytes: usize) {
        let length = Ulong::try_from(bytes).unwrap();
        let template = [
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(extractable),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
            Attribute::Label(LABEL.as_bytes().to_vec()),
            Attribute::ValueLen(length),
        ];
        let token = scratch.token();
        let made = token.ask(move |open| Ok(open.session.generate_key(&Mechanism::AesKeyGen, &template)?));
        made.await.unwrap();
    }

    async fn encrypted(token: &Token) -> Result<Vec<u8>, TokenError> {
        token.encrypt(LABEL.to_owned(), [7; IV_BYTES], Zeroizing::new(vec![1; 32])).await
    }

    #[tokio::test]
    async fn what_was_encrypted_comes_back_and_what_was_altered_does_not() {
        let Some(scratch) = ScratchToken::new("gcm") else { return };
        made(&scratch, false, 32).await;
        let token = scratch.token();
        let ciphertext = encrypted(&token).await.unwrap();
        assert_eq!(ciphertext.len(), 32 + 16);
        let opened = token.decrypt(LABEL.to_owned(), [7; IV_BYTES], ciphertext.clone(), [9; IV_BYTES]).await.unwrap();
        assert_eq!(opened.unwrap().as_slice(), &[1; 32]);
        for (iv, place) in [(7, 0), (7, 47), (8, 99)] {
            let mut altered = ciphertext.clone();
            altered.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= 1);
            assert!(
                token.decrypt(LABEL.to_owned(), [iv; IV_BYTES], altered, [9; IV_BYTES]).await.unwrap().is_none(),
                "{iv} {place}"
            );
        }
        // the token was not taken for broken
        assert_eq!(encrypted(&token).await.unwrap(), ciphertext);
    }

    #[tokio::test]
    async fn a_key_that_is_not_there_or_twice_is_told_by_its_label() {
        let Some(scratch) = ScratchToken::new("gcm none") else { return };
        let refusal = encrypted(&scratch.token()).await.unwrap_err();
        assert!(matches!(&refusal, TokenError::SecretKeys { found: 0, .. }), "{refusal}");
        made(&scratch, false, 32).await;
        made(&scratch, false, 32).await;
        let refusal = encrypted(&scratch.token()).await.unwrap_err();
        assert!(matches!(&refusal, TokenError::SecretKeys { found: 2, .. }), "{refusal}");
        assert!(refusal.to_string().contains(LABEL), "{refusal}");
    }

    #[tokio::test]
    async fn a_key_that_could_leave_the_token_or_is_shorter_is_not_used() {
        for (extractable, bytes) in [(true, 32), (false, 16)] {
            let Some(scratch) = ScratchToken::new("gcm unfit") else { return };
            made(&scratch, extractable, bytes).await;
            let refusal = encrypted(&scratch.token()).await.unwrap_err();
            assert!(matches!(refusal, TokenError::UnfitSecretKey { .. }), "{refusal}");
        }
    }
}
