//! Answers that are right: nothing else is asked for, and what is believed is what single requests would have brought.

use std::sync::Mutex;

use bulla::publish::{Publisher, SignTags};
use bulla::remote::Part;
use bulla::trust::{Offline, for_renewal, update};
use bytes::Bytes;
use ring::rand::SystemRandom;
use tuf_schema::model::{DelegatedRole, Delegations, Root, Targets};
use tuf_schema::testing::{secret_key, signed};
use tuf_schema::update_answer::{Held, MAX_QUERY_BYTES};
use tuf_schema::verify::chain::Reach;
use tuf_schema::version::Version;
use tuf_schema::{DelegationName, Role, Sha256, SigningKey as _};

use super::answer::{AtOnce, Moved, believed, bytes, honest, updated};
use crate::hostile::restate;
use crate::world::{NoPause, Person, Server, cached, decode, gun, manifest, tag};

#[tokio::test]
async fn a_reader_that_has_nothing_asks_one_question() {
    let moved = Moved::new().await;
    let answer = |held: &Held| Some(bytes(&honest(&moved.server, held)));
    let (reader, other, remote) = (Person::new(), Person::new(), AtOnce::new(&moved.server, &answer));
    let trusted = updated(&reader, &remote).await.unwrap();
    assert_eq!(remote.asked(), ["at once"]);
    assert_eq!(believed(&trusted), believed(&other.read(&moved.server).await.unwrap()));
    assert_eq!(cached(&reader).into_values().collect::<Vec<_>>(), cached(&other).into_values().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_reader_says_what_it_has_and_makes_the_new_documents_of_it() {
    let moved = Moved::new().await;
    let held_before = Mutex::new(None);
    let sent_now = Mutex::new(Vec::new());
    let answer = |held: &Held| {
        let sent = honest(&moved.server, held);
        *held_before.lock().unwrap() = Some(held.clone());
        *sent_now.lock().unwrap() = sent.iter().map(|sent| (sent.role.clone(), sent.base.is_some())).collect();
        Some(bytes(&sent))
    };
    let (reader, other, remote) = (moved.reader().await, moved.reader().await, AtOnce::new(&moved.server, &answer));
    let trusted = updated(&reader, &remote).await.unwrap();
    assert_eq!(remote.asked(), ["at once"]);
    assert_eq!(believed(&trusted), believed(&other.read(&moved.server).await.unwrap()));
    let held = held_before.lock().unwrap().take().unwrap();
    assert_eq!(held.root, Some(Version::FIRST));
    let roles = ["snapshot", "targets", "targets/bob", "targets/releases"].map(|role| Role::parse(role).unwrap());
    let digests = roles.map(|role| (role.clone(), Sha256::of(&moved.old(&role))));
    assert_eq!(held.documents, digests.into());
    let sent = [("timestamp", false), ("snapshot", true), ("targets/bob", true), ("targets/releases", true)];
    assert_eq!(*sent_now.lock().unwrap(), sent.map(|(role, is_delta)| (role.to_owned(), is_delta)));
}

#[tokio::test]
async fn where_nothing_is_new_the_timestamp_is_all_that_comes() {
    let moved = Moved::new().await;
    let answer = |held: &Held| {
        let sent = honest(&moved.server, held);
        assert_eq!(sent.iter().map(|sent| sent.role.as_str()).collect::<Vec<_>>(), ["timestamp"]);
        Some(bytes(&sent))
    };
    let (reader, remote) = (Person::new(), AtOnce::new(&moved.server, &answer));
    reader.read(&moved.server).await.unwrap();
    let trusted = updated(&reader, &remote).await.unwrap();
    assert_eq!(remote.asked(), ["at once"]);
    assert_eq!(believed(&trusted), believed(&reader.read(&moved.server).await.unwrap()));
}

#[tokio::test]
async fn all_roots_from_the_one_that_is_held_to_the_newest_come_at_once() {
    let moved = Moved::new().await;
    let (reader, other) = (moved.reader().await, moved.reader().await);
    for _ in 0..3 {
        restate(&moved.server, &moved.owner, |root| root.version = root.version.next().unwrap());
        let mut state = moved.server.state.lock().unwrap();
        let root = state.current[&Role::Root].clone();
        let version = decode::<Root>(Role::Root, &root).version;
        state.served.insert(format!("{version}.root.json"), root);
    }
    let answer = |held: &Held| Some(bytes(&honest(&moved.server, held)));
    let remote = AtOnce::new(&moved.server, &answer);
    let trusted = updated(&reader, &remote).await.unwrap();
    assert_eq!(remote.asked(), ["at once"]);
    assert_eq!(trusted.root().model().version, Version::new(4).unwrap());
    assert_eq!(believed(&trusted), believed(&other.read(&moved.server).await.unwrap()));
}

#[tokio::test]
async fn what_an_answer_leaves_out_is_asked_for_by_its_name() {
    let moved = Moved::new().await;
    for left_out in ["root", "timestamp", "snapshot", "targets", "targets/bob"] {
        let answer = |held: &Held| {
            let mut sent = honest(&moved.server, held);
            sent.retain(|sent| sent.role != left_out);
            Some(bytes(&sent))
        };
        let (reader, other, remote) = (Person::new(), Person::new(), AtOnce::new(&moved.server, &answer));
        let trusted = updated(&reader, &remote).await.unwrap();
        assert_eq!(believed(&trusted), believed(&other.read(&moved.server).await.unwrap()), "{left_out}");
        let asked = remote.asked();
        match left_out {
            // Without a timestamp it says nothing of what is current, and is no answer.
            "timestamp" => assert_eq!(asked.len(), 7),
            _ => assert_eq!(asked, ["at once".to_owned(), format!("{left_out}.json")]),
        }
    }
}

#[tokio::test]
async fn who_publishes_and_who_renews_reads_at_once_too() {
    let moved = Moved::new().await;
    let answer = |held: &Held| Some(bytes(&honest(&moved.server, held)));
    let (now, rng, gun) = (moved.server.now(), SystemRandom::new(), gun());
    let renewing = AtOnce::new(&moved.server, &answer);
    let renewable = for_renewal(&gun, &renewing, &moved.reader().await.cache(), now).await.unwrap();
    assert_eq!(renewing.asked(), ["at once"]);
    let timestamp = moved.server.state.lock().unwrap().current[&Role::Timestamp].clone();
    assert_eq!(renewable.timestamp().raw().as_ref(), timestamp);
    let (cache, mut keys) = (moved.bob.cache(), moved.bob.keyring());
    let remote = AtOnce::new(&moved.server, &answer);
    let mut publisher =
        Publisher { gun: &gun, remote: &remote, cache: &cache, keys: &mut keys, now, rng: &rng, pacing: &NoPause };
    publisher.publish(&SignTags::new([(tag("g"), manifest(b"g"))])).await.unwrap();
    assert_eq!(remote.asked().iter().filter(|asked| asked.ends_with(".json")).count(), 0, "{:?}", remote.asked());
}

#[tokio::test]
async fn who_holds_more_than_one_question_can_say_asks_for_each_document() {
    let (server, owner, reader, key) = (Server::new(), Person::new(), Person::new(), secret_key());
    owner.sign(&server, "1", b"one").await.unwrap();
    let mut targets: Targets = server.current("targets");
    let delegated = Targets { delegations: Delegations::default(), ..targets.clone() };
    targets.delegations.keys.insert(key.public().id().clone(), key.public().clone());
    let names = (0..MAX_QUERY_BYTES / 320 + 1).map(|n| DelegationName::parse(&format!("targets/{n:0>240}")).unwrap());
    let names: Vec<_> = names.collect();
    targets.delegations.roles.extend(names.iter().map(|name| DelegatedRole {
        name: name.clone(),
        key_ids: vec![key.public().id().clone()],
        threshold: std::num::NonZeroU32::MIN,
        paths: vec![String::new()],
    }));
    server.replace_targets(&owner, &targets);
    let part = |name: &DelegationName| Part {
        role: Role::Delegation(name.clone()),
        bytes: signed(&delegated, &[&key]).to_vec(),
    };
    server.store(&mut server.state.lock().unwrap(), &names.iter().map(part).collect::<Vec<_>>());
    let answer = |_: &Held| -> Option<Bytes> { panic!("it holds too much to say") };
    let remote = AtOnce::new(&server, &answer);
    reader.read(&server).await.unwrap();
    let trusted = updated(&reader, &remote).await.unwrap();
    assert_eq!(trusted.walk().len(), names.len() + 1);
    assert_eq!(remote.asked(), ["timestamp.json"]);
}

#[tokio::test]
async fn whoever_is_away_is_away_for_the_whole_update() {
    let moved = Moved::new().await;
    let reader = moved.reader().await;
    moved.server.state.lock().unwrap().down = true;
    let remote = AtOnce::new(&moved.server, &|_| None);
    let now = moved.server.now();
    let cached = update(&gun(), Ok(&remote), &reader.cache(), Offline::UseCache, now, &SystemRandom::new()).await;
    assert_eq!(cached.unwrap().trusted.reach(), Reach::CacheOnly);
    assert_eq!(remote.asked(), ["at once", "timestamp.json"]);
    let error = updated(&reader, &remote).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot reach n.test: refused");
}
