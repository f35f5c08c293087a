//! What may be pinned of a repository: the certificates of its root keys, and the authorities that issued them.

use tuf_schema::key::x509::{self, Expiry, leaf_for};
use tuf_schema::verify::chain::Trusted;
use tuf_schema::{BaseRole, Gun, KeyId, Sha256, UtcTime};

/// The certificate of a root key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The key's id in root documents: what is pinned.
    pub id: KeyId,
    /// The certificate's own digest, as other programs print it.
    pub fingerprint: Sha256,
    /// Whom it is issued to.
    pub subject: String,
    /// Who issued it.
    pub issuer: String,
    /// Until when it is good.
    pub ends: UtcTime,
    /// The authorities that the key brings along, the issuer first.
    pub authorities: Vec<AuthorityCertificate>,
}

/// A certificate of an authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityCertificate {
    /// Whom it is issued to.
    pub subject: String,
    /// Its digest.
    pub fingerprint: Sha256,
}

/// The root keys of a repository whose certificates are for it and good now, as its root lists them.
#[must_use]
pub fn anchors(trusted: &Trusted, gun: &Gun, now: UtcTime) -> Vec<Anchor> {
    let keys = trusted.root().model().keys_of(BaseRole::Root);
    let anchor = |(id, key): (&KeyId, _)| {
        let leaf = leaf_for(key, gun, now, Expiry::Checked).ok()?;
        let (subject, issuer) = x509::names(leaf.certificate())?;
        let authorities = leaf.authorities().iter().filter_map(|certificate| {
            let (subject, _) = x509::names(certificate)?;
            Some(AuthorityCertificate { subject, fingerprint: Sha256::of(certificate) })
        });
        Some(Anchor {
            id: id.clone(),
            fingerprint: Sha256::of(leaf.certificate()),
            subject,
            issuer,
            ends: leaf.not_after(),
            authorities: authorities.collect(),
        })
    };
    keys.filter_map(anchor).collect()
}
