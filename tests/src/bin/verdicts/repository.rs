//! What a repository says, apart from whose server it is on: the documents as a run means them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use tuf_schema::PublicKey;

use crate::keys::{Certificate, KeyName, ServerRole, key_object};

/// Who may sign for a role.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) keys: Vec<KeyName>,
    pub(crate) threshold: i64,
}

impl Grant {
    pub(crate) fn single(key: KeyName) -> Self {
        Self { keys: vec![key], threshold: 1 }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Root {
    pub(crate) version: i64,
    pub(crate) expires: String,
    /// By base role.
    pub(crate) grants: BTreeMap<&'static str, Grant>,
    /// Keys that no role names.
    pub(crate) spare: Vec<KeyName>,
}

/// `targets` or a delegation.
#[derive(Debug, Clone)]
pub(crate) struct Targets {
    pub(crate) version: i64,
    pub(crate) expires: String,
    pub(crate) targets: BTreeMap<String, Value>,
    pub(crate) delegations: Vec<Delegation>,
    /// Whether it had delegations before: the reference then writes null for none.
    pub(crate) had_delegations: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Delegation {
    pub(crate) name: String,
    pub(crate) grant: Grant,
    pub(crate) paths: Vec<String>,
}

/// A repository as far as it was accepted, or as it would be.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    pub(crate) gun: String,
    /// Whether anything is stored.
    pub(crate) published: bool,
    pub(crate) root: Root,
    /// Targets and delegations, also those that were declared and never uploaded, with version 0.
    pub(crate) targets: BTreeMap<String, Targets>,
    /// Delegations that once were.
    pub(crate) gone: BTreeSet<String>,
    /// How many keys of the pool were given out.
    pub(crate) used_keys: u8,
    /// The newest of the server's keys of each role.
    pub(crate) server_keys: BTreeMap<ServerRole, u32>,
    /// How often it was deleted.
    pub(crate) deletions: u32,
    /// In this many seconds from the start of the sequence something expires, if something does soon.
    pub(crate) expires: String,
}

impl Repository {
    /// Whether people hold the snapshot's key.
    pub(crate) fn client_holds_snapshot(&self) -> bool {
        let grant = self.root.grants.get("snapshot");
        grant.is_some_and(|grant| grant.keys.iter().all(|key| !matches!(key, KeyName::Server(..))))
    }

    /// The next key of the pool; after the last one the early ones come again.
    pub(crate) fn fresh_key(&mut self) -> u8 {
        let number = self.used_keys % crate::keys::ORDINARY;
        self.used_keys = self.used_keys.wrapping_add(1) % (crate::keys::ORDINARY * 8);
        number
    }

    pub(crate) fn fresh_root_key(&mut self) -> KeyName {
        KeyName::Certified(self.fresh_key(), Certificate::Good)
    }

    pub(crate) fn grant(&self, role: &str) -> Option<&Grant> {
        if let Some(grant) = self.root.grants.get(role) {
            return Some(grant);
        }
        self.declared(role).map(|delegation| &delegation.grant)
    }

    /// How the role above declares a delegation.
    pub(crate) fn declared(&self, role: &str) -> Option<&Delegation> {
        let above = self.targets.get(parent(role)?)?;
        above.delegations.iter().find(|delegation| delegation.name == role)
    }

    pub(crate) fn declared_mut(&mut self, role: &str) -> Option<&mut Delegation> {
        let above = self.targets.get_mut(parent(role)?)?;
        above.delegations.iter_mut().find(|delegation| delegation.name == role)
    }

    /// Delegations that are declared, with `levels` segments below `targets`.
    pub(crate) fn delegations(&self, levels: usize) -> Vec<String> {
        let all = self.targets.values().flat_map(|targets| &targets.delegations);
        let deep = |name: &&String| name.matches('/').count() == levels;
        all.map(|delegation| &delegation.name).filter(deep).cloned().collect()
    }

    /// Delegations of the first level with enough keys to sign.
    pub(crate) fn signable(&self, levels: usize) -> Vec<String> {
        let enough = |name: &String| {
            self.grant(name).is_some_and(|grant| usize::try_from(grant.threshold).is_ok_and(|n| n <= grant.keys.len()))
        };
        self.delegations(levels).into_iter().filter(enough).collect()
    }
}

/// The role that declares `role`.
pub(crate) fn parent(role: &str) -> Option<&str> {
    role.rsplit_once('/').map(|(above, _)| above)
}

/// How a key name becomes a key on one side.
pub(crate) type KeyOf<'a> = &'a dyn Fn(KeyName) -> anyhow::Result<PublicKey>;

fn ids(keys: &[KeyName], key_of: KeyOf<'_>) -> anyhow::Result<Vec<String>> {
    keys.iter().map(|name| Ok(key_of(*name)?.id().as_str().to_owned())).collect()
}

fn objects<'a>(keys: impl Iterator<Item = &'a KeyName>, key_of: KeyOf<'_>) -> anyhow::Result<Map<String, Value>> {
    keys.map(|name| {
        let key = key_of(*name)?;
        Ok((key.id().as_str().to_owned(), key_object(&key)))
    })
    .collect()
}

impl Root {
    pub(crate) fn body(&self, key_of: KeyOf<'_>) -> anyhow::Result<Value> {
        let keys = self.grants.values().flat_map(|grant| &grant.keys).chain(&self.spare);
        let mut roles = Map::new();
        for (role, grant) in &self.grants {
            let grant = json!({"keyids": ids(&grant.keys, key_of)?, "threshold": grant.threshold});
            roles.insert((*role).to_owned(), grant);
        }
        Ok(json!({
            "_type": "Root", "consistent_snapshot": false, "expires": self.expires,
            "keys": objects(keys, key_of)?, "roles": roles, "version": self.version,
        }))
    }
}

impl Targets {
    pub(crate) fn new(expires: &str) -> Self {
        let (targets, delegations) = (BTreeMap::new(), Vec::new());
        Self { version: 0, expires: expires.to_owned(), targets, delegations, had_delegations: false }
    }

    pub(crate) fn body(&self, key_of: KeyOf<'_>) -> anyhow::Result<Value> {
        let keys = self.delegations.iter().flat_map(|delegation| &delegation.grant.keys);
        let mut roles = Vec::new();
        for delegation in &self.delegations {
            let listed = ids(&delegation.grant.keys, key_of)?;
            let listed = if listed.is_empty() { Value::Null } else { json!(listed) };
            let mut role = json!({"keyids": listed, "name": delegation.name, "threshold": delegation.grant.threshold});
            if let (false, Some(members)) = (delegation.paths.is_empty(), role.as_object_mut()) {
                members.insert("paths".to_owned(), json!(delegation.paths));
            }
            roles.push(role);
        }
        let roles = if roles.is_empty() && self.had_delegations { Value::Null } else { json!(roles) };
        Ok(json!({
            "_type": "Targets", "delegations": {"keys": objects(keys, key_of)?, "roles": roles},
            "expires": self.expires, "targets": self.targets, "version": self.version,
        }))
    }
}
