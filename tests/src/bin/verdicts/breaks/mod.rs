//! Uploads that break one rule, or that only look as if they did.

mod encoding;
mod form;
mod root;
mod signatures;
mod snapshot;
mod targets;

use crate::chance::Chance;
use crate::changes::{self, Need};
use crate::repository::Repository;
use crate::upload::Draft;

/// One way to break an upload.
#[derive(Clone, Copy)]
pub(crate) struct Break {
    pub(crate) name: &'static str,
    pub(crate) base: Base,
    pub(crate) make: fn(&mut Draft, &mut Chance),
}

/// The good upload that is broken, and which of its documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// Any document of any upload.
    Any,
    /// Any document of an upload whose snapshot the server makes.
    AnyServer,
    /// Any document of an upload with a snapshot of people.
    AnyClient,
    /// The first publish; its root.
    First,
    /// The first publish with a snapshot that the server makes; its targets.
    FirstServer,
    /// A new root, and sometimes targets beside it.
    Root,
    /// The root of [`Base::Root`], with a snapshot that the server makes.
    RootServer,
    Targets,
    /// The document of a delegation.
    Delegation,
    /// The document of a delegation of a delegation.
    Nested,
    /// The snapshot of people.
    Snapshot,
}

impl Base {
    /// What a repository must be, if anything.
    pub(crate) fn need(self) -> Option<Need> {
        match self {
            Self::Any => None,
            Self::AnyServer | Self::RootServer => Some(Need::ServerSnapshot),
            Self::AnyClient | Self::Snapshot => Some(Need::ClientSnapshot),
            Self::First | Self::FirstServer => Some(Need::Unpublished),
            Self::Root | Self::Targets => Some(Need::Published),
            Self::Delegation => Some(Need::Delegation),
            Self::Nested => Some(Need::Nested),
        }
    }

    /// Whether two breaks can be of one upload.
    pub(crate) fn joins(self, other: Self) -> bool {
        self == other || other == Self::Any
    }

    pub(crate) fn draft(self, repository: &Repository, chance: &mut Chance) -> Draft {
        let of = |mut draft: Draft, subject: &str| {
            subject.clone_into(&mut draft.subject);
            draft
        };
        let deep = |levels| repository.signable(levels).len();
        match self {
            Self::Any | Self::AnyServer | Self::AnyClient if repository.published => {
                let draft = match chance.below(4) {
                    0 => changes::rooted(repository.clone(), &["targets"]),
                    1 if deep(1) > 0 => changes::delegation_tag(repository, chance),
                    2 if deep(1) > 0 => changes::both_tags(repository, chance),
                    _ => changes::tag(repository, chance),
                };
                any_subject(draft, chance)
            }
            Self::Any | Self::AnyServer | Self::AnyClient => {
                any_subject(changes::first(repository, chance, None), chance)
            }
            Self::First => of(changes::first(repository, chance, None), "root"),
            Self::FirstServer => of(changes::first(repository, chance, Some(true)), "targets"),
            Self::Root | Self::RootServer if chance.once_in(2) => {
                of(changes::rooted(repository.clone(), &["targets"]), "root")
            }
            Self::Root | Self::RootServer => of(changes::rooted(repository.clone(), &[]), "root"),
            Self::Targets => of(changes::tag(repository, chance), "targets"),
            Self::Delegation => changes::delegation_tag(repository, chance),
            Self::Nested => changes::nested_tag(repository, chance),
            Self::Snapshot => of(changes::tag(repository, chance), "snapshot"),
        }
    }
}

/// Another document of the same upload.
pub(crate) fn any_subject(mut draft: Draft, chance: &mut Chance) -> Draft {
    let roles: Vec<_> = draft.parts.iter().map(|part| part.role.clone()).collect();
    if let Some(role) = chance.pick(&roles) {
        draft.subject.clone_from(role);
    }
    draft
}

/// Every break.
pub(crate) fn all() -> Vec<Break> {
    [form::BREAKS, encoding::BREAKS, signatures::BREAKS, root::BREAKS, targets::BREAKS, snapshot::BREAKS].concat()
}
