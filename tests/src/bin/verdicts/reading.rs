//! Reading everything back: every role by name, by hash and by version, and the change feed.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::repository::Repository;
use crate::side::{Place, Side, version_of};

/// How a file was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    Name,
    Hash,
    Version,
}

/// What a read gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) status: u16,
    /// The version that the file says it has; 0 when there is none.
    pub(crate) version: i64,
    /// Whether the bytes are those that were uploaded or, of a file of the server's, those read by name.
    pub(crate) faithful: bool,
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, version, faithful } = self;
        write!(f, "{status} version {version}{}", if *faithful { "" } else { ", other bytes" })
    }
}

/// Everything that can be read of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Reading {
    pub(crate) files: BTreeMap<(String, Way), Read>,
    /// Version and category of each record of the change feed.
    pub(crate) feed: Vec<(i64, String)>,
}

/// Reads every role of `repository`. What the server made is noted in `place`.
pub(crate) async fn read_back(side: &Side, place: &mut Place, repository: &Repository) -> anyhow::Result<Reading> {
    let mut reading = Reading::default();
    let gun = &repository.gun;
    let base = ["root", "targets", "snapshot", "timestamp"].map(str::to_owned);
    let mut roles = base.to_vec();
    roles.extend(repository.targets.keys().filter(|role| role.contains('/')).cloned());
    roles.extend(repository.gone.iter().cloned());
    for role in roles {
        let client_made = match role.as_str() {
            "snapshot" => repository.client_holds_snapshot(),
            "timestamp" => false,
            _ => true,
        };
        let answer = side.get(&format!("/v2/{gun}/_trust/tuf/{role}.json")).await?;
        if !client_made && answer.status == 200 {
            place.stored.insert(role.clone(), answer.body.clone());
        }
        let expected = place.stored.get(&role).cloned();
        let read = |status: u16, body: &[u8]| {
            let found = status == 200;
            let faithful = !found || expected.as_deref() == Some(body);
            Read { status, version: if found { version_of(body) } else { 0 }, faithful }
        };
        reading.files.insert((role.clone(), Way::Name), read(answer.status, &answer.body));
        let Some(bytes) = &expected else { continue };
        let hash = hex::encode(ring::digest::digest(&ring::digest::SHA256, bytes));
        let version = version_of(bytes);
        for (way, file) in
            [(Way::Hash, format!("{role}.{hash}.json")), (Way::Version, format!("{version}.{role}.json"))]
        {
            let answer = side.get(&format!("/v2/{gun}/_trust/tuf/{file}")).await?;
            reading.files.insert((role.clone(), way), read(answer.status, &answer.body));
        }
    }
    let feed = side.get(&format!("/v2/{gun}/_trust/changefeed?records=1000")).await?.json();
    let records = feed["records"].as_array().into_iter().flatten();
    let record = |record: &Value| {
        let category = record["Category"].as_str().unwrap_or_default().to_owned();
        (record["Version"].as_i64().unwrap_or_default(), category)
    };
    reading.feed = records.map(record).collect();
    Ok(reading)
}
