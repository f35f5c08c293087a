//! What is stored of one repository, role by role, from the newest file of each: for `admin show` and the console. Nothing is
//! verified.

use std::collections::{BTreeMap, VecDeque};

use tuf_schema::model::KeyGrant;
use tuf_schema::{BaseRole, Gun, Role, Sha256, UtcTime};

use super::files::{Content, check_row};
use super::finding::Trouble;
use super::shown::ShownRole;
use crate::store::{FileKey, FileRow, MetadataStore, StoreError};

/// How many files are counted at a time.
const FILE_PAGE: u32 = 1000;

/// How many of the files that were stored last are remembered.
const RECENT: usize = 50;

/// A role as rows name it, in the order in which roles are told: whoever declares a role comes before it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum RoleName {
    Role(Role),
    /// None that we know.
    Strange(String),
}

/// What is stored of a role.
#[derive(Debug, Default)]
struct Tally {
    stored: u64,
    /// Version and id of the newest file.
    newest: Option<(Option<i64>, i64)>,
}

/// The roles that are not told yet.
pub(crate) struct Roles {
    /// The files that were stored last, oldest first.
    pub(crate) recent: VecDeque<FileKey>,
    left: BTreeMap<RoleName, Tally>,
    /// What the documents that were read say about who signs.
    grants: BTreeMap<Role, KeyGrant>,
}

impl Roles {
    /// `None` when nothing is stored of `gun`.
    pub(crate) async fn of(store: &dyn MetadataStore, gun: &Gun) -> Result<Option<Self>, StoreError> {
        let mut left: BTreeMap<RoleName, Tally> = BTreeMap::new();
        let mut recent = VecDeque::with_capacity(RECENT);
        let mut after = None;
        loop {
            let page = store.file_keys(gun, after, FILE_PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for file in page {
                let name = match Role::parse(&file.role) {
                    Ok(role) => RoleName::Role(role),
                    Err(_) => RoleName::Strange(file.role.clone()),
                };
                let tally = left.entry(name).or_default();
                tally.stored = tally.stored.saturating_add(1);
                tally.newest = tally.newest.max(Some((file.version, file.id)));
                if recent.len() == RECENT {
                    recent.pop_front();
                }
                recent.push_back(file);
            }
        }
        if left.is_empty() {
            return Ok(None);
        }
        // One that every repository has is told of also when it is missing.
        for role in BaseRole::ALL {
            left.entry(RoleName::Role(role.into())).or_default();
        }
        Ok(Some(Self { recent, left, grants: BTreeMap::new() }))
    }

    /// Reads the newest file of the next role, one file at a time: they may be long.
    pub(crate) async fn next(&mut self, store: &dyn MetadataStore, gun: &Gun) -> Result<Option<ShownRole>, StoreError> {
        let Some((name, tally)) = self.left.pop_first() else { return Ok(None) };
        let mut shown = ShownRole { stored: tally.stored, ..ShownRole::default() };
        let read = match tally.newest {
            Some((version, id)) => {
                shown.version = version;
                row(store, gun, id).await
            }
            None => Ok(None),
        };
        match read {
            Ok(Some(row)) => {
                let (troubles, content) = check_row(&row);
                shown.sha256 = Some(Sha256::of(&row.bytes));
                shown.expires = content.map(|content| self.learn(&content));
                shown.troubles = troubles;
            }
            Ok(None) => shown.troubles.extend(missing(&name)),
            Err(StoreError::Corrupt { what }) => shown.troubles.push(Trouble::DamagedRow(what)),
            Err(error) => return Err(error),
        }
        shown.name = match name {
            RoleName::Role(role) => {
                shown.grant = self.grants.remove(&role);
                role.as_str().to_owned()
            }
            RoleName::Strange(name) => name,
        };
        Ok(Some(shown))
    }

    /// Notes who signs what, and gives the date. A delegation of which nothing is stored yet is told of, too.
    fn learn(&mut self, content: &Content) -> UtcTime {
        match content {
            Content::Root(root) => {
                let root = root.claims();
                self.grants.extend(BaseRole::ALL.map(|role| (role.into(), root.grant(role).clone())));
                root.expires
            }
            Content::Targets(targets) => {
                let targets = targets.claims();
                for delegated in &targets.delegations.roles {
                    let role = Role::Delegation(delegated.name.clone());
                    let grant = KeyGrant { key_ids: delegated.key_ids.clone(), threshold: delegated.threshold };
                    self.left.entry(RoleName::Role(role.clone())).or_default();
                    self.grants.insert(role, grant);
                }
                targets.expires
            }
            Content::Snapshot(snapshot) => snapshot.claims().expires,
            Content::Timestamp(timestamp) => timestamp.claims().expires,
        }
    }
}

/// The file with this id, unless it was deleted since it was counted.
async fn row(store: &dyn MetadataStore, gun: &Gun, id: i64) -> Result<Option<FileRow>, StoreError> {
    let rows = store.files(gun, Some(id.saturating_sub(1)), 1).await?;
    Ok(rows.into_iter().find(|row| row.id == id))
}

/// What is wrong with a role of which there is no file.
fn missing(name: &RoleName) -> Option<Trouble> {
    match name {
        RoleName::Role(Role::Root) => Some(Trouble::NoRoot),
        RoleName::Role(Role::Targets | Role::Snapshot | Role::Timestamp) => Some(Trouble::NoFile),
        // Its keys are given out before anything is signed with them.
        RoleName::Role(Role::Delegation(_)) | RoleName::Strange(_) => None,
    }
}
