//! The parts of an upload, parsed; nothing of them is believed yet.

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::Value;
use tuf_schema::dialect::{DecodeError, Document};
use tuf_schema::envelope::EnvelopeError;
use tuf_schema::model::{Root, Snapshot, Targets};
use tuf_schema::verify::SignatureError;
use tuf_schema::{Dialect, Envelope, Role, Unverified, UtcTime, json};

use super::{MAX_SNAPSHOT_BYTES, MAX_SNAPSHOT_ROLES, PublishError, Upload, UploadPart, Violation};

/// The parts by their place in the hierarchy. An uploaded timestamp is parsed and dropped, as the server makes its own.
pub(super) struct Parts {
    pub(super) root: Option<Part<Root>>,
    /// Targets and delegations, fewest segments first.
    pub(super) targets: Vec<Part<Targets>>,
    pub(super) snapshot: Option<Part<Snapshot>>,
}

/// One part.
pub(super) struct Part<M> {
    pub(super) role: Role,
    pub(super) raw: Bytes,
    /// The version it claims; 0 and below are possible.
    pub(super) claimed_version: i64,
    /// Its meaning, or why it has none.
    pub(super) document: Result<Unverified<M>, DecodeError>,
    /// Whether its encoding is the reference's, where that matters.
    pub(super) encoding_suits: bool,
}

impl Parts {
    /// Parses every part; the first that is no signed document ends the request.
    pub(super) fn parse(upload: &Upload) -> Result<Self, PublishError> {
        // Without a snapshot among them the server makes one, and whoever makes one with the reference's code hashes
        // the parts as re-encoded.
        let server_makes_snapshot = !upload.parts.iter().any(|part| part.role == Role::Snapshot);
        let mut parts = Self { root: None, targets: Vec::new(), snapshot: None };
        for part in &upload.parts {
            if part.role == Role::Snapshot && part.bytes.len() > MAX_SNAPSHOT_BYTES {
                let (bytes, limit) = (part.bytes.len(), MAX_SNAPSHOT_BYTES);
                return Err(PublishError::BadSnapshot(Violation::SnapshotTooLarge { bytes, limit }));
            }
            let envelope = match Envelope::parse(Dialect::Notary, part.bytes.clone()) {
                Ok(envelope) => envelope,
                // What will be dropped anyway may lack what the reference does not miss either.
                Err(EnvelopeError::Signed(_) | EnvelopeError::NotAnObject)
                    if part.role == Role::Timestamp && only_lacks(part) =>
                {
                    continue;
                }
                Err(source) => return Err(malformed(part, source)),
            };
            match &part.role {
                Role::Root => parts.root = Some(Part::read(part, envelope, server_makes_snapshot)),
                Role::Snapshot => parts.snapshot = Some(few_roles(Part::read(part, envelope, true))?),
                Role::Timestamp => {}
                Role::Targets | Role::Delegation(_) => {
                    parts.targets.push(Part::read(part, envelope, server_makes_snapshot));
                }
            }
        }
        parts.targets.sort_by(|a, b| (a.role.depth(), &a.role).cmp(&(b.role.depth(), &b.role)));
        Ok(parts)
    }

    /// Whether a targets role is among the parts.
    pub(super) fn has_targets(&self, role: &Role) -> bool {
        self.targets.iter().any(|part| part.role == *role)
    }
}

impl<M: Document> Part<M> {
    fn read(part: &UploadPart, envelope: Envelope, encoding_matters: bool) -> Self {
        let (role, claimed_version) = (part.role.clone(), envelope.claimed_version());
        let (document, encoding_suits) = if encoding_matters {
            envelope.decode_and_compare(part.role.clone())
        } else {
            (envelope.decode(part.role.clone()), true)
        };
        Self { role, raw: part.bytes.clone(), claimed_version, document, encoding_suits }
    }
}

/// A snapshot that does not list too much: each role that it lists is looked for in the store.
fn few_roles(part: Part<Snapshot>) -> Result<Part<Snapshot>, PublishError> {
    let roles = part.document.as_ref().map_or(0, |document| document.claims().meta.len());
    if roles <= MAX_SNAPSHOT_ROLES {
        return Ok(part);
    }
    Err(PublishError::BadSnapshot(Violation::TooManyRoles { roles, limit: MAX_SNAPSHOT_ROLES }))
}

/// What the reference finds wrong with a part that is no signed document: two faults it meets later than the others
/// and words by the role.
fn malformed(part: &UploadPart, source: EnvelopeError) -> PublishError {
    let violation = trailing_bytes(part).or_else(|| unsigned(part));
    match (&part.role, violation) {
        (Role::Root, Some(violation)) => PublishError::BadRoot(violation),
        (Role::Targets | Role::Delegation(_), Some(violation)) => PublishError::BadTargets(violation),
        (Role::Snapshot, Some(violation)) => PublishError::BadSnapshot(violation),
        (Role::Timestamp, _) | (_, None) => PublishError::MalformedJson { role: part.role.clone(), source },
    }
}

/// Whether what is there of a document is of its type; the reference takes null for missing.
fn only_lacks(part: &UploadPart) -> bool {
    let Ok(document) = json::parse(&part.bytes) else { return false };
    let suits =
        |value: &Value, name: &str, is: fn(&Value) -> bool| value.get(name).is_none_or(|v| v.is_null() || is(v));
    let signed = document.get("signed").unwrap_or(&Value::Null);
    (document.is_object() || document.is_null())
        && (signed.is_object() || signed.is_null())
        && suits(&document, "signatures", Value::is_array)
        && suits(signed, "_type", Value::is_string)
        && suits(signed, "version", Value::is_i64)
        && suits(signed, "expires", |v| v.as_str().is_some_and(|text| UtcTime::parse(text).is_ok()))
}

/// Something after the document.
fn trailing_bytes(part: &UploadPart) -> Option<Violation> {
    let mut documents = serde_json::Deserializer::from_slice(&part.bytes).into_iter::<IgnoredAny>();
    documents.next()?.ok()?;
    let next = part.bytes.get(documents.byte_offset()..)?.first()?;
    Some(Violation::TrailingBytes(char::from(*next)))
}

/// A document without signatures.
fn unsigned(part: &UploadPart) -> Option<Violation> {
    let document = json::parse(&part.bytes).ok()?;
    let members = document.as_object()?;
    let alone = members.contains_key("signed") && members.len() == 1;
    alone.then_some(Violation::Signatures(SignatureError::Unsigned))
}
