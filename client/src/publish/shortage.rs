//! That a role takes the signatures of more keys than are here: how many are missing, whose, and what to do.

use std::collections::BTreeSet;
use std::fmt;

use tuf_schema::verify::Authority;
use tuf_schema::{Gun, KeyId, Role};

use super::Working;

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
        let all = authority.keys().map(|(_, key)| key.canonical_id());
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
