//! What requests bring: in the path, in the query, in headers and as a body.

use serde_json::{Map, Value, json};
use tuf_schema::Version;
use tuf_schema::gun::MAX_GUN_CHARACTERS;
use tuf_schema::role::MAX_DELEGATION_CHARACTERS;
use tuf_schema::update_answer::MAX_HELD;

use crate::repositories::MAX_LISTED;

/// Each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameter {
    Gun,
    Role,
    Version,
    Sha256,
    ServerRole,
    Records,
    ChangeId,
    Page,
    Last,
    HeldRoot,
    Held,
    ToPublish,
    AcceptEncoding,
    IfNoneMatch,
    ContentEncoding,
}

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Path,
    Query,
    Header,
}

impl Parameter {
    const EVERY: [Self; 15] = [
        Self::Gun,
        Self::Role,
        Self::Version,
        Self::Sha256,
        Self::ServerRole,
        Self::Records,
        Self::ChangeId,
        Self::Page,
        Self::Last,
        Self::HeldRoot,
        Self::Held,
        Self::ToPublish,
        Self::AcceptEncoding,
        Self::IfNoneMatch,
        Self::ContentEncoding,
    ];

    /// As requests write it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gun => "gun",
            Self::Role => "role",
            Self::Version => "version",
            Self::Sha256 => "sha256",
            Self::ServerRole => "server_role",
            Self::Records => "records",
            Self::ChangeId => "change_id",
            Self::Page => "n",
            Self::Last => "last",
            Self::HeldRoot => "root",
            Self::Held => "have",
            Self::ToPublish => "publish",
            Self::AcceptEncoding => "Accept-Encoding",
            Self::IfNoneMatch => "If-None-Match",
            Self::ContentEncoding => "Content-Encoding",
        }
    }

    fn place(self) -> Place {
        match self {
            Self::Gun | Self::Role | Self::Version | Self::Sha256 | Self::ServerRole => Place::Path,
            Self::Records
            | Self::ChangeId
            | Self::Page
            | Self::Last
            | Self::HeldRoot
            | Self::Held
            | Self::ToPublish => Place::Query,
            Self::AcceptEncoding | Self::IfNoneMatch | Self::ContentEncoding => Place::Header,
        }
    }

    pub(super) fn is_of_path(self) -> bool {
        self.place() == Place::Path
    }

    /// What an operation says of it.
    pub(super) fn reference(self) -> Value {
        json!({"$ref": format!("#/components/parameters/{}", self.name())})
    }

    fn told(self) -> &'static str {
        match self {
            Self::Gun => {
                "The repository's name (GUN), as docker writes it, with the registry's host; slashes may be percent-encoded; \
                no part of it is `.` or `..`"
            }
            Self::Role => {
                "A role: `root`, `targets`, `snapshot`, `timestamp`, or a delegation such as `targets/releases`"
            }
            Self::Version => "The version that the document names",
            Self::Sha256 => "The SHA-256 of the document's bytes, in lower case",
            Self::ServerRole => "A role that the server signs",
            Self::Records => "How many: below 0 backwards from `change_id`, 0 is as many as usual; 10,000 at most",
            Self::ChangeId => "After which change; below 0 the newest",
            Self::Page => "How many repositories; 100 when nothing is said",
            Self::Last => "The last name of the page before",
            Self::HeldRoot => "The version of the root that the client holds",
            Self::Held => "Another document that it holds: role and SHA-256 with a colon between; each role once",
            Self::ToPublish => "Whether publishes can be served is asked, whatever its value",
            Self::AcceptEncoding => "`gzip` and `zstd` are sent for documents of 4 KiB and more",
            Self::IfNoneMatch => "Tags of what the client holds",
            Self::ContentEncoding => "`zstd`, or none",
        }
    }

    fn schema(self) -> Value {
        match self {
            Self::Gun => json!({
                "type": "string", "minLength": 1, "maxLength": MAX_GUN_CHARACTERS,
                "pattern": r"^[^*/\u0000-\u001f\u007f-\u009f]+(/[^*/\u0000-\u001f\u007f-\u009f]+)*$",
                "examples": ["registry.example.com/library/app"],
            }),
            Self::Role => json!({
                "type": "string", "maxLength": MAX_DELEGATION_CHARACTERS,
                "pattern": "^(root|targets|snapshot|timestamp|targets(/[a-z0-9_-]+)+)$",
                "examples": ["targets"],
            }),
            Self::Version => json!({
                "type": "integer", "minimum": Version::FIRST.number(), "maximum": Version::MAX.number(), "examples": [1],
            }),
            Self::Sha256 => json!({"type": "string", "pattern": "^[0-9a-f]{64}$"}),
            Self::ServerRole => json!({"type": "string", "enum": ["snapshot", "timestamp"]}),
            Self::Records | Self::ChangeId => {
                json!({"type": "integer", "minimum": i32::MIN, "maximum": i32::MAX, "examples": [-1]})
            }
            Self::Page => json!({"type": "integer", "minimum": 1, "maximum": MAX_LISTED}),
            Self::Last | Self::ToPublish | Self::AcceptEncoding | Self::IfNoneMatch => json!({"type": "string"}),
            Self::HeldRoot => {
                json!({"type": "integer", "minimum": Version::FIRST.number(), "maximum": Version::MAX.number()})
            }
            Self::Held => json!({
                "type": "array", "maxItems": MAX_HELD,
                "items": {"type": "string", "pattern": "^(targets|snapshot|timestamp|targets(/[a-z0-9_-]+)+):[0-9a-f]{64}$"},
            }),
            Self::ContentEncoding => json!({"type": "string", "enum": ["identity", "zstd"]}),
        }
    }
}

/// Each parameter under its name.
pub(super) fn all() -> Value {
    let described = Parameter::EVERY.map(|parameter| {
        let place = match parameter.place() {
            Place::Path => "path",
            Place::Query => "query",
            Place::Header => "header",
        };
        let described = json!({
            "name": parameter.name(),
            "in": place,
            "required": parameter.is_of_path() || parameter == Parameter::Records,
            "description": parameter.told(),
            "schema": parameter.schema(),
        });
        (parameter.name().to_owned(), described)
    });
    Value::Object(Map::from_iter(described))
}

/// The body of a publish.
pub(super) fn upload() -> Value {
    json!({
        "required": true,
        "description": "A part for each document, with the name `files` and the role as its file name: the signed JSON as it is.",
        "content": {"multipart/form-data": {"schema": {
            "type": "object",
            "required": ["files"],
            "properties": {"files": {"type": "array", "minItems": 1, "items": {"type": "string", "contentMediaType": "application/octet-stream"}}},
        }}},
    })
}
