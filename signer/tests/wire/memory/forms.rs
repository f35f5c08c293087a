//! The forms in which a secret may lie in memory, each cut into pieces that are looked for by themselves.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use p256::Scalar;
use p256::elliptic_curve::PrimeField as _;
use ring::digest::{SHA256, SHA512, digest};

/// How long a piece is, in bytes: a vector register, half of a key.
const PIECE_BYTES: usize = 16;
/// How far apart pieces begin.
const STEP_BYTES: usize = 8;

/// One way to write a secret.
pub(super) struct Form {
    /// What it is, for the report.
    pub(super) name: String,
    /// Parts of it, none of which occurs by chance.
    pub(super) pieces: Vec<Vec<u8>>,
}

impl Form {
    fn new(name: impl Into<String>, bytes: &[u8]) -> Self {
        let pieces = bytes.windows(PIECE_BYTES).step_by(STEP_BYTES).map(<[u8]>::to_vec).collect();
        Self { name: name.into(), pieces }
    }
}

/// The sealed plaintext of a P-256 key (SEC 1 DER), and its number as the libraries compute with it.
pub(super) fn of_p256(der: &[u8]) -> Vec<Form> {
    // SEQUENCE { INTEGER 1, OCTET STRING of 32 bytes, ... }
    let scalar: [u8; 32] = der[7..39].try_into().unwrap();
    assert_eq!(der[..7], [0x30, 0x77, 0x02, 0x01, 0x01, 0x04, 0x20], "not as Go writes it");
    let forms = [numbers("scalar", &read(scalar)), texts("SEC 1 DER", &der[..39]), texts("scalar", &scalar)];
    forms.into_iter().flatten().collect()
}

/// The sealed plaintext of an Ed25519 key (public key, seed, public key), and what RFC 8032 expands it to.
pub(super) fn of_ed25519(blob: &[u8]) -> Vec<Form> {
    assert_eq!(blob.len(), 96);
    let seed = &blob[32..64];
    let expanded = digest(&SHA512, seed);
    let (half, prefix) = expanded.as_ref().split_at(32);
    let mut clamped = half.to_vec();
    clamped[0] &= 248;
    clamped[31] = clamped[31] & 63 | 64;
    let mut forms = texts("seed", seed);
    for (name, bytes) in [("seed", seed), ("SHA-512 of the seed", half), ("scalar", &clamped), ("prefix", prefix)] {
        forms.push(Form::new(name, bytes));
        forms.push(Form::new(format!("{name}, reversed"), &reversed(bytes)));
    }
    // the 96 bytes as text: the seed stands behind the public key
    forms.extend(texts("96 bytes", &blob[30..66]));
    forms
}

/// A passphrase as text, and as HMAC pads it (RFC 2104; the reference's key derivation is PBKDF2 with HMAC-SHA-256).
pub(super) fn of_passphrase(text: &str) -> Vec<Form> {
    let bytes = text.as_bytes();
    assert!((PIECE_BYTES..=64).contains(&bytes.len()));
    let padded = |with: u8| bytes.iter().map(|byte| byte ^ with).collect::<Vec<_>>();
    let (inner, outer) = (padded(0x36), padded(0x5c));
    let mut forms = texts("passphrase", bytes);
    forms.push(Form::new("passphrase", bytes));
    for (name, bytes) in [("passphrase for the inner hash", inner), ("passphrase for the outer hash", outer)] {
        forms.push(Form::new(name, &bytes));
        let words: Vec<u8> = bytes.chunks_exact(4).flat_map(|word| word.iter().rev().copied()).collect();
        forms.push(Form::new(format!("{name}, in words"), &words));
    }
    forms
}

/// A symmetric key: of a wrapped content key, or the content key.
pub(super) fn of_symmetric(name: &str, key: &[u8]) -> Vec<Form> {
    vec![Form::new(name, key)]
}

/// The secret number of an ECDSA signature, which is as good as the key: k = (hash + r d) / s.
pub(super) fn of_p256_nonce(der: &[u8], message: &[u8], signature: &[u8]) -> Vec<Form> {
    let part = |bytes: &[u8]| read(bytes.try_into().unwrap());
    let (key, r, s) = (part(&der[7..39]), part(&signature[..32]), part(&signature[32..]));
    // a hash above the order is one in 2^32: such a message is passed over
    let hash: [u8; 32] = digest(&SHA256, message).as_ref().try_into().unwrap();
    let Some(hash) = Option::<Scalar>::from(Scalar::from_repr(hash.into())) else { return Vec::new() };
    let nonce = (hash + r * key) * s.invert().unwrap();
    let mut forms = numbers("nonce", &nonce);
    forms.extend(numbers("inverse of a nonce", &nonce.invert().unwrap()));
    forms
}

fn read(bytes: [u8; 32]) -> Scalar {
    Scalar::from_repr(bytes.into()).unwrap()
}

/// A number modulo the order of P-256, plain and in Montgomery's form (times 2^256), by either end.
fn numbers(name: &str, number: &Scalar) -> Vec<Form> {
    let mut montgomery = *number;
    for _ in 0..256 {
        montgomery = montgomery.double();
    }
    let (plain, montgomery) = (number.to_repr(), montgomery.to_repr());
    vec![
        Form::new(name, &plain),
        Form::new(format!("{name}, reversed"), &reversed(&plain)),
        Form::new(format!("{name}, Montgomery"), &montgomery),
        Form::new(format!("{name}, Montgomery, reversed"), &reversed(&montgomery)),
    ]
}

/// In hexadecimal, and in base64 wherever it may stand in a longer text.
fn texts(name: &str, bytes: &[u8]) -> Vec<Form> {
    let hexadecimal = hex::encode(bytes);
    let mut forms = vec![
        Form::new(format!("{name} in hexadecimal"), hexadecimal.as_bytes()),
        Form::new(format!("{name} in upper hexadecimal"), hexadecimal.to_uppercase().as_bytes()),
    ];
    for before in 0..3 {
        let text = STANDARD_NO_PAD.encode([&vec![0; before], bytes].concat());
        // the first and the last characters depend on the neighbours
        let own = &text[4..text.len() - 2];
        forms.push(Form::new(format!("{name} in base64"), own.as_bytes()));
        forms.push(Form::new(format!("{name} in base64 for URLs"), own.replace('+', "-").replace('/', "_").as_bytes()));
    }
    forms
}

fn reversed(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().rev().copied().collect()
}
