//! Roots that break a rule.

use serde_json::{Value, json};

use super::{Base, Break};
use crate::chance::Chance;
use crate::keys::{Certificate, KeyName, ORDINARY};
use crate::repository::Grant;
use crate::upload::{Content, Draft};

const fn root(name: &'static str, make: fn(&mut Draft, &mut Chance)) -> Break {
    Break { name, base: Base::Root, make }
}

const fn first(name: &'static str, make: fn(&mut Draft, &mut Chance)) -> Break {
    Break { name, base: Base::First, make }
}

const EXPIRED: &str = "2020-01-02T03:04:05Z";

pub(super) const BREAKS: &[Break] = &[
    first("no root: first publish", |d, _| d.parts.retain(|part| part.role != "root")),
    first("no root: nothing at all", |d, _| d.parts.clear()),
    first("first root: of version 3", |d, _| versioned(d, 2)),
    first("first root: of version 0", |d, _| versioned(d, -1)),
    first("first root: alone", |d, _| d.parts.retain(|part| part.role == "root" || part.role == "snapshot")),
    Break {
        name: "first publish: without targets",
        base: Base::FirstServer,
        make: |d, _| {
            d.parts.retain(|part| part.role == "root");
        },
    },
    first("first root: expired", |d, _| d.edit(|v| v["expires"] = EXPIRED.into())),
    first("first root: not signed by itself", |d, _| {
        by(d, vec![KeyName::Certified(15, Certificate::Good)]);
    }),
    root("version: root skips", |d, c| versioned(d, c.one([1, 2, 100]))),
    root("version: the stored root", |d, _| versioned(d, -1)),
    root("version: below the stored root", |d, _| versioned(d, -2)),
    root("root: version 0", |d, _| d.edit(|v| v["version"] = json!(0))),
    root("root: negative version", |d, _| d.edit(|v| v["version"] = json!(-1))),
    root("root: expired", |d, _| d.edit(|v| v["expires"] = EXPIRED.into())),
    root("root: a role is missing", |d, c| {
        let role = c.one(["root", "targets", "snapshot", "timestamp"]);
        d.edit(move |v| without(&mut v["roles"], role));
    }),
    first("first root: a role is missing", |d, c| {
        let role = c.one(["root", "targets", "snapshot", "timestamp"]);
        d.edit(move |v| without(&mut v["roles"], role));
    }),
    root("root: an unknown role", |d, _| d.edit(|v| v["roles"]["mirrors"] = v["roles"]["root"].clone())),
    root("root: threshold 0", |d, c| threshold(d, c, json!(0))),
    root("root: negative threshold", |d, c| threshold(d, c, json!(-1))),
    first("first root: threshold 0", |d, c| threshold(d, c, json!(0))),
    root("root: threshold is no number", |d, c| threshold(d, c, json!("1"))),
    root("root: no threshold", |d, c| threshold(d, c, Value::Null)),
    root("root: threshold above its keys", |d, c| {
        let role = c.one(["targets", "snapshot", "timestamp"]);
        d.edit(move |v| v["roles"][role]["threshold"] = json!(5));
    }),
    root("root: own threshold above its keys", |d, _| d.edit(|v| v["roles"]["root"]["threshold"] = json!(5))),
    root("root: key id without key", |d, c| {
        let role = c.one(["root", "targets", "snapshot", "timestamp"]);
        d.edit(move |v| v["roles"][role]["keyids"] = json!(["aa"]));
    }),
    root("root: key ids null", |d, c| {
        let role = c.one(["targets", "snapshot", "timestamp"]);
        d.edit(move |v| v["roles"][role]["keyids"] = Value::Null);
    }),
    root("root: key ids empty", |d, c| {
        let role = c.one(["root", "targets", "snapshot", "timestamp"]);
        d.edit(move |v| v["roles"][role]["keyids"] = json!([]));
    }),
    root("root: a key id twice", |d, c| {
        let role = c.one(["root", "targets", "snapshot", "timestamp"]);
        d.edit(move |v| {
            let id = v["roles"][role]["keyids"][0].clone();
            v["roles"][role]["keyids"] = json!([id, id]);
        });
    }),
    root("root: a key id twice and threshold 2", |d, _| {
        d.edit(|v| {
            let id = v["roles"]["targets"]["keyids"][0].clone();
            v["roles"]["targets"] = json!({"keyids": [id, id], "threshold": 2});
        });
    }),
    root("root: a key under another id", |d, c| {
        let role = c.one(["root", "targets", "snapshot", "timestamp"]);
        d.edit(move |v| relisted(v, role));
    }),
    first("first root: a key under another id", |d, c| {
        let role = c.one(["root", "targets", "snapshot", "timestamp"]);
        d.edit(move |v| relisted(v, role));
    }),
    Break {
        name: "first publish: targets signed under an id that is not the key's",
        base: Base::FirstServer,
        make: |d, _| {
            d.edit_of("root", |v| relisted(v, "targets"));
            d.tamper(|signatures| signatures.iter_mut().for_each(|s| s["keyid"] = "ab".repeat(32).into()));
        },
    },
    root("root: keys null", |d, _| d.edit(|v| v["keys"] = Value::Null)),
    root("root: keys is a list", |d, _| d.edit_last(|v| v["keys"] = json!([]))),
    root("root: roles null", |d, _| d.edit(|v| v["roles"] = Value::Null)),
    root("root: no roles", |d, _| d.edit(|v| without(v, "roles"))),
    root("root: an unknown kind of key", |d, _| {
        spare(d, json!({"keytype": "dsa", "keyval": {"private": null, "public": "AAAA"}}))
    }),
    root("root: a key with its private half", |d, _| {
        spare(d, json!({"keytype": "ecdsa", "keyval": {"private": "AAAA", "public": "AAAA"}}))
    }),
    root("root: a key that is none", |d, _| {
        spare(d, json!({"keytype": "ecdsa", "keyval": {"private": null, "public": "AAAA"}}))
    }),
    root("root: a key that is null", |d, _| spare(d, Value::Null)),
    root("root: consistent snapshot", |d, _| d.edit(|v| v["consistent_snapshot"] = json!(true))),
    root("root: no consistent snapshot", |d, _| d.edit(|v| without(v, "consistent_snapshot"))),
    root("root: consistent snapshot is no truth value", |d, _| d.edit(|v| v["consistent_snapshot"] = json!("no"))),
    root("root: taken over", |d, _| {
        let thief = KeyName::Certified(15, Certificate::Good);
        granted(d, "root", thief);
        by(d, vec![thief]);
    }),
    root("root: rotated without the previous keys", |d, _| {
        let new = d.next.fresh_root_key();
        granted(d, "root", new);
        by(d, vec![new]);
    }),
    root("root: rotated without its own keys", |d, _| {
        let new = d.next.fresh_root_key();
        let old = signers(d);
        granted(d, "root", new);
        by(d, old);
    }),
    root("certificate: of another name", |d, _| certified(d, Certificate::ForeignName)),
    root("certificate: expired", |d, _| certified(d, Certificate::Expired)),
    root("certificate: of an authority", |d, _| certified(d, Certificate::Authority)),
    first("certificate: of another name, first", |d, _| {
        first_certified(d, KeyName::Certified(3, Certificate::ForeignName))
    }),
    first("certificate: expired, first", |d, _| first_certified(d, KeyName::Certified(3, Certificate::Expired))),
    first("certificate: of an authority, first", |d, _| {
        first_certified(d, KeyName::Certified(3, Certificate::Authority))
    }),
    first("certificate: none, first", |d, _| first_certified(d, KeyName::Client(3))),
    root("certificate: none", |d, _| {
        let new = KeyName::Client(d.next.fresh_key());
        let mut all = signers(d);
        granted(d, "root", new);
        all.push(new);
        by(d, all);
    }),
    root("certificate: expired beside a good one", |d, _| {
        let new = KeyName::Certified(14, Certificate::Expired);
        if let Some(grant) = d.next.root.grants.get_mut("root") {
            grant.keys.push(new);
        }
        renewed(d);
        let mut all = signers(d);
        all.push(new);
        by(d, all);
    }),
    root("key: timestamp not held", |d, _| {
        let foreign = KeyName::Client(ORDINARY - 2);
        granted(d, "timestamp", foreign);
    }),
    Break {
        name: "key: snapshot not held",
        base: Base::RootServer,
        make: |d, _| {
            let foreign = KeyName::Client(ORDINARY - 2);
            granted(d, "snapshot", foreign);
        },
    },
    Break {
        name: "key: snapshot not held, first publish",
        base: Base::FirstServer,
        make: |d, _| {
            let foreign = KeyName::Client(ORDINARY - 2);
            granted(d, "snapshot", foreign);
        },
    },
    Break {
        name: "key: targets not signed by the new key",
        base: Base::RootServer,
        make: |d, _| {
            let new = KeyName::Client(d.next.fresh_key());
            granted(d, "targets", new);
        },
    },
];

fn without(value: &mut Value, member: &str) {
    value.as_object_mut().map(|object| object.remove(member)).unwrap_or_default();
}

fn versioned(draft: &mut Draft, step: i64) {
    draft.next.root.version += step;
    renewed(draft);
}

/// The root of the draft as the next repository has it.
fn renewed(draft: &mut Draft) {
    let root = draft.next.root.clone();
    draft.part("root").map(|part| part.content = Content::Root(root)).unwrap_or_default();
}

fn granted(draft: &mut Draft, role: &'static str, key: KeyName) {
    draft.next.root.grants.insert(role, Grant::single(key));
    renewed(draft);
}

fn signers(draft: &mut Draft) -> Vec<KeyName> {
    draft.part("root").map(|part| part.signers.clone()).unwrap_or_default()
}

fn by(draft: &mut Draft, keys: Vec<KeyName>) {
    draft.part("root").map(|part| part.signers = keys).unwrap_or_default();
}

fn threshold(draft: &mut Draft, chance: &mut Chance, value: Value) {
    let role = chance.one(["root", "targets", "snapshot", "timestamp"]);
    draft.edit(move |v| v["roles"][role]["threshold"] = value.clone());
}

/// The first key of a role under an id that is not its own.
fn relisted(root: &mut Value, role: &str) {
    let id = root["roles"][role]["keyids"][0].as_str().unwrap_or_default().to_owned();
    let key = root["keys"][&id].clone();
    let other = "ab".repeat(32);
    root["keys"][&other] = key;
    root["roles"][role]["keyids"] = json!([other]);
}

/// One more key, which no role names, under a made-up id.
fn spare(draft: &mut Draft, key: Value) {
    draft.edit(move |v| v["keys"]["cd".repeat(32)] = key.clone());
}

/// A root whose new key has such a certificate, signed by the old and the new.
fn certified(draft: &mut Draft, kind: Certificate) {
    let new = KeyName::Certified(draft.next.fresh_key(), kind);
    let mut all = signers(draft);
    granted(draft, "root", new);
    all.push(new);
    by(draft, all);
}

fn first_certified(draft: &mut Draft, key: KeyName) {
    granted(draft, "root", key);
    by(draft, vec![key]);
}
