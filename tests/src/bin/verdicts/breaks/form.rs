//! Faults and oddities of the multipart form.

use super::{Base, Break};
use crate::chance::Chance;
use crate::upload::{Draft, head};

const fn any(name: &'static str, make: fn(&mut Draft, &mut Chance)) -> Break {
    Break { name, base: Base::Any, make }
}

pub(super) const BREAKS: &[Break] = &[
    any("form: P1 no content type", |d, _| d.content_type = None),
    any("form: P1 another content type", |d, _| d.content_type = Some("application/json".to_owned())),
    any("form: P1 no boundary", |d, _| d.content_type = Some("multipart/form-data".to_owned())),
    any("form: mixed", |d, _| typed(d, "multipart/mixed")),
    any("form: another multipart type", |d, _| typed(d, "multipart/related")),
    any("form: another boundary", |d, _| {
        d.content_type = Some("multipart/form-data; boundary=another-boundary".to_owned());
    }),
    any("form: cut", |d, c| d.cut = Some(c.below(1000))),
    any("form: cut near the end", |d, _| d.cut = Some(1000)),
    any("form: part without file name", |d, _| {
        headed(d, "Content-Disposition: form-data; name=\"files\"\r\n".to_owned())
    }),
    any("form: empty file name", |d, _| named(d, "")),
    any("form: file name .json", |d, _| named(d, ".json")),
    any("form: part without disposition", |d, _| headed(d, "Content-Type: application/octet-stream\r\n".to_owned())),
    any("form: broken disposition", |d, c| {
        let broken = c.one(["form-data; name=\"files\"; filename=\"root", "form-data; =", "; ;", ""]);
        headed(d, format!("Content-Disposition: {broken}\r\n"));
    }),
    any("form: no role", |d, c| {
        let name = c.one([
            "foo",
            "Root",
            "targets/A",
            "targets/",
            "targets//a",
            "targets/a/",
            "targets/a/../b",
            "targets/a b",
            "targets/é",
            "targets/.",
            "root.json.json",
            "root ",
            "/targets",
            "targets.b",
            "targets/*",
            "TARGETS",
            "..",
        ]);
        named(d, name);
    }),
    any("form: a role of 256 characters", |d, _| {
        let name = format!("targets/{}", "a".repeat(248));
        named(d, &name);
    }),
    any("form: file names with .json", |d, _| {
        for part in &mut d.parts {
            part.head = head(&format!("{}.json", part.role));
        }
    }),
    any("form: other order of parts", |d, c| c.shuffle(&mut d.parts)),
    any("form: another field name", |d, _| {
        let subject = d.subject.clone();
        headed(d, format!("Content-Disposition: form-data; name=\"other\"; filename=\"{subject}\"\r\n"));
    }),
    any("form: unquoted file name", |d, _| {
        let subject = d.subject.clone();
        headed(d, format!("content-disposition: form-data; name=files; filename={subject}\r\n"));
    }),
    any("form: odd disposition", |d, c| {
        let odd = c.one([
            "form-data; filename=\"ROLE\"; filename=\"ROLE\"",
            "form-data; filename=\"ROLE\";",
            "form-data; filename = \"ROLE\"",
            "FORM-DATA; FILENAME=\"ROLE\"",
            "attachment; filename=\"ROLE\"",
            "filename=\"ROLE\"",
            "; filename=\"ROLE\"",
            "form-data; filename=\"ROLE\" x",
            "form-data; x; filename=\"ROLE\"",
            "form-data; name=; filename=\"ROLE\"",
            "form-data;filename=\"ROLE\"",
            "form-data; filename=\"ROLE\";;",
            "form data; filename=\"ROLE\"",
            "form-data, filename=\"ROLE\"",
        ]);
        let line = odd.replace("ROLE", &d.subject);
        headed(d, format!("Content-Disposition: {line}\r\n"));
    }),
    any("form: odd content type", |d, c| {
        let odd = c.one([
            "multipart/form-data; boundary=BOUNDARY; boundary=BOUNDARY",
            "multipart/form-data; boundary=BOUNDARY;",
            "multipart/form-data; x; boundary=BOUNDARY",
            "MULTIPART/FORM-DATA; BOUNDARY=\"BOUNDARY\"",
            "multipart/form-data; charset=utf-8; boundary=\"BOUNDARY\"",
            "multipart/form-data; boundary=\"BOUNDARY\" x",
            "multipart/form-data boundary=BOUNDARY",
            "multipart/form-data; boundary=\"\"",
        ]);
        d.content_type = Some(odd.replace("BOUNDARY", e2e::http::BOUNDARY));
    }),
    any("form: headers around", |d, _| {
        let subject = d.subject.clone();
        headed(d, format!("X-A: b\r\n{}X-C:d\r\n", head(&subject)));
    }),
    any("form: preamble and epilogue", |d, _| {
        d.preamble = "before\r\n";
        d.epilogue = "after\r\n";
    }),
    any("form: the same role twice", |d, _| {
        let twice = d.parts.iter().find(|part| part.role == d.subject).cloned();
        d.parts.extend(twice);
    }),
    any("form: role and role.json", |d, _| {
        let twice = d.parts.iter().find(|part| part.role == d.subject).cloned();
        d.parts.extend(twice.map(|mut part| {
            part.head = head(&format!("{}.json", part.role));
            part
        }));
    }),
    any("form: under another role's name", |d, c| {
        let name = c.one(["root", "targets", "snapshot", "timestamp", "targets/other"]);
        named(d, name);
    }),
    any("form: no parts", |d, _| d.parts.clear()),
    any("form: another GUN", |d, _| d.gun = Some("example.com/never/published".to_owned())),
    any("form: a GUN of 256 characters", |d, _| d.gun = Some("a".repeat(256))),
];

fn typed(draft: &mut Draft, kind: &str) {
    draft.content_type = Some(format!("{kind}; boundary={}", e2e::http::BOUNDARY));
}

fn headed(draft: &mut Draft, lines: String) {
    let subject = draft.subject.clone();
    draft.part(&subject).map(|part| part.head = lines).unwrap_or_default();
}

fn named(draft: &mut Draft, name: &str) {
    headed(draft, head(name));
}
