//! Faults and oddities of signatures.

use serde_json::{Value, json};

use super::{Base, Break};
use crate::chance::Chance;
use crate::keys::KeyName;
use crate::upload::Draft;

const fn any(name: &'static str, make: fn(&mut Draft, &mut Chance)) -> Break {
    Break { name, base: Base::Any, make }
}

pub(super) const BREAKS: &[Break] = &[
    any("signature: no member", |d, _| {
        d.mark(|bytes| {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            text.rsplit_once(",\"signatures\":").map_or(bytes, |(signed, _)| format!("{signed}}}").into_bytes())
        });
    }),
    any("signature: none", |d, _| d.tamper(Vec::clear)),
    any("signature: list is null", |d, _| {
        d.tamper(Vec::clear);
        d.replace("\"signatures\":[]", "\"signatures\":null");
    }),
    any("signature: list is no list", |d, _| {
        d.tamper(Vec::clear);
        d.replace("\"signatures\":[]", "\"signatures\":{}");
    }),
    any("signature: by another key", |d, _| signed_by(d, vec![KeyName::Client(15)])),
    any("signature: of another document", |d, _| d.replace("\"expires\":\"2", "\"expires\":\"3")),
    any("signature: broken", |d, c| {
        let sig = c.one(["", "AAAA", "MEUCIQ==", "not base64!"]);
        d.tamper(move |signatures| signatures.iter_mut().for_each(|s| s["sig"] = sig.into()));
    }),
    any("signature: one bit", |d, _| d.tamper(|signatures| signatures.iter_mut().for_each(flip))),
    any("signature: not base64", |d, c| {
        let sig = c.one([json!(1), json!("a"), json!("=="), json!(["AAAA"])].each_ref()).clone();
        d.tamper(move |signatures| signatures.iter_mut().for_each(|s| s["sig"] = sig.clone()));
    }),
    any("signature: null", |d, _| d.tamper(|signatures| signatures.iter_mut().for_each(|s| s["sig"] = Value::Null))),
    any("signature: no sig", |d, _| d.tamper(|s| s.iter_mut().for_each(|s| without(s, "sig")))),
    any("signature: another method", |d, c| {
        let method = c.one(["eddsa", "rsapss", "rsapkcs1v15", "pycrypto-pkcs#1 pss", "none", "", "ECDSA"]);
        d.tamper(move |signatures| signatures.iter_mut().for_each(|s| s["method"] = method.into()));
    }),
    any("signature: method is no text", |d, _| {
        d.tamper(|signatures| signatures.iter_mut().for_each(|s| s["method"] = json!(1)));
    }),
    any("signature: no method", |d, _| d.tamper(|s| s.iter_mut().for_each(|s| without(s, "method")))),
    any("signature: no key id", |d, _| d.tamper(|s| s.iter_mut().for_each(|s| without(s, "keyid")))),
    any("signature: another key id", |d, _| {
        d.tamper(|signatures| signatures.iter_mut().for_each(|s| s["keyid"] = "ab".repeat(32).into()));
    }),
    any("signature: key id in capitals", |d, _| {
        d.tamper(|signatures| {
            for s in signatures {
                let id = s["keyid"].as_str().unwrap_or_default().to_uppercase();
                s["keyid"] = id.into();
            }
        });
    }),
    any("signature: one more by a stranger", |d, _| {
        let subject = d.subject.clone();
        d.part(&subject).map(|part| part.signers.push(KeyName::Client(15))).unwrap_or_default();
    }),
    any("signature: a stranger's first", |d, _| {
        let subject = d.subject.clone();
        d.part(&subject).map(|part| part.signers.insert(0, KeyName::Client(15))).unwrap_or_default();
    }),
    any("signature: twice", |d, _| {
        d.tamper(|signatures| signatures.extend(signatures.first().cloned()));
    }),
    any("signature: a broken one of the same key before", |d, _| {
        d.tamper(|signatures| {
            if let Some(mut broken) = signatures.first().cloned() {
                flip(&mut broken);
                signatures.insert(0, broken);
            }
        });
    }),
    any("signature: unknown member", |d, _| {
        d.tamper(|signatures| signatures.iter_mut().for_each(|s| s["extra"] = json!(1)));
    }),
    any("signature: is_valid", |d, _| {
        d.tamper(|signatures| signatures.iter_mut().for_each(|s| s["IsValid"] = json!(true)));
    }),
    any("signature: not a list of objects", |d, _| {
        d.tamper(|signatures| *signatures = vec![json!(1)]);
    }),
];

fn signed_by(draft: &mut Draft, keys: Vec<KeyName>) {
    let subject = draft.subject.clone();
    draft.part(&subject).map(|part| part.signers = keys).unwrap_or_default();
}

fn flip(signature: &mut Value) {
    let mut text = signature["sig"].as_str().unwrap_or_default().to_owned();
    let other = if text.starts_with('A') { "B" } else { "A" };
    if !text.is_empty() {
        text.replace_range(..1, other);
    }
    signature["sig"] = text.into();
}

fn without(signature: &mut Value, member: &str) {
    signature.as_object_mut().map(|object| object.remove(member)).unwrap_or_default();
}
