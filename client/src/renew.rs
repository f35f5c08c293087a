//! Renewal: what has expired, or soon will, is signed anew by those who hold its keys. Nothing but dates changes.

use std::collections::BTreeMap;

use tuf_schema::key::x509::{Expiry, leaf_for};
use tuf_schema::model::Targets;
use tuf_schema::sign::self_signed_root_certificate;
use tuf_schema::version::Version;
use tuf_schema::{BaseRole, Gun, KeyId, PublicKey, Role, UtcTime};

use crate::publish::{Edit, EditError, PublishError, Publisher, RENEWED_BEFORE_SECONDS, RootNotice, Working};
use crate::remote::RemoteError;

/// What there is to renew in one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The repository.
    pub gun: Gun,
    /// When it was looked at.
    pub now: UtcTime,
    /// What has expired or will within six months, base roles first.
    pub items: Vec<Item>,
    /// The version in which each document came: nothing older is signed anew.
    pub seen: BTreeMap<Role, Version>,
}

/// One thing that has expired or soon will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What.
    pub what: What,
    /// What is published of it, where it is a document that people sign.
    pub published: Option<Shown>,
    /// When it ends, or ended.
    pub ends: UtcTime,
    /// Who can renew it.
    pub by: By,
}

/// By what a person tells a document from an older one, which a server may show to whoever kept nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Its version.
    pub version: Version,
    /// How many targets it lists, if it is of a role that lists any.
    pub targets: Option<usize>,
}

/// What can expire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The document of a role.
    Document(Role),
    /// The certificate of a root key, by the id of the bare key.
    RootCertificate(KeyId),
}

/// Who can renew something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// Whoever runs this: enough keys are here.
    Here,
    /// The holders of these keys, so many of them; named by the ids of the bare public keys.
    Holders {
        /// Their keys.
        keys: Vec<KeyId>,
        /// How many must sign.
        threshold: u32,
    },
    /// The trust server, by itself.
    Server,
}

/// What a renewal did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewed {
    /// The repository.
    pub gun: Gun,
    /// What was renewed.
    pub renewed: Vec<What>,
    /// What others must renew.
    pub left: Vec<Item>,
    /// What there is to say about a root that ends soon.
    pub root: Vec<RootNotice>,
}

impl Plan {
    /// What there is to renew in `working`, by its dates and the keys at hand.
    #[must_use]
    pub fn of(working: &Working) -> Self {
        let soon = working.now().plus_seconds(RENEWED_BEFORE_SECONDS);
        let mut items = Vec::new();
        let mut due = |role: Role, ends: UtcTime, version: Version, targets: Option<usize>| {
            if ends < soon {
                let published = Some(Shown { version, targets });
                items.push(Item { by: by(working, &role), what: What::Document(role), published, ends });
            }
        };
        due(Role::Root, working.root().expires, working.root().version, None);
        working.snapshot().into_iter().for_each(|it| due(Role::Snapshot, it.expires, it.version, None));
        let listed = |it: &Targets| Some(it.targets.len());
        working.all_targets().for_each(|(role, it)| due(role.clone(), it.expires, it.version, listed(it)));
        // Servers renew these long before, at their own pace.
        let now = working.now();
        items.extend(working.timestamp_ends().filter(|ends| *ends < now).map(|ends| Item {
            what: What::Document(Role::Timestamp),
            published: None,
            ends,
            by: By::Server,
        }));
        items.retain(|item| item.by != By::Server || item.ends < now);
        let ended = certificates(working).into_iter().filter(|(_, ends)| *ends < soon);
        items.extend(ended.map(|(key, ends)| Item {
            what: What::RootCertificate(key),
            published: None,
            ends,
            by: by(working, &Role::Root),
        }));
        items.sort_by_key(|item| item.what.order());
        Self { gun: working.gun().clone(), now, items, seen: versions(working) }
    }

    /// What is renewed by whoever runs this.
    pub fn here(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.by == By::Here)
    }

    /// What others must renew.
    pub fn left(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.by != By::Here)
    }
}

impl Item {
    /// Whether it ended before `now`.
    #[must_use]
    pub fn has_ended(&self, now: UtcTime) -> bool {
        self.ends < now
    }
}

impl What {
    fn order(&self) -> (u8, Option<Role>) {
        match self {
            Self::Document(Role::Root) => (0, None),
            Self::RootCertificate(_) => (1, None),
            Self::Document(role) => (2, Some(role.clone())),
        }
    }
}

/// Why nothing was renewed.
#[derive(Debug, thiserror::Error)]
pub enum RenewalError {
    /// What is published cannot be read, or nothing was published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The server refused a root whose certificate had expired, and the reference's server does so whatever the new one
    /// is: it holds the stored root's certificate against its own clock before it reads an upload.
    #[error(
        "the trust server refused the renewed root ({why}); notary's server takes nothing more for a repository whose root \
         certificate has expired: let bulla-server serve its database, then renew again"
    )]
    CertificateRefused {
        /// What it said.
        why: String,
    },
}

/// Looks at what is published, whatever its dates.
///
/// # Errors
/// [`PublishError`].
pub async fn plan(publisher: &mut Publisher<'_>) -> Result<Plan, PublishError> {
    Ok(Plan::of(&look(publisher).await?))
}

/// What is published, whatever its dates.
///
/// # Errors
/// [`PublishError`].
pub async fn look(publisher: &mut Publisher<'_>) -> Result<Working, PublishError> {
    publisher.plan(&Look).await
}

/// Signs anew what `plan` says that can be signed here, in one upload.
///
/// # Errors
/// [`RenewalError`]; nothing was published then.
pub async fn carry_out(publisher: &mut Publisher<'_>, plan: &Plan) -> Result<Renewed, RenewalError> {
    let mut root = Vec::new();
    let publishes = plan.here().next().is_some();
    if publishes {
        let renewal = Renewal { certificates: new_certificates(publisher, plan)?, plan };
        root = publisher.publish(&renewal).await.map_err(|e| refusal(e, plan))?.root;
    }
    Ok(Renewed {
        gun: plan.gun.clone(),
        renewed: plan.here().map(|item| item.what.clone()).collect(),
        // With each upload the server signs what is its own.
        left: plan.left().filter(|item| !publishes || item.by != By::Server).cloned().collect(),
        root,
    })
}

fn refusal(error: PublishError, plan: &Plan) -> RenewalError {
    let is_certificate = |item: &Item| matches!(item.what, What::RootCertificate(_)) && item.has_ended(plan.now);
    match error {
        PublishError::Remote(RemoteError::Rejected(why)) if plan.items.iter().any(is_certificate) => {
            RenewalError::CertificateRefused { why }
        }
        other => other.into(),
    }
}

/// Opens what has expired and changes nothing.
struct Look;

impl Edit for Look {
    fn apply(&self, _: &mut Working) -> Result<(), EditError> {
        Ok(())
    }

    fn opens_expired(&self) -> bool {
        true
    }
}

/// New signatures for what was planned and is still due when it is applied, and new certificates for root keys.
struct Renewal<'a> {
    /// By the id of the bare key.
    certificates: BTreeMap<KeyId, PublicKey>,
    /// What whoever runs this was shown.
    plan: &'a Plan,
}

impl Edit for Renewal<'_> {
    fn apply(&self, working: &mut Working) -> Result<(), EditError> {
        let now = Plan::of(working);
        // Others may have published since, but nobody goes back: not what is signed, and not what the new snapshot lists.
        for (role, known) in &self.plan.seen {
            if let Some(found) = now.seen.get(role).filter(|found| *found < known) {
                return Err(EditError::Older { role: role.clone(), found: *found, known: *known });
            }
        }
        for item in now.here() {
            if !self.plan.items.iter().any(|planned| planned.what == item.what) {
                continue;
            }
            match &item.what {
                What::Document(role) => working.touch(role)?,
                What::RootCertificate(key) => {
                    if let Some(certificate) = self.certificates.get(key) {
                        exchange(working, key, certificate);
                    }
                }
            }
        }
        Ok(())
    }

    fn opens_expired(&self) -> bool {
        true
    }
}

fn versions(working: &Working) -> BTreeMap<Role, Version> {
    let base = [(Role::Root, Some(working.root().version)), (Role::Snapshot, working.snapshot().map(|it| it.version))];
    let base = base.into_iter().filter_map(|(role, version)| Some((role, version?)));
    base.chain(working.all_targets().map(|(role, it)| (role.clone(), it.version))).collect()
}

/// The same key under another certificate. The old one stays listed: readers who know only it look for its signature.
fn exchange(working: &mut Working, key: &KeyId, certificate: &PublicKey) {
    let listed = working.root().keys_of(BaseRole::Root).find(|(_, listed)| listed.canonical_id() == *key);
    let Some(old) = listed.map(|(id, _)| id.clone()) else { return };
    let root = working.root_mut();
    for id in &mut root.root.key_ids {
        if *id == old {
            *id = certificate.id().clone();
        }
    }
    root.keys.insert(certificate.id().clone(), certificate.clone());
}

fn new_certificates(publisher: &mut Publisher<'_>, plan: &Plan) -> Result<BTreeMap<KeyId, PublicKey>, PublishError> {
    let mut made = BTreeMap::new();
    for item in plan.here() {
        let What::RootCertificate(key) = &item.what else { continue };
        let stored = publisher.keys.list()?.into_iter().find(|stored| stored.id == *key);
        let Some(stored) = stored else { continue };
        let secret = publisher.keys.open(&stored)?;
        let certificate = self_signed_root_certificate(secret, publisher.gun, publisher.now, publisher.rng)?;
        made.insert(key.clone(), certificate);
    }
    Ok(made)
}

/// Who can sign a role anew. Whose snapshots are not signed here has them signed by the server, as a rule.
fn by(working: &Working, role: &Role) -> By {
    let Ok(authority) = working.authority(role) else {
        return By::Holders { keys: Vec::new(), threshold: 1 };
    };
    if working.keys().holds_enough(&authority) {
        return By::Here;
    }
    if matches!(role, Role::Snapshot | Role::Timestamp) {
        return By::Server;
    }
    By::Holders {
        keys: authority.keys().map(|(_, key)| key.canonical_id()).collect(),
        threshold: authority.threshold(),
    }
}

/// The root keys whose certificates fit the repository, by the ids of the bare keys, and when the certificates end.
pub(crate) fn certificates(working: &Working) -> Vec<(KeyId, UtcTime)> {
    let keys = working.root().keys_of(BaseRole::Root);
    let ends = keys.filter_map(|(_, key)| {
        let leaf = leaf_for(key, working.gun(), working.now(), Expiry::Ignored).ok()?;
        Some((key.canonical_id(), leaf.not_after()))
    });
    ends.collect()
}
