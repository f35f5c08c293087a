//! One sequence of uploads to one repository after another, on both sides.

mod compare;
mod special;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use e2e::upload::now;
use tokio::sync::Mutex;

use crate::breaks::any_subject;
use crate::chance::Chance;
use crate::changes::{self, Need};
use crate::deck::{Card, Special};
use crate::deviations::{Case, Seen};
use crate::keys::{Keys, Pool};
use crate::repository::{Repository, Root};
use crate::rows::Met;
use crate::side::{Place, Side, version_of};
use crate::tally::Tally;
use crate::upload::{Draft, Sent};
use crate::verdict::Verdict;

/// Ten years, as the reference gives a root.
const LIFETIME_SECONDS: i64 = 3650 * 24 * 3600;

/// How long what is to expire soon is valid, in seconds: enough for a publish on a busy machine.
const SOON: i64 = 4;

/// What all sequences of a run share.
pub(crate) struct Run {
    pub(crate) seed: u64,
    pub(crate) pool: Arc<Pool>,
    /// Where differences are written.
    pub(crate) dumps: PathBuf,
    /// Whether somebody races at the reference already.
    pub(crate) race: Mutex<()>,
}

/// A sequence at work.
pub(crate) struct Story<'a> {
    run: &'a Run,
    number: usize,
    step: usize,
    chance: Chance,
    reference: Side,
    ours: Side,
    repositories: usize,
    keys: Keys,
    repository: Repository,
    /// What is known of the repository: at the reference, at ours.
    places: [Place; 2],
    pub(crate) tally: Tally,
}

/// Why an upload is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Dealt,
    Preparing,
    Following,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Accepted,
    Refused,
    /// One side accepted it, or what was read differs.
    Apart,
}

impl<'a> Story<'a> {
    pub(crate) fn new(run: &'a Run, number: usize, reference: Side, ours: Side) -> anyhow::Result<Self> {
        let gun = name(run.seed, number, 0);
        let keys = Keys::new(&run.pool, &gun, now())?;
        Ok(Self {
            run,
            number,
            step: 0,
            chance: Chance::new(run.seed, 1 + number as u64),
            reference,
            ours,
            repositories: 1,
            keys,
            repository: unpublished(gun),
            places: Default::default(),
            tally: Tally::default(),
        })
    }

    /// Plays a hand.
    pub(crate) async fn play(&mut self, hand: &[Card]) -> anyhow::Result<()> {
        for card in hand {
            let need = card.need().or_else(|| (!self.chance.once_in(4)).then_some(Need::Published));
            if let Some(need) = need
                && !self.reach(need).await?
            {
                let about = format!("the repository never became {need:?}");
                self.differ(&card.kinds(), &about, "", "", None)?;
                continue;
            }
            let mut kinds = card.kinds();
            let draft = match card {
                Card::Change(change) => (change.make)(&self.repository, &mut self.chance),
                Card::Break(broken) => {
                    let mut draft = broken.base.draft(&self.repository, &mut self.chance);
                    (broken.make)(&mut draft, &mut self.chance);
                    draft
                }
                Card::Both(one, other) => {
                    let mut draft = one.base.draft(&self.repository, &mut self.chance);
                    (one.make)(&mut draft, &mut self.chance);
                    let mut draft = any_subject(draft, &mut self.chance);
                    (other.make)(&mut draft, &mut self.chance);
                    draft
                }
                Card::Special(Special::Race) => {
                    self.race().await?;
                    continue;
                }
                Card::Special(special) => self.special(*special).await?,
            };
            let end = self.publish(&mut kinds, draft, Purpose::Dealt).await?;
            if end == End::Accepted {
                let tag = changes::tag(&self.repository, &mut self.chance);
                let after = self.publish(&mut vec!["further publish"], tag, Purpose::Following).await?;
                self.tally.followed += 1;
                // What a broken upload left behind is nothing to go on from.
                if card.breaks() || after != End::Accepted {
                    self.start_anew()?;
                }
            }
            if end == End::Apart {
                self.start_anew()?;
            }
        }
        Ok(())
    }

    fn start_anew(&mut self) -> anyhow::Result<()> {
        let gun = name(self.run.seed, self.number, self.repositories);
        self.repositories += 1;
        self.keys = Keys::new(&self.run.pool, &gun, now())?;
        self.repository = unpublished(gun);
        self.places = Default::default();
        Ok(())
    }

    /// Makes the repository what a card needs; whether it became so.
    async fn reach(&mut self, need: Need) -> anyhow::Result<bool> {
        for _ in 0..12 {
            let (repository, chance) = (&self.repository, &mut self.chance);
            let draft = match need {
                Need::Unpublished if repository.published => {
                    self.start_anew()?;
                    return Ok(true);
                }
                Need::Unpublished => return Ok(true),
                _ if !repository.published => {
                    let server_holds = match need {
                        Need::ServerSnapshot => Some(true),
                        Need::ClientSnapshot => Some(false),
                        _ => None,
                    };
                    changes::first(repository, chance, server_holds)
                }
                Need::ServerSnapshot if repository.client_holds_snapshot() => {
                    changes::snapshot_to_server(repository, chance)
                }
                Need::ClientSnapshot if !repository.client_holds_snapshot() => {
                    changes::snapshot_to_client(repository, chance)
                }
                Need::Delegation | Need::Nested if repository.signable(1).is_empty() => {
                    changes::delegate_signed(repository, chance)
                }
                Need::Nested if repository.signable(2).is_empty() => changes::nest(repository, chance),
                _ => return Ok(true),
            };
            if self.publish(&mut vec!["preparing"], draft, Purpose::Preparing).await? != End::Accepted {
                self.start_anew()?;
            }
        }
        Ok(false)
    }

    /// Sends an upload to both sides and compares all that comes of it.
    async fn publish(&mut self, kinds: &mut Vec<&'static str>, draft: Draft, purpose: Purpose) -> anyhow::Result<End> {
        self.step += 1;
        match purpose {
            Purpose::Dealt => self.tally.uploads += 1,
            Purpose::Preparing | Purpose::Following => self.tally.others += 1,
        }
        let people = draft.next.client_holds_snapshot();
        kinds.push(if people { "snapshot held by people" } else { "snapshot held by the server" });
        if !self.repository.published && purpose == Purpose::Preparing {
            kinds.push("first publish");
        }
        for (role, number, ask) in &draft.asks {
            let gun = &draft.next.gun;
            let (one, other) = tokio::join!(self.reference.key(gun, *role, *ask), self.ours.key(gun, *role, *ask));
            let mut earlier = Vec::new();
            for (place, key) in self.places.iter_mut().zip([one?, other?]) {
                earlier.push(place.earlier(*role, &key));
                place.server_keys.insert((*role, *number), key);
            }
            if let [reference, ours] = earlier.as_slice()
                && reference != ours
            {
                let same = |earlier: &Option<u32>| earlier.map_or("a new key".to_owned(), |n| format!("its key {n}"));
                self.differ(kinds, &format!("{} of {}.key", number, role.name()), &same(reference), &same(ours), None)?;
            }
        }
        let [at_reference, at_ours] = &self.places;
        let (to_reference, to_ours) = (draft.seal(&self.keys, at_reference)?, draft.seal(&self.keys, at_ours)?);
        let (reference, ours) = tokio::join!(
            self.reference.publish(self.reference.port, &to_reference),
            self.ours.publish(self.ours.port, &to_ours),
        );
        let (reference, ours) = (Verdict::of(reference?.as_ref()), Verdict::of(ours?.as_ref()));
        self.tally.coverage.note(&Met { kinds, reference: &reference });
        let line = format!("{} {} [{}] {reference} | {ours}", self.number, self.step, kinds.join(", "));
        self.tally.log.push(line);
        if purpose == Purpose::Dealt && reference.accepted() {
            self.tally.accepted += 1;
        }
        let sent = Some((&to_reference, &to_ours));
        let known = self.judge(kinds, &reference, &ours, sent)?;
        if reference.accepted() && ours.accepted() && draft.gun.is_none() {
            let [at_reference, at_ours] = &mut self.places;
            keep(at_reference, &to_reference);
            keep(at_ours, &to_ours);
            self.repository = synchronised(draft.next, &to_reference);
            let repository = self.repository.clone();
            let same = self.compare_readings(kinds, &repository, sent).await?;
            return Ok(if same && known { End::Accepted } else { End::Apart });
        }
        if reference.accepted() || ours.accepted() {
            let case = Case {
                kinds,
                deletions: draft.next.deletions,
                seen: Seen::Answer { reference: &reference, ours: &ours },
            };
            let unreadable = self.part_ways(kinds, &draft, &reference, &to_reference).await?;
            if let (true, Some(deviation)) = (unreadable, case.explained()) {
                self.tally.deviations.entry(deviation.name).or_default().unreadable += 1;
            }
            return Ok(End::Apart);
        }
        Ok(End::Refused)
    }
}

fn name(seed: u64, sequence: usize, repository: usize) -> String {
    format!("example.com/verdicts/{seed}/{sequence}/{repository}")
}

/// A repository that nothing was published into.
fn unpublished(gun: String) -> Repository {
    let expires = now().plus_seconds(LIFETIME_SECONDS).to_rfc3339();
    let root = Root { version: 0, expires: expires.clone(), grants: BTreeMap::new(), spare: Vec::new() };
    Repository {
        gun,
        published: false,
        root,
        targets: BTreeMap::new(),
        gone: BTreeSet::new(),
        used_keys: 0,
        server_keys: BTreeMap::new(),
        deletions: 0,
        expires,
    }
}

/// Notes what a side has stored of an upload: a timestamp is not.
fn keep(place: &mut Place, sent: &Sent) {
    for document in sent.documents.iter().filter(|document| document.role != "timestamp") {
        place.stored.insert(document.role.clone(), document.bytes.clone());
    }
}

/// The repository with the versions that were uploaded, whatever broke them.
fn synchronised(mut next: Repository, sent: &Sent) -> Repository {
    next.published = true;
    for document in &sent.documents {
        let version = version_of(&document.bytes);
        if document.role == "root" {
            next.root.version = version;
        } else if let Some(targets) = next.targets.get_mut(&document.role) {
            targets.version = version;
        }
    }
    next
}
