//! One repository: what ends when, whose keys are where, and what has to be done about it.

use std::collections::BTreeSet;

use tuf_schema::model::Root;
use tuf_schema::verify::chain::ChainError;
use tuf_schema::verify::{Authority, Verified};
use tuf_schema::{BaseRole, DelegationName, Gun, KeyId, Role, UtcTime};

use super::Command;
use crate::changelist::{Changelist, ChangelistError};
use crate::config::Flags;
use crate::keys::KeyRole;
use crate::paths::TrustDirectory;
use crate::publish::{PublishError, Publisher, TooFewKeys, Working, keys_that_count};
use crate::renew::{self, By, Item};
use crate::trust::UpdateError;

/// What is to be said about one repository.
#[derive(Debug)]
pub struct Diagnosis {
    /// The repository.
    pub gun: Gun,
    /// Each role that is published; nothing if the server does not know the repository.
    pub roles: Vec<RoleState>,
    /// The root keys whose certificates fit the repository, by the ids of the bare keys, and when the certificates end.
    pub certificates: Vec<(KeyId, UtcTime)>,
    /// What there is to say.
    pub findings: Vec<Finding>,
}

/// One role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleState {
    /// The role.
    pub role: Role,
    /// Its version; nothing for what servers sign.
    pub version: Option<u32>,
    /// When it ends.
    pub ends: Option<UtcTime>,
    /// Its keys by the ids of the bare public keys, and whether the private key is here.
    pub keys: Vec<(KeyId, bool)>,
    /// How many of them must sign.
    pub threshold: u32,
}

/// Something to be said about a repository.
#[derive(Debug)]
pub enum Finding {
    /// It has expired or soon will.
    Ends {
        /// What, when, and who can renew it.
        item: Item,
        /// Whether it is past.
        has_ended: bool,
    },
    /// Too few of a delegation's keys signed it, so nothing that it lists counts.
    UnderSigned {
        /// The delegation.
        role: Role,
        /// Its keys, by the ids of the bare public keys.
        keys: Vec<KeyId>,
        /// How many of them must sign.
        need: u32,
        /// Whether enough of them are here.
        here: bool,
    },
    /// Several keys must sign a role.
    Several {
        /// The role.
        role: Role,
        /// How many of its keys must sign.
        need: u32,
        /// How many keys it has.
        keys: usize,
        /// How many of them are here.
        here: usize,
    },
    /// A delegation has fewer keys than must sign it, so nobody can.
    TooFewKeys(TooFewKeys),
    /// A delegation was given and never signed.
    NeverSigned(DelegationName),
    /// Changes are staged and not published.
    Staged(usize),
    /// Something among the staged changes keeps them from being published.
    BadStaging(ChangelistError),
    /// The trust server does not know it, and nothing kept here says that it ever did: a first publish did not end.
    NotThere,
    /// The same, and none of these keys is here that the publish needs, by the ids of the bare public keys.
    NotThereNorKeys(Vec<KeyId>),
    /// The trust server does not know it, and did.
    Lost,
    /// Nobody has published it.
    NeverPublished,
    /// A private key is kept for this repository, and nothing names it.
    Unused(KeyId, KeyRole),
    /// A key of a role is here, and kept for something else, so it does not sign for the role.
    KeptForOther {
        /// The role.
        role: Role,
        /// The key.
        key: KeyId,
        /// What its file says that it is for.
        kept_for: String,
    },
}

impl Finding {
    /// Whether something needs doing; else it is only worth knowing.
    #[must_use]
    pub fn needs_doing(&self) -> bool {
        match self {
            Self::Ends { .. }
            | Self::UnderSigned { .. }
            | Self::TooFewKeys(_)
            | Self::Staged(_)
            | Self::BadStaging(_)
            | Self::NotThere
            | Self::NotThereNorKeys(_)
            | Self::Lost => true,
            Self::Several { .. }
            | Self::NeverSigned(_)
            | Self::NeverPublished
            | Self::Unused(..)
            | Self::KeptForOther { .. } => false,
        }
    }

    /// The command that mends it at the places that `flags` name; nothing if it is for others to mend.
    #[must_use]
    pub fn mend(&self, gun: &Gun, flags: &Flags) -> Option<Command> {
        let bulla = |words: &[&str]| Some(Command::bulla(flags, words));
        let gun = gun.as_str();
        match self {
            Self::Ends { item, .. } if item.by == By::Here => bulla(&["renew", gun]),
            Self::UnderSigned { role, here: true, .. } => bulla(&["repo", "witness", "-p", gun, role.as_str()]),
            Self::Staged(_) | Self::NotThere => bulla(&["repo", "publish", gun]),
            Self::BadStaging(_) => bulla(&["repo", "reset", "--all", gun]),
            Self::Unused(key, _) => bulla(&["key", "remove", key.as_str()]),
            // To forget what is trusted, or kept as the only copy, is for people to decide: it is said in words only.
            Self::NotThereNorKeys(_) | Self::Lost => None,
            Self::Ends { .. }
            | Self::UnderSigned { .. }
            | Self::Several { .. }
            | Self::TooFewKeys(_)
            | Self::NeverSigned(_)
            | Self::NeverPublished
            | Self::KeptForOther { .. } => None,
        }
    }
}

/// Looks at a repository, whatever its dates, and changes nothing.
///
/// # Errors
/// [`PublishError`] if what is published cannot be read.
pub async fn examine(publisher: &mut Publisher<'_>, trust: &TrustDirectory) -> Result<Diagnosis, PublishError> {
    let gun = publisher.gun.clone();
    let mut diagnosis = match renew::look(publisher).await {
        Ok(working) => Diagnosis::of(&working),
        Err(PublishError::Update(UpdateError::Vanished { anchor, .. })) => {
            Diagnosis::without_roles(&gun, of_unknown(publisher, &anchor)?)
        }
        Err(PublishError::Update(UpdateError::Chain(ChainError::NoTrustData(_)))) => {
            Diagnosis::without_roles(&gun, Finding::NeverPublished)
        }
        Err(e) => return Err(e),
    };
    match Changelist::new(trust, &gun).list() {
        Ok(staged) if staged.is_empty() => {}
        Ok(staged) => diagnosis.findings.push(Finding::Staged(staged.len())),
        Err(e) => diagnosis.findings.push(Finding::BadStaging(e)),
    }
    Ok(diagnosis)
}

/// Whether a repository of which a root is kept, and which the trust server does not know, can be published from here.
fn of_unknown(publisher: &mut Publisher<'_>, anchor: &Verified<Root>) -> Result<Finding, PublishError> {
    let working = match publisher.resume(anchor) {
        Ok(working) => working,
        Err(PublishError::NoKey(keys)) => return Ok(Finding::NotThereNorKeys(keys)),
        Err(PublishError::Vanished { .. }) => return Ok(Finding::Lost),
        Err(e) => return Err(e),
    };
    let targets = Authority::of_base(anchor.model(), BaseRole::Targets);
    Ok(if working.keys().holds_any(&targets) {
        Finding::NotThere
    } else {
        Finding::NotThereNorKeys(targets.keys().map(|(_, key)| key.canonical_id()).collect())
    })
}

impl Diagnosis {
    /// What there is to say by the documents and the keys at hand.
    #[must_use]
    pub fn of(working: &Working) -> Self {
        let plan = renew::Plan::of(working);
        let now = plan.now;
        let ends = plan.items.into_iter().map(|item| Finding::Ends { has_ended: item.has_ended(now), item });
        let mut findings: Vec<_> = ends.collect();
        let skipped = working.skipped().iter().filter_map(|skipped| {
            let authority = working.authority(&skipped.role).ok()?;
            let keys = authority.keys().map(|(_, key)| key.canonical_id()).collect();
            let here = working.keys().holds_enough(&authority);
            Some(Finding::UnderSigned { role: skipped.role.clone(), keys, need: authority.threshold(), here })
        });
        let roles = roles(working);
        let by_number: Vec<_> = roles.iter().filter_map(|state| of_threshold(state, working)).collect();
        // Where nobody can sign, who would is not to be said.
        let hopeless = |name: &DelegationName| {
            by_number
                .iter()
                .any(|finding| matches!(finding, Finding::TooFewKeys(few) if few.role.as_str() == name.as_str()))
        };
        findings.extend(skipped.filter(
            |finding| !matches!(finding, Finding::UnderSigned { role: Role::Delegation(name), .. } if hopeless(name)),
        ));
        let never = working.all_delegated().map(|role| &role.name).filter(|name| {
            let role = Role::Delegation((*name).clone());
            let skipped = working.skipped().iter().any(|skipped| skipped.role == role);
            working.targets(&role).is_none() && !skipped && !hopeless(name)
        });
        findings.extend(never.cloned().map(Finding::NeverSigned));
        findings.extend(by_number);
        let named = |id: &KeyId| roles.iter().any(|state| state.keys.iter().any(|(key, _)| key == id));
        let unused = working.keys().all().iter();
        let unused = unused.filter(|key| key.gun.as_ref() == Some(working.gun()) && !named(&key.id));
        findings.extend(unused.map(|key| Finding::Unused(key.id.clone(), key.role.clone())));
        for state in &roles {
            for (id, _) in state.keys.iter().filter(|(_, here)| !here) {
                let stored = working.keys().all().iter().find(|stored| stored.id == *id);
                findings.extend(stored.map(|stored| Finding::KeptForOther {
                    role: state.role.clone(),
                    key: id.clone(),
                    kept_for: stored.gun.as_ref().map_or_else(|| stored.role.to_string(), Gun::to_string),
                }));
            }
        }
        Self { gun: working.gun().clone(), roles, certificates: renew::certificates(working), findings }
    }

    fn without_roles(gun: &Gun, finding: Finding) -> Self {
        Self { gun: gun.clone(), roles: Vec::new(), certificates: Vec::new(), findings: vec![finding] }
    }
}

fn roles(working: &Working) -> Vec<RoleState> {
    let bases = BaseRole::ALL.into_iter().map(Role::from);
    let delegations = working.all_delegated().map(|role| Role::Delegation(role.name.clone()));
    let mut states: Vec<_> = bases.chain(delegations).filter_map(|role| state(working, role)).collect();
    states.sort_by(|a, b| a.role.cmp(&b.role));
    states
}

/// What there is to say of a role that one key does not sign.
fn of_threshold(state: &RoleState, working: &Working) -> Option<Finding> {
    let distinct: BTreeSet<_> = state.keys.iter().collect();
    let (need, keys) = (state.threshold, distinct.len());
    let here = distinct.iter().filter(|(_, here)| *here).count();
    // A root of whose roles one has too few keys is nobody's: it is not read.
    if let Some(few) = working.authority(&state.role).ok().as_ref().and_then(TooFewKeys::of) {
        return Some(Finding::TooFewKeys(few));
    }
    match &state.role {
        Role::Root | Role::Targets | Role::Delegation(_) if need > 1 => {
            Some(Finding::Several { role: state.role.clone(), need, keys, here })
        }
        _ => None,
    }
}

fn state(working: &Working, role: Role) -> Option<RoleState> {
    let authority = working.authority(&role).ok()?;
    let here = |key| working.keys().held(&role, key).is_some();
    let keys = keys_that_count(&authority).map(|key| (key.canonical_id(), here(key))).collect();
    let (version, ends) = match &role {
        Role::Root => (Some(working.root().version), Some(working.root().expires)),
        Role::Snapshot => (None, working.snapshot().map(|snapshot| snapshot.expires)),
        Role::Timestamp => (None, working.timestamp_ends()),
        Role::Targets | Role::Delegation(_) => {
            let document = working.targets(&role);
            (document.map(|document| document.version), document.map(|document| document.expires))
        }
    };
    let (version, threshold) = (version.map(|version| version.number()), authority.threshold());
    Some(RoleState { role, version, ends, keys, threshold })
}
