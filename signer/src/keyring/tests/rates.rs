//! How much is too much.

use super::*;
use crate::clock::TestClock;
use crate::rate::CallerRates;

#[tokio::test]
async fn what_is_too_many_is_refused_before_anything_is_looked_at() {
    let store = Arc::new(Watched::default());
    let clock: Arc<dyn Clock> = TestClock::at("2026-11-22T06:00:00Z");
    let rates = Rates { of_caller: CallerRates { requests: 7, new_keys: 1 }, key_signatures: 2 };
    let limited = |keyring: Arc<Keyring>| {
        let limits = RateLimits::new(&rates, [], &clock);
        Arc::new(Arc::into_inner(keyring).unwrap().limited_by(limits))
    };
    let metrics = Arc::new(Metrics::new(false));
    let keyring = limited(counting(&store, "right", Arc::clone(&metrics)));
    let key = create(&keyring, Role::Timestamp).await.unwrap();
    let too_many = |refused: Result<(), KeyringError>| matches!(refused, Err(KeyringError::TooMany(_)));
    assert!(too_many(create(&keyring, Role::Timestamp).await.map(|_| ())), "new keys");
    sign(&keyring, &key, TIMESTAMP).await.unwrap();
    sign(&keyring, &key, TIMESTAMP).await.unwrap();
    assert!(too_many(sign(&keyring, &key, TIMESTAMP).await.map(|_| ())), "signatures of a key");
    keyring.describe(&Caller::for_test(), key.id()).await.unwrap();
    keyring.describe(&Caller::for_test(), key.id()).await.unwrap();
    store.failing.store(true, Ordering::SeqCst);
    assert!(too_many(keyring.describe(&Caller::for_test(), key.id()).await.map(|_| ())), "requests of a caller");
    assert!(too_many(keyring.delete(&Caller::for_test(), key.id()).await), "requests of a caller");
    let other = Caller::with_rights("other", Rights::default());
    keyring.describe(&other, key.id()).await.unwrap();
    assert!(metrics.text().contains(r#"create",role="timestamp",outcome="refused"} 1"#), "{}", metrics.text());
}

#[tokio::test]
async fn who_may_not_use_a_key_does_not_use_up_its_signatures() {
    let store = Arc::new(Watched::default());
    let clock: Arc<dyn Clock> = TestClock::at("2026-11-22T06:00:00Z");
    let rates = Rates { of_caller: CallerRates { requests: 0, new_keys: 0 }, key_signatures: 1 };
    let keyring = Arc::into_inner(counting(&store, "right", Arc::new(Metrics::new(false)))).unwrap();
    let keyring = Arc::new(keyring.limited_by(RateLimits::new(&rates, [], &clock)));
    let key = create(&keyring, Role::Timestamp).await.unwrap();
    let stranger = Caller::with_rights("stranger", Rights { roles: Some(vec![Role::Snapshot]), ..Rights::default() });
    for _ in 0..5 {
        let refusal = keyring.sign(&stranger, key.id(), None, TIMESTAMP).await.unwrap_err();
        assert!(matches!(refusal, KeyringError::NotYours { .. }), "{refusal}");
        let refusal = sign(&keyring, &key, SNAPSHOT).await.unwrap_err();
        assert!(matches!(refusal, KeyringError::ContentRefused { .. }), "{refusal}");
    }
    sign(&keyring, &key, TIMESTAMP).await.unwrap();
    let refusal = sign(&keyring, &key, TIMESTAMP).await.unwrap_err();
    assert!(matches!(refusal, KeyringError::TooMany(_)), "{refusal}");
}

#[tokio::test]
async fn each_refusal_of_a_flood_is_counted() {
    let (store, metrics) = (Arc::new(Watched::default()), Arc::new(Metrics::new(false)));
    let clock: Arc<dyn Clock> = TestClock::at("2026-11-22T06:00:00Z");
    let rates = Rates { of_caller: CallerRates { requests: 1, new_keys: 0 }, key_signatures: 0 };
    let keyring = Arc::into_inner(counting(&store, "right", Arc::clone(&metrics))).unwrap();
    let keyring = Arc::new(keyring.limited_by(RateLimits::new(&rates, [], &clock)));
    let key = create(&keyring, Role::Timestamp).await.unwrap();
    for _ in 0..100 {
        sign(&keyring, &key, TIMESTAMP).await.unwrap_err();
    }
    assert!(metrics.text().contains(r#"sign",role="none",outcome="refused"} 100"#), "{}", metrics.text());
}
