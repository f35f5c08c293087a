//! What a session would change, as it is told before anybody signs.

use std::num::NonZeroU32;

use bulla::changelist::Change;
use bulla::keys::KeyRole;
use bulla::publish::Changes;
use bulla::signing_session::Difference;
use tuf_schema::Role;

use super::{root_key, set, targets_key, with_targets};
use crate::world::{Person, Server, gun};

#[tokio::test]
async fn everything_that_would_change_is_told() {
    let (server, a, b) = (Server::new(), Person::new(), Person::new());
    for name in ["1", "2", "3"] {
        a.sign(&server, name, b"content").await.unwrap();
    }
    let name = tuf_schema::DelegationName::parse("targets/x").unwrap();
    let key = targets_key(&b);
    let target = |role, name: &str| Change::RemoveTarget { role, name: name.to_owned() };
    let changes = vec![
        target(Role::Targets, "2"),
        Change::GrantDelegation {
            name: name.clone(),
            threshold: None,
            keys: vec![key.clone()],
            paths: vec!["qa/".to_owned()],
        },
    ];
    let session = a.start(&server, &Changes(changes)).await.unwrap();
    let session = with_targets(&session, |targets| {
        targets.targets.get_mut("3").unwrap().length = 99;
        targets.targets.insert("4".to_owned(), targets.targets["1"].clone());
        let unused = root_key(&b, &gun());
        targets.delegations.keys.insert(unused.id().clone(), unused);
    });
    let told = a.look(&server, &session).await.unwrap().changes.remove(0).differences;
    let kinds: Vec<_> = told
        .iter()
        .map(|difference| match difference {
            Difference::TargetAdded(name, _) => format!("+{name}"),
            Difference::TargetRemoved(name, _) => format!("-{name}"),
            Difference::TargetChanged(name, both) => format!("{name} {}->{}", both.0.length, both.1.length),
            Difference::DelegationAdded(name, paths) => format!("{name} {paths:?}"),
            Difference::KeyAdded(role, id) => format!("{role} {}", *id == key.canonical_id()),
            Difference::Listed(_) => "listed".to_owned(),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["3 7->99", "+4", "-2", "targets/x [\"qa/\"]", "targets/x true", "listed"]);
}

#[tokio::test]
async fn a_root_s_changes_of_keys_and_thresholds_are_told() {
    let (server, a, b) = (Server::new(), Person::new(), Person::new());
    a.sign(&server, "1", b"one").await.unwrap();
    let (old, new) = (a.keyring().list().unwrap(), root_key(&b, &gun()));
    let old = old.iter().find(|key| key.role == KeyRole::Root).unwrap().id.clone();
    let session = a.start(&server, &set("root", 1, vec![new.clone()], vec![old.clone()])).await.unwrap();
    let told = a.look(&server, &session).await.unwrap().changes.remove(0).differences;
    assert_eq!(told, [Difference::KeyAdded(Role::Root, new.canonical_id()), Difference::KeyRemoved(Role::Root, old)]);
    let session = a.start(&server, &set("root", 2, vec![new], vec![])).await.unwrap();
    let told = a.look(&server, &session).await.unwrap().changes.remove(0).differences;
    let two = NonZeroU32::new(2).unwrap();
    assert_eq!(told.last().unwrap(), &Difference::Threshold(Role::Root, NonZeroU32::MIN, two));
}
