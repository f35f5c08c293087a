//! A session as it is shown: what it would change, line by line, and who has signed it.

use std::path::Path;

use bulla::signing_session::{Difference, DocumentChange, Examined, Side, Standing};
use serde::Serialize;
use tuf_schema::KeyId;
use tuf_schema::json::Value;
use tuf_schema::model::Target;

use crate::cmd::moment::Moment;
use crate::output::Show;
use crate::printable::line;

/// A session, and what was done to it.
#[derive(Serialize)]
pub(super) struct Shown {
    gun: String,
    file: String,
    documents: Vec<DocumentRow>,
    signatures: Vec<StandingRow>,
    /// Whether enough have signed.
    complete: bool,
    /// Keys that signed in this run.
    signed_now: Vec<String>,
    published: bool,
    /// Whether people have been told already what it would change.
    #[serde(skip)]
    is_told: bool,
    /// What to do next, for people.
    #[serde(skip)]
    next: String,
}

#[derive(Serialize)]
struct DocumentRow {
    role: String,
    version_before: Option<u32>,
    version: u32,
    expires: Moment,
    changes: Vec<ChangeRow>,
}

/// One line, and the same for a program.
#[derive(Serialize)]
struct ChangeRow {
    change: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Value>,
    #[serde(skip)]
    words: String,
}

#[derive(Serialize)]
struct StandingRow {
    role: String,
    /// `own`, or `before`: the keys of the root that is published.
    keys: &'static str,
    needed: u32,
    signed: Vec<String>,
    unsigned: Vec<String>,
    /// Those of the unsigned whose private keys are here.
    here: Vec<String>,
    #[serde(skip)]
    name: String,
}

impl Shown {
    /// What `examined` says of the session in `file`.
    pub(super) fn of(examined: &Examined, file: &Path) -> Self {
        Self {
            gun: examined.session.gun().to_string(),
            file: file.display().to_string(),
            documents: examined.changes.iter().map(DocumentRow::of).collect(),
            signatures: examined.standings.iter().map(StandingRow::of).collect(),
            complete: examined.standings.iter().all(|standing| standing.missing() == 0),
            signed_now: Vec::new(),
            published: false,
            is_told: false,
            next: String::new(),
        }
    }

    /// The same after these keys have signed.
    pub(super) fn signed<'a>(self, by: impl IntoIterator<Item = &'a KeyId>) -> Self {
        Self { signed_now: by.into_iter().map(ToString::to_string).collect(), is_told: true, ..self }
    }

    /// The same after it was published.
    pub(super) fn published(self) -> Self {
        Self { published: true, ..self }
    }

    /// The same with what to do next.
    pub(super) fn then(self, next: String) -> Self {
        Self { next, ..self }
    }

    /// Whether enough have signed.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// What it would change, and who has signed.
    pub(super) fn lines(&self) -> String {
        let mut lines = vec![format!("Session of {} in {}", self.gun, line(&self.file))];
        for document in &self.documents {
            let before = document.version_before.map_or_else(|| "new".to_owned(), |before| format!("version {before}"));
            lines.push(format!(
                "{}: {before} -> version {}, valid until {}",
                document.role, document.version, document.expires
            ));
            lines.extend(document.changes.iter().map(|change| format!("  {}", change.words)));
            if document.changes.is_empty() {
                lines.push("  signed anew as it is".to_owned());
            }
        }
        lines.push(self.signatures_in_words());
        lines.join("\n")
    }

    fn signatures_in_words(&self) -> String {
        let rows = self.signatures.iter().map(|row| format!("  {}", row.words()));
        std::iter::once("Signatures:".to_owned()).chain(rows).collect::<Vec<_>>().join("\n")
    }
}

impl Show for Shown {
    fn text(&self) -> String {
        let mut lines = Vec::new();
        match (self.published, self.is_told) {
            (true, _) => {}
            (false, true) => lines.push(self.signatures_in_words()),
            (false, false) => lines.push(self.lines()),
        }
        if !self.signed_now.is_empty() {
            lines.push(format!("Signed with {}", self.signed_now.join(", ")));
        }
        if !self.next.is_empty() {
            lines.push(self.next.clone());
        }
        lines.join("\n")
    }
}

impl DocumentRow {
    fn of(change: &DocumentChange) -> Self {
        Self {
            role: change.role.to_string(),
            version_before: change.before.map(tuf_schema::Version::number),
            version: change.version.number(),
            expires: Moment(change.expires),
            changes: change.differences.iter().map(ChangeRow::of).collect(),
        }
    }
}

impl ChangeRow {
    fn of(difference: &Difference) -> Self {
        let row =
            |change, name: &str, words| Self { change, name: Some(name.to_owned()), before: None, after: None, words };
        let with = |row: Self, before: Option<Value>, after: Option<Value>| Self { before, after, ..row };
        let paths = |paths: &[String]| -> String {
            let word = |path: &String| if path.is_empty() { "\"\" <all paths>".to_owned() } else { line(path) };
            paths.iter().map(word).collect::<Vec<_>>().join(", ")
        };
        match difference {
            Difference::TargetAdded(name, target) => with(
                row("target_added", name, format!("added    {}  {}", line(name), in_words(target))),
                None,
                Some(as_value(target)),
            ),
            Difference::TargetRemoved(name, target) => with(
                row("target_removed", name, format!("removed  {}  {}", line(name), in_words(target))),
                Some(as_value(target)),
                None,
            ),
            Difference::TargetChanged(name, both) => {
                let (before, after) = &**both;
                let words = format!("changed  {}  {} -> {}", line(name), in_words(before), in_words(after));
                with(row("target_changed", name, words), Some(as_value(before)), Some(as_value(after)))
            }
            Difference::KeyAdded(role, id) => {
                let words = format!("{role} may be signed by the key {id}");
                with(row("key_added", role.as_str(), words), None, Some(id.as_str().into()))
            }
            Difference::KeyRemoved(role, id) => {
                let words = format!("{role} may not be signed any more by the key {id}");
                with(row("key_removed", role.as_str(), words), Some(id.as_str().into()), None)
            }
            Difference::Certificate(role, id) => {
                let words = format!("{role} has another certificate of a key: {}", line(id.as_str()));
                with(row("certificate", role.as_str(), words), None, Some(id.as_str().into()))
            }
            Difference::CertificateRemoved(role, id) => {
                let words = format!("{role} does not have this certificate of a key any more: {}", line(id.as_str()));
                with(row("certificate_removed", role.as_str(), words), Some(id.as_str().into()), None)
            }
            Difference::Misnamed(role, id) => {
                let words = format!(
                    "{role} names a key under an id that is not the key's, which cannot sign: {}",
                    line(id.as_str())
                );
                with(row("key_misnamed", role.as_str(), words), None, Some(id.as_str().into()))
            }
            Difference::Threshold(role, before, after) => {
                let words = format!("{role} must be signed by {after} keys, not {before}");
                with(row("threshold", role.as_str(), words), Some(before.get().into()), Some(after.get().into()))
            }
            Difference::DelegationAdded(name, list) => with(
                row("delegation_added", name.as_str(), format!("{name} is delegated, and may list {}", paths(list))),
                None,
                Some(list.clone().into()),
            ),
            Difference::DelegationRemoved(name) => {
                row("delegation_removed", name.as_str(), format!("{name} is not delegated any more"))
            }
            Difference::PathsAdded(name, list) => with(
                row("paths_added", name.as_str(), format!("{name} may list {}, too", paths(list))),
                None,
                Some(list.clone().into()),
            ),
            Difference::PathsRemoved(name, list) => with(
                row("paths_removed", name.as_str(), format!("{name} may not list {} any more", paths(list))),
                Some(list.clone().into()),
                None,
            ),
            Difference::Order(names) => {
                let names: Vec<_> = names.iter().map(ToString::to_string).collect();
                let words = format!("the delegations are searched in this order: {}", names.join(", "));
                with(Self { change: "order", name: None, before: None, after: None, words }, None, Some(names.into()))
            }
            Difference::Listed(id) => {
                row("key_listed", id.as_str(), format!("the key {} is listed, for no role", line(id.as_str())))
            }
            Difference::Unlisted(id) => {
                let words = format!("the key {}, of no role, is not listed any more", line(id.as_str()));
                row("key_unlisted", id.as_str(), words)
            }
            Difference::ConsistentSnapshot(on) => {
                let words = format!("consistent_snapshot becomes {on}");
                with(row("consistent_snapshot", "root", words), None, Some((*on).into()))
            }
        }
    }
}

impl StandingRow {
    fn of(standing: &Standing) -> Self {
        let ids = |ids: &[KeyId]| ids.iter().map(ToString::to_string).collect();
        Self {
            role: standing.role.to_string(),
            keys: match standing.side {
                Side::Own => "own",
                Side::Before => "before",
            },
            needed: standing.need,
            signed: ids(&standing.signed),
            unsigned: ids(&standing.unsigned),
            here: ids(&standing.here),
            name: standing.name(),
        }
    }

    fn words(&self) -> String {
        let mut words = format!("{}: {} of {} signatures", self.name, self.signed.len(), self.needed);
        if !self.signed.is_empty() {
            words.push_str(&format!("; signed: {}", self.signed.join(", ")));
        }
        if !self.unsigned.is_empty() {
            let id = |id: &String| if self.here.contains(id) { format!("{id} (here)") } else { id.clone() };
            words.push_str(&format!("; not signed: {}", self.unsigned.iter().map(id).collect::<Vec<_>>().join(", ")));
        }
        words
    }
}

fn in_words(target: &Target) -> String {
    let digests: Vec<_> =
        target.digests.by_name().map(|(name, bytes)| format!("{}:{}", line(name), hex::encode(bytes))).collect();
    let custom = target.custom.as_ref().map(|custom| format!(", custom {}", line(&custom.to_string())));
    format!("{}, {} bytes{}", digests.join(" "), target.length, custom.unwrap_or_default())
}

fn as_value(target: &Target) -> Value {
    let digests = target.digests.by_name().map(|(name, bytes)| (name.to_owned(), hex::encode(bytes).into()));
    let mut value = serde_json::json!({"length": target.length, "hashes": digests.collect::<serde_json::Map<_, _>>()});
    if let (Some(custom), Some(members)) = (&target.custom, value.as_object_mut()) {
        members.insert("custom".to_owned(), custom.clone());
    }
    value
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use tuf_schema::{DelegationName, Digests, Role};

    use super::*;

    fn target(custom: Option<Value>) -> Target {
        Target { length: 3, digests: Digests::new([("sha256", vec![0xab, 1])]), custom }
    }

    #[test]
    fn what_others_named_is_shown_in_one_line_and_obeyed_by_no_terminal() {
        let evil = "v1\u{1b}[2J\n  added    v2\u{202e}";
        let custom = Some(serde_json::json!({"note": "\u{9b}x"}));
        let differences = [
            Difference::TargetAdded(evil.to_owned(), target(custom.clone())),
            Difference::TargetRemoved(evil.to_owned(), target(None)),
            Difference::TargetChanged(evil.to_owned(), Box::new((target(None), target(custom)))),
            Difference::DelegationAdded(DelegationName::releases(), vec![evil.to_owned()]),
            Difference::PathsAdded(DelegationName::releases(), vec![evil.to_owned()]),
            Difference::PathsRemoved(DelegationName::releases(), vec![evil.to_owned()]),
            Difference::Listed(KeyId::from_wire(evil)),
            Difference::Unlisted(KeyId::from_wire(evil)),
            Difference::Certificate(Role::Root, KeyId::from_wire(evil)),
            Difference::CertificateRemoved(Role::Root, KeyId::from_wire(evil)),
            Difference::Misnamed(Role::Root, KeyId::from_wire(evil)),
        ];
        for difference in &differences {
            let words = ChangeRow::of(difference).words;
            assert!(words.contains(r"v1\u{1b}[2J\u{a}  added    v2\u{202e}"), "{words:?}");
            assert_eq!(words, line(&words));
        }
    }

    #[test]
    fn a_change_says_what_was_and_what_will_be() {
        let words = |difference: Difference| ChangeRow::of(&difference).words;
        let mut other = target(None);
        other.length = 4;
        assert_eq!(
            words(Difference::TargetChanged("1".to_owned(), Box::new((target(None), other)))),
            "changed  1  sha256:ab01, 3 bytes -> sha256:ab01, 4 bytes"
        );
        let [one, two] = [1, 2].map(|n| NonZeroU32::new(n).unwrap());
        assert_eq!(words(Difference::Threshold(Role::Targets, one, two)), "targets must be signed by 2 keys, not 1");
        assert_eq!(
            words(Difference::DelegationAdded(DelegationName::releases(), vec![String::new()])),
            "targets/releases is delegated, and may list \"\" <all paths>"
        );
    }
}
