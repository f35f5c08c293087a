//! Targets and delegations that break a rule.

use serde_json::{Value, json};

use super::{Base, Break};
use crate::chance::Chance;
use crate::keys::KeyName;
use crate::repository::{Repository, Targets};
use crate::upload::{Content, Draft, Part, head};

const fn targets(name: &'static str, make: fn(&mut Draft, &mut Chance)) -> Break {
    Break { name, base: Base::Targets, make }
}

const fn delegation(name: &'static str, make: fn(&mut Draft, &mut Chance)) -> Break {
    Break { name, base: Base::Delegation, make }
}

const fn nested(name: &'static str, make: fn(&mut Draft, &mut Chance)) -> Break {
    Break { name, base: Base::Nested, make }
}

const EXPIRED: &str = "2020-01-02T03:04:05.5Z";
const SHA256: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

pub(super) const BREAKS: &[Break] = &[
    targets("version: the stored targets", |d, _| {
        d.edit(|v| v["version"] = (v["version"].as_i64().unwrap_or(1) - 1).into())
    }),
    targets("version: targets below the stored", |d, _| d.edit(|v| v["version"] = json!(1))),
    targets("targets: version 0", |d, _| d.edit(|v| v["version"] = json!(0))),
    targets("targets: negative version", |d, _| d.edit(|v| v["version"] = json!(-5))),
    targets("targets: a step too far", |d, c| {
        let version = c.one([20_000, 1_000_000, 2_147_483_647]);
        d.edit(move |v| v["version"] = json!(version));
    }),
    targets("targets: version beyond 31 bits", |d, c| {
        let version = c.one([2_147_483_648_i64, 9_007_199_254_740_991]);
        d.edit(move |v| v["version"] = json!(version));
    }),
    targets("targets: expired", |d, _| d.edit(|v| v["expires"] = EXPIRED.into())),
    targets("targets: no targets member", |d, _| d.edit(|v| without(v, "targets"))),
    targets("targets: targets null", |d, _| d.edit(|v| v["targets"] = Value::Null)),
    targets("targets: targets is a list", |d, _| d.edit_last(|v| v["targets"] = json!([]))),
    targets("targets: a target is null", |d, _| d.edit(|v| v["targets"]["odd"] = Value::Null)),
    targets("targets: a target without hashes", |d, _| {
        d.edit(|v| v["targets"]["odd"] = json!({"hashes": {}, "length": 1}))
    }),
    targets("targets: a target with hashes null", |d, _| {
        d.edit(|v| v["targets"]["odd"] = json!({"hashes": null, "length": 1}))
    }),
    targets("targets: a target with an unknown hash", |d, _| {
        d.edit(|v| v["targets"]["odd"] = json!({"hashes": {"md5": "AAAA"}, "length": 1}));
    }),
    targets("targets: a target with a short hash", |d, _| {
        d.edit(|v| v["targets"]["odd"] = json!({"hashes": {"sha256": "AAAA"}, "length": 1}));
    }),
    targets("targets: a target with both hashes and another", |d, _| {
        d.edit(|v| v["targets"]["odd"] = json!({"hashes": {"sha256": SHA256, "md5": "AAAA"}, "length": 1}));
    }),
    targets("targets: a hash that is no base64", |d, _| {
        d.edit(|v| v["targets"]["odd"] = json!({"hashes": {"sha256": "é"}, "length": 1}));
    }),
    targets("targets: a negative length", |d, _| {
        d.edit(|v| v["targets"]["odd"] = json!({"hashes": {"sha256": SHA256}, "length": -1}));
    }),
    targets("targets: a length that is text", |d, _| {
        d.edit(|v| v["targets"]["odd"] = json!({"hashes": {"sha256": SHA256}, "length": "1"}));
    }),
    targets("targets: no length", |d, _| d.edit(|v| v["targets"]["odd"] = json!({"hashes": {"sha256": SHA256}}))),
    targets("targets: a large length", |d, c| {
        let length = c.one([4_294_967_296_i64, 9_007_199_254_740_992]);
        d.edit(move |v| v["targets"]["odd"] = json!({"hashes": {"sha256": SHA256}, "length": length}));
    }),
    targets("targets: unknown member of a target", |d, _| {
        d.edit(|v| v["targets"]["odd"] = json!({"hashes": {"sha256": SHA256}, "length": 1, "more": 2}));
    }),
    targets("targets: custom null", |d, _| {
        d.edit(|v| v["targets"]["odd"] = json!({"custom": null, "hashes": {"sha256": SHA256}, "length": 1}));
    }),
    targets("targets: custom with a fraction", |d, _| {
        d.edit(|v| v["targets"]["odd"] = json!({"custom": 0.5, "hashes": {"sha256": SHA256}, "length": 1}));
    }),
    targets("delegation: threshold 0 declared", |d, _| declared(d, |role| role["threshold"] = json!(0))),
    targets("delegation: negative threshold declared", |d, _| declared(d, |role| role["threshold"] = json!(-1))),
    targets("delegation: threshold above its keys declared", |d, _| declared(d, |role| role["threshold"] = json!(7))),
    targets("delegation: a name that is no role declared", |d, c| {
        let name = c.one(["targets/A", "targets/", "root", "x", "targets/a b", "targets", "", "targets/.."]);
        declared(d, move |role| role["name"] = name.into());
    }),
    targets("delegation: grandchild declared", |d, _| declared(d, |role| role["name"] = "targets/a/b".into())),
    targets("delegation: key id without key declared", |d, _| declared(d, |role| role["keyids"] = json!(["aa"]))),
    targets("delegation: no key ids declared", |d, _| declared(d, |role| without(role, "keyids"))),
    targets("delegation: empty key ids declared", |d, _| declared(d, |role| role["keyids"] = json!([]))),
    targets("delegation: unknown member declared", |d, _| declared(d, |role| role["terminating"] = json!(true))),
    targets("delegation: path hash prefixes declared", |d, _| {
        declared(d, |role| role["path_hash_prefixes"] = json!(["00"]))
    }),
    targets("delegation: paths null", |d, _| declared(d, |role| role["paths"] = Value::Null)),
    targets("delegation: declared twice", |d, _| {
        d.edit(|v| {
            let role = json!({"keyids": null, "name": "targets/odd", "paths": [""], "threshold": 1});
            v["delegations"]["roles"] = json!([role, role]);
        });
    }),
    targets("delegation: a null role declared", |d, _| d.edit(|v| v["delegations"]["roles"] = json!([null]))),
    targets("delegation: delegations null", |d, _| d.edit(|v| v["delegations"] = Value::Null)),
    targets("delegation: keys null", |d, _| d.edit(|v| v["delegations"] = json!({"keys": null, "roles": []}))),
    targets("delegation: a spare key", |d, _| {
        d.edit(|v| {
            v["delegations"]["keys"]["ab".repeat(32)] =
                json!({"keytype": "ecdsa", "keyval": {"private": null, "public": "AAAA"}})
        });
    }),
    targets("delegation: undeclared", |d, _| stranger(d, "targets/stranger")),
    targets("delegation: undeclared, below nothing", |d, _| stranger(d, "targets/stranger/below")),
    delegation("delegation: undeclared, below one that is there", |d, _| {
        let name = format!("{}/stranger", d.subject);
        stranger(d, &name);
    }),
    delegation("delegation: version 0", |d, _| d.edit(|v| v["version"] = json!(0))),
    delegation("version: the stored delegation", |d, _| {
        d.edit(|v| v["version"] = (v["version"].as_i64().unwrap_or(1) - 1).max(1).into());
    }),
    delegation("delegation: gap in versions", |d, _| {
        d.edit(|v| v["version"] = (v["version"].as_i64().unwrap_or(1) + 40).into())
    }),
    delegation("delegation: expired", |d, _| d.edit(|v| v["expires"] = EXPIRED.into())),
    delegation("delegation: by the key of targets", |d, _| {
        let keys = d.next.grant("targets").map(|grant| grant.keys.clone()).unwrap_or_default();
        let subject = d.subject.clone();
        d.part(&subject).map(|part| part.signers = keys).unwrap_or_default();
    }),
    delegation("delegation: targets outside its paths", |d, _| {
        d.edit(|v| v["targets"]["far/away"] = json!({"hashes": {"sha256": SHA256}, "length": 1}));
    }),
    delegation("delegation: a child of another declared", |d, _| {
        d.edit(|v| {
            v["delegations"]["roles"] =
                json!([{"keyids": null, "name": "targets/other/b", "paths": [""], "threshold": 1}]);
        });
    }),
    delegation("delegation: itself declared", |d, _| {
        let name = d.subject.clone();
        d.edit(move |v| {
            v["delegations"]["roles"] = json!([{"keyids": null, "name": name, "paths": [""], "threshold": 1}])
        });
    }),
    delegation("delegation: published under another's name", |d, _| {
        let subject = d.subject.clone();
        d.part(&subject).map(|part| part.head = head("targets")).unwrap_or_default();
    }),
    nested("delegation: nested, version 0", |d, _| d.edit(|v| v["version"] = json!(0))),
    nested("delegation: nested, expired", |d, _| d.edit(|v| v["expires"] = EXPIRED.into())),
    nested("delegation: nested, by a stranger", |d, _| {
        let subject = d.subject.clone();
        d.part(&subject).map(|part| part.signers = vec![KeyName::Client(15)]).unwrap_or_default();
    }),
];

fn without(value: &mut Value, member: &str) {
    value.as_object_mut().map(|object| object.remove(member)).unwrap_or_default();
}

/// One more delegation in the subject's document, changed so.
fn declared(draft: &mut Draft, change: impl Fn(&mut Value) + Send + Sync + 'static) {
    draft.edit(move |v| {
        let mut role = json!({"keyids": null, "name": "targets/odd", "paths": [""], "threshold": 1});
        change(&mut role);
        match v["delegations"]["roles"].as_array_mut() {
            Some(roles) => roles.push(role),
            None => v["delegations"]["roles"] = json!([role]),
        }
    });
}

/// A document of a role that nobody declared.
fn stranger(draft: &mut Draft, name: &str) {
    let mut targets = Targets::new(&draft.next.expires);
    targets.version = 1;
    let part = Part::new(name, Content::Targets(targets), vec![KeyName::Client(15)]);
    draft.parts.push(part);
    listed(&mut draft.next, name);
}

/// A snapshot of people lists it, so that it is refused for nothing else.
fn listed(next: &mut Repository, name: &str) {
    let mut targets = Targets::new(&next.expires.clone());
    targets.version = 1;
    next.targets.insert(name.to_owned(), targets);
}
