//! What fuzz targets reach of this crate: parsers of stored and remote data. There only in a build for fuzzing.

use prost::Message as _;
use rustls_pki_types::CertificateDer;
use tuf_schema::{UtcTime, json};

use crate::audit::chain::Line;
use crate::audit::head::Head;
use crate::backup::Contents;
use crate::grpc::{keys, peer, proto};
use crate::keyring::document;
use crate::seal::{HeaderExcerpt, KeyWrap, SealedKey, check_form, look_at_answer};
use crate::token::TokenObject;

/// How long a text may be that an error or a line of a log repeats, in bytes.
const LONGEST_TEXT: usize = 1024;

/// A stored key: the column that names its method, and its text. Nothing is derived from a passphrase.
pub fn sealed_key(column: &str, text: &[u8]) {
    is_short(&HeaderExcerpt::of(text).to_string());
    let (Some(column), Ok(text)) = (KeyWrap::parse(column), str::from_utf8(text)) else { return };
    if let Err(damage) = check_form(&SealedKey::from_row(column, text.to_owned())) {
        is_short(&damage.to_string());
    }
}

/// What a row says of an object on a token: what is read of it is short, and is the same when it was written and read.
pub fn token_object(text: &[u8]) {
    let Ok(text) = str::from_utf8(text) else { return };
    if let Some(written) = TokenObject::read_and_written(text) {
        is_short(&written);
        assert_eq!(TokenObject::read_and_written(&written).as_deref(), Some(written.as_str()));
    }
}

/// What Vault, or whoever is in its place, answers: what is kept of it is bounded, and what is shown short.
pub fn vault_answer(body: &[u8]) {
    let (ciphertext, said) = look_at_answer(body);
    assert!(ciphertext.is_none_or(|text| text.len() <= 4096 && text.starts_with("vault:v")));
    is_short(&said);
}

/// A document that is to be signed: what is signed is its own canonical form.
pub fn document(content: &[u8]) {
    let Some(now) = UtcTime::from_unix_seconds(1_800_000_000) else { return };
    match document::read(content, now) {
        Ok(_) => {
            let value = json::parse(content).ok();
            assert_eq!(value.and_then(|value| json::canonical(&value).ok()).as_deref(), Some(content));
        }
        Err(refusal) => is_short(&refusal.to_string()),
    }
}

/// The messages of the contract, and what is made of them.
pub fn requests(message: &[u8]) {
    if let Ok(request) = proto::CreateKeyRequest::decode(message)
        && let Err(refusal) = keys::parse(&request)
    {
        is_short(&refusal.to_string());
    }
    if let Ok(request) = proto::SignatureRequest::decode(message)
        && let Err(refusal) = keys::key_id(request.key_id)
    {
        is_short(&refusal.to_string());
    }
}

/// The names in a client's certificate.
pub fn certificate(der: &[u8]) {
    let names = peer::names(&CertificateDer::from(der));
    assert!(names.iter().map(String::len).sum::<usize>() <= 4 * der.len(), "names are part of the certificate");
}

/// The file of a backup: what is read of it, and that no error repeats it.
pub fn backup(bytes: &[u8]) {
    if let Err(refusal) = Contents::of(bytes) {
        is_short(&refusal.to_string());
    }
}

/// A line of an audit chain: what is read is all of it.
pub fn audit_line(bytes: &[u8]) {
    match Line::read(bytes) {
        Ok(line) => assert!(line.text.as_bytes() == bytes && line.sequence > 0, "{line:?}"),
        Err(refusal) => is_short(&refusal.to_string()),
    }
}

/// A head of an audit chain: what is read is all of it.
pub fn audit_head(bytes: &[u8]) {
    match Head::read(bytes) {
        Ok(head) => assert_eq!(head.text.as_bytes(), bytes),
        Err(refusal) => is_short(&refusal.to_string()),
    }
}

fn is_short(text: &str) {
    assert!(text.len() <= LONGEST_TEXT, "{text}");
}
