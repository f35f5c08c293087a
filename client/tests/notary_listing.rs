//! What notary listed of its own repository (cli-transcript.txt), listed here from its cache.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::Path;

use bulla::cache::Cache;
use bulla::paths::TrustDirectory;
use bulla::remote::RemoteError;
use bulla::trust::{Offline, collection, update};
use ring::rand::SystemRandom;
use tuf_schema::verify::chain::Trusted;
use tuf_schema::{Gun, Role, UtcTime};

async fn trusted() -> Trusted {
    let gun = Gun::parse("example.com/fix/delegations").unwrap();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/trust-dir");
    let cache = Cache::new(TrustDirectory::new(directory), gun.clone());
    let offline = Err(RemoteError::Unreachable { server: "n.test".into(), why: "refused".into() });
    let now = UtcTime::parse("2026-11-22T00:00:00Z").unwrap();
    update(&gun, offline, &cache, Offline::UseCache, now, &SystemRandom::new()).await.unwrap().trusted
}

fn roles(names: &[&str]) -> Vec<Role> {
    names.iter().map(|name| Role::parse(name).unwrap()).collect()
}

fn list(trusted: &Trusted, names: &[&str]) -> Vec<(String, String)> {
    let listed = collection::targets(trusted, &roles(names));
    listed.into_iter().map(|listed| (listed.name.to_owned(), listed.role.to_string())).collect()
}

fn rows(rows: &[(&str, &str)]) -> Vec<(String, String)> {
    rows.iter().map(|(name, role)| ((*name).to_owned(), (*role).to_owned())).collect()
}

#[tokio::test]
async fn all_targets_are_those_of_every_role() {
    let expected = rows(&[
        ("alice/a1", "targets/alice"),
        ("alice/sub/x", "targets/alice/sub"),
        ("carol/c1", "targets/carol"),
        ("qa/t1", "targets/releases/qa"),
        ("top", "targets"),
        ("v1.0", "targets/releases"),
    ]);
    assert_eq!(list(&trusted().await, &[]), expected);
}

#[tokio::test]
async fn those_of_chosen_roles_are_listed_with_what_lies_below_them() {
    let trusted = trusted().await;
    let alice = [("alice/a1", "targets/alice"), ("alice/sub/x", "targets/alice/sub")];
    assert_eq!(list(&trusted, &["targets/alice"]), rows(&alice));
    let both = [alice[0], alice[1], ("qa/t1", "targets/releases/qa"), ("v1.0", "targets/releases")];
    assert_eq!(list(&trusted, &["targets/releases", "targets/alice"]), rows(&both));
    assert_eq!(list(&trusted, &["targets/alice/sub"]), rows(&alice[1..]));
    assert_eq!(list(&trusted, &["snapshot"]), rows(&[]));
    assert_eq!(list(&trusted, &["targets/nobody"]), rows(&[]));
}

#[tokio::test]
async fn a_target_is_found_in_the_first_role_that_lists_it() {
    let trusted = trusted().await;
    let role = |name: &str, from: &[&str]| {
        let found = collection::target(&trusted, name, &roles(from)).unwrap();
        found.map(|listed| listed.role.to_string())
    };
    assert_eq!(role("qa/t1", &[]).as_deref(), Some("targets/releases/qa"));
    assert_eq!(role("qa/t1", &["targets/alice"]), None);
    assert_eq!(role("alice/sub/x", &["targets/alice"]).as_deref(), Some("targets/alice/sub"));
    assert_eq!(role("nothing", &[]), None);
}

#[tokio::test]
async fn delegations_are_those_that_notary_lists() {
    const ALICE: &str = "f9923499641878bfec4a6f08616f9fa3582a46920b24ed3a306e0964b81d8917";
    const BOB: &str = "412f80124105a17296fc8b2645770959b6dbaba77df1b67774bc147bc447fd7c";
    const CAROL: &str = "3dc9ef0ba0f9619012eeaa1bff709743e887804639dde5c2b9d6fd4ad7857e06";
    let listed = collection::delegations(&trusted().await);
    let rows: Vec<(&str, Vec<&str>, Vec<&str>)> = listed
        .iter()
        .map(|delegation| {
            assert_eq!(delegation.threshold.get(), 1);
            let paths = delegation.paths.iter().map(String::as_str).collect();
            (delegation.name.as_str(), paths, delegation.keys.iter().map(|id| id.as_str()).collect())
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("targets/alice", vec!["alice/", "shared/"], vec![ALICE]),
            ("targets/alice/sub", vec!["alice/sub/"], vec![BOB]),
            ("targets/carol", vec!["carol/"], vec![CAROL]),
            ("targets/releases", vec![""], vec![ALICE, BOB]),
            ("targets/releases/qa", vec!["qa/"], vec![BOB]),
        ]
    );
}
