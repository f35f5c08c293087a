//! Envelopes: a document with its signatures, first as it came, then with its meaning, nothing of it believed yet.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value};

use crate::dialect::{DecodeError, Dialect, Document, EncodeError};
use crate::json::{self, JsonError};
use crate::key::KeyId;
use crate::role::Role;
use crate::signature::{Signature, SignatureMethod};
use crate::time::UtcTime;

/// The most signatures that one document may carry; the reference's own files carry at most a handful.
pub const MAX_SIGNATURES: usize = 256;

/// A document as it came: well-formed, and nothing more is known of it.
#[derive(Debug, Clone)]
pub struct Envelope {
    dialect: Dialect,
    raw: Bytes,
    signed: Value,
    signatures: Vec<Signature>,
    version: i64,
}

/// A document whose meaning is known and whose signatures are not checked.
#[derive(Debug, Clone)]
pub struct Unverified<M> {
    pub(crate) role: Role,
    pub(crate) raw: Bytes,
    pub(crate) message: Vec<u8>,
    pub(crate) signatures: Vec<Signature>,
    pub(crate) model: M,
}

/// Bytes that are no envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not acceptable JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Not an object.
    #[error("the document is not an object")]
    NotAnObject,
    /// A member that no envelope has.
    #[error("the envelope has an unknown member {0:?}")]
    UnknownMember(String),
    /// `signed` is missing or no object with type, version and date.
    #[error("the signed part is malformed: {0}")]
    Signed(&'static str),
    /// A signature entry is malformed.
    #[error("signature {index} is malformed: {reason}")]
    Signature {
        /// Its place in the list, from 0.
        index: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// More than [`MAX_SIGNATURES`] signatures.
    #[error("the document has {0} signatures, more than {MAX_SIGNATURES}")]
    TooManySignatures(usize),
}

impl Envelope {
    /// Parses the bytes of a document, strictly.
    ///
    /// # Errors
    /// [`EnvelopeError`]; the server answers all of them MALFORMED_JSON.
    pub fn parse(dialect: Dialect, raw: Bytes) -> Result<Self, EnvelopeError> {
        let Value::Object(mut members) = json::parse(&raw)? else { return Err(EnvelopeError::NotAnObject) };
        let signed = members.remove("signed").ok_or(EnvelopeError::Signed("there is none"))?;
        let signatures = members.remove("signatures").unwrap_or_default();
        if let Some(unknown) = members.keys().next() {
            return Err(EnvelopeError::UnknownMember(unknown.clone()));
        }
        let version = check_header(&signed)?;
        let signatures = read_signatures(signatures)?;
        Ok(Self { dialect, raw, signed, signatures, version })
    }

    /// The version that the document claims, which nobody has checked; 0 and below are possible.
    #[must_use]
    pub fn claimed_version(&self) -> i64 {
        self.version
    }

    /// The bytes as they came.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Whether the bytes are exactly what the reference would write after reading them.
    ///
    /// The reference hashes its own re-encoding when it makes a snapshot: a document that is not its own re-encoding
    /// would become unreadable there (measured: white space, member order, unknown members, form of `expires`).
    #[must_use]
    pub fn is_reference_encoding<M: Document>(&self) -> bool {
        let Some(signed) = M::reencode(self.dialect, &self.signed) else { return false };
        json::wire(&signed).is_ok_and(|signed| assemble(&signed, &self.signatures) == self.raw)
    }

    /// Reads the meaning that a document of `role` has.
    ///
    /// # Errors
    /// [`DecodeError`] names the role and the fault.
    pub fn decode<M: Document>(self, role: Role) -> Result<Unverified<M>, DecodeError> {
        let model = M::decode(self.dialect, &role, &self.signed)?;
        let message = json::canonical(&self.signed)
            .map_err(|e| DecodeError { role: role.clone(), fault: crate::dialect::Fault::Member(e.to_string()) })?;
        Ok(Unverified { role, raw: self.raw, message, signatures: self.signatures, model })
    }
}

impl<M> Unverified<M> {
    /// The role that the document was read for.
    #[must_use]
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// The signatures as they came.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The bytes that the signatures are over.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// What the document says, believed by nobody yet.
    #[must_use]
    pub fn claims(&self) -> &M {
        &self.model
    }
}

/// A document to be signed.
#[derive(Debug, Clone)]
pub struct Draft {
    message: Vec<u8>,
    wire: Vec<u8>,
}

impl Draft {
    /// Writes `model` for signing.
    ///
    /// # Errors
    /// [`EncodeError`] for custom data that has no wire form.
    pub fn new<M: Document>(dialect: Dialect, model: &M) -> Result<Self, EncodeError> {
        let signed = model.encode(dialect)?;
        Ok(Self { message: json::canonical(&signed)?, wire: json::wire(&signed)? })
    }

    /// The bytes to sign.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// The document with its signatures, as it is stored and sent.
    #[must_use]
    pub fn finish(&self, signatures: &[Signature]) -> Bytes {
        assemble(&self.wire, signatures).into()
    }
}

/// Puts the wire form of `signed` and its signatures together, in the reference's order of members.
fn assemble(signed: &[u8], signatures: &[Signature]) -> Vec<u8> {
    let mut out = Vec::with_capacity(signed.len().saturating_add(256));
    out.extend_from_slice(b"{\"signed\":");
    out.extend_from_slice(signed);
    out.extend_from_slice(b",\"signatures\":[");
    for (at, signature) in signatures.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let members = [
            ("keyid", signature.key_id.as_str().to_owned()),
            ("method", signature.method.name().to_owned()),
            ("sig", STANDARD.encode(&signature.bytes)),
        ];
        for (at, (name, text)) in members.into_iter().enumerate() {
            out.extend_from_slice(if at == 0 { b"{\"" } else { b",\"" });
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            // A string always has a wire form.
            out.extend_from_slice(&json::wire(&Value::String(text)).unwrap_or_default());
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}

/// Checks the three members that every document has, and returns the version.
fn check_header(signed: &Value) -> Result<i64, EnvelopeError> {
    let signed = signed.as_object().ok_or(EnvelopeError::Signed("it is not an object"))?;
    let kind = signed.get("_type").and_then(Value::as_str);
    kind.ok_or(EnvelopeError::Signed("_type is not a string"))?;
    let expires = signed.get("expires").and_then(Value::as_str).map(UtcTime::parse);
    if !matches!(expires, Some(Ok(_))) {
        return Err(EnvelopeError::Signed("expires is not an RFC 3339 time"));
    }
    signed.get("version").and_then(Value::as_i64).ok_or(EnvelopeError::Signed("version is not an integer"))
}

/// Reads `signatures`; null and absent are an empty list, as in the reference.
fn read_signatures(list: Value) -> Result<Vec<Signature>, EnvelopeError> {
    let entries = match list {
        Value::Null => Vec::new(),
        Value::Array(entries) => entries,
        _ => return Err(EnvelopeError::Signed("signatures is not a list")),
    };
    if entries.len() > MAX_SIGNATURES {
        return Err(EnvelopeError::TooManySignatures(entries.len()));
    }
    let read = |(index, entry): (usize, Value)| {
        read_signature(entry).map_err(|reason| EnvelopeError::Signature { index, reason })
    };
    entries.into_iter().enumerate().map(read).collect()
}

fn read_signature(entry: Value) -> Result<Signature, &'static str> {
    let Value::Object(mut members) = entry else { return Err("it is not an object") };
    let key_id = text(&mut members, "keyid").ok_or("keyid is not a string")?;
    let method = text(&mut members, "method").ok_or("method is not a string")?;
    let bytes = text(&mut members, "sig").and_then(|sig| STANDARD.decode(sig).ok()).ok_or("sig is not base64")?;
    Ok(Signature { key_id: KeyId::from_wire(&key_id), method: SignatureMethod::parse(&method), bytes })
}

fn text(members: &mut Map<String, Value>, name: &str) -> Option<String> {
    match members.remove(name)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}
