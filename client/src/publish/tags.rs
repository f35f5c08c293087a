//! Signing tags, as docker does: into the delegations whose keys are here, or into `targets` where there are none.

use tuf_schema::model::{DelegatedRole, Target};
use tuf_schema::{Digests, Role};

use super::{Edit, EditError, Working};
use crate::image::Tag;
use crate::registry::Manifest;
use crate::signers::AddSigner;

/// Tags and what they shall stand for.
#[derive(Debug, Clone, Default)]
pub struct SignTags {
    tags: Vec<(Tag, Target)>,
    first_signer: Option<AddSigner>,
}

impl SignTags {
    /// Signs each manifest as its tag.
    pub fn new(tags: impl IntoIterator<Item = (Tag, Manifest)>) -> Self {
        let target = |manifest: &Manifest| Target {
            length: manifest.length,
            digests: Digests::from_sha256(&manifest.digest),
            custom: None,
        };
        let tags = tags.into_iter().map(|(tag, manifest)| (tag, target(&manifest))).collect();
        Self { tags, first_signer: None }
    }

    /// Adds a signer before it signs, if the repository is made by it.
    #[must_use]
    pub fn with_first_signer(mut self, signer: Option<AddSigner>) -> Self {
        self.first_signer = signer;
        self
    }
}

impl Edit for SignTags {
    fn apply(&self, working: &mut Working) -> Result<(), EditError> {
        if let Some(signer) = self.first_signer.as_ref().filter(|_| !working.was_published()) {
            signer.apply(working)?;
        }
        for (tag, target) in &self.tags {
            for role in roles_for(working, tag)? {
                let same = |listed: &Target| listed.length == target.length && listed.digests == target.digests;
                working.check_readable(&role)?;
                let listed = working.targets(&role).and_then(|document| document.targets.get(tag.as_str()));
                if !listed.is_some_and(same) {
                    working.targets_mut(&role)?.targets.insert(tag.as_str().to_owned(), target.clone());
                }
            }
        }
        Ok(())
    }

    fn founds(&self) -> bool {
        true
    }
}

/// Docker's choice: `targets` when nothing is delegated, else every delegation right below it that may list the tag and
/// whose key is here.
fn roles_for(working: &Working, tag: &Tag) -> Result<Vec<Role>, EditError> {
    let delegations = working.targets(&Role::Targets).map(|targets| &targets.delegations);
    let Some(delegations) = delegations.filter(|delegations| !delegations.roles.is_empty()) else {
        return Ok(vec![Role::Targets]);
    };
    let ours =
        |role: &&DelegatedRole| role.allows(tag.as_str()) && working.can_sign(&Role::Delegation(role.name.clone()));
    let roles: Vec<_> = delegations.roles.iter().filter(ours).map(|role| Role::Delegation(role.name.clone())).collect();
    if roles.is_empty() { Err(EditError::NoDelegationKey) } else { Ok(roles) }
}
