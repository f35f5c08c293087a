//! That a role takes the signatures of more keys than are here, or than it has: how many are missing, and what to do.

use std::collections::BTreeSet;
use std::fmt;

use tuf_schema::verify::Authority;
use tuf_schema::{Gun, KeyId, PublicKey, Role};

use super::Working;
use super::keys_at_hand::keys_that_count;

/// Fewer keys of a role are here than must sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// The repository.
    pub gun: Gun,
    /// The role.
    pub role: Role,
    /// How many of its keys must sign.
    pub need: u32,
    /// Those that are here, by the ids of the bare public keys.
    pub here: BTreeSet<KeyId>,
    /// Those that are not.
    pub elsewhere: BTreeSet<KeyId>,
}

impl Shortage {
    /// What is missing here for `authority`.
    pub(super) fn of(authority: &Authority, working: &Working) -> Self {
        let here: BTreeSet<_> = working.keys().held_of(authority).map(|(_, stored)| stored.id.clone()).collect();
        let all = keys_that_count(authority).map(PublicKey::canonical_id);
        Self {
            gun: working.gun().clone(),
            role: authority.role().clone(),
            need: authority.threshold(),
            elsewhere: all.filter(|id| !here.contains(id)).collect(),
            here,
        }
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gun, role, need, here, elsewhere } = self;
        let here = here.len();
        let missing = usize::try_from(*need).unwrap_or(usize::MAX).saturating_sub(here);
        let elsewhere = elsewhere.iter().map(KeyId::as_str).collect::<Vec<_>>().join(", ");
        write!(
            f,
            "{role} of {gun} takes {need} signatures, and {here} can be made here: {missing} more of these keys must sign: \
             {elsewhere}; their holders sign in a session: bulla session start {gun} FILE"
        )
    }
}

impl std::error::Error for Shortage {}

/// A role has fewer keys than must sign it, so nobody can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooFewKeys {
    /// The role.
    pub role: Role,
    /// How many keys must sign.
    pub need: u32,
    /// How many different keys it has whose signatures count.
    pub keys: usize,
}

impl TooFewKeys {
    /// What is missing of the keys of `authority`, if anything is.
    #[must_use]
    pub fn of(authority: &Authority) -> Option<Self> {
        let keys = keys_that_count(authority).map(PublicKey::canonical_id).collect::<BTreeSet<_>>().len();
        let few = Self { role: authority.role().clone(), need: authority.threshold(), keys };
        (few.missing() > 0).then_some(few)
    }

    /// How many keys are missing.
    #[must_use]
    pub fn missing(&self) -> usize {
        usize::try_from(self.need).unwrap_or(usize::MAX).saturating_sub(self.keys)
    }

    /// Who mends it, with `set`, the beginning of the command that gives the role keys and a threshold.
    #[must_use]
    pub fn mend(&self, set: &str) -> String {
        let above = self.role.parent().unwrap_or(Role::Root);
        let missing = match self.missing() {
            1 => "1 more key".to_owned(),
            count => format!("{count} more keys"),
        };
        format!("who signs {above} gives it {missing}, or a lower number M: {set} M --add-key FILE")
    }
}

impl fmt::Display for TooFewKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { role, need, keys } = self;
        let signatures = if *need == 1 { "signature" } else { "signatures" };
        write!(f, "{role} takes {need} {signatures}, more than it has keys ({keys}), so nobody can sign it")
    }
}
