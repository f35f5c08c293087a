//! Envelopes: a document with its signatures, first as it came, then with its meaning, nothing of it believed yet.

use bytes::Bytes;

use crate::dialect::{DecodeError, Dialect, Document, EncodeError};
use crate::json::{self, JsonError};
use crate::parallel;
use crate::role::Role;
use crate::signature::Signature;
use crate::time::UtcTime;

/// The most signatures that one document may carry; the reference's own files carry at most a handful.
pub const MAX_SIGNATURES: usize = 256;

/// A document as it came: well-formed, and nothing more is known of it.
#[derive(Debug, Clone)]
pub struct Envelope {
    dialect: Dialect,
    raw: Bytes,
    /// In canonical form.
    signed: Vec<u8>,
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

/// An envelope taken apart.
pub(crate) struct Opened {
    /// The part that is signed, in canonical form.
    pub(crate) signed: Vec<u8>,
    /// The signatures over it.
    pub(crate) signatures: Vec<Signature>,
    /// The version that it claims.
    pub(crate) version: i64,
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

/// A document that was just written and cannot be read back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadBackError {
    /// The envelope.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// What it says.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl Envelope {
    /// Parses the bytes of a document, strictly.
    ///
    /// # Errors
    /// [`EnvelopeError`]; the server answers all of them MALFORMED_JSON.
    pub fn parse(dialect: Dialect, raw: Bytes) -> Result<Self, EnvelopeError> {
        let Opened { signed, signatures, version } = dialect.open(&raw)?;
        Ok(Self { dialect, raw, signed, signatures, version })
    }

    /// The date that a document claims to end at, if it stands among these first bytes of it; the reference and we write it
    /// before what is long. For telling alone: the rest is not looked at, and nobody has checked anything.
    #[must_use]
    pub fn expiry_in_beginning(dialect: Dialect, beginning: &[u8]) -> Option<UtcTime> {
        dialect.glance_expiry(beginning)
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
        // Whatever the role: only the form counts here.
        self.is_wire_form() && M::decode_and_compare(self.dialect, &Role::Root, &self.signed).1
    }

    /// Whether the bytes are what anybody would write who keeps every member.
    fn is_wire_form(&self) -> bool {
        self.dialect.is_assembled(&self.raw, &self.signed, &self.signatures)
    }

    /// Reads the meaning that a document of `role` has.
    ///
    /// # Errors
    /// [`DecodeError`] names the role and the fault.
    pub fn decode<M: Document>(self, role: Role) -> Result<Unverified<M>, DecodeError> {
        let model = M::decode(self.dialect, &role, &self.signed)?;
        Ok(self.meaning(role, model))
    }

    /// The same, and whether the bytes are the [reference's encoding](Self::is_reference_encoding), which costs less than to
    /// ask for each.
    ///
    /// # Errors
    /// [`DecodeError`] names the role and the fault; the encoding is told all the same.
    pub fn decode_and_compare<M: Document>(self, role: Role) -> (Result<Unverified<M>, DecodeError>, bool) {
        let (model, is_same) = M::decode_and_compare(self.dialect, &role, &self.signed);
        let is_same = is_same && self.is_wire_form();
        (model.map(|model| self.meaning(role, model)), is_same)
    }

    fn meaning<M>(self, role: Role, model: M) -> Unverified<M> {
        Unverified { role, raw: self.raw, message: self.signed, signatures: self.signatures, model }
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
    dialect: Dialect,
    message: Vec<u8>,
    wire: Vec<u8>,
}

impl Draft {
    /// Writes `model` for signing.
    ///
    /// # Errors
    /// [`EncodeError`] for custom data that has no wire form.
    pub fn new<M: Document>(dialect: Dialect, model: &M) -> Result<Self, EncodeError> {
        let message = model.encode(dialect)?;
        let wire = json::wire_of(&message);
        Ok(Self { dialect, message, wire })
    }

    /// The bytes to sign.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// The document with its signatures, as it is stored and sent.
    #[must_use]
    pub fn finish(&self, signatures: &[Signature]) -> Bytes {
        self.dialect.assemble(&self.wire, signatures).into()
    }

    /// Reads what was [finished](Self::finish) as anybody else would.
    ///
    /// # Errors
    /// [`ReadBackError`]
    pub fn read_back<M: Document + Send>(&self, role: &Role, finished: Bytes) -> Result<Unverified<M>, ReadBackError> {
        let meaning = || M::decode(self.dialect, role, &self.message);
        let (meaning, envelope) =
            parallel::both(finished.len(), meaning, || Envelope::parse(self.dialect, finished.clone()));
        let Envelope { raw, signed, signatures, .. } = envelope?;
        // What was read beside it is what the envelope holds, or counts for nothing.
        let model = if signed == self.message { meaning? } else { M::decode(self.dialect, role, &signed)? };
        Ok(Unverified { role: role.clone(), raw, message: signed, signatures, model })
    }
}
