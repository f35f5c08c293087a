//! Answers that are wrong in one thing, or in any: an update against an honest server ends as it would without them.

use std::sync::OnceLock;

use bulla::trust::UpdateError;
use bytes::Bytes;
use proptest::prelude::*;
use tokio::runtime::Runtime;
use tuf_schema::update_answer::{Held, MAX_INDEX_BYTES};
use tuf_schema::verify::StaleError;
use tuf_schema::verify::chain::ChainError;
use tuf_schema::{Role, Sha256};

use super::answer::{Answer, AtOnce, Moved, Sent, believed, bytes, delta, honest, updated};
use crate::hostile::restate;
use crate::world::{Person, cached};

fn role(text: &str) -> Role {
    Role::parse(text).unwrap()
}

/// What is done to the files of an honest answer.
type Change<'a> = &'a (dyn Fn(&mut Vec<Sent>) + Sync);

/// What a reader of the first state asks for who is answered with something else; it ends up with the second one.
async fn asked(moved: &Moved, change: Change<'_>) -> Vec<String> {
    let answer = |held: &Held| {
        let mut sent = honest(&moved.server, held);
        change(&mut sent);
        Some(bytes(&sent))
    };
    asked_after(moved, &answer).await
}

async fn asked_after(moved: &Moved, answer: Answer<'_>) -> Vec<String> {
    let (reader, other, remote) = (moved.reader().await, moved.reader().await, AtOnce::new(&moved.server, answer));
    let trusted = updated(&reader, &remote).await.unwrap();
    assert_eq!(believed(&trusted), believed(&other.read(&moved.server).await.unwrap()));
    remote.asked()
}

fn of<'a>(sent: &'a mut [Sent], role: &str) -> &'a mut Sent {
    sent.iter_mut().find(|sent| sent.role == role).unwrap()
}

/// Every request of an update that is answered in no other way.
const ALL: [&str; 5] = ["at once", "timestamp.json", "snapshot.json", "targets/bob.json", "targets/releases.json"];

#[tokio::test]
async fn a_delta_that_does_not_make_the_listed_document_is_not_used() {
    let moved = Moved::new().await;
    let bob = role("targets/bob");
    let new = moved.server.state.lock().unwrap().current[&bob].clone();
    let old = moved.old(&bob);
    let damaged = |sent: &mut Vec<Sent>| {
        let bytes = &mut of(sent, "targets/bob").bytes;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    };
    let of_another_document = |sent: &mut Vec<Sent>| of(sent, "targets/bob").bytes = delta(&old, &old);
    let for_another_base = |sent: &mut Vec<Sent>| {
        let base = moved.old(&role("targets/releases"));
        of(sent, "targets/bob").bytes = delta(&new, &base[..base.len() - 100]);
    };
    let longer_than_listed = |sent: &mut Vec<Sent>| {
        of(sent, "targets/bob").bytes = delta(&[new.as_slice(), &[b' '; 100_000]].concat(), &old)
    };
    let cut = |sent: &mut Vec<Sent>| {
        of(sent, "targets/bob").bytes.pop().unwrap();
    };
    let two_frames = |sent: &mut Vec<Sent>| of(sent, "targets/bob").bytes.extend(delta(b"", b""));
    let no_frame = |sent: &mut Vec<Sent>| of(sent, "targets/bob").bytes = vec![0; 9];
    let longer = |sent: &mut Vec<Sent>| of(sent, "targets/bob").length += 1;
    let shorter = |sent: &mut Vec<Sent>| of(sent, "targets/bob").length -= 1;
    let endless = |sent: &mut Vec<Sent>| of(sent, "targets/bob").length = 64 << 20;
    let changes: [Change<'_>; 9] = [
        &damaged,
        &of_another_document,
        &for_another_base,
        &longer_than_listed,
        &cut,
        &no_frame,
        &longer,
        &shorter,
        &endless,
    ];
    for (n, change) in changes.into_iter().enumerate() {
        assert_eq!(asked(&moved, change).await, ["at once", "targets/bob.json"], "{n}");
    }
    // An empty frame behind it adds nothing.
    assert_eq!(asked(&moved, &two_frames).await, ["at once"]);
}

#[tokio::test]
async fn a_file_that_is_not_what_the_index_says_is_not_used() {
    let moved = Moved::new().await;
    let bob = role("targets/bob");
    let new = moved.server.state.lock().unwrap().current[&bob].clone();
    // Were it taken for what it is listed as, bob's signature would not be good, and he passed over.
    let forged = |sent: &mut Vec<Sent>| {
        let file = of(sent, "targets/bob");
        *file = Sent::whole(&bob, &new);
        let middle = file.bytes.len() / 2;
        file.bytes[middle] ^= 1;
    };
    let of_another_role = |sent: &mut Vec<Sent>| {
        let file = of(sent, "targets/bob");
        *file = Sent { role: "targets/rob".into(), ..Sent::whole(&bob, &new) };
    };
    let by_another_digest = |sent: &mut Vec<Sent>| {
        let file = of(sent, "targets/bob");
        *file = Sent { sha256: Sha256::of(b"").to_hex(), ..Sent::whole(&bob, &new) };
    };
    let an_older_one = |sent: &mut Vec<Sent>| *of(sent, "targets/bob") = Sent::whole(&bob, &moved.old(&bob));
    let changes: [Change<'_>; 4] = [&forged, &of_another_role, &by_another_digest, &an_older_one];
    for (n, change) in changes.into_iter().enumerate() {
        assert_eq!(asked(&moved, change).await, ["at once", "targets/bob.json"], "{n}");
    }
    let of_another_snapshot =
        |sent: &mut Vec<Sent>| *of(sent, "snapshot") = Sent::whole(&Role::Snapshot, &moved.old(&Role::Snapshot));
    assert_eq!(asked(&moved, &of_another_snapshot).await, ["at once", "snapshot.json"]);
    // What a version claims is not looked at where a digest is asked for, nor in the one timestamp.
    let by_other_versions = |sent: &mut Vec<Sent>| sent.iter_mut().for_each(|sent| sent.version += 7);
    assert_eq!(asked(&moved, &by_other_versions).await, ["at once"]);
}

#[tokio::test]
async fn an_answer_that_is_none_leaves_every_request_to_be_made() {
    let moved = Moved::new().await;
    let whole = |held: &Held| bytes(&honest(&moved.server, held));
    let long = "x".repeat(MAX_INDEX_BYTES);
    let cut = |held: &Held| Some(whole(held).slice(..whole(held).len() - 1));
    let cut_in_its_index = |held: &Held| Some(whole(held).slice(..50));
    let longer = |held: &Held| Some([whole(held).as_ref(), b"x"].concat().into());
    let with_a_long_index = |held: &Held| Some([b"{\"", long.as_bytes(), b"\":1}\n", &whole(held)].concat().into());
    let lists = |change: &dyn Fn(&mut Vec<Sent>), held: &Held| {
        let mut sent = honest(&moved.server, held);
        change(&mut sent);
        Some(bytes(&sent))
    };
    let a_timestamp_as_a_delta = |held: &Held| {
        let (old, new) =
            (moved.old(&Role::Timestamp), &moved.server.state.lock().unwrap().current[&Role::Timestamp].clone());
        lists(&|sent| *of(sent, "timestamp") = Sent::delta(&Role::Timestamp, new, &old), held)
    };
    let a_timestamp_twice = |held: &Held| lists(&|sent| sent.push(sent[0].clone()), held);
    let a_file_of_another_length = |held: &Held| lists(&|sent| of(sent, "timestamp").length += 1, held);
    let a_file_of_no_role = |held: &Held| lists(&|sent| of(sent, "targets/bob").role = "mirror".into(), held);
    let a_version_of_none = |held: &Held| lists(&|sent| of(sent, "targets/bob").version = 0, held);
    let answers: [Answer<'_>; 11] = [
        &|_| None,
        &|_| Some(Bytes::new()),
        &cut,
        &cut_in_its_index,
        &longer,
        &with_a_long_index,
        &a_timestamp_as_a_delta,
        &a_timestamp_twice,
        &a_file_of_another_length,
        &a_file_of_no_role,
        &a_version_of_none,
    ];
    for (n, answer) in answers.into_iter().enumerate() {
        assert_eq!(asked_after(&moved, answer).await, ALL, "{n}");
    }
}

#[tokio::test]
async fn an_answer_that_leads_nowhere_costs_no_update() {
    let moved = Moved::new().await;
    let old = || Sent::whole(&Role::Timestamp, &moved.old(&Role::Timestamp));
    // To a reader that knows the second state the first one is a rollback.
    let answer = |_: &Held| Some(bytes(&[old()]));
    let (reader, remote) = (Person::new(), AtOnce::new(&moved.server, &answer));
    reader.read(&moved.server).await.unwrap();
    let trusted = updated(&reader, &remote).await.unwrap();
    assert_eq!(believed(&trusted), believed(&reader.read(&moved.server).await.unwrap()));
    assert_eq!(remote.asked().last().unwrap(), "timestamp.json");
    let unsigned = |sent: &mut Vec<Sent>| {
        let timestamp = br#"{"signed":{"_type":"Timestamp","version":9},"signatures":[]}"#;
        *of(sent, "timestamp") = Sent::whole(&Role::Timestamp, timestamp);
    };
    let expected: Vec<_> = ["at once", "root.json"].iter().chain(&ALL[1..]).copied().collect();
    assert_eq!(asked(&moved, &unsigned).await, expected);
    let another_root = |sent: &mut Vec<Sent>| {
        unsigned(sent);
        let mut root: serde_json::Value = serde_json::from_slice(&moved.old(&Role::Root)).unwrap();
        root["signed"]["version"] = 2.into();
        sent.insert(0, Sent::whole(&Role::Root, root.to_string().as_bytes()));
    };
    assert_eq!(asked(&moved, &another_root).await, ALL);
}

#[tokio::test]
async fn an_older_timestamp_is_refused_at_once_as_by_its_name() {
    let moved = Moved::new().await;
    let reader = Person::new();
    reader.read(&moved.server).await.unwrap();
    let kept = cached(&reader);
    let old = moved.old(&Role::Timestamp);
    moved.server.state.lock().unwrap().served.insert("timestamp.json".into(), old.clone());
    let by_name = reader.read(&moved.server).await.unwrap_err();
    let answer = |_: &Held| Some(bytes(&[Sent::whole(&Role::Timestamp, &old)]));
    let at_once = updated(&reader, &AtOnce::new(&moved.server, &answer)).await.unwrap_err();
    let is_rollback = |error: &UpdateError| {
        matches!(error, UpdateError::Chain(ChainError::Stale(StaleError::Rollback { role: Role::Timestamp, .. })))
    };
    assert!(is_rollback(&by_name) && is_rollback(&at_once), "{at_once}");
    assert_eq!(at_once.to_string(), by_name.to_string());
    assert_eq!(cached(&reader), kept);
}

/// As where a cache before the documents shows what was there before.
#[tokio::test]
async fn behind_a_root_and_a_timestamp_that_were_verified_an_update_that_is_begun_anew_does_not_go() {
    let moved = Moved::new().await;
    let (before, reader) = (moved.before(), moved.reader().await);
    restate(&moved.server, &moved.owner, |root| root.version = root.version.next().unwrap());
    let answer = |held: &Held| {
        let mut sent = honest(&moved.server, held);
        sent.retain(|sent| ["root", "timestamp"].contains(&sent.role.as_str()));
        Some(bytes(&sent))
    };
    let root = moved.server.state.lock().unwrap().current[&Role::Root].clone();
    for older in ["root version 1 ", "timestamp version "] {
        let error = updated(&reader, &AtOnce::new(before, &answer)).await.unwrap_err().to_string();
        assert!(error.starts_with(older) && error.contains(" is lower than current version "), "{error}");
        let served = &mut before.state.lock().unwrap().served;
        served.extend(["root.json", "2.root.json"].map(|name| (name.to_owned(), root.clone())));
    }
    assert_eq!(reader.cache().read(&Role::Root).unwrap().unwrap(), root);
}

/// The repository of all cases, and what is to be believed of it by who has read the first state, and by who has not.
struct Fixed {
    runtime: Runtime,
    moved: Moved,
    seen: [Vec<String>; 2],
}

fn fixed() -> &'static Fixed {
    static FIXED: OnceLock<Fixed> = OnceLock::new();
    FIXED.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let moved = runtime.block_on(Moved::new());
        let seen = [true, false].map(|has_read| {
            runtime.block_on(async {
                let reader = if has_read { moved.reader().await } else { Person::new() };
                believed(&reader.read(&moved.server).await.unwrap())
            })
        });
        Fixed { runtime, moved, seen }
    })
}

/// Something that happens to an answer on its way.
#[derive(Clone, Debug)]
enum Mishap {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    Exchange(prop::sample::Index, prop::sample::Index),
    Rename(prop::sample::Index, &'static str),
    Grow(prop::sample::Index, i8),
    Rebase(prop::sample::Index),
    Leave(prop::sample::Index),
}

fn mishap() -> impl Strategy<Value = Mishap> {
    let at = any::<prop::sample::Index>;
    let role =
        prop::sample::select(vec!["root", "timestamp", "snapshot", "targets", "targets/bob", "targets/releases"]);
    prop_oneof![
        (at(), 1_u8..).prop_map(|(at, mask)| Mishap::Flip(at, mask)),
        at().prop_map(Mishap::Cut),
        (at(), prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Mishap::Insert(at, bytes)),
        (at(), at()).prop_map(|(a, b)| Mishap::Exchange(a, b)),
        (at(), role).prop_map(|(at, role)| Mishap::Rename(at, role)),
        (at(), any::<i8>()).prop_map(|(at, by)| Mishap::Grow(at, by)),
        at().prop_map(Mishap::Rebase),
        at().prop_map(Mishap::Leave),
    ]
}

/// What comes of an answer after all that happens to it.
fn after(mut files: Vec<Sent>, mishaps: &[Mishap]) -> Bytes {
    for mishap in mishaps.iter().filter(|_| !files.is_empty()).cloned().collect::<Vec<_>>() {
        if files.is_empty() {
            break;
        }
        match mishap {
            Mishap::Exchange(a, b) => {
                let (a, b) = (a.index(files.len()), b.index(files.len()));
                let bytes = files[a].bytes.clone();
                files[a].bytes = std::mem::replace(&mut files[b].bytes, bytes);
            }
            Mishap::Rename(at, role) => {
                let at = at.index(files.len());
                files[at].role = role.to_owned();
            }
            Mishap::Grow(at, by) => {
                let at = at.index(files.len());
                files[at].length = files[at].length.saturating_add_signed(by.into());
            }
            Mishap::Rebase(at) => {
                let at = at.index(files.len());
                files[at].base = Some(Sha256::of(b"another").to_hex());
            }
            Mishap::Leave(at) => drop(files.remove(at.index(files.len()))),
            Mishap::Flip(..) | Mishap::Cut(_) | Mishap::Insert(..) => {}
        }
    }
    let mut answer = bytes(&files).to_vec();
    for mishap in mishaps.iter().filter(|_| !answer.is_empty()).cloned().collect::<Vec<_>>() {
        match mishap {
            Mishap::Flip(at, mask) => {
                let at = at.index(answer.len());
                answer[at] ^= mask;
            }
            Mishap::Cut(at) => answer.truncate(at.index(answer.len()).max(1)),
            Mishap::Insert(at, bytes) => {
                let at = at.index(answer.len());
                answer.splice(at..at, bytes);
            }
            _ => {}
        }
    }
    answer.into()
}

/// What a reader believes in the end who is answered so.
fn believed_after(has_read: bool, answer: Answer<'_>) -> Vec<String> {
    let fixed = fixed();
    fixed.runtime.block_on(async {
        let reader = if has_read { fixed.moved.reader().await } else { Person::new() };
        believed(&updated(&reader, &AtOnce::new(&fixed.moved.server, answer)).await.unwrap())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_happens_to_an_answer_a_reader_believes_what_it_would_without(
        has_read: bool, mishaps in prop::collection::vec(mishap(), 1..5),
    ) {
        let fixed = fixed();
        let answer = |held: &Held| Some(after(honest(&fixed.moved.server, held), &mishaps));
        prop_assert_eq!(&believed_after(has_read, &answer), &fixed.seen[usize::from(!has_read)]);
    }

    #[test]
    fn any_bytes_for_an_answer_change_nothing(
        has_read: bool, line in "\\PC{0,40}", tail in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let answer = Bytes::from([line.as_bytes(), b"\n", tail.as_slice()].concat());
        let seen = believed_after(has_read, &|_| Some(answer.clone()));
        prop_assert_eq!(&seen, &fixed().seen[usize::from(!has_read)]);
    }
}
