//! What became of the keys that were tried, by kind. Holds little, however many keys there are and whatever their rows say.

use std::collections::BTreeMap;

use tuf_schema::UtcTime;
use tuf_schema::key::{KeyId, KeyType};

use crate::seal::passphrase::Alias;
use crate::store::KeyRecord;

/// How many kinds are told apart: aliases are few, but a row may name any.
const MAX_KINDS: usize = 64;
/// How many keys of a kind are named while they fail, and tried in each round.
const MAX_FAILING: usize = 8;
/// In the place of what is not known.
const UNKNOWN: &str = "unknown";
/// In the place of what is too much.
const OTHER: &str = "other";

/// Keys that stand or fall together, as far as it does not depend on the single row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind {
    /// Their algorithm, one of few.
    pub(crate) algorithm: &'static str,
    /// Under what they are sealed, or which token has them.
    pub(crate) alias: String,
}

/// How keys of one kind stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// The kind.
    pub(crate) kind: Kind,
    /// Whether none is known that fails.
    pub(crate) is_sound: bool,
    /// When one of them signed last.
    pub(crate) last_success: Option<UtcTime>,
}

/// What is new about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noted {
    /// It fails, and did not before or for another reason.
    Fails,
    /// It failed before.
    SignsAgain,
    /// It did what it did before, or is one more of many that fail.
    NothingNew,
}

#[derive(Default)]
pub(super) struct Ledger(BTreeMap<Kind, Found>);

#[derive(Default)]
struct Found {
    failing: BTreeMap<KeyId, Failure>,
    /// The one that signed last.
    sound: Option<KeyId>,
    last_success: Option<UtcTime>,
}

struct Failure {
    reason: String,
    tried: UtcTime,
}

impl Kind {
    /// The kind of a key.
    pub(super) fn of(record: &KeyRecord) -> Self {
        let algorithm = match record.key.key_type() {
            KeyType::Ecdsa => "ecdsa",
            KeyType::Ed25519 => "ed25519",
            KeyType::Rsa => "rsa",
            KeyType::EcdsaX509 | KeyType::RsaX509 | KeyType::Other(_) => OTHER,
        };
        Self { algorithm, alias: record.alias.as_str().to_owned() }
    }

    /// That of a row which does not say it, or not in a way that could be relied on.
    pub(super) fn unknown() -> Self {
        Self { algorithm: UNKNOWN, alias: UNKNOWN.to_owned() }
    }
}

impl Ledger {
    /// Keys that are known to fail, the one first that was not tried for the longest.
    pub(super) fn failing(&self) -> Vec<KeyId> {
        let failing = self.0.values().flat_map(|found| &found.failing);
        let mut failing: Vec<_> = failing.map(|(id, failure)| (failure.tried, id)).collect();
        failing.sort();
        failing.into_iter().map(|(_, id)| id.clone()).collect()
    }

    /// A key of each kind that has signed, that of the kind first of which none did for the longest.
    pub(super) fn sound(&self) -> Vec<KeyId> {
        let sound = self.0.values().filter_map(|found| Some((found.last_success, found.sound.clone()?)));
        let mut sound: Vec<_> = sound.collect();
        sound.sort();
        sound.into_iter().map(|(_, id)| id).collect()
    }

    /// Whether a key under this alias was met.
    pub(super) fn has_met(&self, alias: &Alias) -> bool {
        self.0.keys().any(|kind| kind.alias == alias.as_str())
    }

    /// Whether further kinds are not told apart.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= MAX_KINDS
    }

    /// The kind that a key was of when it was last tried.
    pub(super) fn kind_of(&self, id: &KeyId) -> Option<&Kind> {
        let has_it = |found: &Found| found.failing.contains_key(id) || found.sound.as_ref() == Some(id);
        self.0.iter().find(|(_, found)| has_it(found)).map(|(kind, _)| kind)
    }

    /// Notes that a key signed, or why not.
    pub(super) fn note(&mut self, kind: Kind, id: &KeyId, failure: Option<&str>, now: UtcTime) -> Noted {
        let is_told_apart = self.0.contains_key(&kind) || !self.is_full();
        let kind = if is_told_apart { kind } else { Kind { algorithm: OTHER, alias: OTHER.to_owned() } };
        // it may have been of another kind: rows are wrapped anew
        let before = self.take(id);
        let found = self.0.entry(kind).or_default();
        let noted = match failure {
            None => {
                (found.sound, found.last_success) = (Some(id.clone()), Some(now));
                if before.is_some() { Noted::SignsAgain } else { Noted::NothingNew }
            }
            Some(reason) if found.failing.len() < MAX_FAILING => {
                found.failing.insert(id.clone(), Failure { reason: reason.to_owned(), tried: now });
                if before.as_deref() == Some(reason) { Noted::NothingNew } else { Noted::Fails }
            }
            Some(_) => Noted::NothingNew,
        };
        self.drop_empty();
        noted
    }

    /// Forgets a key that is no more.
    pub(super) fn forget(&mut self, id: &KeyId) {
        self.take(id);
        self.drop_empty();
    }

    /// How each kind stands.
    pub(super) fn told(&self) -> Vec<Told> {
        let told = |(kind, found): (&Kind, &Found)| Told {
            kind: kind.clone(),
            is_sound: found.failing.is_empty(),
            last_success: found.last_success,
        };
        self.0.iter().map(told).collect()
    }

    /// The reason for which a key failed, if it did.
    fn take(&mut self, id: &KeyId) -> Option<String> {
        let mut before = None;
        for found in self.0.values_mut() {
            found.sound.take_if(|sound| sound == id);
            before = found.failing.remove(id).map(|failure| failure.reason).or(before);
        }
        before
    }

    /// Of a kind none of whose keys is known any more nothing stays, so that the next one that is met counts as the first.
    fn drop_empty(&mut self) {
        self.0.retain(|_, found| found.sound.is_some() || !found.failing.is_empty());
    }
}
