//! One change to a targets role: staged in a changelist, or published at once.

use std::num::NonZeroU32;

use tuf_schema::model::Target;
use tuf_schema::{DelegationName, KeyId, PublicKey, Role};

/// A change to one of the roles that list targets. Changes are applied in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A role lists a target, in place of one that has the name.
    AddTarget {
        /// `targets` or a delegation.
        role: Role,
        /// The target's name; of an image repository, the tag.
        name: String,
        /// The target.
        target: Target,
    },
    /// A role no longer lists a target; that it lists none of the name is no error.
    RemoveTarget {
        /// `targets` or a delegation.
        role: Role,
        /// The target's name.
        name: String,
    },
    /// A delegation is given keys and paths; it is made if there is none.
    GrantDelegation {
        /// The delegation.
        name: DelegationName,
        /// How many keys must sign, for a delegation that is made; one if nothing is said.
        threshold: Option<NonZeroU32>,
        /// Keys that are added.
        keys: Vec<PublicKey>,
        /// Paths that are added; the empty one is all paths.
        paths: Vec<String>,
    },
    /// A delegation that is there gets other keys and paths.
    EditDelegation {
        /// The delegation.
        name: DelegationName,
        /// What becomes of it.
        edit: DelegationEdit,
    },
    /// A delegation is removed with all its keys and paths.
    DeleteDelegation {
        /// The delegation.
        name: DelegationName,
    },
    /// Keys are taken from every delegation below a role that can be signed here.
    PurgeKeys {
        /// `targets` or a delegation.
        below: Role,
        /// Ids of the bare keys.
        keys: Vec<KeyId>,
    },
    /// A role is signed anew as it is.
    Witness {
        /// `targets` or a delegation.
        role: Role,
    },
}

/// What becomes of a delegation's keys and paths: first paths are taken away, then paths are added, keys taken away, and
/// keys added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DelegationEdit {
    /// Keys that are added.
    pub add_keys: Vec<PublicKey>,
    /// Ids of the bare keys that are taken away.
    pub remove_keys: Vec<KeyId>,
    /// Paths that are added.
    pub add_paths: Vec<String>,
    /// Paths that are taken away.
    pub remove_paths: Vec<String>,
    /// Whether all paths are taken away.
    pub clear_paths: bool,
}
