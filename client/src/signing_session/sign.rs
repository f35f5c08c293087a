//! Signing a session with the keys here that may.

use std::collections::BTreeSet;

use tuf_schema::session::SigningSession;
use tuf_schema::sign::CertifiedKey;
use tuf_schema::verify::Authority;
use tuf_schema::{BaseRole, KeyId, PublicKey, Role, SigningKey as _};

use super::{Examined, SessionError};
use crate::keys::StoredKey;
use crate::publish::{PublishError, Publisher};
use crate::root_certificate::check_is_of_one;
use crate::trust::UpdateError;

/// Signs what was examined with every key here that may and has not; gives the ids of those that did.
///
/// # Errors
/// [`SessionError`]; then nothing is signed. That no key is left to sign is an error only if none of those here has.
pub fn sign(
    publisher: &mut Publisher<'_>,
    examined: &Examined,
) -> Result<(SigningSession, BTreeSet<KeyId>), SessionError> {
    let may_root = check_root(publisher, examined)?;
    let mut signed = BTreeSet::new();
    let session = examined.session.clone().with_signatures(|role, message, signatures| {
        let mut signatures = signatures.to_vec();
        if *role == Role::Root && !may_root {
            return Ok::<_, SessionError>(signatures);
        }
        let authorities = examined.authorities(role)?;
        let held = authorities.iter().flat_map(|(_, authority)| examined.next.keys().held_of(authority));
        let held: Vec<(&PublicKey, &StoredKey)> = held.collect();
        for (key, stored) in held {
            if signatures.iter().any(|signature| &signature.key_id == key.id()) {
                continue;
            }
            let secret = publisher.keys.open(stored).map_err(PublishError::from)?;
            let certified = CertifiedKey::new(secret, key.clone()).map_err(PublishError::from)?;
            signatures.push(certified.signature(message, publisher.rng).map_err(PublishError::from)?);
            signed.insert(stored.id.clone());
        }
        signatures.sort_by(|a, b| a.key_id.cmp(&b.key_id));
        Ok(signatures)
    })?;
    let any_before = examined.standings.iter().any(|standing| {
        standing.signed.iter().any(|id| examined.next.keys().all().iter().any(|stored| &stored.id == id))
    });
    if signed.is_empty() && !any_before {
        let may: BTreeSet<_> = examined.standings.iter().flat_map(|standing| &standing.unsigned).cloned().collect();
        return Err(SessionError::NoKey(may.into_iter().collect()));
    }
    Ok((session, signed))
}

/// Whether a root in the session may be signed here: false where no root key of it is.
fn check_root(publisher: &Publisher<'_>, examined: &Examined) -> Result<bool, SessionError> {
    let (Some(root), Some(before)) = (examined.session.root(), examined.next.published_root()) else {
        return Ok(false);
    };
    let keys = examined.next.keys();
    if !examined.authorities(&Role::Root)?.iter().any(|(_, authority)| keys.holds_any(authority)) {
        return Ok(false);
    }
    // On first contact the server, and whoever began the session, choose which root that is.
    let anchored = publisher.cache.was_anchored().map_err(|e| PublishError::from(UpdateError::from(e)))?;
    if !anchored && !publisher.is_pinned() {
        return Err(PublishError::FirstContact { gun: publisher.gun.clone() }.into());
    }
    publisher.check_pin(root, false)?;
    let of_before = Authority::of_base(before.model(), BaseRole::Root);
    // Whoever signed the root before has agreed to the certificates in it, not to those that others put beside them.
    let is_ours = keys.holds_any(&of_before) && publisher.check_ours(before, &examined.next).is_ok();
    let agreed: Vec<_> = if is_ours { before.model().keys_of(BaseRole::Root).collect() } else { Vec::new() };
    for named in root.claims().keys_of(BaseRole::Root).filter(|named| !agreed.contains(named)) {
        check_is_of_one(named.1, publisher.gun, publisher.now)
            .map_err(|name| SessionError::ForeignCertificate { gun: publisher.gun.clone(), name: name.0 })?;
    }
    Ok(true)
}
