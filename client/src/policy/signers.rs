//! Who signed a digest, and how many different ones of those who are asked for.

use std::collections::{BTreeMap, BTreeSet};

use tuf_schema::verify::chain::Trusted;
use tuf_schema::{DelegationName, KeyId, Role, Sha256};

use super::Signer;
use crate::image::Tag;

/// Who signed a digest for a tag.
pub(super) struct Signed {
    /// The keys that signed for each delegation that lists it.
    delegations: BTreeMap<DelegationName, BTreeSet<KeyId>>,
    /// The keys that signed any document that lists it, `targets/releases` aside.
    keys: BTreeSet<KeyId>,
}

impl Signed {
    /// Reads it from what was verified. `targets/releases` tells nothing: whoever signs it last signs what everybody
    /// released.
    pub(super) fn of(trusted: &Trusted, tag: &Tag, digest: &Sha256) -> Self {
        let mut signed = Self { delegations: BTreeMap::new(), keys: BTreeSet::new() };
        for visible in trusted.walk() {
            let listed = visible.target(tag.as_str()).and_then(|target| target.digests.sha256());
            if listed.as_ref() != Some(digest) {
                continue;
            }
            let keys = visible.document.verified().signed_by();
            match visible.role {
                Role::Delegation(name) if name.is_releases() => continue,
                Role::Delegation(name) => {
                    signed.delegations.insert(name.clone(), keys.clone());
                }
                Role::Root | Role::Targets | Role::Snapshot | Role::Timestamp => {}
            }
            signed.keys.extend(keys.iter().cloned());
        }
        signed
    }

    /// Those of `wanted` who signed.
    pub(super) fn among<'a>(&self, wanted: &'a [Signer]) -> Vec<&'a Signer> {
        wanted.iter().filter(|signer| !self.keys_of(signer).is_empty()).collect()
    }

    /// How many of `wanted` signed, each with a key of his own: one key that two delegations name counts once, and so
    /// does one that is asked for by its id and by its owner's name.
    pub(super) fn distinct(&self, wanted: &[Signer]) -> usize {
        // The largest matching of signers and keys, one signer after the other making room for the next.
        let mut holders: BTreeMap<&KeyId, usize> = BTreeMap::new();
        let keys: Vec<_> = wanted.iter().map(|signer| self.keys_of(signer)).collect();
        (0..wanted.len()).filter(|signer| find_key(*signer, &keys, &mut holders, &mut BTreeSet::new())).count()
    }

    fn keys_of(&self, signer: &Signer) -> BTreeSet<&KeyId> {
        match signer {
            Signer::Delegation(name) => self.delegations.get(name).into_iter().flatten().collect(),
            Signer::Key(id) => self.keys.get(id).into_iter().collect(),
        }
    }
}

/// Finds a key for a signer, perhaps by having another one take one of his others.
fn find_key<'a>(
    signer: usize,
    keys: &[BTreeSet<&'a KeyId>],
    holders: &mut BTreeMap<&'a KeyId, usize>,
    tried: &mut BTreeSet<&'a KeyId>,
) -> bool {
    for key in keys.get(signer).into_iter().flatten().copied() {
        if !tried.insert(key) {
            continue;
        }
        let holder = holders.get(key).copied();
        if holder.is_none_or(|holder| find_key(holder, keys, holders, tried)) {
            holders.insert(key, signer);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delegation(name: &str) -> DelegationName {
        DelegationName::parse(&format!("targets/{name}")).unwrap()
    }

    fn by(name: &str) -> Signer {
        Signer::Delegation(delegation(name))
    }

    fn key(id: &str) -> Signer {
        Signer::Key(KeyId::from_wire(id))
    }

    fn signed(documents: &[(&str, &[&str])]) -> Signed {
        let ids = |keys: &[&str]| keys.iter().map(|id| KeyId::from_wire(id)).collect::<BTreeSet<_>>();
        let delegations: BTreeMap<_, _> = documents.iter().map(|(name, keys)| (delegation(name), ids(keys))).collect();
        let keys = delegations.values().flatten().cloned().collect();
        Signed { delegations, keys }
    }

    #[test]
    fn each_signer_counts_once_with_a_key_of_his_own() {
        let signed = signed(&[("alice", &["a"]), ("bob", &["b"]), ("team", &["a", "b"]), ("twin", &["a"])]);
        for (wanted, count) in [
            (vec![by("alice"), by("bob")], 2),
            (vec![by("alice"), by("carol")], 1),
            (vec![by("alice"), by("twin")], 1),
            (vec![by("alice"), key("a")], 1),
            (vec![key("a"), key("b"), key("c")], 2),
            (vec![by("team"), by("alice")], 2),
            (vec![by("alice"), by("team")], 2),
            (vec![by("team"), by("alice"), by("bob")], 2),
            (vec![by("team")], 1),
            (vec![], 0),
        ] {
            assert_eq!(signed.distinct(&wanted), count, "{wanted:?}");
        }
    }

    #[test]
    fn whoever_signed_is_named_even_if_he_does_not_count_again() {
        let signed = signed(&[("alice", &["a"]), ("twin", &["a"])]);
        assert_eq!(signed.among(&[by("alice"), by("bob"), by("twin")]), [&by("alice"), &by("twin")]);
    }
}
