//! What a database that was put back from a backup lacks: the signer has signed timestamps that are not in it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

use serde::Deserialize;
use tuf_schema::{Gun, Role, UtcTime};

use super::finding::{Finding, Next, Trouble};
use crate::store::{ChangeCategory, ChangeQuery, MetadataStore, StoreError};

/// How far the clocks of server and signer may be apart, in seconds, before a signature counts as lost.
const CLOCKS_APART_SECONDS: i64 = 5;

/// The longest line, in bytes; one of the signer's has some 500.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// When the signer last signed a timestamp of each repository.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LastSigned(BTreeMap<Gun, UtcTime>);

/// Why the list of the signer's keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SignerKeysError {
    /// It cannot be read.
    #[error("cannot be read")]
    Unreadable(#[from] io::Error),
    /// A line is too long.
    #[error("line {0} has more than {MAX_LINE_BYTES} bytes")]
    TooLong(u64),
    /// A line is none of the signer's.
    #[error("line {number} is none of `bulla-signer -config FILE keys list --output json`: {why}")]
    NoKey {
        /// Which, from 1 on.
        number: u64,
        /// What is wrong with it.
        why: String,
    },
    /// There is no key in it: of an empty list nothing is learned.
    #[error("lists no key that signs timestamps")]
    Empty,
}

/// What is read of a key.
#[derive(Deserialize)]
struct Key {
    role: String,
    gun: String,
    last_used: Option<String>,
}

impl LastSigned {
    /// Reads what the signer listed.
    pub(super) fn read(path: &Path) -> Result<Self, SignerKeysError> {
        Self::parse(BufReader::new(File::open(path)?))
    }

    fn parse(mut lines: impl BufRead) -> Result<Self, SignerKeysError> {
        let (mut number, mut line, mut found) = (0_u64, Vec::new(), BTreeMap::new());
        loop {
            line.clear();
            number = number.saturating_add(1);
            // one byte more than allowed tells a longer line
            let most = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
            if lines.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            if line.len() > MAX_LINE_BYTES {
                return Err(SignerKeysError::TooLong(number));
            }
            let Some((gun, signed)) = timestamp_key(&line).map_err(|why| SignerKeysError::NoKey { number, why })?
            else {
                continue;
            };
            let latest = found.entry(gun).or_insert(signed);
            *latest = signed.max(*latest);
        }
        if found.is_empty() { Err(SignerKeysError::Empty) } else { Ok(Self(found)) }
    }

    /// The repositories.
    pub(super) fn guns(&self) -> impl Iterator<Item = &Gun> {
        self.0.keys()
    }

    /// What is missing of a repository, if anything is. One that was deleted since is not.
    pub(super) async fn missing(&self, store: &dyn MetadataStore, gun: &Gun) -> Result<Option<Finding>, StoreError> {
        let Some(signed) = self.0.get(gun).copied() else { return Ok(None) };
        let trouble = match store.latest(gun, &Role::Timestamp).await {
            Ok(Some(stored)) if signed > stored.created_at.plus_seconds(CLOCKS_APART_SECONDS) => {
                Trouble::LaterSigned { signed, stored: stored.created_at }
            }
            // A damaged row is a finding of its own.
            Ok(Some(_)) | Err(StoreError::Corrupt { .. }) => return Ok(None),
            Ok(None) if is_deleted_since(store, gun, signed).await? => return Ok(None),
            Ok(None) => Trouble::NotStored { signed },
            Err(error) => return Err(error),
        };
        let (gun, role) = (gun.to_string(), Role::Timestamp.as_str().to_owned());
        Ok(Some(Finding { gun, role, version: None, trouble, next: Next::NewerBackup }))
    }
}

/// The repository of a key that signs timestamps, and when it last did. Keys of other roles are passed over: each publish
/// and each renewal makes a timestamp.
fn timestamp_key(line: &[u8]) -> Result<Option<(Gun, UtcTime)>, String> {
    let key: Key = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let (true, Some(used)) = (key.role == Role::Timestamp.as_str(), key.last_used) else { return Ok(None) };
    // A key that was made without a purpose has no repository.
    if key.gun.is_empty() {
        return Ok(None);
    }
    let gun = Gun::parse(&key.gun).map_err(|error| error.to_string())?;
    Ok(Some((gun, UtcTime::parse(&used).map_err(|error| error.to_string())?)))
}

/// Whether a repository was deleted and not signed for afterwards.
async fn is_deleted_since(store: &dyn MetadataStore, gun: &Gun, signed: UtcTime) -> Result<bool, StoreError> {
    let last = ChangeQuery { gun: Some(gun.clone()), change_id: -1, records: -1 };
    let changes = store.changes(&last).await?;
    Ok(changes.last().is_some_and(|change| {
        change.category == ChangeCategory::Deletion && signed <= change.created_at.plus_seconds(CLOCKS_APART_SECONDS)
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use tuf_schema::Version;

    use super::*;
    use crate::clock::{Clock, TestClock};
    use crate::publish::{NewFile, ValidatedUpdate};
    use crate::store::memory::MemoryStore;

    fn parse(text: &str) -> Result<LastSigned, SignerKeysError> {
        LastSigned::parse(text.as_bytes())
    }

    fn key(role: &str, gun: &str, used: &str) -> String {
        format!("{{\"id\":\"00\",\"role\":\"{role}\",\"gun\":\"{gun}\",\"last_used\":{used},\"state\":\"active\"}}\n")
    }

    const EARLY: &str = "\"2026-11-21T10:00:00Z\"";
    const LATE: &str = "\"2026-11-22T10:00:00Z\"";

    #[test]
    fn the_last_use_of_any_timestamp_key_of_a_repository_counts() {
        let lines = [("timestamp", EARLY), ("timestamp", LATE), ("timestamp", "null"), ("snapshot", "null")];
        let text: String = lines.map(|(role, used)| key(role, "a.test/b", used)).concat();
        let late = UtcTime::parse("2026-11-22T10:00:00Z").unwrap();
        let found = parse(&text).unwrap();
        assert_eq!(found, LastSigned([(Gun::parse("a.test/b").unwrap(), late)].into()));
    }

    #[tokio::test]
    async fn what_was_signed_later_than_clocks_may_differ_is_missing_and_what_was_deleted_is_not() {
        let clock = TestClock::at("2026-11-21T21:05:00Z");
        let store = MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let (gun, other) = (Gun::parse("a").unwrap(), Gun::parse("b").unwrap());
        let timestamp = NewFile::new(Role::Timestamp, Version::FIRST, "timestamp".into());
        store.commit(&ValidatedUpdate::for_store_tests(&gun, None, timestamp, Vec::new())).await.unwrap();
        let stored = clock.now();
        let missing = async |gun: &Gun, seconds: i64| {
            let signed = LastSigned([(gun.clone(), stored.plus_seconds(seconds))].into());
            signed.missing(&store, gun).await.unwrap().map(|finding| finding.trouble)
        };
        assert_eq!(missing(&gun, CLOCKS_APART_SECONDS).await, None);
        let signed = stored.plus_seconds(CLOCKS_APART_SECONDS + 1);
        let later = Trouble::LaterSigned { signed, stored };
        assert_eq!(missing(&gun, CLOCKS_APART_SECONDS + 1).await, Some(later));
        assert_eq!(missing(&other, -1).await, Some(Trouble::NotStored { signed: stored.plus_seconds(-1) }));
        assert!(store.delete(&gun).await.unwrap());
        assert_eq!(missing(&gun, CLOCKS_APART_SECONDS).await, None);
        assert_eq!(missing(&gun, CLOCKS_APART_SECONDS + 1).await, Some(Trouble::NotStored { signed }));
    }

    #[test]
    fn a_list_without_keys_of_timestamps_is_refused() {
        for text in
            [String::new(), key("snapshot", "a", EARLY), key("timestamp", "", EARLY), key("timestamp", "a", "null")]
        {
            assert!(matches!(parse(&text), Err(SignerKeysError::Empty)), "{text}");
        }
    }

    #[test]
    fn a_line_that_is_none_of_the_signers_is_named() {
        for line in
            ["timestamp a", "{}", "", &key("timestamp", "\\u0000", EARLY), &key("timestamp", "a", "\"yesterday\"")]
        {
            let text = format!("{}{}\n", key("timestamp", "a", EARLY), line.trim_end());
            assert!(matches!(parse(&text), Err(SignerKeysError::NoKey { number: 2, .. })), "{line:?}");
        }
    }

    #[test]
    fn a_line_of_the_longest_length_is_read_and_one_byte_more_is_not() {
        let line = key("timestamp", "a", EARLY);
        let padded = |length: usize| format!("{}{line}", " ".repeat(length - line.len()));
        assert!(parse(&padded(MAX_LINE_BYTES)).is_ok());
        assert!(matches!(parse(&padded(MAX_LINE_BYTES + 1)), Err(SignerKeysError::TooLong(1))));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>()) {
            let _ = LastSigned::parse(bytes.as_slice());
        }
    }
}
