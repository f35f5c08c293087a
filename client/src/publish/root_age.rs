//! A root that ends soon is signed anew by whoever holds its key and publishes, as the reference does.

use tuf_schema::key::x509::{Expiry, leaf_for};
use tuf_schema::{BaseRole, Role, UtcTime};

use super::working::{Origin, ROOT_LIFETIME_SECONDS};
use super::{PublishError, Publisher, Working};

/// How long before its end a root is signed anew, in seconds: the reference's six months.
pub const RENEWED_BEFORE_SECONDS: i64 = 183 * 24 * 60 * 60;

/// What whoever publishes should know about a root that ends soon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootNotice {
    /// It was signed anew.
    Renewed {
        /// Until when it holds now.
        until: UtcTime,
    },
    /// It ends, and none of its keys is here.
    KeyElsewhere {
        /// When it ends.
        expires: UtcTime,
    },
    /// It ends, its key is here, and it was not signed anew all the same.
    NotRenewed {
        /// When it ends.
        expires: UtcTime,
        /// Why not.
        why: String,
    },
    /// The last certificate of its keys ends: new readers will refuse the root from then on, whatever its own date.
    CertificateEnds {
        /// When.
        expires: UtcTime,
    },
}

impl Publisher<'_> {
    /// Has the root signed anew, if it ends within six months and its keys are here, and says what there is to say
    /// about it.
    ///
    /// That a root cannot be signed anew is no reason to leave a tag unsigned. One that was not `anchored`, kept here
    /// before this run, is not: on first contact the server chooses which root that is.
    pub(super) fn renew_root(&mut self, working: &mut Working, anchored: bool) -> Vec<RootNotice> {
        let Origin::Published(current) = &working.origin else { return Vec::new() };
        let soon = working.now().plus_seconds(RENEWED_BEFORE_SECONDS);
        let expires = current.model().expires;
        let mut notices = Vec::new();
        if expires < soon && !working.touched().contains(&Role::Root) {
            notices.push(if !working.can_sign(&Role::Root) {
                RootNotice::KeyElsewhere { expires }
            } else {
                match self.try_root(working, anchored) {
                    Ok(()) => {
                        working.root_mut();
                        RootNotice::Renewed { until: working.now().plus_seconds(ROOT_LIFETIME_SECONDS) }
                    }
                    Err(e) => RootNotice::NotRenewed { expires, why: e.to_string() },
                }
            });
        }
        let (gun, now) = (working.gun(), working.now());
        let ends = working
            .root()
            .keys_of(BaseRole::Root)
            .filter_map(|(_, key)| leaf_for(key, gun, now, Expiry::Ignored).ok().map(|leaf| leaf.not_after()));
        notices.extend(ends.max().filter(|end| *end < soon).map(|expires| RootNotice::CertificateEnds { expires }));
        notices
    }

    /// Whether the same keys in the next version can be signed: they sign nothing that they have not signed before, but
    /// for version and date.
    fn try_root(&mut self, working: &Working, anchored: bool) -> Result<(), PublishError> {
        if !anchored {
            return Err(PublishError::RootFirstSeen);
        }
        let mut next = working.clone();
        next.root_mut();
        self.sign_root(&next).map(|_| ())
    }
}
