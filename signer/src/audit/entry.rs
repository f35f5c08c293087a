//! What is recorded: each entry as the members of one JSON object, everything from outside escaped and bounded.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use tuf_schema::UtcTime;
use tuf_schema::key::KeyId;

use super::name::{ChainId, SignerName};
use super::turned_away::Summary;
use super::{Actor, KeyUse, Outcome};
use crate::store::Purpose;

/// The form of chains that this program writes.
const FORMAT: u32 = 1;

/// The event of the first line of a file.
const SEGMENT: &str = "segment";

/// How many characters of a name or a reason are kept. GUNs, roles and key ids are shorter by their own rules.
const MAX_CHARACTERS: usize = 512;

/// An entry, ready to be put into a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry(String);

/// What an entry tells. Absent members are not written.
#[derive(Default, Serialize)]
struct Members<'a> {
    time: String,
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gun: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
}

/// What the first line of each file tells.
#[derive(Serialize, Deserialize)]
struct SegmentMembers<'a> {
    time: Cow<'a, str>,
    event: Cow<'a, str>,
    format: u32,
    signer: Cow<'a, str>,
    chain: Cow<'a, str>,
    segment: u64,
}

/// What the first line of a file says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// Whose chain.
    pub(super) signer: SignerName,
    /// Which chain.
    pub(super) chain: ChainId,
    /// The number of the file, from 1.
    pub(super) segment: u64,
}

impl Segment {
    /// Reads the first line of a file; `None` if it is another line, or of a form that this program does not know.
    pub(super) fn read(line: &str) -> Option<Self> {
        let members: SegmentMembers<'_> = serde_json::from_str(line).ok()?;
        let is_known = members.event == SEGMENT && members.format == FORMAT;
        let (signer, chain) = (SignerName::parse(&members.signer)?, ChainId::parse(&members.chain)?);
        is_known.then_some(Self { signer, chain, segment: members.segment })
    }
}

impl Entry {
    /// A use of a key, or the attempt.
    pub(super) fn of_use(now: UtcTime, key_use: &KeyUse<'_>, outcome: Outcome<'_>) -> Self {
        let (name, reason) = match outcome {
            Outcome::Begun => ("begun", None),
            Outcome::Done => ("done", None),
            Outcome::Refused(_) => ("refused", Some(outcome.to_string())),
        };
        let actor = bounded(key_use.actor.name());
        let (caller, operator) = match key_use.actor {
            Actor::Client(_) => (Some(actor), None),
            Actor::Operator(_) => (None, Some(actor)),
        };
        let of_purpose = |text: fn(&Purpose) -> &str| key_use.purpose.map(text).filter(|text| !text.is_empty());
        Self::of(&Members {
            time: now.to_rfc3339(),
            event: key_use.operation.name(),
            outcome: Some(name),
            caller,
            operator,
            key: key_use.key.map(KeyId::as_str).map(bounded),
            gun: of_purpose(Purpose::gun_text).map(bounded),
            role: of_purpose(Purpose::role_text).map(bounded),
            version: key_use.version,
            sha256: key_use.content.map(|content| content.to_hex()),
            reason: reason.as_deref().map(bounded),
            number: None,
        })
    }

    /// Something that concerns the chain itself, and a number that belongs to it.
    pub(super) fn of_event(now: UtcTime, event: Event<'_>) -> Self {
        let (name, number, reason) = match event {
            Event::Started { version, is_synced } => {
                return Self::of(&Members {
                    time: now.to_rfc3339(),
                    event: "started",
                    outcome: Some(if is_synced { "synced" } else { "relaxed" }),
                    reason: Some(version),
                    ..Members::default()
                });
            }
            Event::TurnedAway(Summary { caller, number, last }) => {
                return Self::of(&Members {
                    time: now.to_rfc3339(),
                    event: "turned_away",
                    caller: caller.as_deref(),
                    reason: Some(last),
                    number: Some(*number),
                    ..Members::default()
                });
            }
            Event::Stopped => ("stopped", None, None),
            Event::Cut { bytes } => ("cut", Some(bytes), Some("an unfinished line was cut off at start")),
            Event::Resumed { unanswered, reason } => ("resumed", Some(unanswered), Some(reason)),
        };
        let (time, reason) = (now.to_rfc3339(), reason.map(bounded));
        Self::of(&Members { time, event: name, number, reason, ..Members::default() })
    }

    /// The first line of a file.
    pub(super) fn of_segment(now: UtcTime, signer: &SignerName, chain: &ChainId, segment: u64) -> Self {
        let (time, event) = (now.to_rfc3339().into(), SEGMENT.into());
        let (signer, chain) = (signer.as_str().into(), chain.as_str().into());
        Self::of(&SegmentMembers { time, event, format: FORMAT, signer, chain, segment })
    }

    /// The JSON object.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    fn of(members: &impl Serialize) -> Self {
        // texts and numbers are always JSON
        Self(serde_json::to_string(members).unwrap_or_default())
    }
}

/// What concerns the chain itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event<'a> {
    /// The program began to write to the chain.
    Started {
        /// Its version.
        version: &'a str,
        /// Whether records are on the disk before answers leave.
        is_synced: bool,
    },
    /// It ended in order.
    Stopped,
    /// A crash had left an unfinished line, for which nobody got an answer.
    Cut {
        /// How many bytes of it.
        bytes: u64,
    },
    /// Records could not be written for a while, and now can.
    Resumed {
        /// How many requests got no answer for that.
        unanswered: u64,
        /// What the system said.
        reason: &'a str,
    },
    /// Requests of one caller that were turned away before they got to a key, counted.
    TurnedAway(&'a Summary),
}

/// The beginning of a text, if it is long.
pub(super) fn bounded(text: &str) -> &str {
    text.char_indices().nth(MAX_CHARACTERS).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}
