//! What readiness says of the audit: how records are kept, whether they can be written, and whether heads get where they
//! should.

use super::readiness::{Condition, NotReady, Service, Standing};
use crate::audit::Audit;

/// How records are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Records {
    /// As lines of the log.
    InLog,
    /// In a chain, on the disk before an answer leaves.
    Synced,
    /// In a chain, on the disk a little later: `audit.sync` is false.
    Relaxed,
}

impl Records {
    /// The name in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::InLog => "log",
            Self::Synced => "chain",
            Self::Relaxed => "relaxed",
        }
    }

    /// What an operator is told.
    pub(super) fn told(self) -> &'static str {
        match self {
            Self::InLog => "audit, no chain: records are lines of the log only",
            Self::Synced => "audit chain",
            Self::Relaxed => "audit chain, relaxed: answers do not wait for the disk",
        }
    }
}

/// The conditions of the audit.
pub(super) fn standings(audit: &Audit) -> Vec<Standing> {
    let needed_for = vec![Service::KeyManagement, Service::Signer];
    let Some(trail) = audit.trail() else {
        return vec![Standing { condition: Condition::Audit(Records::InLog), needed_for, amiss: None }];
    };
    let records = if trail.is_synced() { Records::Synced } else { Records::Relaxed };
    let amiss = trail.trouble().map(NotReady::Audit);
    let chain = Standing { condition: Condition::Audit(records), needed_for, amiss };
    // signing goes on without: what the chain holds is there, and later heads cover it
    let amiss = trail.head_trouble().into_iter().next().map(NotReady::Heads);
    vec![chain, Standing { condition: Condition::Heads, needed_for: Vec::new(), amiss }]
}
