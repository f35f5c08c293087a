//! Rows that no signer can open, whatever secrets it has: told at the start, never replaced and never deleted.

use tuf_schema::key::KeyId;

use crate::causes::WithCauses;
use crate::config::WARNING_TARGET;
use crate::excerpt::Excerpt;
use crate::seal::{self, HeaderExcerpt};
use crate::store::StoreError;
use crate::store::wrapped::{WrappedKey, WrappedKeys};

/// How many rows are in memory at a time.
const PAGE: u32 = 200;
/// How many rows are told one by one; the others are counted.
const NAMED: u64 = 20;

/// Looks at the form of every row, which opens none and costs no key derivation, and says what it found. How many rows
/// there are that cannot be read; `None` if the store did not say.
pub(super) async fn tell(wrapped: &dyn WrappedKeys) -> Option<u64> {
    match count(wrapped, &mut |line| tracing::error!(target: WARNING_TARGET, "{line}")).await {
        Ok(0) => Some(0),
        Ok(count) => {
            tracing::error!(
                target: WARNING_TARGET,
                count,
                "rows that are in no known form: their keys do not sign; they are neither replaced nor deleted"
            );
            Some(count)
        }
        Err(error) => {
            tracing::warn!(error = %WithCauses(&error), "whether there are rows that cannot be read is not known");
            None
        }
    }
}

/// Counts the rows and tells the first ones.
async fn count(wrapped: &dyn WrappedKeys, told: &mut (dyn FnMut(String) + Send)) -> Result<u64, StoreError> {
    let (mut count, mut after): (u64, Option<KeyId>) = (0, None);
    loop {
        let page = wrapped.page(after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(count) };
        after = Some(last.id.clone());
        for line in page.into_iter().filter_map(unreadable) {
            if count < NAMED {
                told(line);
            }
            count += 1;
        }
    }
}

/// The line about a row that cannot be read, without what it holds.
fn unreadable(key: WrappedKey) -> Option<String> {
    let WrappedKey { id, record } = key;
    let reason = match record {
        Err(damage) => damage.to_string(),
        Ok(record) => {
            let fact = seal::check_form(&record.sealed).err()?;
            let header = HeaderExcerpt::of(record.sealed.as_str().as_bytes());
            format!("{fact}; alias \"{}\", {header}", record.alias)
        }
    };
    Some(format!("key {} cannot be read: {reason}", Excerpt::of_sentence(id.as_str())))
}

#[cfg(test)]
mod tests {
    use tuf_schema::UtcTime;
    use tuf_schema::key::{KeyType, PublicKey};

    use super::*;
    use crate::seal::passphrase::Alias;
    use crate::seal::{KeyWrap, SealedKey};
    use crate::store::memory::MemoryKeyStore;
    use crate::store::{KeyRecord, KeyStore as _, Purpose};

    async fn stored(store: &MemoryKeyStore, number: u16, sealed: &str) -> KeyId {
        let key = PublicKey::new(KeyType::Ed25519, number.to_be_bytes().to_vec());
        let (id, now) = (key.id().clone(), UtcTime::from_unix_seconds(1).unwrap());
        let record = KeyRecord {
            key,
            purpose: Purpose { gun: None, role: None },
            alias: Alias::parse("old").unwrap(),
            sealed: SealedKey::from_row(KeyWrap::Passphrase, sealed.to_owned()),
            last_used: None,
            retired: None,
        };
        store.insert(&record, now).await.unwrap();
        id
    }

    async fn told(store: &MemoryKeyStore) -> (u64, Vec<String>) {
        let mut lines = Vec::new();
        let count = count(store, &mut |line| lines.push(line)).await.unwrap();
        (count, lines)
    }

    const SOUND: &str = "eyJhbGciOiJQQkVTMi1IUzI1NitBMTI4S1ciLCJlbmMiOiJBMjU2R0NNIiwicDJjIjo4MTkyLCJwMnMiOiJBQUFBQUFBQUFBQUFBQUFBIn0.\
                         AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA";

    #[tokio::test]
    async fn a_row_in_no_known_form_is_told_by_key_alias_and_header_and_without_its_content() {
        let store = MemoryKeyStore::default();
        stored(&store, 1, SOUND).await;
        assert_eq!(told(&store).await, (0, vec![]));
        let open = stored(&store, 2, "-----BEGIN EC PRIVATE KEY----- hush").await;
        let (count, lines) = told(&store).await;
        assert_eq!(count, 1);
        let expected =
            format!("key {open} cannot be read: a sealed key is not a compact JWE; alias \"old\", no JWE header");
        assert_eq!(lines, [expected]);
    }

    #[tokio::test]
    async fn a_work_factor_past_the_limit_is_told_with_the_header() {
        let store = MemoryKeyStore::default();
        // {"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":1300001,"p2s":"AAAAAAAAAAAAAAAA"}
        let header = "eyJhbGciOiJQQkVTMi1IUzI1NitBMTI4S1ciLCJlbmMiOiJBMjU2R0NNIiwicDJjIjoxMzAwMDAxLCJwMnMiOiJBQUFBQUFBQUFBQUFBQUFBIn0";
        let (_, rest) = SOUND.split_once('.').unwrap();
        let costly = stored(&store, 1, &format!("{header}.{rest}")).await;
        let expected = format!(
            "key {costly} cannot be read: a sealed key asks for 1300001 rounds of key derivation; 1 to 1300000 are \
             accepted; alias \"old\", alg \"PBES2-HS256+A128KW\" enc \"A256GCM\" p2c 1300001"
        );
        assert_eq!(told(&store).await, (1, vec![expected]));
    }

    #[tokio::test]
    async fn twenty_rows_are_told_one_by_one_and_all_are_counted() {
        let store = MemoryKeyStore::default();
        for number in 0..21 {
            stored(&store, number, "x").await;
        }
        let (count, lines) = told(&store).await;
        assert_eq!((count, lines.len()), (21, 20));
    }
}
