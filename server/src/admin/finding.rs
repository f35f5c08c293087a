//! What is wrong with a stored repository: a fact, its place, and what to do about it.

use std::fmt;

use serde_json::{Value, json};
use tuf_schema::dialect::DecodeError;
use tuf_schema::envelope::EnvelopeError;
use tuf_schema::gun::GunError;
use tuf_schema::model::FileMismatch;
use tuf_schema::verify::{FirstRootError, RootError, SignatureError};
use tuf_schema::{KeyId, Role, Sha256, UtcTime, Version};

use crate::printable::printable;

/// One thing that an operator should know of.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    /// The repository as the rows name it.
    pub(crate) gun: String,
    /// The role as the row names it; a damaged row may name none.
    pub(crate) role: String,
    /// The version in the row; `None` when no file is meant.
    pub(crate) version: Option<i64>,
    /// The fact.
    pub(crate) trouble: Trouble,
    /// What mends it.
    pub(crate) next: Next,
}

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Something is wrong: the run ends with a status of its own.
    Finding,
    /// Nothing is wrong today.
    Note,
}

/// What is the matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The repository's name is none: no client can ask for it.
    NoName(GunError),
    /// A column holds what was never written there.
    DamagedRow(String),
    /// The row's role is none.
    NoRole,
    /// The digest column is not the digest of the bytes.
    DigestColumn { column: String, bytes: Sha256 },
    /// The version column is not the document's version.
    VersionColumn { column: i64, document: i64 },
    /// The bytes are no document.
    NoDocument(EnvelopeError),
    /// The document is none of its role.
    NoMeaning(DecodeError),
    /// There are files and no root.
    NoRoot,
    /// There is no newest file of a role that every repository has.
    NoFile,
    /// Roots between two stored ones are not stored.
    RootGap { previous: Version },
    /// The first stored root does not stand by itself.
    FirstRoot(FirstRootError),
    /// A root does not follow on the one before it.
    BrokenRootChain { previous: Version, reason: RootError },
    /// The keys in force did not sign it.
    NotSigned(SignatureError),
    /// As before, for a delegation: clients pass it over, and a publish of its parent alone can bring that about.
    PassedOver(SignatureError),
    /// `by` lists a file that is not stored.
    PointsToNothing { by: Role, listed: Sha256, newest: Option<(Version, Sha256)> },
    /// `by` lists something else than what is stored under the listed digest.
    Differs { by: Role, mismatch: FileMismatch },
    /// `by` lists an older file than the newest one.
    NotListed { by: Role, listed: Version },
    /// As before, where a publisher may have signed just that: readers get what the snapshot lists.
    OlderListed { listed: Version },
    /// The signer does not hold a key that root names for a role that the server signs.
    KeyNotHeld(KeyId),
    /// The signer does not hold the snapshot key, which is usual: it may be the publisher's.
    SnapshotKeyNotHeld(KeyId),
    /// Root names fewer keys than must sign.
    TooFewKeys,
    /// The signer holds another key under the id.
    OtherKey(KeyId),
    /// The signer answers with an error when it is asked for the keys.
    SignerFailed(String),
    /// The signer signed a timestamp after the newest that is stored.
    LaterSigned { signed: UtcTime, stored: UtcTime },
    /// The signer signed timestamps, and nothing is stored of the repository.
    NotStored { signed: UtcTime },
    /// It is past its date.
    Expired(UtcTime),
    /// The reference would write it differently, and list that instead.
    OtherEncoding,
}

/// Who mends it, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// This command, with `--repair`.
    Repair,
    /// A backup, if a row was lost; else this command, which makes the version the newest.
    RestoreOrRepair(Version),
    /// The signer must be asked first.
    AskSigner,
    /// The publisher, who holds the snapshot key.
    PublisherSigns,
    /// The publisher of the role, by publishing it again.
    PublisherOfRole,
    /// A backup.
    Restore,
    /// A backup, or a newer file in its place.
    RestoreOrReplace,
    /// The operator, as he likes: nobody reads it.
    Remove,
    /// A backup of the signer, or a new key.
    SignerBackup,
    /// The operator of the signer.
    MendSigner,
    /// A newer backup, or another publish.
    NewerBackup,
    /// Nobody: the server does it when it is time.
    Nothing,
    /// Nobody, as long as the reference does not come back.
    BeforeGoingBack,
}

impl Trouble {
    /// The weight.
    pub(crate) fn weight(&self) -> Weight {
        match self {
            Self::PassedOver(_)
            | Self::OlderListed { .. }
            | Self::SnapshotKeyNotHeld(_)
            | Self::Expired(_)
            | Self::OtherEncoding => Weight::Note,
            Self::NoName(_)
            | Self::DamagedRow(_)
            | Self::NoRole
            | Self::DigestColumn { .. }
            | Self::VersionColumn { .. }
            | Self::NoDocument(_)
            | Self::NoMeaning(_)
            | Self::NoRoot
            | Self::NoFile
            | Self::RootGap { .. }
            | Self::FirstRoot(_)
            | Self::BrokenRootChain { .. }
            | Self::NotSigned(_)
            | Self::PointsToNothing { .. }
            | Self::Differs { .. }
            | Self::NotListed { .. }
            | Self::KeyNotHeld(_)
            | Self::TooFewKeys
            | Self::SignerFailed(_)
            | Self::LaterSigned { .. }
            | Self::NotStored { .. }
            | Self::OtherKey(_) => Weight::Finding,
        }
    }

    /// A name for programs.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::NoName(_) => "no_name",
            Self::DamagedRow(_) => "damaged_row",
            Self::NoRole => "no_role",
            Self::DigestColumn { .. } => "digest_column",
            Self::VersionColumn { .. } => "version_column",
            Self::NoDocument(_) => "no_document",
            Self::NoMeaning(_) => "no_meaning",
            Self::NoRoot => "no_root",
            Self::NoFile => "no_file",
            Self::RootGap { .. } => "root_gap",
            Self::FirstRoot(_) => "first_root",
            Self::BrokenRootChain { .. } => "broken_root_chain",
            Self::NotSigned(_) => "not_signed",
            Self::PassedOver(_) => "passed_over",
            Self::PointsToNothing { .. } => "points_to_nothing",
            Self::Differs { .. } => "differs",
            Self::NotListed { .. } => "not_listed",
            Self::OlderListed { .. } => "older_listed",
            Self::KeyNotHeld(_) => "key_not_held",
            Self::SnapshotKeyNotHeld(_) => "snapshot_key_not_held",
            Self::TooFewKeys => "too_few_keys",
            Self::OtherKey(_) => "other_key",
            Self::SignerFailed(_) => "signer_failed",
            Self::LaterSigned { .. } => "later_signed",
            Self::NotStored { .. } => "not_stored",
            Self::Expired(_) => "expired",
            Self::OtherEncoding => "other_encoding",
        }
    }

    /// What should be there and what is, on one line.
    pub(crate) fn told(&self) -> String {
        format!("expected {}; found {}", printable(&self.expected()), printable(&self.found()))
    }

    /// What should be there.
    fn expected(&self) -> String {
        match self {
            Self::NoName(_) => "a name that a repository can have".to_owned(),
            Self::DamagedRow(_) => "a row that a server wrote".to_owned(),
            Self::NoRole => "the name of a role".to_owned(),
            Self::DigestColumn { bytes, .. } => format!("sha256 {bytes}, that of the bytes, in the row"),
            Self::VersionColumn { document, .. } => format!("version {document}, that of the document, in the row"),
            Self::NoDocument(_) => "a signed document".to_owned(),
            Self::NoMeaning(_) => "a document of the role".to_owned(),
            Self::NoRoot | Self::NoFile => "a stored file".to_owned(),
            Self::RootGap { previous } => format!("the root that follows on {previous}"),
            Self::FirstRoot(_) => "a root signed by its own keys, whose certificate fits the repository".to_owned(),
            Self::BrokenRootChain { previous, .. } => {
                format!("a root signed by the keys of root {previous} and its own")
            }
            Self::NotSigned(_) | Self::PassedOver(_) => "signatures of the keys in force".to_owned(),
            Self::PointsToNothing { by, listed, .. } => format!("the file that the {by} lists, sha256 {listed}"),
            Self::Differs { by, .. } => format!("the length and digests that the {by} lists"),
            Self::NotListed { by, .. } => format!("that the {by} lists it"),
            Self::OlderListed { .. } => "that the snapshot lists it".to_owned(),
            Self::KeyNotHeld(key) | Self::SnapshotKeyNotHeld(key) => format!("key {key} at the signer"),
            Self::TooFewKeys => "as many keys in root as must sign".to_owned(),
            Self::OtherKey(key) => format!("at the signer the key that root lists as {key}"),
            Self::SignerFailed(_) => "an answer of the signer about its keys".to_owned(),
            Self::LaterSigned { signed, .. } | Self::NotStored { signed } => {
                format!("the timestamp that the signer signed at {signed}")
            }
            Self::Expired(_) => "a date to come".to_owned(),
            Self::OtherEncoding => "the reference's own encoding".to_owned(),
        }
    }

    /// What is there.
    fn found(&self) -> String {
        match self {
            Self::DamagedRow(what) | Self::SignerFailed(what) => what.clone(),
            Self::NoName(error) => error.to_string(),
            Self::NoRole => "another text".to_owned(),
            Self::DigestColumn { column, .. } => format!("{column:?}"),
            Self::VersionColumn { column, .. } => format!("{column}"),
            Self::NoDocument(error) => error.to_string(),
            Self::NoMeaning(error) => error.to_string(),
            Self::NoRoot | Self::NoFile | Self::RootGap { .. } | Self::KeyNotHeld(_) | Self::NotStored { .. } => {
                "none".to_owned()
            }
            Self::FirstRoot(error) => error.to_string(),
            Self::BrokenRootChain { reason, .. } => reason.to_string(),
            Self::NotSigned(error) | Self::PassedOver(error) => error.to_string(),
            Self::PointsToNothing { newest: Some((version, sha256)), .. } => {
                format!("none with this digest; the newest is version {version}, sha256 {sha256}")
            }
            Self::PointsToNothing { newest: None, .. } => "no file of the role".to_owned(),
            Self::Differs { mismatch, .. } => mismatch.to_string(),
            Self::NotListed { listed, .. } | Self::OlderListed { listed } => {
                format!("version {listed} is listed, which is older")
            }
            Self::LaterSigned { stored, .. } => format!("one of {stored} as the newest"),
            Self::SnapshotKeyNotHeld(_) => "none: the key is the publisher's, or the signer lost it".to_owned(),
            Self::TooFewKeys => "fewer".to_owned(),
            Self::OtherKey(_) => "another one under this id".to_owned(),
            Self::Expired(date) => format!("it expired at {date}"),
            Self::OtherEncoding => {
                "another one, which we serve as it is and the reference's next publish would make unreadable".to_owned()
            }
        }
    }
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RestoreOrRepair(newest) => {
                return write!(
                    f,
                    "if a newer row was lost, put it back from a backup first; `admin verify --repair` signs version \
                     {newest} as the newest, and what was published after it is gone"
                );
            }
            Self::Repair => "`admin verify --repair` signs snapshot and timestamp anew",
            Self::AskSigner => "start the signer and verify again: whether --repair can help depends on its keys",
            Self::PublisherSigns => {
                "the publisher publishes a tag: only that signs a new snapshot, as the signer does not hold its key"
            }
            Self::PublisherOfRole => "the publisher signs and publishes the role again",
            Self::Restore => "put the row back from a backup",
            Self::RestoreOrReplace => {
                "put the row back from a backup; if it is the newest of its role, a newer version also does: \
                 `admin verify --repair` for snapshot and timestamp, a publish for the others"
            }
            Self::Remove => "delete these rows, or rename them if you know what they should be called",
            Self::SignerBackup => {
                "put the signer's database back from a backup, or the publisher rotates the key: \
                 `notary key rotate GUN ROLE -r`"
            }
            Self::MendSigner => "look into the signer's log",
            Self::NewerBackup => {
                "if this database was put back from a backup, what was published since is lost: put back a newer one, or \
                 publishers publish it again; if not, a publish failed after it was signed, which is no harm"
            }
            Self::Nothing => "none: the server signs it anew when it is read",
            Self::BeforeGoingBack => "the publisher publishes the role again, before you go back to the reference",
        })
    }
}

impl Finding {
    /// The weight.
    pub(crate) fn weight(&self) -> Weight {
        self.trouble.weight()
    }

    /// The same for programs.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "weight": self.weight().as_str(),
            "code": self.trouble.code(),
            "gun": printable(&self.gun),
            "role": self.role,
            "version": self.version,
            "expected": printable(&self.trouble.expected()),
            "found": printable(&self.trouble.found()),
            "next": self.next.to_string(),
        })
    }
}

impl Weight {
    fn as_str(self) -> &'static str {
        match self {
            Self::Finding => "finding",
            Self::Note => "note",
        }
    }
}

/// One line: where, what was expected, what was found, what to do.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.weight().as_str(), printable(&self.gun), printable(&self.role))?;
        if let Some(version) = self.version {
            write!(f, " version {version}")?;
        }
        write!(f, ": {}; next: {}", self.trouble.told(), self.next)
    }
}
