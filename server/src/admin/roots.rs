//! The chain of roots from the first stored one: each is signed by the one before and by itself.

use tuf_schema::key::x509::Expiry;
use tuf_schema::model::Root;
use tuf_schema::verify::{Verified, follow, trust_first};
use tuf_schema::{Gun, Unverified, UtcTime};

use super::finding::Trouble;

/// The roots of one repository, fed in the order of their versions.
pub(super) struct RootChain<'a> {
    gun: &'a Gun,
    last: Option<Verified<Root>>,
}

impl<'a> RootChain<'a> {
    pub(super) fn new(gun: &'a Gun) -> Self {
        Self { gun, last: None }
    }

    /// The next stored root. Certificates are judged by `stored_at`: they may have ended since.
    pub(super) fn feed(&mut self, root: Unverified<Root>, stored_at: UtcTime) -> Vec<Trouble> {
        let Some(last) = &self.last else {
            return match trust_first(root, self.gun, stored_at, Expiry::Ignored) {
                Ok(first) => {
                    self.last = Some(first);
                    Vec::new()
                }
                Err(error) => vec![Trouble::FirstRoot(error)],
            };
        };
        let previous = last.model().version;
        let mut troubles = Vec::new();
        if previous.next().is_some_and(|next| next < root.claims().version) {
            troubles.push(Trouble::RootGap { previous });
        }
        match follow(last, root.clone(), self.gun, stored_at) {
            Ok(next) => self.last = Some(next),
            Err(reason) => {
                troubles.push(Trouble::BrokenRootChain { previous, reason });
                // What comes after is held against this one, if it stands: one break is one finding.
                if let Ok(alone) = trust_first(root, self.gun, stored_at, Expiry::Ignored) {
                    self.last = Some(alone);
                }
            }
        }
        troubles
    }
}
