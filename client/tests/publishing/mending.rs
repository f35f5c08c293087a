//! Delegations that do not count any more, expired or without their signatures, are signed anew by whoever may.

use bulla::changelist::{Change, DelegationEdit};
use bulla::publish::{Changes, Edit, EditError, PublishError, Working};
use tuf_schema::model::Targets;
use tuf_schema::{DelegationName, Role};

use crate::world::{Person, Server, add_signer, roles};

const FOUR_YEARS: i64 = 4 * 365 * 24 * 3600;

fn releases() -> Role {
    Role::parse("targets/releases").unwrap()
}

fn witness(role: &Role) -> Changes {
    Changes(vec![Change::Witness { role: role.clone() }])
}

/// A repository whose signer has signed, and the owner's document has been signed anew four years later.
async fn four_years_on(server: &Server, owner: &Person, signer: &Person) {
    owner.sign(server, "0", b"zero").await.unwrap();
    add_signer(signer, owner, server, "alice", &[""]);
    signer.sign(server, "1", b"one").await.unwrap();
    *server.clock.lock().unwrap() = server.now().plus_seconds(FOUR_YEARS);
    owner.publish(server, &Touch(Role::Targets)).await.unwrap();
}

/// Signs a role anew in a repository that may have expired.
struct Touch(Role);

impl Edit for Touch {
    fn apply(&self, working: &mut Working) -> Result<(), EditError> {
        working.touch(&self.0)
    }

    fn opens_expired(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn an_expired_repository_is_opened_only_by_an_edit_that_says_so() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    let before: Targets = server.current("targets");
    *server.clock.lock().unwrap() = server.now().plus_seconds(FOUR_YEARS);
    let refused = owner.publish(&server, &witness(&Role::Targets)).await.unwrap_err();
    assert!(matches!(refused, PublishError::Update(_)), "{refused}");
    owner.publish(&server, &Touch(Role::Targets)).await.unwrap();
    let after: Targets = server.current("targets");
    assert_eq!((after.version, &after.targets), (before.version.next().unwrap(), &before.targets));
    assert!(after.expires > server.now());
    assert!(owner.read(&server).await.is_ok());
}

#[tokio::test]
async fn an_expired_delegation_is_witnessed_with_what_it_lists() {
    let (server, owner, signer) = (Server::new(), Person::new(), Person::new());
    four_years_on(&server, &owner, &signer).await;
    assert_eq!(owner.read(&server).await.unwrap().skipped().len(), 2);
    let before: Targets = server.current("targets/releases");
    signer.publish(&server, &witness(&releases())).await.unwrap();
    let after: Targets = server.current("targets/releases");
    assert_eq!((after.version, &after.targets), (before.version.next().unwrap(), &before.targets));
    assert!(owner.read(&server).await.unwrap().targets(&releases()).is_some());
}

/// Gives `targets/releases` a key of `new` in place of that of `old`, so that it does not count until it is signed anew.
pub(crate) async fn exchange(server: &Server, owner: &Person, old: &Person, new: &Person) {
    let public = {
        let mut keys = new.keyring();
        let role = bulla::keys::KeyRole::Signer("bob".into());
        let stored = keys.create(role, None, &ring::rand::SystemRandom::new()).unwrap();
        tuf_schema::SigningKey::public(keys.open(&stored).unwrap()).clone()
    };
    let old = old.keyring().list().unwrap()[0].id.clone();
    let edit = DelegationEdit { add_keys: vec![public], remove_keys: vec![old], ..DelegationEdit::default() };
    let name = DelegationName::parse("targets/releases").unwrap();
    owner.publish(server, &Changes(vec![Change::EditDelegation { name, edit }])).await.unwrap();
    assert_eq!(owner.read(server).await.unwrap().skipped().len(), 1);
}

#[tokio::test]
async fn what_a_removed_signer_signed_is_witnessed_by_another() {
    let (server, owner) = (Server::new(), Person::new());
    let (alice, bob) = (Person::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    add_signer(&alice, &owner, &server, "alice", &[""]);
    alice.sign(&server, "1", b"one").await.unwrap();
    exchange(&server, &owner, &alice, &bob).await;
    let before: Targets = server.current("targets/releases");

    bob.publish(&server, &witness(&releases())).await.unwrap();
    assert_eq!(server.posts().last().unwrap(), &roles(&["targets/releases"]));
    let trusted = owner.read(&server).await.unwrap();
    assert_eq!(trusted.targets(&releases()).unwrap().model().targets, before.targets);
}

#[tokio::test]
async fn what_counted_before_is_not_witnessed_in_an_older_version() {
    let (server, owner) = (Server::new(), Person::new());
    let (alice, bob) = (Person::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    add_signer(&alice, &owner, &server, "alice", &[""]);
    let mut signed = Vec::new();
    for tag in ["1", "2"] {
        alice.sign(&server, tag, b"one").await.unwrap();
        signed.push(server.state.lock().unwrap().current[&releases()].clone());
    }
    let known = server.current::<Targets>("targets/releases").version;
    bob.read(&server).await.unwrap();
    exchange(&server, &owner, &alice, &bob).await;
    let serve = |bytes: Vec<u8>| {
        server.store(&mut server.state.lock().unwrap(), &[bulla::remote::Part { role: releases(), bytes }]);
    };
    let (newest, old) = (signed.pop().unwrap(), signed.pop().unwrap());

    serve(old);
    let posts = server.posts().len();
    let error = bob.publish(&server, &witness(&releases())).await.unwrap_err();
    assert!(
        matches!(&error, PublishError::Edit(EditError::Older { role, found, known: seen })
            if *role == releases() && found.next() == Some(known) && *seen == known),
        "{error}"
    );
    assert_eq!(server.posts().len(), posts);
    serve(newest);
    bob.publish(&server, &witness(&releases())).await.unwrap();
    assert_eq!(server.current::<Targets>("targets/releases").version, known.next().unwrap());
}

#[tokio::test]
async fn whoever_witnesses_what_does_not_count_is_shown_all_of_it_before_it_is_signed() {
    let (server, owner, alice) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    add_signer(&alice, &owner, &server, "alice", &[""]);
    alice.sign(&server, "1", b"one").await.unwrap();
    // Somebody makes up a document that nobody's key has signed.
    let mut forged: Targets = server.current("targets/releases");
    let target = forged.targets.values().next().unwrap().clone();
    forged.targets.insert("evil".into(), target);
    forged.version = forged.version.next().unwrap();
    let bytes = tuf_schema::testing::signed(&forged, &[&server.snapshot]).to_vec();
    server.store(&mut server.state.lock().unwrap(), &[bulla::remote::Part { role: releases(), bytes }]);

    let list = bulla::changelist::Changelist::new(&alice.directory(), &crate::world::gun());
    let rng = ring::rand::SystemRandom::new();
    let witnesses =
        [Change::Witness { role: releases() }, Change::Witness { role: Role::parse("targets/alice").unwrap() }];
    list.append(&witnesses, server.now(), &rng).unwrap();
    let (posts, seen) = (server.posts().len(), std::sync::Mutex::new(Vec::new()));
    let adopted = |role: &Role, listed: &Targets| {
        seen.lock().unwrap().push((role.clone(), listed.clone(), server.posts().len()));
    };
    let published =
        alice.publishing(&server, async |publisher| publisher.publish_staged(&list, &|_| {}, &adopted).await);
    published.await.unwrap();
    // What counts already was seen by every reader, and is not shown.
    let seen = seen.into_inner().unwrap();
    let [(role, listed, before)] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((role, listed.version, *before), (&releases(), forged.version, posts));
    assert_eq!(listed.targets, forged.targets);
    assert_eq!(server.current::<Targets>("targets/releases").targets, forged.targets);
}

#[tokio::test]
async fn an_edit_knows_which_documents_lose_their_signature_by_it() {
    struct Removal(DelegationName, tuf_schema::KeyId, tuf_schema::PublicKey);
    impl Edit for Removal {
        fn apply(&self, working: &mut Working) -> Result<(), EditError> {
            let (lists, other) = (Role::Delegation(self.0.clone()), Role::parse("targets/alice").unwrap());
            assert!(!working.lost_its_signature(&lists)?);
            working.grant(&self.0, std::num::NonZeroU32::MIN, std::slice::from_ref(&self.2), &[])?;
            assert!(!working.lost_its_signature(&lists)?);
            working.withdraw_keys(&self.0, std::slice::from_ref(&self.1))?;
            assert!(working.lost_its_signature(&lists)? && !working.lost_its_signature(&other)?);
            working.touch(&lists)?;
            assert!(!working.lost_its_signature(&lists)?);
            Err(EditError::NoDelegationKey)
        }
    }
    let (server, owner, alice) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    add_signer(&alice, &owner, &server, "alice", &[""]);
    alice.sign(&server, "1", b"one").await.unwrap();
    let name = DelegationName::parse("targets/releases").unwrap();
    let key = alice.keyring().list().unwrap()[0].id.clone();
    let new = tuf_schema::SigningKey::public(&tuf_schema::testing::secret_key()).clone();
    let outcome = owner.publish(&server, &Removal(name, key, new)).await.unwrap_err();
    assert!(matches!(outcome, PublishError::Edit(EditError::NoDelegationKey)), "{outcome}");
}
