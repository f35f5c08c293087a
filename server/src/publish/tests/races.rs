//! Publishers at the same time: one wins, the others hear of it.

use super::*;

/// Two servers on one store: their publishers do not wait for each other.
fn second_server(stack: &Stack) -> Arc<Publisher> {
    let (limits, chance) = (PublishLimits::default(), Arc::new(SystemRandom::new()));
    Arc::new(Publisher::new(stack.store.clone(), stack.signer.clone(), stack.clock.clone(), limits, chance))
}

async fn race(stack: &Stack, uploads: Vec<Vec<UploadPart>>) -> Vec<Result<(), PublishError>> {
    let servers = [stack.publisher.clone(), second_server(stack)];
    let racers: Vec<_> = uploads
        .into_iter()
        .enumerate()
        .map(|(index, parts)| {
            let (server, gun) = (servers[index % 2].clone(), stack.gun.clone());
            tokio::spawn(async move { server.publish(&Access::for_tests(gun), Upload { parts }).await })
        })
        .collect();
    let mut results = Vec::new();
    for racer in racers {
        results.push(racer.await.unwrap());
    }
    results
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_eight_publishers_of_one_version_one_wins_and_the_others_hear_version() {
    let stack = Stack::new();
    let mut author = stack.published().await;
    author.next_targets();
    let uploads = (0..8).map(|_| vec![targets(&author)]).collect();
    let results = race(&stack, uploads).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for error in results.into_iter().filter_map(Result::err) {
        let PublishError::VersionConflict { role: Role::Targets, current } = error else { panic!("{error}") };
        assert_eq!(current, Some(version(2)));
    }
    assert_eq!(stack.latest_version(&Role::Timestamp).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_eight_first_publishers_one_wins_and_the_others_hear_version() {
    let stack = Stack::new();
    let author = stack.author().await;
    let uploads = (0..8).map(|_| vec![root(&author), targets(&author)]).collect();
    let results = race(&stack, uploads).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for error in results.into_iter().filter_map(Result::err) {
        assert!(matches!(error, PublishError::VersionConflict { .. }), "{error}");
    }
    assert_eq!(stack.changes().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_lost_race_on_the_servers_own_roles_is_prepared_again() {
    let stack = Stack::new();
    let mut author = stack.author().await;
    let (a, expires) = (testing::secret_key(), author.root.expires);
    for name in ["targets/a", "targets/releases"] {
        accepted::delegate(&mut author, name, Some(&a), &[""]);
    }
    stack.publish(vec![root(&author), targets(&author)]).await.unwrap();
    let mut uploads = Vec::new();
    for name in ["targets/a", "targets/releases"] {
        uploads.push(vec![accepted::delegation(name, 1, "x", expires, &a)]);
        uploads.push(Vec::new());
    }
    for result in race(&stack, uploads).await {
        result.unwrap();
    }
    assert_eq!(stack.latest_version(&Role::Timestamp).await, 5);
    // Every winner is listed in the last snapshot: none was made of stale state.
    for name in ["targets/a", "targets/releases", "targets", "root"] {
        assert!(stack.current(&role(name)).await.is_some(), "{name}");
    }
}

#[tokio::test]
async fn an_upload_that_was_judged_before_a_deletion_is_judged_again() {
    let stack = Stack::new();
    let mut author = stack.published().await;
    author.next_targets();
    let parts = Parts::parse(&Upload { parts: vec![targets(&author)] }).unwrap();
    let (newest, now) = (stack.store.newest(&stack.gun).await.unwrap(), stack.clock.now());
    let root = TrustedRoots::new().believe(&stack.gun, newest.root.as_ref().unwrap(), now).unwrap();
    let known = load::load(&*stack.store, &stack.gun, &newest, Some(root), &parts).await.unwrap();
    let accepted = validate::validate(&stack.gun, parts, &known, now, PublishLimits::default()).unwrap();
    let root = accepted.root.clone();
    let maker = Maker { gun: &stack.gun, root: root.model(), signer: &*stack.signer, newest: &newest, now };
    let update = maker.complete(accepted).await.unwrap();
    stack.store.delete(&stack.gun).await.unwrap();
    let refused = stack.store.commit(&update).await;
    assert!(matches!(refused, Err(StoreError::Conflict { role: Role::Timestamp, current: None })), "{refused:?}");
    // The next attempt finds no root any more.
    let error = stack.refusal(vec![targets(&author)]).await;
    assert_told(&error, "ErrValidation", "no pre-existing root and no root provided in update.");
}

/// Fifty publishers of one repository, in turn on two servers, each with a delegation of its own or with nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_publishers_on_two_servers_who_has_no_rival_does_not_lose() {
    let stack = Stack::new();
    let mut author = stack.author().await;
    let (key, expires) = (testing::secret_key(), author.root.expires);
    let names: Vec<String> = (0..25).map(|number| format!("targets/{number}")).collect();
    names.iter().for_each(|name| accepted::delegate(&mut author, name, Some(&key), &[""]));
    stack.publish(vec![root(&author), targets(&author)]).await.unwrap();
    let with_delegations = names.iter().map(|name| vec![accepted::delegation(name, 1, "x", expires, &key)]);
    let uploads = with_delegations.flat_map(|upload| [upload, Vec::new()]).collect();
    for result in race(&stack, uploads).await {
        result.unwrap();
    }
    assert_eq!(stack.latest_version(&Role::Timestamp).await, 51);
    for name in &names {
        assert!(stack.current(&role(name)).await.is_some(), "{name}");
    }
}
