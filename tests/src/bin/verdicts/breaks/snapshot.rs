//! Snapshots of people, and timestamps, that break a rule.

use serde_json::{Value, json};

use super::{Base, Break};
use crate::chance::Chance;
use crate::keys::KeyName;
use crate::upload::{Content, Draft, Part};

const fn snapshot(name: &'static str, make: fn(&mut Draft, &mut Chance)) -> Break {
    Break { name, base: Base::Snapshot, make }
}

const EXPIRED: &str = "2020-01-02T03:04:05Z";
/// Of 32 zeros.
const ZEROS: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

pub(super) const BREAKS: &[Break] = &[
    snapshot("snapshot: checksum of root", |d, _| d.edit(|v| v["meta"]["root"]["hashes"]["sha256"] = ZEROS.into())),
    snapshot("snapshot: checksum of targets", |d, _| {
        d.edit(|v| v["meta"]["targets"]["hashes"]["sha256"] = ZEROS.into())
    }),
    snapshot("snapshot: sha512 of targets", |d, _| {
        d.edit(|v| v["meta"]["targets"]["hashes"]["sha512"] = format!("{}==", "A".repeat(86)).into());
    }),
    snapshot("snapshot: a hash of another length", |d, c| {
        let hash = c.one(["sha256", "sha512"]);
        let sum = c.one(["", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="]);
        d.edit(move |v| v["meta"]["targets"]["hashes"][hash] = sum.into());
    }),
    snapshot("snapshot: length of targets", |d, _| d.edit(|v| v["meta"]["targets"]["length"] = json!(7))),
    snapshot("snapshot: lacks root", |d, _| d.edit(|v| without(&mut v["meta"], "root"))),
    snapshot("snapshot: lacks targets", |d, _| d.edit(|v| without(&mut v["meta"], "targets"))),
    snapshot("snapshot: lists targets null", |d, _| d.edit(|v| v["meta"]["targets"] = Value::Null)),
    snapshot("snapshot: without sha256", |d, _| d.edit(|v| without(&mut v["meta"]["targets"]["hashes"], "sha256"))),
    snapshot("snapshot: without sha512", |d, _| {
        d.edit(|v| {
            without(&mut v["meta"]["targets"]["hashes"], "sha512");
            without(&mut v["meta"]["root"]["hashes"], "sha512");
        });
    }),
    snapshot("snapshot: lists what was never uploaded", |d, _| {
        d.edit(|v| v["meta"]["targets/ghost"] = json!({"hashes": {"sha256": ZEROS}, "length": 1}));
    }),
    snapshot("snapshot: alone, lists other targets", |d, _| {
        d.parts.retain(|part| part.role == "snapshot");
        d.edit(|v| v["meta"]["targets"] = json!({"hashes": {"sha256": ZEROS}, "length": 1}));
    }),
    snapshot("snapshot: alone, lists an unknown role", |d, c| {
        let role = c.one(["timestamp", "snapshot", "mirrors", "targets/A"]);
        d.parts.retain(|part| part.role == "snapshot");
        d.edit(move |v| v["meta"][role] = json!({"hashes": {"sha256": ZEROS}, "length": 1}));
    }),
    snapshot("snapshot: alone, lists targets by sha512", |d, _| {
        d.parts.retain(|part| part.role == "snapshot");
        d.edit(|v| without(&mut v["meta"]["targets"]["hashes"], "sha256"));
    }),
    snapshot("snapshot: meta null", |d, _| d.edit(|v| v["meta"] = Value::Null)),
    snapshot("snapshot: meta is a list", |d, _| d.edit_last(|v| v["meta"] = json!([]))),
    snapshot("snapshot: no meta", |d, _| d.edit(|v| without(v, "meta"))),
    snapshot("snapshot: expired", |d, _| d.edit(|v| v["expires"] = EXPIRED.into())),
    snapshot("snapshot: version 0", |d, _| d.edit(|v| v["version"] = json!(0))),
    snapshot("version: the stored snapshot", |d, _| stepped(d, 0)),
    snapshot("version: below the stored snapshot", |d, _| d.edit(|v| v["version"] = json!(1))),
    snapshot("snapshot: gap in versions", |d, _| stepped(d, 30)),
    snapshot("snapshot: a step too far", |d, _| stepped(d, 50_000)),
    snapshot("snapshot: version beyond 31 bits", |d, _| d.edit(|v| v["version"] = json!(2_147_483_648_i64))),
    snapshot("snapshot: by the key of targets", |d, _| {
        let keys = d.next.grant("targets").map(|grant| grant.keys.clone()).unwrap_or_default();
        d.part("snapshot").map(|part| part.signers = keys).unwrap_or_default();
    }),
    snapshot("snapshot: none though people hold its key", |d, _| {
        d.parts.retain(|part| part.role != "snapshot");
        "targets".clone_into(&mut d.subject);
    }),
    Break {
        name: "snapshot: of people though the server holds its key",
        base: Base::AnyServer,
        make: |d, _| {
            let expires = d.next.expires.clone();
            d.parts.push(Part::new("snapshot", Content::Snapshot { step: 1, expires }, vec![KeyName::Client(15)]));
        },
    },
    Break {
        name: "timestamp: uploaded, expired and badly signed",
        base: Base::Targets,
        make: |d, _| {
            timestamp(d, EXPIRED);
            d.subject = "timestamp".to_owned();
            d.tamper(Vec::clear);
        },
    },
    Break {
        name: "timestamp: uploaded alone",
        base: Base::AnyServer,
        make: |d, _| {
            d.parts.clear();
            timestamp(d, EXPIRED);
        },
    },
    Break {
        name: "timestamp: no JSON",
        base: Base::Targets,
        make: |d, _| {
            timestamp(d, EXPIRED);
            d.subject = "timestamp".to_owned();
            d.mark(|_| b"{".to_vec());
        },
    },
    Break {
        name: "timestamp: version is text",
        base: Base::Targets,
        make: |d, _| {
            timestamp(d, EXPIRED);
            d.subject = "timestamp".to_owned();
            d.edit(|v| v["version"] = json!("1"));
        },
    },
    Break {
        name: "timestamp: uploaded, an empty object",
        base: Base::Targets,
        make: |d, _| {
            timestamp(d, EXPIRED);
            d.subject = "timestamp".to_owned();
            d.mark(|_| b"{}".to_vec());
        },
    },
];

fn without(value: &mut Value, member: &str) {
    value.as_object_mut().map(|object| object.remove(member)).unwrap_or_default();
}

fn stepped(draft: &mut Draft, to: i64) {
    let expires = draft.next.expires.clone();
    draft.part("snapshot").map(|part| part.content = Content::Snapshot { step: to, expires }).unwrap_or_default();
}

fn timestamp(draft: &mut Draft, expires: &str) {
    let content = Content::Timestamp { step: 1, expires: expires.to_owned() };
    draft.parts.push(Part::new("timestamp", content, vec![KeyName::Client(9)]));
}
