//! The old way to encrypt a PEM block: `Proc-Type: 4,ENCRYPTED`, one round of MD5, CBC. Read, never written.

use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt as _, KeyIvInit as _};
use md5::{Digest as _, Md5};
use tuf_schema::sign::Passphrase;
use zeroize::Zeroizing;

use super::file::OpenError;
use super::pem::Block;

/// How much of the IV is the salt.
const SALT_BYTES: usize = 8;

/// Whether the block is encrypted in this way.
pub(super) fn is_encrypted(block: &Block) -> bool {
    block.header("Proc-Type").is_some_and(|value| value.replace(' ', "") == "4,ENCRYPTED")
}

/// The content in the clear. Wrong padding means a wrong passphrase; right padding does not prove a right one.
pub(super) fn decrypt(block: &Block, passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let information = block.header("DEK-Info").unwrap_or_default();
    let unsupported = || OpenError::UnsupportedEncryption(information.to_owned());
    let (cipher, iv) = information.split_once(',').ok_or_else(unsupported)?;
    let iv = hex::decode(iv.trim()).map_err(|_| unsupported())?;
    let key_bytes = match cipher.trim() {
        "AES-256-CBC" => 32,
        "AES-192-CBC" | "DES-EDE3-CBC" => 24,
        "AES-128-CBC" => 16,
        _ => return Err(unsupported()),
    };
    let salt = iv.get(..SALT_BYTES).ok_or_else(unsupported)?;
    let key = derive(passphrase, salt, key_bytes);
    let mut content = block.content.clone();
    macro_rules! decrypt {
        ($cipher:ty) => {
            Decryptor::<$cipher>::new_from_slices(&key, &iv)
                .map_err(|_| unsupported())?
                .decrypt_padded::<Pkcs7>(&mut content)
                .map_err(|_| OpenError::WrongPassphrase)?
                .len()
        };
    }
    let length = match cipher.trim() {
        "AES-256-CBC" => decrypt!(aes::Aes256),
        "AES-192-CBC" => decrypt!(aes::Aes192),
        "AES-128-CBC" => decrypt!(aes::Aes128),
        _ => decrypt!(des::TdesEde3),
    };
    content.truncate(length);
    Ok(content)
}

/// OpenSSL's `EVP_BytesToKey` with MD5 and one round, which this format prescribes.
fn derive(passphrase: &Passphrase, salt: &[u8], bytes: usize) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(Vec::with_capacity(48));
    let mut previous = Zeroizing::new(Vec::new());
    while key.len() < bytes {
        let mut hash = Md5::new();
        hash.update(&*previous);
        hash.update(passphrase.expose());
        hash.update(salt);
        previous = Zeroizing::new(hash.finalize().to_vec());
        key.extend_from_slice(&previous);
    }
    key.truncate(bytes);
    key
}
