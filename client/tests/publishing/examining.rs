//! What is said about a repository: what ends when, whose keys are where, and the command that mends it.

use std::num::NonZeroU32;

use bulla::changelist::{Change, Changelist, DelegationEdit};
use bulla::config::Flags;
use bulla::doctor::{self, Diagnosis, Finding};
use bulla::keys::{HeldKey, KeyRole};
use bulla::publish::{Changes, Edit, EditError, PublishError, Working};
use ring::rand::SystemRandom;
use tuf_schema::{DelegationName, Role};

use crate::together::two_of_three;
use crate::world::{Person, Server, add_signer, gun};

const YEAR: i64 = 365 * 24 * 3600;

async fn examine(person: &Person, server: &Server) -> Result<Diagnosis, PublishError> {
    person.publishing(server, async |publisher| doctor::examine(publisher, &person.directory()).await).await
}

/// What needs doing, as the commands that mend it; `-` where others must.
fn to_do(diagnosis: &Diagnosis) -> Vec<String> {
    let due = diagnosis.findings.iter().filter(|finding| finding.needs_doing());
    due.map(|finding| {
        finding.mend(&diagnosis.gun, &Flags::default()).map_or_else(|| "-".to_owned(), |command| command.to_string())
    })
    .collect()
}

#[tokio::test]
async fn a_repository_in_order_has_nothing_to_do_and_each_role_with_its_keys() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    let diagnosis = examine(&owner, &server).await.unwrap();
    assert!(diagnosis.findings.is_empty(), "{diagnosis:?}");
    let here: Vec<_> = diagnosis.roles.iter().map(|state| (state.role.as_str(), state.keys[0].1)).collect();
    assert_eq!(here, [("root", true), ("targets", true), ("snapshot", false), ("timestamp", false)]);
    assert!(diagnosis.roles.iter().all(|state| state.ends.is_some()));
    let stranger = examine(&Person::new(), &server).await.unwrap();
    assert_eq!(stranger.roles.iter().map(|state| state.keys[0].1).collect::<Vec<_>>(), [false; 4]);
    assert!(stranger.findings.is_empty(), "{stranger:?}");
}

#[tokio::test]
async fn what_has_expired_is_to_be_renewed_here_or_by_its_holder() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    {
        let mut clock = server.clock.lock().unwrap();
        *clock = clock.plus_seconds(10 * YEAR + 1);
    }
    server.renew_own();
    // root, its certificate, targets
    assert_eq!(to_do(&examine(&owner, &server).await.unwrap()), vec![format!("bulla renew {}", gun()); 3]);
    assert_eq!(to_do(&examine(&Person::new(), &server).await.unwrap()), ["-", "-", "-"]);
}

#[tokio::test]
async fn an_under_signed_delegation_is_for_those_who_have_its_key_now() {
    let (server, owner, alice, bob) = (Server::new(), Person::new(), Person::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    add_signer(&alice, &owner, &server, "alice", &[""]);
    alice.sign(&server, "2", b"two").await.unwrap();
    let mut keys = bob.keyring();
    let stored = keys.create(KeyRole::Signer("bob".into()), None, &SystemRandom::new()).unwrap();
    let key = tuf_schema::SigningKey::public(keys.open(&stored).unwrap()).clone();
    let old = alice.keyring().list().unwrap()[0].id.clone();
    let edit = DelegationEdit { add_keys: vec![key], remove_keys: vec![old], ..DelegationEdit::default() };
    let name = DelegationName::parse("targets/releases").unwrap();
    owner.publish(&server, &Changes(vec![Change::EditDelegation { name, edit }])).await.unwrap();
    let command = format!("bulla repo witness -p {} targets/releases", gun());
    assert_eq!(to_do(&examine(&bob, &server).await.unwrap()), [command]);
    let theirs = examine(&owner, &server).await.unwrap();
    assert_eq!(to_do(&theirs), ["-"]);
    let Some(Finding::UnderSigned { keys, .. }) = theirs.findings.iter().find(|finding| finding.needs_doing()) else {
        panic!("{theirs:?}")
    };
    assert_eq!(keys, &[stored.id]);
}

#[tokio::test]
async fn of_a_role_that_several_sign_it_is_said_how_many_must_and_how_many_keys_are_here() {
    let (server, [a, b, _]) = two_of_three().await;
    let several = async |person: &Person| {
        let found = examine(person, &server).await.unwrap().findings;
        assert!(found.iter().all(|finding| !finding.needs_doing()), "{found:?}");
        let several = found.iter().filter_map(|finding| match finding {
            Finding::Several { role, need, keys, here } => Some((role.clone(), *need, *keys, *here)),
            _ => None,
        });
        several.collect::<Vec<_>>()
    };
    assert_eq!(several(&a).await, [(Role::Targets, 2, 3, 1)]);
    assert_eq!(several(&Person::new()).await, [(Role::Targets, 2, 3, 0)]);
    let other = b.keyring().list().unwrap().remove(0);
    std::fs::copy(other.path(), a.directory().private().join(other.path().file_name().unwrap())).unwrap();
    assert_eq!(several(&a).await, [(Role::Targets, 2, 3, 2)]);
}

/// Has a number of keys sign a delegation, however many it has.
struct Need(Role, u32);

impl Edit for Need {
    fn apply(&self, working: &mut Working) -> Result<(), EditError> {
        let Role::Delegation(name) = &self.0 else { return Ok(()) };
        working.set_threshold(name, NonZeroU32::new(self.1).unwrap())
    }
}

#[tokio::test]
async fn a_delegation_with_fewer_keys_than_must_sign_is_for_those_who_give_it_keys() {
    let (server, owner, alice) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    add_signer(&alice, &owner, &server, "alice", &[""]);
    alice.sign(&server, "1", b"one").await.unwrap();
    let name = DelegationName::parse("targets/alice").unwrap();
    let role = Role::Delegation(name.clone());
    for (need, signable) in [(1, true), (2, false)] {
        if need > 1 {
            owner.publish(&server, &Need(role.clone(), need)).await.unwrap();
        }
        let found = examine(&alice, &server).await.unwrap().findings;
        let few: Vec<_> = found
            .iter()
            .filter_map(|finding| match finding {
                Finding::TooFewKeys(few) => Some((&few.role, few.need, few.keys, finding.needs_doing())),
                _ => None,
            })
            .collect();
        assert_eq!(few, if signable { vec![] } else { vec![(&role, 2, 1, true)] });
        let others = |finding: &Finding| {
            matches!(finding, Finding::UnderSigned { role: of, .. } | Finding::Several { role: of, .. } if *of == role)
                || matches!(finding, Finding::NeverSigned(of) if *of == name)
        };
        assert!(!found.iter().any(others), "who would sign it is said of nobody: {found:?}");
    }
}

#[tokio::test]
async fn staged_changes_are_to_be_published() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    let change = Change::Witness { role: Role::Targets };
    let staged = Changelist::new(&owner.directory(), &gun());
    staged.append(&[change], server.now(), &SystemRandom::new()).unwrap();
    assert_eq!(to_do(&examine(&owner, &server).await.unwrap()), [format!("bulla repo publish {}", gun())]);
}

#[tokio::test]
async fn what_the_server_served_and_does_not_know_any_more_is_not_to_be_published_again() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    owner.read(&server).await.unwrap();
    bulla::remote::Remote::delete_all(&server).await.unwrap();
    let diagnosis = examine(&owner, &server).await.unwrap();
    assert!(matches!(diagnosis.findings[..], [Finding::Lost]), "{diagnosis:?}");
    assert_eq!(to_do(&diagnosis), ["-"]);
    let stranger = examine(&Person::new(), &server).await.unwrap();
    assert!(matches!(stranger.findings[..], [Finding::NeverPublished]), "{stranger:?}");
}

#[tokio::test]
async fn a_first_publish_that_did_not_end_is_to_be_ended_by_who_has_its_keys() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    bulla::remote::Remote::delete_all(&server).await.unwrap();
    assert_eq!(to_do(&examine(&owner, &server).await.unwrap()), [format!("bulla repo publish {}", gun())]);
    for role in [KeyRole::Targets, KeyRole::Root] {
        let key = owner.keyring().list().unwrap().into_iter().find(|key| key.role == role).unwrap();
        std::fs::remove_file(owner.directory().private_key(&key.id)).unwrap();
        let diagnosis = examine(&owner, &server).await.unwrap();
        let [Finding::NotThereNorKeys(lacking)] = &diagnosis.findings[..] else { panic!("{diagnosis:?}") };
        assert_eq!((lacking, to_do(&diagnosis)), (&vec![key.id], vec!["-".to_owned()]));
    }
}

#[tokio::test]
async fn a_key_that_nothing_names_and_one_kept_for_something_else_are_worth_knowing() {
    let (server, owner, other) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    let rng = SystemRandom::new();
    let unused = owner.keyring().create(KeyRole::Targets, Some(&gun()), &rng).unwrap().id;
    let diagnosis = examine(&owner, &server).await.unwrap();
    let [Finding::Unused(key, KeyRole::Targets)] = &diagnosis.findings[..] else { panic!("{diagnosis:?}") };
    assert_eq!(key, &unused);
    assert_eq!(
        diagnosis.findings[0].mend(&gun(), &Flags::default()).unwrap().to_string(),
        format!("bulla key remove {unused}")
    );

    let targets =
        owner.keyring().list().unwrap().into_iter().find(|key| key.role == KeyRole::Targets && key.id != unused);
    let mut keys = owner.keyring();
    let HeldKey::File(key) = keys.open(&targets.unwrap()).unwrap() else { panic!("not in a file") };
    let der = key.to_pkcs8_der().unwrap();
    let secret = tuf_schema::sign::SecretKey::from_pkcs8_der(&der).unwrap();
    other.keyring().import(secret, KeyRole::Signer("ci".into()), None, &rng).unwrap();
    let diagnosis = examine(&other, &server).await.unwrap();
    let [Finding::KeptForOther { role: Role::Targets, kept_for, .. }] = &diagnosis.findings[..] else {
        panic!("{diagnosis:?}")
    };
    assert_eq!((kept_for.as_str(), diagnosis.findings[0].needs_doing()), ("ci", false));
}
