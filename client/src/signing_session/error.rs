//! Why a session was not begun, signed or published.

use tuf_schema::session::{MadeOn, SessionFault};
use tuf_schema::verify::{RootError, SignatureError};
use tuf_schema::version::Version;
use tuf_schema::{Gun, KeyId, Role, UtcTime};

use super::Standing;
use crate::lock::LockError;
use crate::publish::{EditError, PublishError, TooFewKeys};

/// Why a session was not begun, signed or published. Nothing was signed or sent then.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// What is published cannot be read, a key cannot be had, or the trust server refused.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// Another process of this client publishes to the repository, and takes too long.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The documents cannot be written into a file.
    #[error(transparent)]
    Fault(#[from] SessionFault),
    /// The trust server does not have the repository yet: its first publish makes the keys.
    #[error("{0} is not published yet; publish it first, with one key for each role: bulla repo publish {0}")]
    NotPublished(Gun),
    /// The edit changes nothing.
    #[error("there is nothing to sign: {0} is as it should be")]
    NothingToSign(Gun),
    /// What it would change is what is published.
    #[error("the session of {0} is published already, and there is nothing left to do with it")]
    Done(Gun),
    /// Others published since the session began.
    #[error("{}", moved(.gun, .documents))]
    Moved {
        /// The repository.
        gun: Gun,
        /// What the session was made on, and what is published now.
        documents: Vec<(Role, Option<MadeOn>, Option<MadeOn>)>,
    },
    /// A document is not the one that follows what is published.
    #[error(
        "{role} in the session has version {found}, and what follows what is published is version {expected}; nothing of it is signed"
    )]
    Version {
        /// The role.
        role: Role,
        /// The version that follows.
        expected: Version,
        /// The version in the session.
        found: Version,
    },
    /// A document would live longer than ours do, or has ended.
    #[error(
        "{role} in the session would be valid until {expires}, and must end after now and by {latest}; nothing of it is signed"
    )]
    Lifetime {
        /// The role.
        role: Role,
        /// When it would end.
        expires: UtcTime,
        /// When it may end at the latest.
        latest: UtcTime,
    },
    /// No key here may sign, and none has.
    #[error("no key here may sign this session; pass the file on to who has one of these: {}", join(.0))]
    NoKey(Vec<KeyId>),
    /// The root in the session could be shown as another repository's.
    #[error(
        "the new root of {gun} names the certificate {name:?}, which is not for {gun} alone: such a root could be shown as another repository's, and is not signed"
    )]
    ForeignCertificate {
        /// The repository.
        gun: Gun,
        /// Whom the certificate is for.
        name: String,
    },
    /// A role of it has fewer keys than must sign.
    #[error("{few}, and a session of it could never be published; {}", few.mend(&format!("bulla threshold set {gun} {}", few.role)))]
    TooFewKeys {
        /// The repository.
        gun: Gun,
        /// The role, and how many are missing.
        few: TooFewKeys,
    },
    /// Too few have signed.
    #[error("{}", unsigned(.gun, .standings))]
    Unsigned {
        /// The repository.
        gun: Gun,
        /// Those authorities that have too few signatures.
        standings: Vec<Standing>,
    },
    /// The root does not follow the one that is published.
    #[error("the root in the session does not follow the one that is published")]
    Root(#[from] RootError),
    /// A document has too few signatures.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

impl From<EditError> for SessionError {
    fn from(error: EditError) -> Self {
        Self::Publish(error.into())
    }
}

fn moved(gun: &Gun, documents: &[(Role, Option<MadeOn>, Option<MadeOn>)]) -> String {
    let words = |made_on: &Option<MadeOn>| {
        made_on.as_ref().map_or_else(|| "nothing".to_owned(), |on| format!("version {} ({})", on.version, on.sha256))
    };
    let line = |(role, before, now): &(Role, Option<MadeOn>, Option<MadeOn>)| {
        format!("{role} was made on {}, and {} is published now", words(before), words(now))
    };
    let lines: Vec<_> = documents.iter().map(line).collect();
    format!(
        "somebody published since the session of {gun} began: {}; begin anew with another file: bulla session start {gun} FILE, or \
         bulla threshold set {gun} ROLE M --session FILE",
        lines.join(", ")
    )
}

fn unsigned(gun: &Gun, standings: &[Standing]) -> String {
    let line = |standing: &Standing| {
        format!(
            "{} has {} of {} signatures, and {} more of these must sign: {}",
            standing.name(),
            standing.signed.len(),
            standing.need,
            standing.missing(),
            join(&standing.unsigned)
        )
    };
    let lines: Vec<_> = standings.iter().map(line).collect();
    format!("nothing of {gun} is published: {}; they sign with: bulla session sign FILE", lines.join("; "))
}

fn join(ids: &[KeyId]) -> String {
    ids.iter().map(KeyId::as_str).collect::<Vec<_>>().join(", ")
}
