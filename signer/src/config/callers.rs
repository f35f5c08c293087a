//! The list `callers`: who is let in, and what each may do. Ours; to the reference every certificate may do everything.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use tuf_schema::Role;
use tuf_schema::gun::GunError;
use tuf_schema::key::KeyType;

use super::limits::RATE;
use super::settings::Settings;
use super::{ConfigError, ConfigWarning};
use crate::excerpt::Excerpt;
use crate::rate::CallerRates;
use crate::rights::{GunPrefix, Rights, SERVED};
use crate::store::Algorithm;

/// The members of an entry, as they are told to who writes another one.
const MEMBERS: &str = "name, roles, algorithms, gun_prefixes, signs_any_document and rates";

/// Callers by the name in their certificates, with their rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callers(BTreeMap<String, Arc<Rights>>);

/// Why the list of callers cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallersError {
    /// It is no list.
    #[error("callers must be a list of objects, and stand in the file")]
    NotAList,
    /// It lists nobody.
    #[error("callers is empty: nobody could use this signer. List callers, or remove the key")]
    Nobody,
    /// An entry is no object.
    #[error("callers[{at}] must be an object with the members {MEMBERS}")]
    NotAnObject {
        /// Its place in the list, from 0.
        at: usize,
    },
    /// An entry without a name.
    #[error("callers[{at}] lacks name: the common name or a DNS name of the client's certificate")]
    NoName {
        /// Its place in the list, from 0.
        at: usize,
    },
    /// Two entries for one name.
    #[error("callers[{at}].name is that of an entry before it: make one entry of the two")]
    Twice {
        /// The place of the second in the list, from 0.
        at: usize,
    },
    /// A member that means nothing, or one that stands there twice in another case.
    #[error("callers[{at}] has a member {member:?}: an entry has {MEMBERS}, each once")]
    UnknownMember {
        /// Its place in the list, from 0.
        at: usize,
        /// Its name, of a long one the beginning.
        member: String,
    },
    /// A member of another kind.
    #[error("callers[{at}].{member} must be {expected}")]
    WrongType {
        /// Its place in the list, from 0.
        at: usize,
        /// The member.
        member: &'static str,
        /// What it should have been.
        expected: &'static str,
    },
    /// A list that allows nothing.
    #[error(
        "callers[{at}].{member} is empty and would allow nothing: list what is allowed, or leave it out to allow all"
    )]
    NothingAllowed {
        /// Its place in the list, from 0.
        at: usize,
        /// The member.
        member: &'static str,
    },
    /// A role whose keys are people's.
    #[error("callers[{at}].roles has {found:?}: this signer holds keys of snapshot and timestamp only")]
    RoleNotHeld {
        /// Its place in the list, from 0.
        at: usize,
        /// The text, of a long one the beginning.
        found: String,
    },
    /// An algorithm of which no keys are made.
    #[error("callers[{at}].algorithms has {found:?}, of which this signer makes no keys: it makes ecdsa and ed25519")]
    UnknownAlgorithm {
        /// Its place in the list, from 0.
        at: usize,
        /// The text, of a long one the beginning.
        found: String,
    },
    /// A prefix that no repository can have.
    #[error("callers[{at}].gun_prefixes has {found:?}: write a whole GUN, or one with / behind it for all below")]
    NoPrefix {
        /// Its place in the list, from 0.
        at: usize,
        /// The text, of a long one the beginning.
        found: String,
        /// Why it is none.
        source: GunError,
    },
    /// A rate that is no number, or too large.
    #[error("callers[{at}].rates.{member} must be a whole number from 0 (no limit) to {most} by the minute", most = RATE.end())]
    NoRate {
        /// Its place in the list, from 0.
        at: usize,
        /// The member.
        member: &'static str,
    },
    /// Two lists say who is let in.
    #[error(
        "server.allowed_clients and callers both say who is let in: give each name of the first an entry in callers, and \
         remove server.allowed_clients"
    )]
    TwoLists,
    /// Names of certificates that nobody vouches for mean nothing.
    #[error("callers needs server.client_ca_file: without it anybody could claim these names")]
    WithoutAuthority,
}

impl Callers {
    /// The rights of the caller with this name in its certificate.
    pub(crate) fn of(&self, name: &str) -> Option<Arc<Rights>> {
        self.0.get(name).cloned()
    }

    /// Callers with rates of their own.
    pub(crate) fn rates(&self) -> impl Iterator<Item = (Arc<str>, CallerRates)> {
        self.0.iter().filter_map(|(name, rights)| Some((name.as_str().into(), rights.rates?)))
    }

    #[cfg(test)]
    pub(crate) fn for_test(callers: impl IntoIterator<Item = (&'static str, Rights)>) -> Self {
        Self(callers.into_iter().map(|(name, rights)| (name.to_owned(), Arc::new(rights))).collect())
    }
}

pub(super) fn read(
    settings: &Settings,
    usual: CallerRates,
    warnings: &mut Vec<ConfigWarning>,
) -> Result<Option<Callers>, ConfigError> {
    let entries = match settings.value("callers") {
        // an object would have become settings of their own, and a typing error opened the signer
        None | Some(Value::Null) if settings.is_object("callers") => return Err(CallersError::NotAList.into()),
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(entries)) => entries,
        Some(_) => return Err(CallersError::NotAList.into()),
    };
    if entries.is_empty() {
        return Err(CallersError::Nobody.into());
    }
    let mut callers = BTreeMap::new();
    for (at, entry) in entries.into_iter().enumerate() {
        let Value::Object(members) = entry else { return Err(CallersError::NotAnObject { at }.into()) };
        let (name, rights) = Entry::new(at, members)?.read(usual)?;
        if rights.signs_any_document {
            warnings.push(ConfigWarning::SignsAnyDocument(name.clone()));
        }
        if callers.insert(name, Arc::new(rights)).is_some() {
            return Err(CallersError::Twice { at }.into());
        }
    }
    Ok(Some(Callers(callers)))
}

/// An object of the list whose members are taken out one by one.
struct Entry {
    at: usize,
    members: BTreeMap<String, Value>,
}

impl Entry {
    /// Names of members count without regard to case, as everywhere in the file.
    fn new(at: usize, members: Map<String, Value>) -> Result<Self, CallersError> {
        let mut read = BTreeMap::new();
        for (member, value) in members {
            if read.insert(member.to_lowercase(), value).is_some() {
                return Err(CallersError::UnknownMember { at, member: Excerpt::of(&member).to_string() });
            }
        }
        Ok(Self { at, members: read })
    }

    fn read(mut self, usual: CallerRates) -> Result<(String, Rights), CallersError> {
        let at = self.at;
        let name = match self.take("name") {
            Some(Value::String(name)) if !name.trim().is_empty() => name.trim().to_owned(),
            _ => return Err(CallersError::NoName { at }),
        };
        let roles = self.list("roles", |text| {
            let held = Role::parse(text).ok().filter(|role| SERVED.contains(role));
            held.ok_or_else(|| CallersError::RoleNotHeld { at, found: Excerpt::of(text).to_string() })
        })?;
        let key_types = self.list("algorithms", |text| match Algorithm::parse(text) {
            Some(algorithm) => Ok(KeyType::parse(algorithm.name())),
            None => Err(CallersError::UnknownAlgorithm { at, found: Excerpt::of(text).to_string() }),
        })?;
        let guns = self.list("gun_prefixes", |text| {
            let found = || Excerpt::of(text).to_string();
            GunPrefix::parse(text).map_err(|source| CallersError::NoPrefix { at, found: found(), source })
        })?;
        let signs_any_document = match self.take("signs_any_document") {
            None => false,
            Some(Value::Bool(flag)) => flag,
            Some(_) => return Err(self.wrong("signs_any_document", "true or false")),
        };
        let rates = match self.take("rates") {
            None => None,
            Some(Value::Object(rates)) => Some(Self::new(at, rates)?.rates(usual)?),
            Some(_) => return Err(self.wrong("rates", "an object with requests and new_keys")),
        };
        self.is_read()?;
        Ok((name, Rights { roles, key_types, guns, signs_any_document, rates }))
    }

    fn rates(mut self, usual: CallerRates) -> Result<CallerRates, CallersError> {
        let at = self.at;
        let mut rate = |member, usual| match self.take(member) {
            None => Ok(usual),
            Some(value) => {
                let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
                number.filter(|number| RATE.contains(number)).ok_or(CallersError::NoRate { at, member })
            }
        };
        let rates =
            CallerRates { requests: rate("requests", usual.requests)?, new_keys: rate("new_keys", usual.new_keys)? };
        self.is_read()?;
        Ok(rates)
    }

    /// A member; `null` is as good as none, as everywhere in the file.
    fn take(&mut self, member: &str) -> Option<Value> {
        self.members.remove(member).filter(|value| !value.is_null())
    }

    fn list<T>(
        &mut self,
        member: &'static str,
        read: impl Fn(&str) -> Result<T, CallersError>,
    ) -> Result<Option<Vec<T>>, CallersError> {
        let Some(value) = self.take(member) else { return Ok(None) };
        let wrong = || self.wrong(member, "a list of texts");
        let Value::Array(items) = value else { return Err(wrong()) };
        if items.is_empty() {
            return Err(CallersError::NothingAllowed { at: self.at, member });
        }
        items.iter().map(|item| item.as_str().ok_or_else(wrong).and_then(&read)).collect::<Result<_, _>>().map(Some)
    }

    fn wrong(&self, member: &'static str, expected: &'static str) -> CallersError {
        CallersError::WrongType { at: self.at, member, expected }
    }

    /// Whether nothing is left that was not asked for.
    fn is_read(&self) -> Result<(), CallersError> {
        match self.members.keys().next() {
            None => Ok(()),
            Some(member) => Err(CallersError::UnknownMember { at: self.at, member: Excerpt::of(member).to_string() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Environment;
    use crate::rate::Rates;

    fn parse(list: &str) -> Result<(Callers, Vec<ConfigWarning>), ConfigError> {
        let text = format!(r#"{{"callers": {list}}}"#);
        let settings = Settings::parse(&text, Path::new(""), &Environment::default()).unwrap();
        let mut warnings = Vec::new();
        read(&settings, Rates::default().of_caller, &mut warnings).map(|read| (read.unwrap(), warnings))
    }

    fn refused(list: &str) -> CallersError {
        match parse(list) {
            Err(ConfigError::Callers(refusal)) => refusal,
            other => panic!("{other:?}"),
        }
    }

    fn entry(members: &str) -> CallersError {
        refused(&format!(r#"[{{"name": "ok"}}, {{"name": "a", {members}}}]"#))
    }

    #[test]
    fn a_caller_has_the_rights_that_are_listed_and_without_a_list_all() {
        let (callers, warnings) = parse(
            r#"[{"Name": "a.test", "roles": ["timestamp"], "algorithms": ["ecdsa"],
                 "gun_prefixes": ["registry.test/team/", "registry.test/app"], "rates": {"requests": 60}},
                {"name": "b.test", "roles": null}]"#,
        )
        .unwrap();
        assert_eq!(warnings, []);
        let guns = ["registry.test/team/", "registry.test/app"].map(|text| GunPrefix::parse(text).unwrap());
        let expected = Rights {
            roles: Some(vec![Role::Timestamp]),
            key_types: Some(vec![KeyType::Ecdsa]),
            guns: Some(guns.to_vec()),
            signs_any_document: false,
            rates: Some(CallerRates { requests: 60, new_keys: Rates::default().of_caller.new_keys }),
        };
        assert_eq!(callers.of("a.test").as_deref(), Some(&expected));
        assert_eq!(callers.of("b.test").as_deref(), Some(&Rights::default()));
        assert_eq!(callers.of("A.test"), None);
    }

    #[test]
    fn who_has_any_document_signed_is_warned_of_at_the_start() {
        let (_, warnings) = parse(r#"[{"name": "a", "signs_any_document": true}, {"name": "b"}]"#).unwrap();
        assert_eq!(warnings, [ConfigWarning::SignsAnyDocument("a".to_owned())]);
    }

    #[test]
    fn what_is_no_list_of_callers_is_refused() {
        for list in [r#""a, b""#, "7", "true", r#"{"name": "a"}"#, "{}"] {
            assert_eq!(refused(list), CallersError::NotAList, "{list}");
        }
        assert_eq!(refused("[]"), CallersError::Nobody);
        assert_eq!(refused(r#"[{"name": "a"}, "b"]"#), CallersError::NotAnObject { at: 1 });
    }

    #[test]
    fn each_caller_has_one_entry_with_a_name() {
        assert_eq!(refused("[{}]"), CallersError::NoName { at: 0 });
        assert_eq!(refused(r#"[{"name": " "}]"#), CallersError::NoName { at: 0 });
        assert_eq!(refused(r#"[{"name": 7}]"#), CallersError::NoName { at: 0 });
        assert_eq!(refused(r#"[{"name": "a"}, {"name": "b"}, {"name": "a "}]"#), CallersError::Twice { at: 2 });
    }

    #[test]
    fn a_mistyped_member_opens_nothing() {
        for member in ["gun_prefix", "role", "algorithm", "sign_any_document"] {
            let refusal = entry(&format!(r#""{member}": []"#));
            assert_eq!(refusal, CallersError::UnknownMember { at: 1, member: member.to_owned() });
        }
        let rate = CallersError::UnknownMember { at: 1, member: "signatures".to_owned() };
        assert_eq!(entry(r#""rates": {"signatures": 1}"#), rate);
        let twice = CallersError::UnknownMember { at: 1, member: "roles".to_owned() };
        assert_eq!(entry(r#""Roles": ["snapshot"], "roles": ["timestamp"]"#), twice);
    }

    #[test]
    fn an_empty_list_is_no_way_to_allow_all() {
        for member in ["roles", "algorithms", "gun_prefixes"] {
            assert_eq!(entry(&format!(r#""{member}": []"#)), CallersError::NothingAllowed { at: 1, member });
        }
    }

    #[test]
    fn what_is_no_list_of_texts_is_refused() {
        for member in ["roles", "algorithms", "gun_prefixes"] {
            for value in ["\"snapshot\"", "[7]", "{}", "true"] {
                let expected = CallersError::WrongType { at: 1, member, expected: "a list of texts" };
                assert_eq!(entry(&format!(r#""{member}": {value}"#)), expected);
            }
        }
        assert!(matches!(entry(r#""signs_any_document": "true""#), CallersError::WrongType { at: 1, .. }));
        assert!(matches!(entry(r#""rates": 7"#), CallersError::WrongType { at: 1, member: "rates", .. }));
    }

    #[test]
    fn roles_and_algorithms_that_the_signer_does_not_hold_are_named() {
        for role in ["root", "targets", "targets/releases", "Snapshot", ""] {
            let refusal = entry(&format!(r#""roles": ["timestamp", "{role}"]"#));
            assert_eq!(refusal, CallersError::RoleNotHeld { at: 1, found: role.to_owned() });
        }
        let refusal = entry(r#""algorithms": ["dsa"]"#);
        assert_eq!(refusal, CallersError::UnknownAlgorithm { at: 1, found: "dsa".to_owned() });
        assert!(refusal.to_string().starts_with("callers[1].algorithms has \"dsa\""), "{refusal}");
    }

    #[test]
    fn a_prefix_that_no_repository_can_have_is_refused() {
        for prefix in ["", "/", "*", "a/*", "a/../b/", "a//"] {
            let refusal = entry(&format!(r#""gun_prefixes": ["{prefix}"]"#));
            assert!(matches!(&refusal, CallersError::NoPrefix { at: 1, found, .. } if found == prefix), "{refusal}");
        }
    }

    #[test]
    fn a_rate_that_is_none_is_refused() {
        for value in ["60000001", "-1", "1.5", "\"7\""] {
            let refusal = entry(&format!(r#""rates": {{"new_keys": {value}}}"#));
            assert_eq!(refusal, CallersError::NoRate { at: 1, member: "new_keys" }, "{value}");
        }
    }
}
