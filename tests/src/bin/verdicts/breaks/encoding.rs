//! Documents that are no JSON, not the JSON of a document, or not in the reference's encoding.

use serde_json::{Value, json};

use super::{Base, Break};
use crate::chance::Chance;
use crate::upload::Draft;

const fn any(name: &'static str, make: fn(&mut Draft, &mut Chance)) -> Break {
    Break { name, base: Base::Any, make }
}

const fn server(name: &'static str, make: fn(&mut Draft, &mut Chance)) -> Break {
    Break { name, base: Base::AnyServer, make }
}

const fn client(name: &'static str, make: fn(&mut Draft, &mut Chance)) -> Break {
    Break { name, base: Base::AnyClient, make }
}

pub(super) const BREAKS: &[Break] = &[
    any("json: not JSON", |d, c| {
        let text = c.one(["", " ", "x", "{", "{\"signed\":", "\u{feff}{}", "<html>", "\0", "nul"]);
        d.mark(move |_| text.as_bytes().to_vec());
    }),
    any("json: cut", |d, c| {
        let thousandths = c.below(1000);
        d.mark(move |mut bytes| {
            bytes.truncate((bytes.len() * thousandths / 1000).max(1));
            bytes
        });
    }),
    any("json: another value", |d, c| {
        let text = c.one(["[]", "1", "\"text\"", "true"]);
        d.mark(move |_| text.as_bytes().to_vec());
    }),
    any("json: null", |d, _| d.mark(|_| b"null".to_vec())),
    any("json: empty object", |d, _| d.mark(|_| b"{}".to_vec())),
    any("json: signed is null", |d, _| d.mark(|_| b"{\"signed\":null,\"signatures\":[]}".to_vec())),
    any("json: signed is empty", |d, _| d.mark(|_| b"{\"signed\":{},\"signatures\":[]}".to_vec())),
    any("json: signed is no object", |d, c| {
        let text = c.one(["{\"signed\":[],\"signatures\":[]}", "{\"signed\":\"x\",\"signatures\":[]}"]);
        d.mark(move |_| text.as_bytes().to_vec());
    }),
    any("json: version is no whole number", |d, c| {
        let version = c.one([json!("1"), json!(1.5), json!(true), json!([1]), json!({})].each_ref()).clone();
        d.edit(move |v| v["version"] = version.clone());
    }),
    any("json: version with a fraction of zero", |d, _| {
        d.mark(|bytes| replaced_after(&bytes, "\"version\":", |c| c.is_ascii_digit(), "2.0"));
    }),
    any("json: version beyond 64 bits", |d, _| {
        d.mark(|bytes| replaced_after(&bytes, "\"version\":", |c| c.is_ascii_digit(), "9223372036854775808"));
    }),
    any("json: version is null", |d, _| d.edit(|v| v["version"] = Value::Null)),
    any("json: no version", |d, _| d.edit(|v| removed(v, "version"))),
    any("json: expires is no date", |d, c| {
        let date = c.one([
            "",
            "tomorrow",
            "2036-01-01",
            "2036-13-01T00:00:00Z",
            "2036-01-01T00:00:00",
            "2036-01-01 00:00:00Z",
            "2036-01-01t00:00:00Z",
            "2036-01-01T00:00:00z",
            "2036-06-30T23:59:60Z",
            "2036-01-01T24:00:00Z",
            "2036-01-01T00:00Z",
            "2036-02-30T00:00:00Z",
            "2036-01-01T00:00:00.Z",
            "2036-01-01T00:00:00+24:00",
            "2036-01-01T00:00:00+0200",
            "2036-01-01T1:00:00Z",
            "2036-01-01T00:00:00,5Z",
            "+2036-01-01T00:00:00Z",
            " 2036-01-01T00:00:00Z",
            "02036-01-01T00:00:00Z",
        ]);
        d.edit(move |v| v["expires"] = date.into());
    }),
    any("json: expires is no text", |d, _| d.edit(|v| v["expires"] = json!(2_000_000_000))),
    any("json: expires is null", |d, _| d.edit(|v| v["expires"] = Value::Null)),
    any("json: no expires", |d, _| d.edit(|v| removed(v, "expires"))),
    any("json: _type is no text", |d, _| d.edit(|v| v["_type"] = json!(1))),
    any("json: no _type", |d, _| d.edit(|v| removed(v, "_type"))),
    any("json: wrong _type", |d, c| {
        let kind = c.one(["Root", "Targets", "Snapshot", "Timestamp", "root", "targets", "TARGETS", "", "x"]);
        d.edit(move |v| v["_type"] = kind.into());
    }),
    any("json: trailing bytes", |d, c| {
        let tail = c.one(["x", "{}", "]", ",", "}", "null", "\0"]);
        d.mark(move |bytes| [&bytes, tail.as_bytes()].concat());
    }),
    any("json: trailing white space", |d, c| {
        let tail = c.one([" ", "\n", "\r\n\t"]);
        d.mark(move |bytes| [&bytes, tail.as_bytes()].concat());
    }),
    any("json: duplicate member, the same value", |d, _| d.replace("\"_type\":", "\"_type\":\"x\",\"_type\":")),
    any("json: duplicate signed", |d, _| d.replace("{\"signed\":", "{\"signed\":{},\"signed\":")),
    any("json: unknown member of the envelope", |d, _| d.replace("{\"signed\":", "{\"extra\":1,\"signed\":")),
    any("json: fraction", |d, _| d.edit(|v| v["fraction"] = json!(1.5))),
    any("json: fraction of zero", |d, _| {
        d.edit(|v| v["zero"] = json!(1));
        d.replace("\"zero\":1", "\"zero\":1.0");
    }),
    any("json: number beyond 53 bits", |d, _| d.edit(|v| v["large"] = json!(9_007_199_254_740_993_i64))),
    any("json: control character", |d, _| {
        d.edit(|v| v["odd"] = json!("a\nb"));
        d.mark(escaped);
    }),
    any("json: raw control character", |d, _| {
        d.edit(|v| v["odd"] = json!("a-line-b"));
        d.replace("a-line-b", "a\nb");
    }),
    Break { name: "json: control character in a name", base: Base::FirstServer, make: odd_target },
    Break { name: "json: control character in a name, snapshot of people", base: Base::Snapshot, make: odd_target },
    any("json: not UTF-8", |d, _| {
        d.edit(|v| v["odd"] = json!("a-byte-b"));
        d.mark(|bytes| {
            let at = bytes.windows(8).position(|eight| eight == b"a-byte-b").unwrap_or(0);
            let mut bytes = bytes;
            bytes.get_mut(at + 2).map(|byte| *byte = 0xff).unwrap_or_default();
            bytes
        });
    }),
    any("json: deep", |d, _| {
        d.edit(|v| v["deep"] = json!("deep-goes-here"));
        d.mark(|bytes| {
            let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
            String::from_utf8_lossy(&bytes).replacen("\"deep-goes-here\"", &deep, 1).into_bytes()
        });
    }),
    server("encoding: white space", |d, c| {
        let (from, to) = c.one([
            ("{\"signed\":", "{ \"signed\":"),
            ("\"version\":", "\"version\": "),
            (",\"signatures\"", ",\n\"signatures\""),
        ]);
        d.replace(from, to);
    }),
    client("encoding: white space under a snapshot of people", |d, _| {
        d.replace("{\"signed\":", "{ \"signed\":");
    }),
    server("encoding: signatures first", |d, _| d.mark(signatures_first)),
    client("encoding: signatures first under a snapshot of people", |d, _| d.mark(signatures_first)),
    server("encoding: unknown member", |d, _| d.edit(|v| v["unknown"] = json!("kept"))),
    client("encoding: unknown member under a snapshot of people", |d, _| d.edit(|v| v["unknown"] = json!({"a": 1}))),
    server("encoding: form of expires", |d, c| {
        let date = c.one([
            "2036-01-01T00:00:00.500Z",
            "2036-01-01T00:00:00+00:00",
            "2036-01-01T00:00:00.1234567890Z",
            "2036-01-01T00:00:00.0Z",
            "2036-01-01T00:00:00-00:00",
        ]);
        d.edit(move |v| v["expires"] = date.into());
    }),
    server("expires: good forms", |d, c| {
        let date = c.one([
            "2036-01-01T00:00:00.5Z",
            "2036-01-01T00:00:00+02:00",
            "2036-01-01T00:00:00.123456789-11:30",
            "9999-12-31T23:59:59Z",
        ]);
        d.edit(move |v| v["expires"] = date.into());
    }),
    server("encoding: escapes", |d, _| d.replace("\"expires\"", "\"\\u0065xpires\"")),
    client("encoding: escapes under a snapshot of people", |d, _| d.replace("\"expires\"", "\"\\u0065xpires\"")),
    server("encoding: order of members", |d, _| {
        d.replace("{\"signed\":{", "{\"signed\":{\"version\":VV,");
        d.mark(moved_version);
    }),
    server("encoding: members in capitals", |d, c| {
        let (from, to) =
            c.one([("\"_type\"", "\"_TYPE\""), ("\"version\"", "\"Version\""), ("\"signatures\"", "\"Signatures\"")]);
        d.replace(from, to);
    }),
    Break {
        name: "encoding: empty paths",
        base: Base::Targets,
        make: |d, _| {
            d.edit(|v| {
                for role in v["delegations"]["roles"].as_array_mut().into_iter().flatten() {
                    role["paths"] = json!([]);
                }
                v["delegations"]["roles"] = v["delegations"]["roles"].take();
            });
        },
    },
    Break { name: "encoding: no delegations", base: Base::Targets, make: |d, _| d.edit(|v| removed(v, "delegations")) },
];

fn removed(value: &mut Value, member: &str) {
    value.as_object_mut().map(|object| object.remove(member)).unwrap_or_default();
}

/// A target with a line end in its name.
fn odd_target(draft: &mut Draft, _: &mut Chance) {
    "targets".clone_into(&mut draft.subject);
    draft.edit(|v| {
        let hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        v["targets"]["a\nb"] = json!({"hashes": {"sha256": hash}, "length": 1});
    });
    draft.mark(escaped);
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The first run of such characters after `marker`, replaced.
fn replaced_after(bytes: &[u8], marker: &str, is: fn(&char) -> bool, by: &str) -> Vec<u8> {
    let text = text(bytes);
    let Some((before, after)) = text.split_once(marker) else { return text.into_bytes() };
    let rest = after.trim_start_matches(|c| is(&c));
    format!("{before}{marker}{by}{rest}").into_bytes()
}

/// Signed raw and sent escaped, as the reference's dialect has it.
fn escaped(bytes: Vec<u8>) -> Vec<u8> {
    text(&bytes).replace('\n', "\\n").into_bytes()
}

fn signatures_first(bytes: Vec<u8>) -> Vec<u8> {
    let text = text(&bytes);
    let parts = text.strip_prefix("{\"signed\":").and_then(|rest| rest.strip_suffix('}'));
    let Some((signed, signatures)) = parts.and_then(|rest| rest.rsplit_once(",\"signatures\":")) else { return bytes };
    format!("{{\"signatures\":{signatures},\"signed\":{signed}}}").into_bytes()
}

/// The version, which stands last, where `VV` stands.
fn moved_version(bytes: Vec<u8>) -> Vec<u8> {
    let text = text(&bytes);
    let Some((before, after)) = text.rsplit_once(",\"version\":") else { return bytes };
    let Some((version, rest)) = after.split_once('}') else { return bytes };
    format!("{before}}}{rest}").replacen("VV", version, 1).into_bytes()
}
