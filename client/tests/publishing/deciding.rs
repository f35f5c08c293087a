//! What a policy lets through: signers, exceptions, freshness, and what is only watched.

use std::path::Path;

use bulla::decision::{Decision, Refusal, decide, without_trust_data};
use bulla::image::ImageName;
use bulla::keys::KeyRole;
use bulla::policy::{Evidence, Outcome, Policy, Verdict};
use bulla::signers::{AddSigner, SignerName};
use bulla::trust::{Offline, update};
use ring::rand::SystemRandom;
use tuf_schema::verify::chain::Trusted;
use tuf_schema::{Gun, Sha256, SigningKey as _, UtcTime};

use crate::world::{Person, Server, gun, now};

const CONTENT: &[u8] = b"app 1.4";

/// A repository with three signers, and who of them signed tag `1.4`.
struct Team {
    server: Server,
    people: [Person; 3],
    reader: Person,
}

const NAMES: [&str; 3] = ["alice", "bob", "carol"];

impl Team {
    async fn new(signing: &[&str]) -> Self {
        let (server, owner) = (Server::new(), Person::new());
        owner.sign(&server, "other", b"other").await.unwrap();
        let people = [Person::new(), Person::new(), Person::new()];
        for (name, person) in NAMES.iter().zip(&people) {
            let mut keys = person.keyring();
            let stored = keys.create(KeyRole::Signer((*name).to_owned()), None, &SystemRandom::new()).unwrap();
            let key = keys.open(&stored).unwrap().public().clone();
            owner.publish(&server, &AddSigner::new(SignerName::parse(name).unwrap(), vec![key])).await.unwrap();
        }
        let team = Self { server, people, reader: Person::new() };
        for name in signing {
            team.person(name).sign(&team.server, "1.4", CONTENT).await.unwrap();
        }
        team
    }

    fn person(&self, name: &str) -> &Person {
        &self.people[NAMES.iter().position(|other| *other == name).unwrap()]
    }

    fn key(&self, name: &str) -> String {
        let mut keys = self.person(name).keyring();
        let stored = keys.list().unwrap().into_iter().find(|key| matches!(key.role, KeyRole::Signer(_))).unwrap();
        format!("key:{}", keys.open(&stored).unwrap().public().id())
    }

    async fn trusted(&self) -> Trusted {
        self.reader.read(&self.server).await.unwrap()
    }

    async fn asked(&self, policy: &str) -> Result<Decision, Box<Refusal>> {
        asked(policy, &self.trusted().await, "1.4", now())
    }
}

fn policy(text: &str) -> Policy {
    Policy::parse(Path::new("/p"), text.as_bytes()).unwrap()
}

fn image(tag: &str) -> ImageName {
    ImageName::parse(&format!("{}:{tag}", gun())).unwrap()
}

fn by_digest(content: &[u8]) -> ImageName {
    ImageName::parse(&format!("{}@sha256:{}", gun(), Sha256::of(content))).unwrap()
}

fn asked(text: &str, trusted: &Trusted, tag: &str, now: UtcTime) -> Result<Decision, Box<Refusal>> {
    decide(Some(&policy(text)), &image(tag), &Evidence { trusted, fetched: None, now }).map_err(Box::new)
}

fn rule(signers: &str) -> String {
    format!("[[rule]]\nimages = [\"{}\"]\nsigners = {signers}\n", gun())
}

fn outcome(decision: Result<Decision, Box<Refusal>>) -> Outcome {
    let decision = decision.unwrap();
    assert_eq!(decision.digest, Sha256::of(CONTENT));
    decision.verdict.unwrap().outcome
}

/// Why the policy refuses it.
fn refused(decision: Result<Decision, Box<Refusal>>) -> Verdict {
    let refusal = *decision.unwrap_err();
    let verdict = if let Refusal::Policy { verdict, .. } = refusal { Some(*verdict) } else { None };
    verdict.unwrap()
}

const TWO_OF_THREE: &str = "{ at_least = 2, of = [\"alice\", \"bob\", \"carol\"] }";

#[tokio::test]
async fn two_of_three_signers_suffice_and_one_does_not() {
    let one = Team::new(&["bob"]).await;
    let verdict = refused(one.asked(&rule(TWO_OF_THREE)).await);
    assert_eq!(verdict.reasons(), "line 3: signed by at least 2 of alice, bob, carol; found bob");
    one.person("carol").sign(&one.server, "1.4", CONTENT).await.unwrap();
    assert_eq!(outcome(one.asked(&rule(TWO_OF_THREE)).await), Outcome::Passed);
}

#[tokio::test]
async fn a_signature_under_another_digest_is_none() {
    let team = Team::new(&["alice"]).await;
    team.person("bob").sign(&team.server, "1.4", b"another").await.unwrap();
    // What was released last is what is decided about, never what the policy would like.
    let verdict = refused(team.asked(&rule("{ any = [\"alice\"] }")).await);
    assert_eq!(verdict.reasons(), "line 3: signed by alice; none of them did");
    let decision = team.asked(&rule("{ any = [\"alice\", \"bob\"] }")).await.unwrap();
    assert_eq!(decision.digest, Sha256::of(b"another"));
}

#[tokio::test]
async fn whoever_signs_the_releases_last_has_not_signed_what_others_released() {
    let team = Team::new(&["alice"]).await;
    team.person("bob").sign(&team.server, "next", b"next").await.unwrap();
    let (alice, bob) = (team.key("alice"), team.key("bob"));
    let verdict = refused(team.asked(&rule(&format!("{{ all = [\"{alice}\", \"{bob}\"] }}"))).await);
    assert_eq!(verdict.reasons(), format!("line 3: signed by {alice}, {bob}; found {alice}"));
    assert_eq!(outcome(team.asked(&rule(&format!("{{ any = [\"{alice}\"] }}"))).await), Outcome::Passed);
}

#[tokio::test]
async fn one_person_is_not_two_signers_by_name_and_by_key() {
    let team = Team::new(&["alice"]).await;
    let key = team.key("alice");
    let verdict = refused(team.asked(&rule(&format!("{{ all = [\"alice\", \"{key}\"] }}"))).await);
    let expected = format!("line 3: signed by alice, {key}; found alice, {key}, together with 1 key");
    assert_eq!(verdict.reasons(), expected);
}

#[tokio::test]
async fn a_signer_that_the_repository_does_not_have_is_named() {
    let team = Team::new(&["alice"]).await;
    let verdict = refused(team.asked(&rule("{ all = [\"alice\", \"dave\"] }")).await);
    assert_eq!(verdict.reasons(), "line 3: signed by alice, dave; found alice; no such signer there: dave");
}

#[tokio::test]
async fn what_no_rule_names_is_refused_unless_the_default_lets_it_pass() {
    let team = Team::new(&["alice"]).await;
    let elsewhere = "[[rule]]\nimages = [\"evil.test/*\", \"registry.test:5000/tea/*\"]\nsigners = { anyone = true }\n";
    let verdict = refused(team.asked(elsewhere).await);
    assert_eq!(verdict.reasons(), format!("what no rule is for is refused; no rule is for {}", gun()));
    assert_eq!(outcome(team.asked(&format!("default = \"signed\"\n{elsewhere}")).await), Outcome::Passed);
    assert_eq!(outcome(team.asked(&rule("{ anyone = true }")).await), Outcome::Passed);
}

#[tokio::test]
async fn another_spelling_of_a_host_passes_no_rule_by() {
    let team = Team::new(&["bob"]).await;
    let text = |images: &str| {
        format!("default = \"signed\"\n[[rule]]\nimages = [{images}]\nsigners = {{ all = [\"alice\"] }}\n")
    };
    for (pattern, host) in
        [("REGISTRY.TEST:5000/team/*", "REGISTRY.TEST:5000"), ("registry.test:05000/*", "registry.test:05000")]
    {
        let verdict = refused(team.asked(&text(&format!("{pattern:?}"))).await);
        let meant = format!("{host}/team/app");
        let expected = format!(
            "line 3: {pattern} is for {meant}; {} spells that host otherwise, and no rule is for it so: ask for {meant}",
            gun()
        );
        assert_eq!(verdict.reasons(), expected);
    }
    // Who means both names both, and each rule holds for what it names.
    let both = text("\"REGISTRY.TEST:5000/team/*\", \"registry.test:5000/team/*\"").replace("alice", "bob");
    assert_eq!(outcome(team.asked(&both).await), Outcome::Passed);
    assert_eq!(outcome(team.asked(&text("\"registry.test:5001/team/*\"")).await), Outcome::Passed);
}

#[tokio::test]
async fn what_is_only_watched_passes_with_the_reason_and_what_is_unsigned_does_not() {
    let team = Team::new(&["bob"]).await;
    let text = format!("mode = \"audit\"\n{}", rule(TWO_OF_THREE));
    let decision = team.asked(&text).await.unwrap();
    let verdict = decision.verdict.clone().unwrap();
    assert_eq!(verdict.reasons(), "line 4: signed by at least 2 of alice, bob, carol; found bob");
    assert_eq!(outcome(Ok(decision)), Outcome::Audited);
    let unsigned = asked(&text, &team.trusted().await, "absent", now()).unwrap_err();
    assert_eq!(*unsigned, Refusal::NotSigned("absent".into()));
}

#[tokio::test]
async fn an_exception_holds_until_its_end_and_for_its_image_alone() {
    let team = Team::new(&["bob"]).await;
    let excepted = |named: &str| {
        let exception = format!("image = \"{named}\"\nuntil = 2026-12-31T00:00:00Z\nreason = \"carol is away\"\n");
        format!("{}[[exception]]\n{exception}", rule(TWO_OF_THREE))
    };
    let text = excepted(image("1.4").original());
    let trusted = team.trusted().await;
    let at = |time: &str| asked(&text, &trusted, "1.4", UtcTime::parse(time).unwrap());
    assert_eq!(outcome(at("2026-12-30T23:59:59Z")), Outcome::Excepted);
    let over = refused(at("2026-12-31T00:00:00Z")).reasons();
    let ended = format!("line 5: exception for {}:1.4; it ended at 2026-12-31T00:00:00Z (carol is away)", gun());
    assert!(over.ends_with(&ended), "{over}");
    assert_eq!(outcome(team.asked(&excepted(by_digest(CONTENT).original())).await), Outcome::Excepted);
    for other in [format!("{}:1.5", gun()), "registry.test:5000/team/app2:1.4".into(), by_digest(b"x").to_string()] {
        refused(team.asked(&excepted(&other)).await);
    }
    // Trust data is needed all the same.
    let unsigned = asked(&excepted(image("absent").original()), &trusted, "absent", now()).unwrap_err();
    assert_eq!(*unsigned, Refusal::NotSigned("absent".into()));
}

#[test]
fn only_a_digest_that_an_exception_names_unsigned_passes_without_trust_data_until_it_ends() {
    let named = by_digest(CONTENT);
    let text = |unsigned: bool| {
        let exception = "until = 2026-12-31T00:00:00Z\nreason = \"r\"";
        policy(&format!("[[exception]]\nimage = \"{named}\"\n{exception}\nunsigned = {unsigned}\n"))
    };
    let passes = without_trust_data(Some(&text(true)), &named, now()).unwrap().unwrap();
    assert_eq!((passes.digest, passes.tag), (Sha256::of(CONTENT), None));
    let end = UtcTime::parse("2026-12-31T00:00:00Z").unwrap();
    let ended = without_trust_data(Some(&text(true)), &named, end).unwrap().unwrap_err();
    assert!(ended.reasons().ends_with("unsigned; it ended at 2026-12-31T00:00:00Z (r)"), "{}", ended.reasons());
    assert_eq!(without_trust_data(Some(&text(false)), &named, now()), None);
    assert_eq!(without_trust_data(Some(&text(true)), &image("1.4"), now()), None);
    assert_eq!(without_trust_data(Some(&text(true)), &by_digest(b"x"), now()), None);
    assert_eq!(without_trust_data(None, &named, now()), None);
}

#[tokio::test]
async fn an_image_named_by_its_digest_is_one_that_is_released_under_a_tag() {
    let team = Team::new(&["alice"]).await;
    let trusted = team.trusted().await;
    let evidence = Evidence { trusted: &trusted, fetched: None, now: now() };
    for text in [rule("{ any = [\"alice\"] }"), "default = \"signed\"".into()] {
        let decision = decide(Some(&policy(&text)), &by_digest(CONTENT), &evidence).unwrap();
        assert_eq!((decision.digest, decision.tag.unwrap().as_str()), (Sha256::of(CONTENT), "1.4"));
    }
    assert!(decide(None, &by_digest(CONTENT), &evidence).is_ok());
    let bob = policy(&rule("{ any = [\"bob\"] }"));
    assert!(matches!(decide(Some(&bob), &by_digest(CONTENT), &evidence), Err(Refusal::Policy { .. })));
    let unknown = decide(None, &by_digest(b"x"), &evidence).unwrap_err();
    assert_eq!(unknown, Refusal::NotSigned(format!("sha256:{}", Sha256::of(b"x"))));
    // What has been moved away from is not released any more.
    team.person("alice").sign(&team.server, "1.4", b"newer").await.unwrap();
    let trusted = team.trusted().await;
    let evidence = Evidence { trusted: &trusted, fetched: None, now: now() };
    assert!(matches!(decide(None, &by_digest(CONTENT), &evidence), Err(Refusal::NotSigned(_))));
}

#[tokio::test]
async fn cached_trust_data_is_as_fresh_as_when_it_was_fetched() {
    let team = Team::new(&["alice"]).await;
    let text = format!("{}[freshness]\nfetched_within = \"2h\"\n", rule("{ anyone = true }"));
    assert_eq!(outcome(team.asked(&text).await), Outcome::Passed);
    team.server.state.lock().unwrap().down = true;
    let rng = SystemRandom::new();
    let updated = update(&gun(), Ok(&team.server), &team.reader.cache(), Offline::UseCache, now(), &rng).await.unwrap();
    let at = |fetched: Option<&str>| {
        let fetched = fetched.map(|time| UtcTime::parse(time).unwrap());
        let evidence = Evidence { trusted: &updated.trusted, fetched, now: now() };
        decide(Some(&policy(&text)), &image("1.4"), &evidence).map_err(Box::new)
    };
    assert_eq!(outcome(at(Some("2026-11-21T22:00:00Z"))), Outcome::Passed);
    let old = refused(at(Some("2026-11-21T21:59:59Z"))).reasons();
    assert_eq!(old, "line 5: trust data fetched from the trust server within 2 hours; it was at 2026-11-21T21:59:59Z");
    refused(at(Some("2026-11-22T00:00:01Z")));
    assert!(refused(at(None)).reasons().ends_with("nobody knows when it was"));
}

#[tokio::test]
async fn a_timestamp_that_ends_sooner_than_the_policy_asks_for_is_refused() {
    let team = Team::new(&["alice"]).await;
    // That of this server is good for 9999 seconds.
    let text = |bound: &str| format!("{}freshness = {{ valid_for = \"{bound}\" }}\n", rule("{ anyone = true }"));
    assert_eq!(outcome(team.asked(&text("9999s")).await), Outcome::Passed);
    let verdict = refused(team.asked(&text("10000s")).await);
    assert!(
        verdict.reasons().starts_with("line 4: a timestamp that is good for another 10000 seconds; it is until 2026")
    );
}

#[tokio::test]
async fn pins_of_a_policy_reach_every_update_and_come_before_those_of_other_files() {
    use bulla::config::{Config, Flags};
    use tuf_schema::verify::Pin;
    let person = Person::new();
    let directory = person.directory();
    std::fs::create_dir_all(directory.as_path()).unwrap();
    let pins = |digit: &str| format!("{{ \"{}\" = [\"{}\"] }}", gun(), digit.repeat(64));
    std::fs::write(directory.policy_file(), format!("[pins]\ncerts = {}\n", pins("1"))).unwrap();
    let json = format!("{{\"pins\": {{\"certs\": {}}}}}", pins("2").replace('=', ":"));
    std::fs::write(directory.own_file(), json).unwrap();
    let flags = Flags { trust_directory: Some(directory.as_path().to_owned()), ..Flags::default() };
    let config = Config::read(&flags, |name| (name == "HOME").then(|| "/nonexistent".into())).unwrap();
    let Pin::Certificates { ids, stated } = config.cache(&Gun::parse(gun().as_str()).unwrap()).unwrap().pin().clone()
    else {
        panic!("nothing is pinned")
    };
    assert!(ids.iter().all(|id| id.as_str().starts_with('1')), "{ids:?}");
    assert!(stated.contains("policy.toml"), "{stated}");
    assert!(config.policy.is_some());
}
