//! The body of an error: one error, as short as clients read it.

use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};
use tuf_schema::{Role, Version};

use super::code::ErrorCode;
use crate::auth::Wanted;

/// The longest error body in bytes; clients read 1024.
const MAX_BODY_BYTES: usize = 1000;

/// The `detail` member of an error.
#[derive(Debug)]
pub(super) enum Detail {
    /// No member.
    Absent,
    /// `{}`: what the reference's language makes of an error value without public fields.
    Empty,
    Text(String),
    /// A rule of metadata: clients print `message` (`Msg`).
    Violation {
        name: &'static str,
        missing: Option<Role>,
        message: String,
    },
    /// A version that cannot be read.
    Number(String),
    Stale {
        role: Role,
        current: Option<Version>,
    },
    Wanted(Vec<Wanted>),
}

/// One error, and never more than [`MAX_BODY_BYTES`]: long texts of the detail are cut.
pub(super) fn body(code: ErrorCode, detail: &Detail) -> Bytes {
    let mut shortest = String::new();
    for longest_text in [MAX_BODY_BYTES, 600, 300, 100, 30, 0] {
        let error = WireError { code, detail, longest_text };
        shortest = serde_json::json!({ "errors": [] }).to_string();
        if let Ok(text) = serde_json::to_string(&error) {
            shortest = format!("{{\"errors\":[{text}]}}\n");
        }
        if shortest.len() <= MAX_BODY_BYTES {
            break;
        }
    }
    shortest.into()
}

/// An error with every text of its detail cut to so many bytes.
struct WireError<'a> {
    code: ErrorCode,
    detail: &'a Detail,
    longest_text: usize,
}

struct WireDetail<'a>(&'a WireError<'a>);

impl Serialize for WireError<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("code", self.code.as_str())?;
        map.serialize_entry("message", self.code.message())?;
        if !matches!(self.detail, Detail::Absent) {
            map.serialize_entry("detail", &WireDetail(self))?;
        }
        map.end()
    }
}

impl WireDetail<'_> {
    fn cut(&self, text: &str) -> String {
        let limit = self.0.longest_text;
        if text.len() <= limit {
            return text.to_owned();
        }
        let mut cut: String =
            text.char_indices().take_while(|(at, c)| at + c.len_utf8() <= limit).map(|(_, c)| c).collect();
        cut.push_str("...");
        cut
    }
}

impl Serialize for WireDetail<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// Members in this order, which is the reference's.
        struct Members<'a>(Vec<(&'static str, Member<'a>)>);
        enum Member<'a> {
            Text(String),
            Number(u32),
            Inner(Members<'a>),
            Static(&'a str),
        }
        impl Serialize for Members<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(Some(self.0.len()))?;
                for (name, member) in &self.0 {
                    match member {
                        Member::Text(text) => map.serialize_entry(name, text)?,
                        Member::Number(number) => map.serialize_entry(name, number)?,
                        Member::Inner(members) => map.serialize_entry(name, members)?,
                        Member::Static(text) => map.serialize_entry(name, text)?,
                    }
                }
                map.end()
            }
        }
        let text = |text: &str| Member::Text(self.cut(text));
        let members = match self.0.detail {
            Detail::Absent | Detail::Empty => Members(Vec::new()),
            Detail::Text(detail) => return serializer.serialize_str(&self.cut(detail)),
            Detail::Violation { name, missing, message } => {
                let mut inner = Vec::new();
                inner.extend(missing.as_ref().map(|role| ("Missing", text(role.as_str()))));
                inner.push(("Msg", text(message)));
                Members(vec![("Name", Member::Static(name)), ("Error", Member::Inner(Members(inner)))])
            }
            Detail::Number(digits) => Members(vec![
                ("Func", Member::Static("Atoi")),
                ("Num", text(digits)),
                ("Err", Member::Inner(Members(Vec::new()))),
            ]),
            Detail::Stale { role, current } => {
                let mut members = vec![("Role", text(role.as_str()))];
                members.extend(current.map(|version| ("Current", Member::Number(version.number()))));
                Members(members)
            }
            Detail::Wanted(wanted) => {
                let entries = wanted.iter().map(|one| {
                    Members(vec![
                        ("Type", Member::Static(one.kind)),
                        ("Class", Member::Static("")),
                        ("Name", text(&one.name)),
                        ("Action", Member::Static(one.action)),
                    ])
                });
                return serializer.collect_seq(entries);
            }
        };
        members.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn text(code: ErrorCode, detail: &Detail) -> String {
        String::from_utf8(body(code, detail).to_vec()).unwrap()
    }

    #[test]
    fn members_stand_in_the_reference_s_order() {
        assert_eq!(
            text(
                ErrorCode::InvalidUpdate,
                &Detail::Violation {
                    name: "ErrValidation",
                    missing: None,
                    message: "no pre-existing root and no root provided in update.".into(),
                },
            ),
            "{\"errors\":[{\"code\":\"INVALID_UPDATE\",\"message\":\"Update sent by the client is invalid.\",\
             \"detail\":{\"Name\":\"ErrValidation\",\"Error\":{\"Msg\":\"no pre-existing root and no root provided in \
             update.\"}}}]}\n"
        );
        assert_eq!(
            text(ErrorCode::MetadataNotFound, &Detail::Number("99".into())),
            "{\"errors\":[{\"code\":\"METADATA_NOT_FOUND\",\"message\":\"You have requested metadata that does not \
             exist.\",\"detail\":{\"Func\":\"Atoi\",\"Num\":\"99\",\"Err\":{}}}]}\n"
        );
    }

    #[test]
    fn no_body_is_longer_than_clients_read() {
        let longest = "\u{1}é\"".repeat(30_000);
        let wanted = |action| Wanted { kind: "repository", name: longest.clone(), action };
        for detail in [
            Detail::Text(longest.clone()),
            Detail::Violation { name: "ErrBadHierarchy", missing: Some(Role::Snapshot), message: longest.clone() },
            Detail::Number("9".repeat(60_000)),
            Detail::Wanted(vec![wanted("push"), wanted("pull")]),
        ] {
            let body = text(ErrorCode::MetadataNotFound, &detail);
            assert!((100..=MAX_BODY_BYTES).contains(&body.len()), "{body}");
            let read: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(read["errors"].as_array().map(Vec::len), Some(1));
        }
    }
}
