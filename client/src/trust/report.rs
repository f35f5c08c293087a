//! What docker tells about a repository: its released tags, who signed them, and whose keys count.

use std::collections::{BTreeMap, BTreeSet};

use tuf_schema::verify::chain::{Skipped, Trusted, Visible};
use tuf_schema::{BaseRole, DelegationName, KeyId, Role, Sha256, model};

use crate::image::Tag;

/// What docker tells about a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Released tags, in natural order of their names.
    pub tags: Vec<ReleasedTag>,
    /// The signers: every delegation but `targets/releases`, by name from z to a as docker lists them.
    pub signers: Vec<Signer>,
    /// Ids of the root keys, as root lists them.
    pub root_keys: Vec<KeyId>,
    /// Ids of the keys of `targets`, as root lists them.
    pub repository_keys: Vec<KeyId>,
}

/// A tag that `targets` or `targets/releases` lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasedTag {
    /// The tag.
    pub name: String,
    /// The digest of its manifest; `None` when the signer listed another kind of digest only.
    pub digest: Option<Sha256>,
    /// Names of the delegations that list the same digest for it.
    pub signers: Vec<String>,
}

/// A signer and the ids of its keys: those of the bare public keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// Its name: that of its delegation without `targets/`.
    pub name: String,
    /// Ids of its keys.
    pub keys: Vec<KeyId>,
}

impl Report {
    /// Reads the report, for one tag or for all.
    #[must_use]
    pub fn of(trusted: &Trusted, tag: Option<&Tag>) -> Self {
        let walk = trusted.walk();
        let ids = |role| trusted.root().model().grant(role).key_ids.clone();
        Self {
            tags: tags(&walk, tag),
            signers: signers(&walk),
            root_keys: ids(BaseRole::Root),
            repository_keys: ids(BaseRole::Targets),
        }
    }
}

/// The target that a trusted pull of `tag` would take: that of `targets/releases`, else that of `targets`.
///
/// What other delegations list does not count, as in docker.
///
/// # Errors
/// [`Skipped`] if `targets/releases` was published and cannot be believed. Docker falls back to what `targets` lists;
/// whoever holds the snapshot key could then bring back a digest from before the delegation.
pub fn released<'a>(trusted: &'a Trusted, tag: &Tag) -> Result<Option<(&'a Role, &'a model::Target)>, &'a Skipped> {
    if let Some(skipped) = trusted.skipped().iter().find(|skipped| is_releases(&skipped.role)) {
        return Err(skipped);
    }
    let walk = trusted.walk();
    let listed_by = |wanted: fn(&Role) -> bool| {
        walk.iter().filter(|v| wanted(v.role)).find_map(|v| v.target(tag.as_str()).map(|target| (v.role, target)))
    };
    Ok(listed_by(is_releases).or_else(|| listed_by(|role| *role == Role::Targets)))
}

/// The tags for which a trusted pull would take `digest`.
///
/// # Errors
/// [`Skipped`], as [`released`].
pub fn releasing<'a>(trusted: &'a Trusted, digest: &Sha256) -> Result<Vec<Tag>, &'a Skipped> {
    let walk = trusted.walk();
    let listed = walk.iter().filter(|v| is_released_by(v.role)).flat_map(Visible::targets);
    let is_it = |target: &model::Target| target.digests.sha256().as_ref() == Some(digest);
    let names: BTreeSet<_> = listed.filter(|(_, target)| is_it(target)).map(|(name, _)| name).collect();
    let mut tags = Vec::new();
    // What targets/releases has moved on does not count.
    for tag in names.into_iter().filter_map(|name| Tag::parse(name).ok()) {
        if released(trusted, &tag)?.is_some_and(|(_, target)| is_it(target)) {
            tags.push(tag);
        }
    }
    Ok(tags)
}

fn is_releases(role: &Role) -> bool {
    matches!(role, Role::Delegation(name) if name.is_releases())
}

fn is_released_by(role: &Role) -> bool {
    *role == Role::Targets || is_releases(role)
}

fn tags<'a>(walk: &[Visible<'a>], tag: Option<&Tag>) -> Vec<ReleasedTag> {
    let wanted = |name: &str| tag.is_none_or(|tag| tag.as_str() == name);
    let listed = |v: &Visible<'a>| v.targets().filter(|(name, _)| wanted(name)).collect::<Vec<_>>();
    let key = |name: &str, target: &model::Target| (name.to_owned(), target.digests.sha256());
    let mut rows: BTreeMap<(String, Option<Sha256>), Vec<String>> = BTreeMap::new();
    for visible in walk.iter().filter(|v| is_released_by(v.role)) {
        rows.extend(listed(visible).into_iter().map(|(name, target)| (key(name, target), Vec::new())));
    }
    for visible in walk {
        let Role::Delegation(role) = visible.role else { continue };
        if is_releases(visible.role) {
            continue;
        }
        for (name, target) in listed(visible) {
            if let Some(signers) = rows.get_mut(&key(name, target)) {
                signers.push(role.below_targets().to_owned());
            }
        }
    }
    let mut tags: Vec<_> =
        rows.into_iter().map(|((name, digest), signers)| ReleasedTag { name, digest, signers }).collect();
    tags.sort_by_cached_key(|tag| natural(&tag.name));
    tags
}

fn signers(walk: &[Visible<'_>]) -> Vec<Signer> {
    let mut found: BTreeMap<&DelegationName, Signer> = BTreeMap::new();
    for visible in walk {
        let delegations = &visible.document.model().delegations;
        for role in delegations.roles.iter().filter(|role| !role.name.is_releases()) {
            let keys = role.key_ids.iter().filter_map(|id| delegations.keys.get(id));
            let bare = keys.map(tuf_schema::PublicKey::canonical_id);
            let name = role.name.below_targets().to_owned();
            found.insert(&role.name, Signer { name, keys: bare.collect() });
        }
    }
    found.into_values().rev().collect()
}

/// A key by which numbers inside names sort as numbers: `1.9` before `1.10` (docker's order).
#[must_use]
pub fn natural(name: &str) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (chunk, after) = if digits > 0 {
            let (number, after) = rest.split_at(digits);
            let significant = number.trim_start_matches('0');
            (Chunk::Number(significant.len(), significant.to_owned(), number.len()), after)
        } else {
            let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let (text, after) = rest.split_at(end);
            (Chunk::Text(text.to_owned()), after)
        };
        chunks.push(chunk);
        rest = after;
    }
    chunks
}

/// A piece of a name: a number (length and digits without leading zeros, then its full length) or other text.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chunk {
    /// Digits.
    Number(usize, String, usize),
    /// Anything else.
    Text(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_tags_sort_as_numbers() {
        let mut tags = ["v10", "1.10", "1.9", "latest", "1", "v9", "1.9-rc1"];
        tags.sort_by_key(|tag| natural(tag));
        assert_eq!(tags, ["1", "1.9", "1.9-rc1", "1.10", "latest", "v9", "v10"]);
    }
}
