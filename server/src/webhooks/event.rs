//! What happened to a repository, as a receiver is told of it.

use bytes::Bytes;
use ring::digest::{SHA256, digest};
use serde::Serialize;
use tuf_schema::{Role, UtcTime, Version};

use super::history::{Changed, Grant, KeyChange};
use crate::expiry::Expiring;
use crate::store::Change;

/// How many roles one event names, how many keys of a role, and how much of a key's id: what publishers write must not
/// make an event so large that its receiver takes no more.
const MOST_ROLES: usize = 100;
const MOST_KEYS: usize = 100;
const MOST_ID_CHARACTERS: usize = 64;

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// A new timestamp was stored: a publish, or what the server signed anew.
    Publish,
    /// Every file of a repository was removed.
    Delete,
    /// The keys of a base role are others than before.
    KeyChange,
    /// A document ends soon.
    NearExpiry,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Publish, Self::Delete, Self::KeyChange, Self::NearExpiry];

    /// The name in the configuration and in an event.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Delete => "delete",
            Self::KeyChange => "key_change",
            Self::NearExpiry => "near_expiry",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// One event, ready to be sent: the same bytes at each attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// The same for the same event, whoever sends it and however often.
    pub(super) id: String,
    pub(super) body: Bytes,
    /// When it happened.
    pub(super) since: UtcTime,
}

#[derive(Serialize)]
struct Head<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    time: String,
    gun: &'a str,
}

#[derive(Serialize)]
struct PublishBody<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    change_id: i64,
    version: u32,
    sha256: &'a str,
    /// Null where it is not known any more.
    changed: Option<Vec<&'a str>>,
    /// There are more than are named.
    truncated: bool,
}

#[derive(Serialize)]
struct DeleteBody<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    change_id: i64,
}

#[derive(Serialize)]
struct KeyChangeBody<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    change_id: i64,
    version: u32,
    sha256: &'a str,
    /// Null where the files are not stored any more from which it would be known.
    roles: Option<Vec<RoleBody<'a>>>,
    /// There are more keys than are named.
    truncated: bool,
}

#[derive(Serialize)]
struct RoleBody<'a> {
    role: &'a str,
    before: GrantBody,
    after: GrantBody,
}

#[derive(Serialize)]
struct GrantBody {
    key_ids: Vec<String>,
    threshold: u32,
}

#[derive(Serialize)]
struct NearExpiryBody<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    role: &'a str,
    version: u32,
    expires: String,
    /// Within how many days it ends.
    days: i64,
}

/// That a timestamp was stored.
pub(super) fn publish(change: &Change, changed: Option<&Changed>) -> Event {
    let roles = match changed {
        Some(Changed::Known { roles, .. }) => Some(roles),
        Some(Changed::NotStored | Changed::Deleted) | None => None,
    };
    let truncated = roles.is_some_and(|roles| roles.len() > MOST_ROLES);
    let changed = roles.map(|roles| roles.iter().take(MOST_ROLES).map(Role::as_str).collect());
    let id = id_of(EventKind::Publish, change);
    let head = head_of(EventKind::Publish, &id, change);
    let body =
        PublishBody { head, change_id: change.id, version: change.version, sha256: &change.sha256, changed, truncated };
    Event { body: json(&body), id, since: change.created_at }
}

/// That a repository was deleted.
pub(super) fn delete(change: &Change) -> Event {
    let id = id_of(EventKind::Delete, change);
    let body = DeleteBody { head: head_of(EventKind::Delete, &id, change), change_id: change.id };
    Event { body: json(&body), id, since: change.created_at }
}

/// That keys changed, if they did or it cannot be known any more.
pub(super) fn key_change(change: &Change, changed: &Changed) -> Option<Event> {
    let keys = match changed {
        Changed::Known { keys, .. } if keys.is_empty() => return None,
        Changed::Known { keys, .. } => Some(keys),
        Changed::NotStored => None,
        // The deletion is told, and nobody is led to these keys any more.
        Changed::Deleted => return None,
    };
    let has_many = |key: &KeyChange| key.before.key_ids.len().max(key.after.key_ids.len()) > MOST_KEYS;
    let truncated = keys.is_some_and(|keys| keys.iter().any(has_many));
    let roles = keys.map(|keys| keys.iter().map(RoleBody::from).collect());
    let id = id_of(EventKind::KeyChange, change);
    let head = head_of(EventKind::KeyChange, &id, change);
    let body =
        KeyChangeBody { head, change_id: change.id, version: change.version, sha256: &change.sha256, roles, truncated };
    Some(Event { body: json(&body), id, since: change.created_at })
}

/// That a document ends within so many `days`.
pub(super) fn near_expiry(expiring: &Expiring, version: Version, days: i64, now: UtcTime) -> Event {
    let Expiring { gun, role, expires } = expiring;
    let (version, expires) = (version.number(), expires.to_rfc3339());
    let kind = EventKind::NearExpiry;
    let id = id(kind, [gun.as_str(), role.as_str(), &version.to_string(), &expires, &days.to_string()]);
    let head = Head { kind: kind.as_str(), id: &id, time: now.to_rfc3339(), gun: gun.as_str() };
    let body = NearExpiryBody { head, role: role.as_str(), version, expires, days };
    Event { body: json(&body), id, since: now }
}

/// The id of what a record is told as. Its number alone would not tell it from another one's after a database was put back
/// from a backup, which gives numbers out again.
fn id_of(kind: EventKind, change: &Change) -> String {
    let (number, version, time) = (change.id.to_string(), change.version.to_string(), change.created_at.to_rfc3339());
    id(kind, [&number, &time, &change.gun, &version, &change.sha256])
}

/// A digest over what makes the event the one that it is. None of the parts has a line break in it.
fn id(kind: EventKind, parts: [&str; 5]) -> String {
    let content = format!("{}\n{}", kind.as_str(), parts.join("\n"));
    let mut id = hex::encode(digest(&SHA256, content.as_bytes()));
    id.truncate(32);
    format!("evt_{id}")
}

fn head_of<'a>(kind: EventKind, id: &'a str, change: &'a Change) -> Head<'a> {
    Head { kind: kind.as_str(), id, time: change.created_at.to_rfc3339(), gun: &change.gun }
}

/// None of these has what JSON has no form for.
fn json(body: &impl Serialize) -> Bytes {
    serde_json::to_vec(body).map(Bytes::from).unwrap_or_default()
}

impl<'a> From<&'a KeyChange> for RoleBody<'a> {
    fn from(change: &'a KeyChange) -> Self {
        let KeyChange { role, before, after } = change;
        Self { role: role.as_str(), before: before.into(), after: after.into() }
    }
}

impl From<&Grant> for GrantBody {
    fn from(grant: &Grant) -> Self {
        let shown = |id: &String| id.chars().take(MOST_ID_CHARACTERS).collect();
        let key_ids = grant.key_ids.iter().take(MOST_KEYS).map(shown).collect();
        Self { key_ids, threshold: grant.threshold.get() }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use serde_json::{Value, json};
    use tuf_schema::Gun;

    use super::*;
    use crate::store::ChangeCategory;

    fn change(id: i64) -> Change {
        Change {
            id,
            created_at: UtcTime::parse("2026-11-21T21:05:00.25Z").unwrap(),
            gun: "example.com/app".to_owned(),
            version: 3,
            sha256: "ab".repeat(32),
            category: ChangeCategory::Update,
        }
    }

    fn grant(ids: &[&str], threshold: u32) -> Grant {
        let key_ids = ids.iter().map(|id| (*id).to_owned()).collect();
        Grant { key_ids, threshold: threshold.try_into().unwrap() }
    }

    fn body(event: &Event) -> Value {
        serde_json::from_slice(&event.body).unwrap()
    }

    #[test]
    fn a_publish_tells_its_timestamp_and_what_changed() {
        let changed = Changed::Known { roles: vec![Role::Targets], keys: Vec::new() };
        let event = publish(&change(7), Some(&changed));
        let expected = json!({
            "type": "publish", "id": event.id, "time": "2026-11-21T21:05:00.25Z", "gun": "example.com/app",
            "change_id": 7, "version": 3, "sha256": "ab".repeat(32), "changed": ["targets"], "truncated": false,
        });
        assert_eq!(body(&event), expected);
        assert_eq!(body(&publish(&change(7), Some(&Changed::NotStored)))["changed"], Value::Null);
        assert_eq!(key_change(&change(7), &changed), None);
    }

    #[test]
    fn a_deletion_tells_no_version() {
        let event = delete(&change(8));
        let expected = json!({
            "type": "delete", "id": event.id, "time": "2026-11-21T21:05:00.25Z", "gun": "example.com/app", "change_id": 8,
        });
        assert_eq!(body(&event), expected);
    }

    #[test]
    fn a_change_of_keys_tells_them_before_and_after_and_says_when_they_are_not_known() {
        let key = KeyChange { role: Role::Targets, before: grant(&["a"], 1), after: grant(&["c", "b"], 2) };
        let changed = Changed::Known { roles: vec![Role::Root], keys: vec![key] };
        let event = key_change(&change(9), &changed).unwrap();
        let expected = json!([{
            "role": "targets", "before": {"key_ids": ["a"], "threshold": 1}, "after": {"key_ids": ["b", "c"], "threshold": 2},
        }]);
        assert_eq!(body(&event)["roles"], expected);
        assert_eq!(body(&key_change(&change(9), &Changed::NotStored).unwrap())["roles"], Value::Null);
        assert_eq!(key_change(&change(9), &Changed::Deleted), None);
    }

    #[test]
    fn an_event_names_a_hundred_roles_and_keys_and_not_one_more() {
        for (count, named, truncated) in [(100, 100, false), (101, 100, true)] {
            let roles = (0..count).map(|number| Role::parse(&format!("targets/{number}")).unwrap()).collect();
            let key_ids = (0..count).map(|number| format!("{number:065}")).collect();
            let (before, after) = (Grant { key_ids, threshold: NonZeroU32::MIN }, grant(&["a"], 1));
            let changed = Changed::Known { roles, keys: vec![KeyChange { role: Role::Targets, before, after }] };
            let publish = body(&publish(&change(7), Some(&changed)));
            assert_eq!(
                (publish["changed"].as_array().unwrap().len(), &publish["truncated"]),
                (named, &truncated.into())
            );
            let keys = body(&key_change(&change(7), &changed).unwrap());
            let ids = keys["roles"][0]["before"]["key_ids"].as_array().unwrap();
            assert_eq!((ids.len(), ids[0].as_str().unwrap().len(), &keys["truncated"]), (named, 64, &truncated.into()));
        }
    }

    #[test]
    fn the_same_event_has_the_same_id_and_another_one_another() {
        assert_eq!(publish(&change(7), None).id, publish(&change(7), Some(&Changed::Deleted)).id);
        assert!(publish(&change(7), None).id.starts_with("evt_"));
        let later = Change { created_at: change(7).created_at.plus_seconds(1), ..change(7) };
        let other = Change { sha256: "cd".repeat(32), ..change(7) };
        let ids = [
            publish(&change(7), None),
            publish(&change(8), None),
            delete(&change(7)),
            publish(&later, None),
            publish(&other, None),
        ];
        let distinct: std::collections::BTreeSet<_> = ids.iter().map(|event| &event.id).collect();
        assert_eq!(distinct.len(), ids.len());
    }

    #[test]
    fn what_ends_soon_is_told_once_for_each_number_of_days() {
        let now = change(1).created_at;
        let gun = Gun::parse("example.com/app").unwrap();
        let expiring = Expiring { gun, role: Role::Root, expires: now.plus_seconds(60) };
        let event = |days, now| near_expiry(&expiring, Version::FIRST, days, now);
        let expected = json!({
            "type": "near_expiry", "id": event(7, now).id, "time": "2026-11-21T21:05:00.25Z", "gun": "example.com/app",
            "role": "root", "version": 1, "expires": "2026-11-21T21:06:00.25Z", "days": 7,
        });
        assert_eq!(body(&event(7, now)), expected);
        assert_eq!(event(7, now).id, event(7, now.plus_seconds(5)).id);
        assert_ne!(event(7, now).id, event(1, now).id);
    }
}
