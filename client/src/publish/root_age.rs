//! A root that ends soon is signed anew by whoever holds its key and publishes, as the reference does.

use tuf_schema::key::x509::{Expiry, leaf_for};
use tuf_schema::model::Root;
use tuf_schema::verify::{Authority, Current};
use tuf_schema::{BaseRole, Dialect, Envelope, Role, UtcTime};

use super::draft::ROOT_LIFETIME_SECONDS;
use super::edit::next_version;
use super::{Part, PublishError, Publisher};
use crate::keys::StoredKey;

/// How long before its end a root is signed anew, in seconds: the reference's six months.
const RENEWED_BEFORE_SECONDS: i64 = 183 * 24 * 60 * 60;

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
    /// The next root, if `current` ends within six months and its keys are here, and what there is to say about it.
    ///
    /// That a root cannot be signed anew is no reason to leave a tag unsigned. One that was not `anchored`, kept here
    /// before this run, is not: on first contact the server chooses which root that is.
    pub(super) fn renew(
        &mut self,
        current: &Current<Root>,
        stored: &[StoredKey],
        anchored: bool,
    ) -> (Option<Part>, Vec<RootNotice>) {
        let root = current.model();
        let soon = self.now.plus_seconds(RENEWED_BEFORE_SECONDS);
        let mut notices = Vec::new();
        let mut part = None;
        let expires = root.expires;
        if expires < soon {
            let authority = Authority::of_base(root, BaseRole::Root);
            if self.holds_any(stored, &authority) {
                let until = self.now.plus_seconds(ROOT_LIFETIME_SECONDS);
                let next = if anchored {
                    self.next_root(current, until, &authority, stored)
                } else {
                    Err(PublishError::RootFirstSeen)
                };
                match next {
                    Ok(next) => {
                        part = Some(next);
                        notices.push(RootNotice::Renewed { until });
                    }
                    Err(e) => notices.push(RootNotice::NotRenewed { expires, why: e.to_string() }),
                }
            } else {
                notices.push(RootNotice::KeyElsewhere { expires });
            }
        }
        let ends = root.keys_of(BaseRole::Root).filter_map(|(_, key)| {
            leaf_for(key, self.gun, self.now, Expiry::Ignored).ok().map(|leaf| leaf.not_after())
        });
        notices.extend(ends.max().filter(|end| *end < soon).map(|expires| RootNotice::CertificateEnds { expires }));
        (part, notices)
    }

    /// The same keys in the next version: one set of signatures is that of the root before and of the new one.
    ///
    /// The keys sign nothing that they have not signed before, but for version and date. A root key is the root of many
    /// repositories, and whoever makes a root may name it there beside keys of his own: signed by ours, such a root
    /// would follow the true one.
    fn next_root(
        &mut self,
        current: &Current<Root>,
        expires: UtcTime,
        authority: &Authority,
        stored: &[StoredKey],
    ) -> Result<Part, PublishError> {
        let ours = authority.clone().restricted(|key| self.held(stored, &Role::Root, key).is_some());
        let signed = Envelope::parse(Dialect::Notary, current.raw().clone())?.decode::<Root>(Role::Root)?;
        signed.check_signed_by(&ours).map_err(PublishError::ForeignRoot)?;
        let root = current.model();
        let version = next_version(root.version, &Role::Root)?;
        self.sign_with(&Root { version, expires, ..root.clone() }, authority, stored)
    }
}
