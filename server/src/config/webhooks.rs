//! The list `webhooks`: who is told of what happens to repositories. Ours; the reference tells nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::{Map, Value};
use tuf_schema::Gun;

use super::document::Document;
use super::error::{ConfigError, Warning};
use super::key::Key;
use crate::printable::printable;
use crate::webhooks::{EventKind, UrlError, WebhookName, WebhookUrl};

const WEBHOOKS: &str = "webhooks";

/// The members of an entry, as they are told to who writes another one.
const MEMBERS: &str = "name, url, secret_file, events, gun_prefix, tls_ca_file and allow_private_addresses";

/// How many webhooks there may be. Each reads the feed by itself.
const MOST: usize = 16;

pub(super) const KEYS: &[Key] = &[Key::new(WEBHOOKS, "none: nobody is told").withheld()];

/// One receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    /// `name`: what its place in the database, its metrics and its lines in the log are called.
    pub name: WebhookName,
    /// `url`: where events are posted to.
    pub url: WebhookUrl,
    /// `secret_file`: the secrets that events are signed with, one a line.
    pub secret_file: PathBuf,
    /// `tls_ca_file`: the authorities that the receiver's certificate may come from; the system's if absent.
    pub ca_file: Option<PathBuf>,
    /// `events`, `gun_prefix`: what it is told of.
    pub subscription: Subscription,
    /// `allow_private_addresses`: whether the receiver may be in a private network, or on this machine.
    pub allows_private: bool,
}

/// Which events a receiver is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// `events`. Default all.
    pub kinds: BTreeSet<EventKind>,
    /// `gun_prefix`: only this repository and those below it.
    pub below: Option<Gun>,
}

/// Why the list of webhooks cannot be used. None of these holds an address, in which there may be a secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhooksError {
    /// It is no list.
    #[error("webhooks must be a list of objects, and stand in the file")]
    NotAList,
    /// There are too many.
    #[error("webhooks has {found} entries, and may have {MOST}")]
    TooMany {
        /// How many there are.
        found: usize,
    },
    /// An entry is no object.
    #[error("webhooks[{at}] must be an object with the members {MEMBERS}")]
    NotAnObject {
        /// Its place in the list, from 0.
        at: usize,
    },
    /// A member that means nothing, or one that stands there twice in another case.
    #[error("webhooks[{at}] has a member {member:?}: an entry has {MEMBERS}, each once")]
    UnknownMember {
        /// Its place in the list, from 0.
        at: usize,
        /// Its name.
        member: String,
    },
    /// A member that must be there is not, or is another thing than it must be.
    #[error("webhooks[{at}].{member} must be {expected}")]
    Member {
        /// Its place in the list, from 0.
        at: usize,
        /// The member.
        member: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// Two entries of one name would share a place.
    #[error("webhooks[{at}].name is that of an entry before it: give each its own")]
    Twice {
        /// The place of the second in the list, from 0.
        at: usize,
    },
    /// Nothing is sent to its address.
    #[error("webhooks[{at}].url {fault}")]
    Url {
        /// Its place in the list, from 0.
        at: usize,
        /// Why not.
        fault: UrlError,
    },
}

impl Subscription {
    /// Whether events of a kind are told.
    pub(crate) fn is_for(&self, kind: EventKind) -> bool {
        self.kinds.contains(&kind)
    }

    /// Whether events of a repository are told: `a/b` is for `a/b` and `a/b/c`, and not for `a/bc`.
    pub(crate) fn is_about(&self, gun: &str) -> bool {
        self.below.as_ref().is_none_or(|below| {
            gun.strip_prefix(below.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

pub(super) fn read(document: &Document, warnings: &mut Vec<Warning>) -> Result<Vec<WebhookConfig>, ConfigError> {
    let entries = match document.value(WEBHOOKS) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(entries)) => entries,
        Some(_) => return Err(WebhooksError::NotAList.into()),
    };
    if entries.len() > MOST {
        return Err(WebhooksError::TooMany { found: entries.len() }.into());
    }
    let mut webhooks: Vec<WebhookConfig> = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let Value::Object(members) = entry else { return Err(WebhooksError::NotAnObject { at }.into()) };
        let webhook = Entry::new(at, members)?.read(document)?;
        if webhooks.iter().any(|before| before.name == webhook.name) {
            return Err(WebhooksError::Twice { at }.into());
        }
        let file = &webhook.secret_file;
        if std::fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0) {
            warnings.push(Warning::ReadableByAll { key: "webhooks.secret_file", path: file.clone() });
        }
        webhooks.push(webhook);
    }
    Ok(webhooks)
}

/// An object of the list whose members are taken out one by one.
struct Entry<'a> {
    at: usize,
    members: BTreeMap<String, &'a Value>,
}

impl<'a> Entry<'a> {
    /// Names of members count without regard to case, as everywhere in the file.
    fn new(at: usize, members: &'a Map<String, Value>) -> Result<Self, WebhooksError> {
        let mut read = BTreeMap::new();
        for (member, value) in members {
            if read.insert(member.to_lowercase(), value).is_some() {
                return Err(WebhooksError::UnknownMember { at, member: printable(member) });
            }
        }
        Ok(Self { at, members: read })
    }

    fn read(mut self, document: &Document) -> Result<WebhookConfig, WebhooksError> {
        const NAME: &str = "1 to 40 of the characters a to z, 0 to 9 and -";
        let at = self.at;
        let name = self.text("name", NAME)?.and_then(|name| WebhookName::parse(&name));
        let name = name.ok_or_else(|| self.wrong("name", NAME))?;
        let allows_private = match self.take("allow_private_addresses") {
            None => false,
            Some(Value::Bool(allows)) => *allows,
            Some(_) => return Err(self.wrong("allow_private_addresses", "true or false")),
        };
        let url = self.text("url", "the address that events are posted to")?;
        let url = url.ok_or_else(|| self.wrong("url", "the address that events are posted to"))?;
        let url = WebhookUrl::parse(&url, allows_private).map_err(|fault| WebhooksError::Url { at, fault })?;
        const SECRET: &str = "the name of a file with a secret";
        let secret_file = self.text("secret_file", SECRET)?.ok_or_else(|| self.wrong("secret_file", SECRET))?;
        let ca_file = self.text("tls_ca_file", "the name of a file of certificates")?;
        let subscription = Subscription { kinds: self.kinds()?, below: self.below()? };
        if let Some(member) = self.members.keys().next() {
            return Err(WebhooksError::UnknownMember { at, member: printable(member) });
        }
        Ok(WebhookConfig {
            name,
            url,
            secret_file: document.beside_file(&secret_file),
            ca_file: ca_file.map(|file| document.beside_file(&file)),
            subscription,
            allows_private,
        })
    }

    fn kinds(&mut self) -> Result<BTreeSet<EventKind>, WebhooksError> {
        const EXPECTED: &str = "a list of publish, delete, key_change and near_expiry, not empty";
        let Some(value) = self.take("events") else { return Ok(EventKind::ALL.into()) };
        let kinds = value.as_array().into_iter().flatten().map(|item| item.as_str().and_then(EventKind::parse));
        let kinds: Option<BTreeSet<EventKind>> = kinds.collect();
        kinds.filter(|kinds| !kinds.is_empty()).ok_or_else(|| self.wrong("events", EXPECTED))
    }

    fn below(&mut self) -> Result<Option<Gun>, WebhooksError> {
        const EXPECTED: &str = "the name of a repository, or the first parts of names, without / at the end";
        let Some(text) = self.text("gun_prefix", EXPECTED)? else { return Ok(None) };
        Gun::parse(&text).map(Some).map_err(|_| self.wrong("gun_prefix", EXPECTED))
    }

    /// A member; `null` is as good as none, as everywhere in the file.
    fn take(&mut self, member: &str) -> Option<&'a Value> {
        self.members.remove(member).filter(|value| !value.is_null())
    }

    /// A text that is not empty.
    fn text(&mut self, member: &'static str, expected: &'static str) -> Result<Option<String>, WebhooksError> {
        match self.take(member) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
            Some(_) => Err(self.wrong(member, expected)),
        }
    }

    fn wrong(&self, member: &'static str, expected: &'static str) -> WebhooksError {
        WebhooksError::Member { at: self.at, member, expected }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Config;
    use super::*;

    fn entry() -> Value {
        json!({"name": "builds", "url": "https://hooks.example.com/x?token=geheim", "secret_file": "hook.secret"})
    }

    /// `entry` with one member set to another value.
    fn with(member: &str, value: Value) -> Value {
        let mut entry = entry();
        entry[member] = value;
        entry
    }

    fn load(text: &str) -> Result<(Config, Vec<Warning>), ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("server.json");
        std::fs::write(&path, text).unwrap();
        let secret = directory.path().join("hook.secret");
        std::fs::write(&secret, "a".repeat(24)).unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        Config::load(&path, [])
    }

    fn whole(webhooks: &Value) -> String {
        json!({
            "server": {"http_addr": ":4443"}, "storage": {"backend": "memory"}, "trust_service": {"type": "local"},
            "webhooks": webhooks,
        })
        .to_string()
    }

    fn webhooks(webhooks: &Value) -> Result<Vec<WebhookConfig>, String> {
        load(&whole(webhooks)).map(|(config, _)| config.webhooks).map_err(|error| error.to_string())
    }

    fn refusal(webhook: Value) -> String {
        webhooks(&json!([webhook])).unwrap_err()
    }

    #[test]
    fn a_webhook_is_told_of_everything_unless_it_says_of_what() {
        let read = webhooks(&json!([entry()])).unwrap();
        assert_eq!(read[0].subscription.kinds, EventKind::ALL.into());
        assert!(read[0].secret_file.is_absolute() && !read[0].allows_private);
        let read = webhooks(&json!([with("events", json!(["delete"]))])).unwrap();
        assert_eq!(read[0].subscription.kinds, BTreeSet::from([EventKind::Delete]));
        assert!(webhooks(&Value::Null).unwrap().is_empty());
    }

    #[test]
    fn a_prefix_is_of_whole_parts_of_names() {
        let read = webhooks(&json!([with("gun_prefix", json!("a.test/b"))])).unwrap();
        for (gun, is_about) in [("a.test/b", true), ("a.test/b/c", true), ("a.test/bc", false), ("a.test", false)] {
            assert_eq!(read[0].subscription.is_about(gun), is_about, "{gun}");
        }
        assert!(
            refusal(with("gun_prefix", json!("a.test/"))).starts_with("webhooks[0].gun_prefix must be the name of")
        );
    }

    #[test]
    fn sixteen_webhooks_are_taken_and_not_one_more() {
        let many = |count: usize| (0..count).map(|number| with("name", json!(format!("w{number}")))).collect::<Value>();
        assert_eq!(webhooks(&many(16)).unwrap().len(), 16);
        assert_eq!(webhooks(&many(17)).unwrap_err(), "webhooks has 17 entries, and may have 16");
    }

    #[test]
    fn a_member_that_is_missing_unknown_or_of_another_kind_is_refused() {
        for (member, value, said) in [
            ("name", Value::Null, "webhooks[0].name must be 1 to 40 of"),
            ("name", json!("Builds"), "webhooks[0].name must be 1 to 40 of"),
            ("url", Value::Null, "webhooks[0].url must be the address"),
            ("url", json!("hooks.example.com"), "webhooks[0].url must be https://HOST"),
            ("url", json!("http://127.0.0.1/"), "webhooks[0].url is plain http"),
            ("secret_file", Value::Null, "webhooks[0].secret_file must be the name of a file"),
            ("secret_file", json!(7), "webhooks[0].secret_file must be the name of a file"),
            ("tls_ca_file", json!(""), "webhooks[0].tls_ca_file must be the name of a file"),
            ("events", json!([]), "webhooks[0].events must be a list"),
            ("events", json!("publish"), "webhooks[0].events must be a list"),
            ("events", json!(["push"]), "webhooks[0].events must be a list"),
            ("allow_private_addresses", json!("true"), "webhooks[0].allow_private_addresses must be true or false"),
            ("sekret_file", json!("x"), "webhooks[0] has a member \"sekret_file\": an entry has name, url"),
            ("NAME", json!("x"), "webhooks[0] has a member \"name\": an entry has name, url"),
        ] {
            let refused = refusal(with(member, value));
            assert!(refused.starts_with(said), "{member}: {refused}");
        }
        assert_eq!(
            webhooks(&json!([entry(), entry()])).unwrap_err(),
            "webhooks[1].name is that of an entry before it: give each its own"
        );
        assert_eq!(webhooks(&json!("x")).unwrap_err(), "webhooks must be a list of objects, and stand in the file");
        assert!(refusal(json!("x")).starts_with("webhooks[0] must be an object"));
        assert!(webhooks(&json!({"name": "x"})).is_err());
    }

    #[test]
    fn plain_http_goes_with_private_addresses() {
        let mut plain = with("url", json!("http://127.0.0.1:8080/"));
        plain["allow_private_addresses"] = json!(true);
        assert!(webhooks(&json!([plain])).unwrap()[0].allows_private);
    }

    #[test]
    fn a_member_that_stands_twice_in_an_entry_is_refused() {
        let text = whole(&json!([entry()])).replace("\"name\":\"builds\"", "\"name\":\"builds\",\"name\":\"other\"");
        assert!(load(&text).is_err());
    }

    #[test]
    fn the_address_is_neither_printed_nor_shown() {
        let (config, _) = load(&whole(&json!([entry()]))).unwrap();
        assert!(!format!("{config:?}").contains("geheim"));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("server.json");
        for refused in [whole(&json!([entry()])), whole(&json!([with("url", json!("ftp://geheim"))]))] {
            std::fs::write(&path, refused).unwrap();
            assert!(!format!("{:?}", Config::examine(&path, []).unwrap()).contains("geheim"));
        }
    }
}
