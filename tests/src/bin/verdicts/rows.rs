//! The rows of the protocol's section on uploads, and which of them an upload met at the reference.

use std::collections::BTreeMap;

use crate::verdict::Verdict;

/// One row: its name, and whether an upload of this kind with this answer meets it.
struct Row {
    name: &'static str,
    met: fn(&Met<'_>) -> bool,
}

/// An upload as far as rows ask.
pub(crate) struct Met<'a> {
    /// The names of what it is and of what it breaks.
    pub(crate) kinds: &'a [&'static str],
    pub(crate) reference: &'a Verdict,
}

impl Met<'_> {
    fn is(&self, kind: &str) -> bool {
        self.kinds.iter().any(|known| known.starts_with(kind))
    }

    fn said(&self, words: &str) -> bool {
        self.reference.message().contains(words)
    }

    fn code(&self, code: &str) -> bool {
        self.reference.code() == code
    }

    fn invalid(&self, name: &str, words: &str) -> bool {
        self.reference.invalid(&[name], words)
    }

    fn accepted(&self) -> bool {
        self.reference.accepted()
    }
}

const ROWS: &[Row] = &[
    Row { name: "P1 multipart with a boundary", met: |m| m.is("form: P1") && m.code("MALFORMED_UPLOAD") },
    Row { name: "P2 cut before the closing boundary", met: |m| m.is("form: cut") },
    Row { name: "P3 file name", met: |m| m.code("NO_FILENAME") },
    Row { name: "P4 role", met: |m| m.code("INVALID_ROLE") },
    Row { name: "P5 first JSON value", met: |m| m.code("MALFORMED_JSON") },
    Row { name: "1 expired stored root", met: |m| m.is("over an expired root") && m.accepted() },
    Row { name: "2 root's version", met: |m| m.invalid("ErrBadRoot", "must increment the version") },
    Row { name: "2 first root of version 2", met: |m| m.is("first publish: root 2") && m.accepted() },
    Row { name: "3 root: structure", met: |m| m.invalid("ErrBadRoot", "root type metadata invalid") },
    Row { name: "3 root: the previous keys", met: |m| m.invalid("ErrBadRoot", "could not rotate trust") },
    Row { name: "3 root: its own keys", met: |m| m.invalid("ErrBadRoot", "failed to validate integrity") },
    Row { name: "3 root: certificates", met: |m| m.invalid("ErrBadRoot", "unable to retrieve valid leaf") },
    Row { name: "3 root: expired", met: |m| m.invalid("ErrBadRoot", "root expired at") },
    Row { name: "4 no root at all", met: |m| m.invalid("ErrValidation", "no pre-existing root") },
    Row { name: "5 targets refused", met: |m| m.invalid("ErrBadTargets", "") },
    Row { name: "5 delegation refused", met: |m| m.is("delegation:") && m.invalid("ErrBadTargets", "") },
    Row { name: "5 expired stored ancestor", met: |m| m.is("below expired targets") && m.accepted() },
    Row { name: "6a client's snapshot refused", met: |m| m.invalid("ErrBadSnapshot", "") },
    Row { name: "6a client's snapshot accepted", met: |m| m.is("snapshot held by people") && m.accepted() },
    Row { name: "6b server's snapshot", met: |m| m.is("snapshot held by the server") && m.accepted() },
    Row { name: "7 timestamp dropped", met: |m| m.is("timestamp: uploaded") && m.accepted() },
    Row { name: "8 not newer: VERSION", met: |m| m.is("version:") && m.code("VERSION") },
    Row { name: "9 race", met: |m| m.is("race") },
    Row { name: "version: the same root", met: |m| m.is("version: the stored root") && m.code("VERSION") },
    Row { name: "version: gap", met: |m| m.is("gap") && m.accepted() },
    Row { name: "snapshot key not held", met: |m| m.is("key: snapshot not held") && m.said("key <digits> not found") },
    Row {
        name: "timestamp key not held",
        met: |m| m.is("key: timestamp not held") && m.said("key <digits> not found"),
    },
    Row { name: "first publish without targets", met: |m| m.said("targets must be loaded first") },
    Row { name: "message: threshold", met: |m| m.said("did not meet threshold for") },
    Row { name: "message: no signatures", met: |m| m.said("tuf: data has no signatures") },
    Row { name: "message: key id", met: |m| m.said("key ID is not valid for key content") },
    Row { name: "message: expired", met: |m| m.said(" expired at ") },
    Row { name: "message: version 0", met: |m| m.said("version cannot be less than one") },
    Row { name: "message: wrong _type", met: |m| m.said("type metadata invalid: expected type") },
    Row { name: "message: undeclared delegation", met: |m| m.said("delegation does not exist") },
    Row { name: "message: child of a wrong parent", met: |m| m.said("type metadata invalid: delegation role") },
    Row { name: "message: threshold 0", met: |m| m.said("invalid threshold specified for") },
    Row { name: "message: role missing in root", met: |m| m.said("role specification") },
    Row { name: "message: key id without key", met: |m| m.said("without corresponding key") },
    Row {
        name: "certificate: foreign name",
        met: |m| m.is("certificate: of another name") && m.said("leaf certificates"),
    },
    Row { name: "certificate: expired", met: |m| m.is("certificate: expired") && m.said("leaf certificates") },
    Row {
        name: "certificate: authority",
        met: |m| m.is("certificate: of an authority") && m.said("leaf certificates"),
    },
    Row { name: "certificate: bare key", met: |m| m.is("certificate: none") && m.said("leaf certificates") },
    Row { name: "message: snapshot's checksum", met: |m| m.said("checksum for") },
    Row { name: "message: snapshot lacks root", met: |m| m.said("missing root sha256 checksum") },
    Row { name: "message: trailing bytes", met: |m| m.said("after top-level value") },
    Row { name: "message: fraction", met: |m| m.said("unsupported value") },
    Row { name: "message: control character", met: |m| m.said("in string literal") },
    Row { name: "empty upload, server's snapshot", met: |m| m.is("empty upload") && m.accepted() },
    Row { name: "first publish", met: |m| m.is("first publish") && m.accepted() },
    Row { name: "update", met: |m| m.is("update") && m.accepted() },
    Row { name: "other encoding than the reference's", met: |m| m.is("encoding:") && m.accepted() },
    Row { name: "the same role twice", met: |m| m.is("form: the same role twice") },
];

/// How often each row was met.
#[derive(Debug, Default, Clone)]
pub(crate) struct Coverage(BTreeMap<&'static str, u64>);

impl Coverage {
    pub(crate) fn note(&mut self, met: &Met<'_>) {
        for row in ROWS {
            if (row.met)(met) {
                *self.0.entry(row.name).or_default() += 1;
            }
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            *self.0.entry(name).or_default() += count;
        }
    }

    /// Every row with how often it was met.
    pub(crate) fn table(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ROWS.iter().map(|row| (row.name, self.0.get(row.name).copied().unwrap_or(0)))
    }
}
