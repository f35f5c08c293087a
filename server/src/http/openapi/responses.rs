//! What requests are answered with.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tuf_schema::update_answer;

use super::endpoints::{Endpoint, Success};
use crate::http::error::ErrorCode;

const JSON: &str = "application/json; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// All answers of an endpoint by their status.
pub(super) fn of(endpoint: &Endpoint) -> Value {
    let mut answers = Map::new();
    answers.insert("200".to_owned(), good(endpoint.success));
    match endpoint.success {
        Success::Document => drop(answers.insert("304".to_owned(), not_modified())),
        Success::Health => drop(answers.insert("503".to_owned(), with_body("Something fails", JSON, schema("Health")))),
        Success::Readiness => drop(answers.insert("503".to_owned(), text("Not ready, and why"))),
        _ => {}
    }
    if endpoint.path.contains('{') {
        let moved = json!({
            "description": "The path has empty, `.` or `..` segments: the clean one",
            "headers": {"Location": header("The clean path")},
        });
        answers.insert("301".to_owned(), moved);
    }
    let mut refusals: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
    for code in endpoint.refusals() {
        let codes = refusals.entry(code.status().as_u16()).or_default();
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    answers.extend(refusals.into_iter().map(|(status, codes)| (status.to_string(), refusal(&codes))));
    Value::Object(answers)
}

fn good(success: Success) -> Value {
    match success {
        Success::Ping => {
            let mut answer = with_body("There is one, and it wants none", TEXT, json!({"const": "{}"}));
            add_header(&mut answer, "Bulla-Trust-Update", "`v1`: updates can be had in one answer");
            add_header(&mut answer, "Accept-Encoding", "How a body of a publish may be coded");
            answer
        }
        Success::Nothing => json!({"description": "Done"}),
        Success::Document => {
            let mut answer = text("The document, as it was signed");
            for (name, told) in CACHED {
                add_header(&mut answer, name, told);
            }
            answer
        }
        Success::Update => with_body(
            "A line of JSON that lists the documents and deltas, which follow",
            update_answer::CONTENT_TYPE,
            json!({}),
        ),
        Success::Key => with_body("The key", TEXT, schema("Key")),
        Success::Changes => with_body("The records", TEXT, schema("Changes")),
        Success::Repositories => {
            let mut answer = with_body("A page", TEXT, schema("Repositories"));
            add_header(&mut answer, "Link", "Where the next page is, if there is one (RFC 8288)");
            answer
        }
        Success::Health => with_body("Nothing fails", JSON, schema("Health")),
        Success::Readiness => text("Ready, and what stands how"),
        Success::Liveness => text("It does"),
        Success::Metrics => {
            with_body("The numbers", "text/plain; version=0.0.4; charset=utf-8", json!({"type": "string"}))
        }
        Success::Description => with_body("The description", JSON, json!({"type": "object"})),
    }
}

/// What a cache is told.
const CACHED: [(&str, &str); 5] = [
    ("ETag", "The SHA-256 of the document, and the coding"),
    ("Last-Modified", "When it was stored"),
    ("Cache-Control", "How long it may be kept"),
    ("Vary", "`Accept-Encoding`"),
    ("Content-Encoding", "How it is compressed, if it is"),
];

fn not_modified() -> Value {
    let mut answer = json!({"description": "The client holds it"});
    for (name, told) in CACHED.into_iter().take(4) {
        add_header(&mut answer, name, told);
    }
    answer
}

/// One of these errors.
fn refusal(codes: &[ErrorCode]) -> Value {
    let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let told: Vec<String> =
        codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.message().trim_end_matches('.'))).collect();
    let errors = json!({"allOf": [schema("Errors"), {"properties": {"errors": {"items": {"properties": {"code": {"enum": names}}}}}}]});
    let mut answer = with_body(&told.join("; "), JSON, errors);
    for code in codes {
        match code {
            ErrorCode::Unauthorized => {
                add_header(&mut answer, "WWW-Authenticate", "Where a token is had, and for what")
            }
            ErrorCode::TooManyRequests | ErrorCode::Unavailable => {
                add_header(&mut answer, "Retry-After", "Seconds to wait");
            }
            _ => {}
        }
    }
    answer
}

fn text(description: &str) -> Value {
    with_body(description, TEXT, json!({"type": "string"}))
}

fn with_body(description: &str, kind: &str, schema: Value) -> Value {
    json!({"description": description, "content": {kind: {"schema": schema}}})
}

fn header(told: &str) -> Value {
    json!({"description": told, "schema": {"type": "string"}})
}

fn add_header(answer: &mut Value, name: &str, told: &str) {
    if let Some(members) = answer.as_object_mut() {
        let headers = members.entry("headers").or_insert_with(|| json!({}));
        headers.as_object_mut().map(|headers| headers.insert(name.to_owned(), header(told)));
    }
}

fn schema(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Documents that are no metadata.
pub(super) fn schemas() -> Value {
    let role = json!({
        "type": ["object", "null"],
        "description": "null when nothing is stored of it",
        "properties": {
            "version": {"type": ["integer", "null"]},
            "expires": {"type": ["string", "null"]},
            "days": {"type": ["integer", "null"]},
            "threshold": {"type": ["integer", "null"]},
            "keys": {"type": ["array", "null"], "items": {"type": "string"}},
        },
    });
    json!({
        "Errors": {
            "type": "object",
            "required": ["errors"],
            "properties": {"errors": {"type": "array", "minItems": 1, "items": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                    "detail": {"description": "What is wrong with this request; a text, an object or null"},
                },
            }}},
        },
        "Health": {"type": "object", "description": "What fails, and why", "additionalProperties": {"type": "string"}},
        "Key": {
            "type": "object",
            "required": ["keytype", "keyval"],
            "properties": {
                "keytype": {"type": "string"},
                "keyval": {
                    "type": "object",
                    "required": ["public", "private"],
                    "properties": {
                        "public": {"type": "string", "contentEncoding": "base64"},
                        "private": {"type": "null"},
                    },
                },
            },
        },
        "Changes": {
            "type": "object",
            "required": ["count", "records"],
            "properties": {
                "count": {"type": "integer"},
                "records": {"type": ["array", "null"], "items": {
                    "type": "object",
                    "required": ["ID", "CreatedAt", "GUN", "Version", "SHA256", "Category"],
                    "properties": {
                        "ID": {"type": "string"},
                        "CreatedAt": {"type": "string"},
                        "GUN": {"type": "string"},
                        "Version": {"type": "integer", "description": "Of the timestamp; 0 for a deletion"},
                        "SHA256": {"type": "string", "description": "Of the timestamp; empty for a deletion"},
                        "Category": {"enum": ["update", "deletion"]},
                    },
                }},
            },
        },
        "Repositories": {
            "type": "object",
            "required": ["repositories", "next"],
            "properties": {
                "repositories": {"type": "array", "items": {
                    "type": "object",
                    "required": ["gun", "roles", "first_to_expire", "trouble"],
                    "properties": {
                        "gun": {"type": "string"},
                        "roles": {"type": "object", "additionalProperties": role},
                        "first_to_expire": {"type": ["object", "null"], "properties": {"role": {"type": "string"}, "days": {"type": "integer"}}},
                        "trouble": {"type": ["string", "null"]},
                    },
                }},
                "next": {"type": ["string", "null"], "description": "The last name, if there are more behind it"},
            },
        },
    })
}
