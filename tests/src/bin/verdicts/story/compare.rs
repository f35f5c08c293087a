//! Holding what the two sides say, and what is read from them, side by side.

use std::collections::BTreeMap;

use super::{Story, keep, synchronised};
use crate::changes;
use crate::deviations::{Case, Seen};
use crate::dump::Difference;
use crate::reading::{Reading, Way, read_back};
use crate::repository::Repository;
use crate::upload::{Draft, Sent};
use crate::verdict::Verdict;

impl Story<'_> {
    /// After one side accepted what the other refused: the next good publish works at ours, and the reference's state
    /// is read. Whether something that the reference accepted could not be read there.
    pub(super) async fn part_ways(
        &mut self,
        kinds: &[&'static str],
        draft: &Draft,
        reference: &Verdict,
        sent: &Sent,
    ) -> anyhow::Result<bool> {
        let mut unreadable = false;
        if reference.accepted() && draft.gun.is_none() {
            let [place, _] = &mut self.places;
            keep(place, sent);
            let repository = synchronised(draft.next.clone(), sent);
            let reading = read_back(&self.reference, place, &repository).await?;
            self.tally.reads += reading.files.len() as u64;
            self.tally.followed += 1;
            let of_upload = |role: &String| !role.contains('/') || sent.documents.iter().any(|sent| sent.role == *role);
            unreadable = reading.files.iter().any(|((role, way), read)| {
                *way == Way::Name && of_upload(role) && !(read.status == 200 && read.faithful)
            });
        }
        if self.repository.published {
            let tag = changes::tag(&self.repository, &mut self.chance);
            let [_, place] = &self.places;
            let sent = tag.seal(&self.keys, place)?;
            self.tally.others += 1;
            let answer = self.ours.publish(self.ours.port, &sent).await?;
            let ours = Verdict::of(answer.as_ref());
            if reference.accepted() && !ours.accepted() {
                self.differ(kinds, "the next good publish", "", &ours.to_string(), Some((&sent, &sent)))?;
            }
        }
        Ok(unreadable)
    }

    /// Whether two answers are the same or differ as listed.
    pub(super) fn judge(
        &mut self,
        kinds: &[&'static str],
        reference: &Verdict,
        ours: &Verdict,
        sent: Option<(&Sent, &Sent)>,
    ) -> anyhow::Result<bool> {
        if reference == ours {
            return Ok(true);
        }
        let case = Case { kinds, deletions: self.repository.deletions, seen: Seen::Answer { reference, ours } };
        if let Some(deviation) = case.explained() {
            self.tally.deviations.entry(deviation.name).or_default().times += 1;
            return Ok(true);
        }
        self.differ(kinds, "answer", &reference.to_string(), &ours.to_string(), sent)?;
        Ok(false)
    }

    /// Reads everything on both sides; whether both read the same, or differ as listed.
    pub(super) async fn compare_readings(
        &mut self,
        kinds: &[&'static str],
        repository: &Repository,
        sent: Option<(&Sent, &Sent)>,
    ) -> anyhow::Result<bool> {
        let [at_reference, at_ours] = &mut self.places;
        let (reference, ours) = tokio::join!(
            read_back(&self.reference, at_reference, repository),
            read_back(&self.ours, at_ours, repository),
        );
        let (reference, ours): (Reading, Reading) = (reference?, ours?);
        self.tally.reads += reference.files.len() as u64;
        let mut same = true;
        let mut files: BTreeMap<_, _> = reference.files.iter().map(|(file, read)| (file, (Some(read), None))).collect();
        for (file, read) in &ours.files {
            files.entry(file).or_insert((None, None)).1 = Some(read);
        }
        for ((role, way), pair) in files {
            let (Some(reference), Some(ours)) = pair else { continue };
            if reference == ours && reference.faithful {
                continue;
            }
            let seen = Seen::File { role, way: *way, reference, ours };
            let case = Case { kinds, deletions: repository.deletions, seen };
            if let Some(deviation) = case.explained() {
                self.tally.deviations.entry(deviation.name).or_default().times += 1;
                continue;
            }
            same = false;
            let about = format!("{role} read by {way:?}");
            self.differ(kinds, &about, &reference.to_string(), &ours.to_string(), sent)?;
        }
        if reference.feed != ours.feed {
            let seen = Seen::Feed { reference: &reference.feed, ours: &ours.feed };
            let case = Case { kinds, deletions: repository.deletions, seen };
            match case.explained() {
                Some(deviation) => self.tally.deviations.entry(deviation.name).or_default().times += 1,
                None => {
                    same = false;
                    let (reference, ours) = (format!("{:?}", reference.feed), format!("{:?}", ours.feed));
                    self.differ(kinds, "change feed", &reference, &ours, sent)?;
                }
            }
        }
        Ok(same)
    }

    pub(super) fn differ(
        &mut self,
        kinds: &[&'static str],
        about: &str,
        reference: &str,
        ours: &str,
        sent: Option<(&Sent, &Sent)>,
    ) -> anyhow::Result<()> {
        let difference = Difference {
            sequence: self.number,
            step: self.step,
            kinds: kinds.join(", "),
            about: about.to_owned(),
            reference: reference.to_owned(),
            ours: ours.to_owned(),
        };
        if let Some((to_reference, to_ours)) = sent {
            difference.write(&self.run.dumps, self.run.seed, to_reference, to_ours)?;
        }
        self.tally.differences.push(difference);
        Ok(())
    }
}
