//! Keys as they are wrapped, deleted ones too: under which aliases, in pages of rows, and a change of the wrapping that
//! takes effect only on what was read.

use std::fmt;

use async_trait::async_trait;
use tuf_schema::UtcTime;
use tuf_schema::key::KeyId;

use super::{KeyRecord, StoreError};
use crate::excerpt::Excerpt;
use crate::seal::passphrase::Alias;
use crate::seal::{HeaderExcerpt, SealedKey};

/// How keys are wrapped. A deleted key keeps its row and can be restored, so it is here like any other.
#[async_trait]
pub(crate) trait WrappedKeys: Send + Sync {
    /// How many keys are sealed under each alias, counted by the store; at most [`MAX_ALIASES`] of them.
    async fn aliases(&self) -> Result<Vec<AliasUse>, StoreError>;

    /// At most `limit` rows in the store's order of their ids, from the one behind `after` on.
    async fn page(&self, after: Option<&KeyId>, limit: u32) -> Result<Vec<WrappedKey>, StoreError>;

    /// Replaces the wrapping of a key by another one of the same key, if the row still is what was read; durable on
    /// return. False if it is not, or if an answer was lost and it was done already.
    async fn rewrap(&self, read: &KeyRecord, wrapping: &Replacement, now: UtcTime) -> Result<bool, StoreError>;
}

/// The most aliases that are looked at: a signer has a few.
pub(crate) const MAX_ALIASES: u32 = 256;

/// An alias in the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AliasUse {
    /// The alias.
    pub(crate) alias: Alias,
    /// Keys that are not deleted.
    pub(crate) keys: u64,
    /// Deleted ones.
    pub(crate) deleted: u64,
}

/// What takes the place of a wrapping.
#[derive(Clone, Debug)]
pub(crate) struct Replacement {
    /// The alias.
    pub(crate) alias: Alias,
    /// The sealed half.
    pub(crate) sealed: SealedKey,
}

/// A row, sound or not.
#[derive(Clone, Debug)]
pub(crate) struct WrappedKey {
    /// The id in the row, whatever it is.
    pub(crate) id: KeyId,
    /// The key, or what is wrong with its row.
    pub(crate) record: Result<KeyRecord, RowDamage>,
}

/// What can be told of a row that is none of a key. Never what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowDamage {
    /// The beginning of the alias in the row.
    pub(crate) alias: Excerpt,
    /// What the sealed half says of itself.
    pub(crate) header: HeaderExcerpt,
    /// What is wrong.
    pub(crate) fact: &'static str,
}

impl fmt::Display for RowDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { alias, header, fact } = self;
        write!(f, "the row is damaged: {fact}; alias \"{alias}\", {header}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_row_is_told_without_what_it_holds() {
        let damage = RowDamage { alias: Excerpt::of("old"), header: HeaderExcerpt::of(b"hush"), fact: "private" };
        assert_eq!(damage.to_string(), r#"the row is damaged: private; alias "old", no JWE header"#);
    }
}
