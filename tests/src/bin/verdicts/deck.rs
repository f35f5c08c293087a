//! Which uploads a run is made of: dealt from a shuffled deck, so that every kind comes before any comes too often.

use crate::breaks::{self, Break};
use crate::chance::Chance;
use crate::changes::{CHANGES, Change, Need};

/// How many cards one sequence of uploads, which begins with a new repository, is dealt.
pub(crate) const HAND: usize = 5;

/// How many cards at most a round has, in which every kind comes.
const ROUND: usize = 500;

/// One upload to come.
#[derive(Clone, Copy)]
pub(crate) enum Card {
    Change(Change),
    Break(Break),
    Both(Break, Break),
    Special(Special),
}

/// What takes more than one upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Special {
    /// Two publishers at once.
    Race,
    /// A deletion, and a first publish under the same name.
    Deletion,
    ExpiredRoot,
    ExpiredTargets,
    ExpiredSnapshot,
}

impl Card {
    /// What it is and what it breaks.
    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        match self {
            Self::Change(change) => vec![change.name],
            Self::Break(broken) => vec![broken.name],
            Self::Both(one, other) => vec![one.name, other.name, "combination"],
            Self::Special(Special::Race) => vec!["race"],
            Self::Special(Special::Deletion) => vec!["first publish: after a deletion"],
            Self::Special(Special::ExpiredRoot) => vec!["over an expired root"],
            Self::Special(Special::ExpiredTargets) => vec!["below expired targets"],
            Self::Special(Special::ExpiredSnapshot) => vec!["over an expired snapshot"],
        }
    }

    /// What the repository must be, if anything.
    pub(crate) fn need(&self) -> Option<Need> {
        match self {
            Self::Change(change) => Some(change.needs),
            Self::Break(broken) | Self::Both(broken, _) => broken.base.need(),
            Self::Special(Special::Race | Special::Deletion) => Some(Need::Published),
            Self::Special(_) => Some(Need::Unpublished),
        }
    }

    /// Whether a rule is meant to be broken.
    pub(crate) fn breaks(&self) -> bool {
        matches!(self, Self::Break(_) | Self::Both(..))
    }
}

/// The hands of a run of `count` uploads.
pub(crate) fn deal(seed: u64, count: usize) -> Vec<Vec<Card>> {
    let mut chance = Chance::new(seed, 0);
    let mut cards = Vec::new();
    while cards.len() < count {
        let mut round = round(&mut chance);
        chance.shuffle(&mut round);
        cards.extend(round);
    }
    cards.truncate(count);
    cards.chunks(HAND).map(<[Card]>::to_vec).collect()
}

/// Every kind at least once; what is left of a round keeps every rule.
fn round(chance: &mut Chance) -> Vec<Card> {
    let breaks = breaks::all();
    let mut cards: Vec<_> = breaks.iter().copied().map(Card::Break).collect();
    for _ in 0..20 {
        let Some(one) = chance.pick(&breaks).copied() else { continue };
        let joined: Vec<_> =
            breaks.iter().filter(|other| one.base.joins(other.base) && other.name != one.name).collect();
        cards.extend(chance.pick(&joined).map(|other| Card::Both(one, **other)));
    }
    let specials = [
        (Special::Race, 4),
        (Special::Deletion, 6),
        (Special::ExpiredRoot, 2),
        (Special::ExpiredTargets, 2),
        (Special::ExpiredSnapshot, 2),
    ];
    for (special, times) in specials {
        cards.extend(std::iter::repeat_n(Card::Special(special), times));
    }
    cards.extend(CHANGES.iter().copied().map(Card::Change));
    let left = ROUND.saturating_sub(cards.len());
    let weight: usize = CHANGES.iter().map(|change| change.weight).sum();
    for change in CHANGES {
        cards.extend(std::iter::repeat_n(Card::Change(*change), change.weight * left / weight));
    }
    cards
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_as_many_uploads_as_were_asked_for_and_every_kind_of_break() {
        let hands = deal(1, 500);
        assert_eq!(hands.iter().map(Vec::len).sum::<usize>(), 500);
        let kinds: std::collections::BTreeSet<_> = hands.iter().flatten().flat_map(Card::kinds).collect();
        for broken in breaks::all() {
            assert!(kinds.contains(broken.name), "{}", broken.name);
        }
    }
}
