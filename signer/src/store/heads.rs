//! Heads of audit chains and the keys that sign them: the newest head of each signer, beside the keys, so that a chain that
//! ends before it is known to be cut off.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tuf_schema::UtcTime;

use super::memory::MemoryKeyStore;
use super::wrapped::{Replacement, WrappedKey};
use super::{KeyRecord, StoreError};
use crate::audit::head::Head;
use crate::audit::name::SignerName;

/// One head for each signer. What is read may come from anybody who can write to the database.
#[async_trait]
pub(crate) trait HeadStore: Send + Sync {
    /// The head of a signer's chain, as the text that was stored.
    async fn head(&self, signer: &SignerName) -> Result<Option<String>, StoreError>;

    /// The heads of all signers, in the order of their names.
    async fn heads(&self) -> Result<Vec<String>, StoreError>;

    /// Puts a head in the place of an older one of its chain; durable on return. False if the signer's name is taken by
    /// another chain, or the chain has got further already.
    async fn put_head(&self, head: &Head) -> Result<bool, StoreError>;

    /// The key that signs a signer's heads, the newest of several.
    async fn audit_key(&self, signer: &SignerName) -> Result<Option<KeyRecord>, StoreError>;

    /// Adds a key that signs a signer's heads from now on; durable on return.
    async fn insert_audit_key(&self, signer: &SignerName, key: &KeyRecord, now: UtcTime) -> Result<(), StoreError>;

    /// The keys that sign heads now, one for each signer, in the order of their names.
    async fn audit_keys(&self) -> Result<Vec<WrappedKey>, StoreError>;

    /// Replaces the wrapping of such a key by another one of the same key, if the row still is what was read; durable on
    /// return. False if it is not, or if an answer was lost and it was done already.
    async fn rewrap_audit_key(&self, read: &KeyRecord, wrapping: &Replacement) -> Result<bool, StoreError>;
}

/// What each signer has in memory.
#[derive(Default)]
pub(super) struct MemoryHeads(Mutex<BTreeMap<SignerName, OfSigner>>);

#[derive(Default)]
struct OfSigner {
    head: Option<Head>,
    /// From the oldest to the newest.
    keys: Vec<KeyRecord>,
}

impl MemoryHeads {
    fn of_signers(&self) -> MutexGuard<'_, BTreeMap<SignerName, OfSigner>> {
        // every change is one step
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl HeadStore for MemoryKeyStore {
    async fn head(&self, signer: &SignerName) -> Result<Option<String>, StoreError> {
        Ok(self.heads.of_signers().get(signer).and_then(|of| of.head.as_ref()).map(|head| head.text.clone()))
    }

    async fn heads(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.heads.of_signers().values().filter_map(|of| of.head.as_ref()).map(|head| head.text.clone()).collect())
    }

    async fn put_head(&self, head: &Head) -> Result<bool, StoreError> {
        let mut signers = self.heads.of_signers();
        let there = &mut signers.entry(head.signer.clone()).or_default().head;
        let goes_on = |before: &Head| before.chain == head.chain && before.tip.count <= head.tip.count;
        let is_put = there.as_ref().is_none_or(goes_on);
        if is_put {
            *there = Some(head.clone());
        }
        Ok(is_put)
    }

    async fn audit_key(&self, signer: &SignerName) -> Result<Option<KeyRecord>, StoreError> {
        Ok(self.heads.of_signers().get(signer).and_then(|of| of.keys.last().cloned()))
    }

    async fn insert_audit_key(&self, signer: &SignerName, key: &KeyRecord, _now: UtcTime) -> Result<(), StoreError> {
        let mut signers = self.heads.of_signers();
        if signers.values().flat_map(|of| &of.keys).any(|stored| stored.key.id() == key.key.id()) {
            return Err(StoreError::Duplicate(key.key.id().clone()));
        }
        signers.entry(signer.clone()).or_default().keys.push(key.clone());
        Ok(())
    }

    async fn audit_keys(&self) -> Result<Vec<WrappedKey>, StoreError> {
        let wrapped = |key: &KeyRecord| WrappedKey { id: key.key.id().clone(), record: Ok(key.clone()) };
        Ok(self.heads.of_signers().values().filter_map(|of| of.keys.last()).map(wrapped).collect())
    }

    async fn rewrap_audit_key(&self, read: &KeyRecord, wrapping: &Replacement) -> Result<bool, StoreError> {
        let mut signers = self.heads.of_signers();
        let Some(key) = signers.values_mut().flat_map(|of| &mut of.keys).find(|key| *key == read) else {
            return Ok(false);
        };
        let Replacement { alias, sealed } = wrapping.clone();
        *key = KeyRecord { alias, sealed, ..key.clone() };
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use bulla_database::PoolSettings;
    use bulla_database::dsn::{MySqlDsn, PostgresDsn};
    use ring::rand::SystemRandom;
    use tuf_schema::sign::{SecretKey, SecretKind, SigningKey as _};

    use super::super::sql::scratch::Server;
    use super::super::{Purpose, open_mysql, open_postgres, open_sqlite};
    use super::*;
    use crate::audit::chain::{LineHash, Tip};
    use crate::audit::head::tests::head_of;
    use crate::audit::name::ChainId;
    use crate::seal::passphrase::Alias;
    use crate::seal::{KeyWrap, SealedKey};

    fn name(text: &str) -> SignerName {
        SignerName::parse(text).unwrap()
    }

    fn head(signer: &str, chain: &str, count: u64) -> Head {
        let key = SecretKey::generate(SecretKind::Ed25519, &SystemRandom::new()).unwrap();
        let chain = ChainId::parse(&chain.repeat(32)).unwrap();
        head_of(&key, &name(signer), &chain, Tip { count, hash: LineHash::NONE })
    }

    fn key(alias: &str) -> KeyRecord {
        let secret = SecretKey::generate(SecretKind::Ed25519, &SystemRandom::new()).unwrap();
        KeyRecord {
            key: secret.public().clone(),
            purpose: Purpose { gun: None, role: None },
            alias: Alias::parse(alias).unwrap(),
            sealed: SealedKey::from_row(KeyWrap::Passphrase, "sealed".to_owned()),
            last_used: None,
            retired: None,
        }
    }

    fn time(seconds: i64) -> UtcTime {
        UtcTime::from_unix_seconds(seconds).unwrap()
    }

    async fn a_signer_has_one_head_and_it_goes_forward_in_its_chain(store: &dyn HeadStore) {
        assert_eq!(store.head(&name("s")).await.unwrap(), None);
        for (head, is_put) in [
            (head("s", "a", 5), true),
            (head("S", "b", 1), true),
            (head("s", "a", 5), true),
            (head("s", "a", 4), false),
            (head("s", "b", 9), false),
            (head("s", "a", 7), true),
        ] {
            let before = store.head(&head.signer).await.unwrap();
            assert_eq!(store.put_head(&head).await.unwrap(), is_put, "{head:?}");
            let after = store.head(&head.signer).await.unwrap();
            assert_eq!(after, if is_put { Some(head.text) } else { before });
        }
        assert_eq!(store.heads().await.unwrap().len(), 2);
    }

    async fn the_newest_key_signs_heads_and_is_stored_once(store: &dyn HeadStore) {
        let (old, new, other) = (key("k1"), key("K1"), key("k1"));
        assert_eq!(store.audit_key(&name("s")).await.unwrap(), None);
        for (signer, key, at) in [("s", &old, 1), ("s", &new, 2), ("other", &other, 3)] {
            store.insert_audit_key(&name(signer), key, time(at)).await.unwrap();
        }
        assert_eq!(store.audit_key(&name("s")).await.unwrap(), Some(new));
        let refusal = store.insert_audit_key(&name("s"), &old, time(4)).await.unwrap_err();
        assert!(matches!(refusal, StoreError::Duplicate(id) if id == *old.key.id()));
    }

    async fn a_key_is_wrapped_anew_once_and_stays_the_same_key(store: &dyn HeadStore) {
        let (kept, changed, older, newer) = (key("k1"), key("k1"), key("k1"), key("k1"));
        for (signer, key, at) in [("w1", &kept, 1), ("w2", &changed, 2), ("w3", &older, 3), ("w3", &newer, 4)] {
            store.insert_audit_key(&name(signer), key, time(at)).await.unwrap();
        }
        let wrapping = Replacement {
            alias: Alias::parse("K2").unwrap(),
            sealed: SealedKey::from_row(KeyWrap::Passphrase, "anew".to_owned()),
        };
        assert!(store.rewrap_audit_key(&changed, &wrapping).await.unwrap());
        assert!(!store.rewrap_audit_key(&changed, &wrapping).await.unwrap(), "it is not what was read any more");
        let anew = KeyRecord { alias: wrapping.alias, sealed: wrapping.sealed, ..changed };
        assert_eq!(store.audit_key(&name("w2")).await.unwrap(), Some(anew.clone()));
        let there: Vec<_> = store.audit_keys().await.unwrap().into_iter().map(|key| key.record.unwrap()).collect();
        // behind those of the other test
        assert_eq!(there[there.len() - 3..], [kept, anew, newer]);
    }

    async fn conforms(store: &dyn HeadStore) {
        a_signer_has_one_head_and_it_goes_forward_in_its_chain(store).await;
        the_newest_key_signs_heads_and_is_stored_once(store).await;
        a_key_is_wrapped_anew_once_and_stays_the_same_key(store).await;
    }

    #[tokio::test]
    async fn heads_in_memory_conform() {
        conforms(&MemoryKeyStore::default()).await;
    }

    #[tokio::test]
    async fn heads_in_sqlite_conform() {
        let folder = tempfile::tempdir().unwrap();
        conforms(&open_sqlite(&folder.path().join("keys.db")).await.unwrap()).await;
    }

    #[tokio::test]
    async fn heads_in_postgres_conform() {
        let Some(scratch) = Server::Postgres.scratch().await else { return };
        let dsn = PostgresDsn::parse(&scratch.address()).unwrap();
        conforms(&open_postgres(&dsn, PoolSettings::default()).await.unwrap()).await;
    }

    #[tokio::test]
    async fn heads_in_mysql_conform() {
        let Some(scratch) = Server::MySql.scratch().await else { return };
        let dsn = MySqlDsn::parse(&scratch.address()).unwrap();
        conforms(&open_mysql(&dsn, PoolSettings::default()).await.unwrap()).await;
    }
}
