//! What takes more than one upload: deletion, a race, and what expires.

use std::collections::BTreeSet;

use e2e::upload::now;

use super::{Purpose, SOON, Story, keep};
use crate::changes;
use crate::deck::Special;
use crate::rows::Met;
use crate::upload::{Content, Draft};
use crate::verdict::Verdict;

impl Story<'_> {
    /// Prepares a special card and gives its upload.
    pub(super) async fn special(&mut self, special: Special) -> anyhow::Result<Draft> {
        let soon = now().plus_seconds(SOON).to_rfc3339();
        let held = match special {
            Special::Deletion => {
                self.delete().await?;
                return Ok(changes::first(&self.repository, &mut self.chance, None));
            }
            Special::ExpiredSnapshot => Some(false),
            _ => None,
        };
        let mut draft = changes::first(&self.repository, &mut self.chance, held);
        let role = match special {
            Special::ExpiredRoot => "root",
            Special::ExpiredSnapshot => "snapshot",
            _ => "targets",
        };
        match draft.part(role).map(|part| &mut part.content) {
            Some(Content::Root(root)) => root.expires.clone_from(&soon),
            Some(Content::Targets(targets)) => targets.expires.clone_from(&soon),
            Some(Content::Snapshot { expires, .. }) => expires.clone_from(&soon),
            _ => {}
        }
        let below = special == Special::ExpiredTargets;
        self.publish(&mut vec!["preparing", "soon expired"], draft, Purpose::Preparing).await?;
        if below {
            let mut delegating = changes::delegate(&self.repository, &mut self.chance);
            if let Some(Content::Targets(targets)) = delegating.part("targets").map(|part| &mut part.content) {
                targets.expires.clone_from(&soon);
            }
            self.publish(&mut vec!["preparing", "soon expired"], delegating, Purpose::Preparing).await?;
        }
        tokio::time::sleep(std::time::Duration::from_secs(SOON.unsigned_abs() + 1)).await;
        if special == Special::ExpiredSnapshot {
            let repository = self.repository.clone();
            self.compare_readings(&["over an expired snapshot"], &repository, None).await?;
        }
        let (repository, chance) = (&self.repository, &mut self.chance);
        Ok(if below { changes::delegation_tag(repository, chance) } else { changes::tag(repository, chance) })
    }

    pub(super) async fn delete(&mut self) -> anyhow::Result<()> {
        let gun = self.repository.gun.clone();
        let (reference, ours) = tokio::join!(self.reference.delete(&gun), self.ours.delete(&gun));
        let (reference, ours) = (Verdict::of(Some(&reference?)), Verdict::of(Some(&ours?)));
        self.judge(&["deletion"], &reference, &ours, None)?;
        for place in &mut self.places {
            place.stored.clear();
        }
        let gone = self.repository.clone();
        self.compare_readings(&["deletion"], &gone, None).await?;
        let before = &mut self.repository;
        before.published = false;
        before.deletions += 1;
        before.targets.clear();
        before.gone = BTreeSet::new();
        Ok(())
    }

    /// Two publishers of one version at once, on each side.
    pub(super) async fn race(&mut self) -> anyhow::Result<()> {
        self.tally.uploads += 1;
        self.step += 1;
        let drafts = [(); 2].map(|()| changes::tag(&self.repository, &mut self.chance));
        let run = self.run;
        let _alone = run.race.lock().await;
        let mut winners = Vec::new();
        let mut sents = Vec::new();
        let mut losers = Vec::new();
        for (side, place) in [self.reference, self.ours].into_iter().zip(&self.places) {
            let [one, other] = &drafts;
            let (one, other) = (one.seal(&self.keys, place)?, other.seal(&self.keys, place)?);
            let (first, second) = tokio::join!(side.publish(side.port, &one), side.publish(side.other_port, &other));
            let verdicts = [Verdict::of(first?.as_ref()), Verdict::of(second?.as_ref())];
            losers.push(verdicts.iter().find(|verdict| !verdict.accepted()).cloned());
            winners.push(match &verdicts {
                [first, second] if first.accepted() && !second.accepted() => Some(one.clone()),
                [first, second] if !first.accepted() && second.accepted() => Some(other.clone()),
                _ => None,
            });
            sents.push(one);
        }
        let kinds = ["race"];
        let said = |verdict: &Option<Verdict>| verdict.clone().unwrap_or(Verdict::Silence);
        let (reference, ours) = (losers.first().map(said), losers.get(1).map(said));
        let (reference, ours) = (reference.unwrap_or(Verdict::Silence), ours.unwrap_or(Verdict::Silence));
        self.tally.coverage.note(&Met { kinds: &kinds, reference: &reference });
        let sent = sents.first().zip(sents.get(1));
        self.judge(&kinds, &reference, &ours, sent)?;
        let both: Vec<_> = winners.into_iter().flatten().collect();
        let [at_reference, at_ours] = both.as_slice() else { return self.start_anew() };
        self.tally.accepted += 1;
        for (place, sent) in self.places.iter_mut().zip([at_reference, at_ours]) {
            keep(place, sent);
        }
        let [draft, _] = drafts;
        self.repository = draft.next;
        let repository = self.repository.clone();
        self.compare_readings(&kinds, &repository, None).await?;
        let tag = changes::tag(&self.repository, &mut self.chance);
        self.publish(&mut vec!["further publish"], tag, Purpose::Following).await?;
        self.tally.followed += 1;
        Ok(())
    }
}
