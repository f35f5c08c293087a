//! Which repository the certificate of a root key is for.

use tuf_schema::key::x509::{Expiry, leaf_for};
use tuf_schema::{Gun, PublicKey, UtcTime};

/// The name in a certificate of another repository, or of several; or why there is none.
pub(crate) struct ForeignName(pub(crate) String);

/// That the certificate of a root key is for `gun` and nothing else.
///
/// A root key is the root of many repositories, and of which one a root is say its certificates alone. What several sign
/// must be no root that one of them could show as the next one of a repository of another.
pub(crate) fn check_is_of_one(key: &PublicKey, gun: &Gun, now: UtcTime) -> Result<(), ForeignName> {
    let leaf = leaf_for(key, gun, now, Expiry::Ignored).map_err(|e| ForeignName(e.to_string()))?;
    if leaf.common_name() == gun.as_str() { Ok(()) } else { Err(ForeignName(leaf.common_name().to_owned())) }
}
