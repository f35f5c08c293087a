//! Targets are searched for in one order, and what was passed over on the way is not overlooked.

use bulla::changelist::Change;
use bulla::keys::KeyRole;
use bulla::publish::Changes;
use bulla::remote::Part;
use bulla::trust::collection;
use ring::rand::SystemRandom;
use tuf_schema::model::{Target, Targets};
use tuf_schema::testing::signed;
use tuf_schema::{DelegationName, Digests, Role, SigningKey as _};

use crate::world::{Person, Server};

fn role(name: &str) -> Role {
    Role::parse(name).unwrap()
}

fn add(place: &str, name: &str, content: &[u8]) -> Change {
    let target = Target { length: content.len() as u64, digests: Digests::of(content), custom: None };
    Change::AddTarget { role: role(place), name: name.into(), target }
}

/// `targets/a` for `a/`, `targets/b` for all, and below it `targets/b/c` for all; one person may sign them all.
async fn repository() -> (Server, Person) {
    let (server, owner) = (Server::new(), Person::new());
    let mut keys = owner.keyring();
    let stored = keys.create(KeyRole::Signer("owner".into()), None, &SystemRandom::new()).unwrap();
    let key = keys.open(&stored).unwrap().public().clone();
    let grant = |name: &str, path: &str| Change::GrantDelegation {
        name: DelegationName::parse(name).unwrap(),
        threshold: None,
        keys: vec![key.clone()],
        paths: vec![path.into()],
    };
    let changes = vec![
        grant("targets/a", "a/"),
        grant("targets/b", ""),
        add("targets/a", "a/1", b"a"),
        add("targets/b", "a/1", b"b"),
        add("targets/b", "2", b"b"),
    ];
    owner.publish(&server, &Changes(changes)).await.unwrap();
    let changes = vec![grant("targets/b/c", ""), add("targets/b/c", "2", b"c"), add("targets/b/c", "3", b"c")];
    owner.publish(&server, &Changes(changes)).await.unwrap();
    (server, owner)
}

/// Has `place` signed by somebody whose signature does not count.
fn spoil(server: &Server, place: &str) {
    let document: Targets = server.current(place);
    let parts = [Part { role: role(place), bytes: signed(&document, &[&server.snapshot]).to_vec() }];
    server.store(&mut server.state.lock().unwrap(), &parts);
}

#[tokio::test]
async fn the_first_role_that_lists_a_name_decides() {
    let (server, owner) = repository().await;
    let trusted = owner.read(&server).await.unwrap();
    let listed = collection::targets(&trusted, &[]);
    let listed: Vec<_> = listed.iter().map(|listed| (listed.name, listed.role.as_str())).collect();
    assert_eq!(listed, [("2", "targets/b"), ("3", "targets/b/c"), ("a/1", "targets/a")]);
    let found =
        |name: &str, roles: &[Role]| collection::target(&trusted, name, roles).unwrap().unwrap().role.to_string();
    assert_eq!(found("a/1", &[]), "targets/a");
    assert_eq!(found("a/1", &[role("targets/b"), role("targets/a")]), "targets/b");
    assert_eq!(found("2", &[role("targets"), role("targets/b")]), "targets/b");
}

#[tokio::test]
async fn what_lies_below_another_chosen_role_has_its_turn_there() {
    let (server, owner) = repository().await;
    let trusted = owner.read(&server).await.unwrap();
    let roles = [role("targets/b/c"), role("targets/b")];
    let listed = collection::targets(&trusted, &roles);
    let listed: Vec<_> = listed.iter().map(|listed| (listed.name, listed.role.as_str())).collect();
    assert_eq!(listed, [("2", "targets/b/c"), ("3", "targets/b/c"), ("a/1", "targets/b")]);
}

#[tokio::test]
async fn a_role_that_does_not_count_and_comes_first_is_not_overlooked() {
    let (server, owner) = repository().await;
    spoil(&server, "targets/a");
    let trusted = owner.read(&server).await.unwrap();
    let refused = |name: &str, roles: &[Role]| {
        collection::target(&trusted, name, roles).map(|found| found.map(|listed| listed.role.clone()))
    };
    assert_eq!(refused("a/1", &[]).unwrap_err().role, role("targets/a"));
    assert_eq!(refused("2", &[]), Ok(Some(role("targets/b"))));
    assert_eq!(refused("a/1", &[role("targets/b")]), Ok(Some(role("targets/b"))));
}

#[tokio::test]
async fn below_a_role_that_does_not_count_nothing_is_known() {
    let (server, owner) = repository().await;
    spoil(&server, "targets/b");
    let trusted = owner.read(&server).await.unwrap();
    let found = collection::target(&trusted, "3", &[role("targets/b/c")]);
    assert_eq!(found.unwrap_err().role, role("targets/b"));
    assert_eq!(collection::delegations(&trusted).len(), 2);
}
