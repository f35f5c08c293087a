//! That whatever is done is on record.

use tokio::time::timeout;

use super::*;
use crate::audit::name::SignerName;
use crate::audit::{Materials, Trail};
use crate::config::AuditSettings;
use crate::store::memory::MemoryKeyStore;

/// The directory of the chain is taken away: each line would begin a file in it.
#[tokio::test]
async fn nothing_is_answered_that_is_not_on_record() {
    let (store, folder) = (Arc::new(Watched::default()), tempfile::tempdir().unwrap());
    let directory = folder.path().join("audit");
    let settings = AuditSettings {
        directory: directory.clone(),
        signer: SignerName::parse("signer-1").unwrap(),
        second_place: None,
        is_synced: true,
        file_bytes: 1,
        head_interval: Duration::from_secs(1),
    };
    let materials = Materials {
        store: Arc::new(MemoryKeyStore::default()),
        keys: software("right"),
        clock: Arc::new(SystemClock),
        rng: Arc::new(SystemRandom::new()),
    };
    let trail = Trail::open(&settings, None, materials).await.unwrap();
    let keyring = Arc::into_inner(keyring(&store, "right")).unwrap();
    let audit = Audit::new(Arc::new(Metrics::new(false))).with_trail(trail);
    let keyring = Arc::new(Keyring { audit, ..keyring });
    let key = create(&keyring, Role::Timestamp).await.unwrap();
    sign(&keyring, &key, TIMESTAMP).await.unwrap();

    std::fs::remove_dir_all(&directory).unwrap();
    let answers = [
        sign(&keyring, &key, TIMESTAMP).await.map(|_| ()),
        sign(&keyring, &key, SNAPSHOT).await.map(|_| ()),
        create(&keyring, Role::Snapshot).await.map(|_| ()),
        keyring.delete(&Caller::for_test(), key.id()).await,
    ];
    for answer in answers {
        assert!(matches!(answer, Err(KeyringError::Audit(AuditError::Write(_)))), "{answer:?}");
    }
    assert!(store.find(key.id()).await.unwrap().is_some(), "it was not deleted");
}

#[tokio::test]
async fn what_a_client_began_is_done_and_recorded_although_it_goes_away() {
    let (store, metrics) = (Arc::new(Watched::default()), Arc::new(Metrics::new(false)));
    let keyring = counting(&store, "right", Arc::clone(&metrics));
    let key = create(&keyring, Role::Snapshot).await.unwrap();

    let gate = store.gate.write().await;
    let going_away = Duration::ZERO;
    timeout(going_away, create(&keyring, Role::Timestamp)).await.unwrap_err();
    timeout(going_away, sign(&keyring, &key, TIMESTAMP)).await.unwrap_err();
    timeout(going_away, keyring.delete(&Caller::for_test(), key.id())).await.unwrap_err();
    drop(gate);

    let lines = [
        r#"create",role="snapshot",outcome="ok"} 1"#,
        r#"create",role="timestamp",outcome="ok"} 1"#,
        r#"sign",role="snapshot",outcome="refused"} 1"#,
        r#"delete",role="none",outcome="ok"} 1"#,
    ];
    let all_recorded = async {
        while !lines.iter().all(|line| metrics.text().contains(line)) {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), all_recorded).await.unwrap_or_else(|_| panic!("{}", metrics.text()));
}
