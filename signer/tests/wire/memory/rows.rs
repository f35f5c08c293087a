//! What the rows of a SQLite key store hold, opened without the program: RFC 7516, 7518 and 3394 once more.

use aes_kw::{AesKw, KeyInit as _, aes::Aes128};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::pbkdf2;
use sqlx::{Connection as _, Row as _, SqliteConnection};

use crate::signer::Place;

/// An opened row.
pub(super) struct Opened {
    pub(super) id: String,
    pub(super) algorithm: String,
    /// The key.
    pub(super) plaintext: Vec<u8>,
    /// What the plaintext was encrypted with.
    pub(super) content_key: Vec<u8>,
    /// What the content key was wrapped with, derived from the passphrase.
    pub(super) wrapping_key: Vec<u8>,
}

/// All rows of a store.
pub(super) async fn opened(place: &Place, passphrase: &str) -> Vec<Opened> {
    let file = place.path().join("keys.db");
    let mut store = SqliteConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap();
    let rows = sqlx::query("SELECT key_id, algorithm, private FROM private_keys").fetch_all(&mut store).await.unwrap();
    let rows = rows.iter().map(|row| {
        let sealed = String::from_utf8(row.get::<Vec<u8>, _>(2)).unwrap();
        let (wrapping_key, content_key, plaintext) = open(&sealed, passphrase);
        Opened { id: row.get(0), algorithm: row.get(1), plaintext, content_key, wrapping_key }
    });
    rows.collect()
}

fn open(sealed: &str, passphrase: &str) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let parts: Vec<_> = sealed.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
    let header: serde_json::Value = serde_json::from_slice(&parts[0]).unwrap();
    let salt = URL_SAFE_NO_PAD.decode(header["p2s"].as_str().unwrap()).unwrap();
    let salt = [b"PBES2-HS256+A128KW\0".as_slice(), &salt].concat();
    let rounds = u32::try_from(header["p2c"].as_u64().unwrap()).unwrap().try_into().unwrap();
    let mut wrapping_key = [0; 16];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, passphrase.as_bytes(), &mut wrapping_key);
    let mut content_key = [0; 32];
    AesKw::<Aes128>::new(&wrapping_key.into()).unwrap_key(&parts[1], &mut content_key).unwrap();
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &content_key).unwrap());
    let nonce = Nonce::try_assume_unique_for_key(&parts[2]).unwrap();
    let mut content = [parts[3].as_slice(), &parts[4]].concat();
    let header = sealed.split('.').next().unwrap();
    let plaintext = key.open_in_place(nonce, Aad::from(header.as_bytes()), &mut content).unwrap().to_vec();
    (wrapping_key.to_vec(), content_key.to_vec(), plaintext)
}
