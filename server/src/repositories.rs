//! Which repositories are stored, a page at a time, in which versions, whose keys sign them, and what ends first: for `admin list` and for
//! callers over HTTP. What ends when is what the files say of themselves: nothing is verified.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tuf_schema::model::{KeyGrant, Root};
use tuf_schema::{BaseRole, Dialect, Envelope, Gun, Role, UtcTime};

use crate::days::days_left;
use crate::printable::printable;
use crate::store::{Beginning, MetadataStore, OverviewQuery, RepositoryRow, StoreError};

/// The most repositories of one page.
pub const MAX_LISTED: u32 = 1000;

/// How many are read at a time: of each some 25 kB are held.
const READ_AT_A_TIME: u32 = 100;

/// In the order in which roles are told.
pub(crate) const ROLES: [BaseRole; 4] = [BaseRole::Root, BaseRole::Targets, BaseRole::Snapshot, BaseRole::Timestamp];

/// Some repositories, in the order of the bytes of their names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) repositories: Vec<Listed>,
    /// The last name, if there are more behind it.
    pub(crate) next: Option<String>,
}

/// One repository.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: String,
    /// The newest files, as [`ROLES`] are.
    pub(crate) files: [Option<ListedFile>; 4],
    /// Who may sign each of [`ROLES`], as the newest root says; none when it cannot be read.
    pub(crate) grants: Option<[KeyGrant; 4]>,
}

/// The newest file of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ListedFile {
    /// None when the row has none.
    pub(crate) version: Option<i64>,
    /// None when it cannot be read.
    pub(crate) expires: Option<UtcTime>,
}

/// Which of all repositories.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PageQuery {
    /// Only those whose names begin with this.
    pub(crate) prefix: String,
    /// Only those behind this name.
    pub(crate) after: Option<String>,
    /// How many, at most [`MAX_LISTED`].
    pub(crate) limit: u32,
}

/// A page of all repositories. One more is read than is told, to know whether there is one.
pub(crate) async fn page(store: &dyn MetadataStore, query: &PageQuery) -> Result<Page, StoreError> {
    let limit = usize::try_from(query.limit.min(MAX_LISTED)).unwrap_or_default();
    let mut repositories = Vec::new();
    let mut overview =
        OverviewQuery { prefix: query.prefix.clone(), after: query.after.clone(), limit: READ_AT_A_TIME };
    loop {
        let page = store.overview(&overview).await?;
        for row in page.repositories {
            if repositories.len() == limit {
                let next = repositories.last().map(|last: &Listed| last.name.clone());
                return Ok(Page { repositories, next });
            }
            repositories.push(listed(store, row).await?);
        }
        // Names of which nothing is stored any more fill pages, too.
        match page.next {
            Some(next) => overview.after = Some(next),
            None => return Ok(Page { repositories, next: None }),
        }
    }
}

/// The same of the repositories that bear one of `names`. No other is looked at, so that none leaves a trace, in time either. A
/// token may name a thousand that are not there: a page looks for [`READ_AT_A_TIME`] names at most, and may be short.
pub(crate) async fn page_of(
    store: &dyn MetadataStore,
    names: &BTreeSet<Gun>,
    after: Option<&str>,
    limit: u32,
) -> Result<Page, StoreError> {
    let limit = usize::try_from(limit.min(READ_AT_A_TIME)).unwrap_or_default();
    // one more, to know whether there is one
    let behind = |name: &&Gun| after.is_none_or(|after| name.as_str() > after);
    let meant: Vec<&Gun> = names.iter().filter(behind).take(limit.saturating_add(1)).collect();
    let mut repositories = Vec::new();
    for name in meant.iter().take(limit) {
        if let Some(row) = store.overview_of(name).await? {
            repositories.push(listed(store, row).await?);
        }
    }
    let last = meant.get(limit.saturating_sub(1)).filter(|_| meant.len() > limit);
    let next = last.map(|last| last.as_str().to_owned());
    Ok(Page { repositories, next })
}

async fn listed(store: &dyn MetadataStore, row: RepositoryRow) -> Result<Listed, StoreError> {
    let RepositoryRow { name, mut newest } = row;
    let grants = match newest.get(&BaseRole::Root) {
        Some(root) => whole(store, &name, BaseRole::Root, root).await?.and_then(grants),
        None => None,
    };
    let mut files = [None; 4];
    for (role, file) in ROLES.into_iter().zip(&mut files) {
        let Some(beginning) = newest.remove(&role) else { continue };
        let expires = expiry(store, &name, role, &beginning).await?;
        *file = Some(ListedFile { version: beginning.version, expires });
    }
    Ok(Listed { name, files, grants })
}

/// The date of a file. Where it does not stand at the beginning the file is read whole, one at a time: they may be long.
async fn expiry(
    store: &dyn MetadataStore,
    name: &str,
    role: BaseRole,
    beginning: &Beginning,
) -> Result<Option<UtcTime>, StoreError> {
    let date = |bytes: &[u8]| Envelope::expiry_in_beginning(Dialect::Notary, bytes);
    let found = date(&beginning.bytes);
    if found.is_some() || beginning.is_whole(role) {
        return Ok(found);
    }
    Ok(whole(store, name, role, beginning).await?.and_then(|bytes| date(&bytes)))
}

/// All of a file that begins like this; none when its row cannot be read.
async fn whole(
    store: &dyn MetadataStore,
    name: &str,
    role: BaseRole,
    beginning: &Beginning,
) -> Result<Option<Bytes>, StoreError> {
    if beginning.is_whole(role) {
        return Ok(Some(beginning.bytes.clone()));
    }
    let Ok(gun) = Gun::parse(name) else { return Ok(None) };
    match store.latest(&gun, &role.into()).await {
        Ok(stored) => Ok(stored.map(|stored| stored.bytes)),
        Err(StoreError::Corrupt { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a root says of who may sign what. It is not verified: it is told as it is stored.
fn grants(root: Bytes) -> Option<[KeyGrant; 4]> {
    // the reference stores white space that follows a document
    let document = root.slice(..root.trim_ascii_end().len());
    let root = Envelope::parse(Dialect::Notary, document).ok()?.decode::<Root>(Role::Root).ok()?;
    Some(ROLES.map(|role| root.claims().grant(role).clone()))
}

impl Listed {
    /// What ends first: of several at once the one that is printed first.
    pub(crate) fn first_to_expire(&self) -> Option<(BaseRole, UtcTime)> {
        let dates = ROLES.into_iter().zip(&self.files).filter_map(|(role, file)| Some((role, (*file)?.expires?)));
        dates.min_by_key(|(_, date)| *date)
    }

    /// Why it is not all told.
    pub(crate) fn trouble(&self) -> Option<String> {
        if let Err(error) = Gun::parse(&self.name) {
            return Some(error.to_string());
        }
        let is_unreadable = |file: &ListedFile| file.version.is_none() || file.expires.is_none();
        let unreadable =
            ROLES.into_iter().zip(&self.files).filter(|(_, file)| file.as_ref().is_some_and(is_unreadable));
        let names: Vec<String> = unreadable.map(|(role, _)| Role::from(role).to_string()).collect();
        (!names.is_empty()).then(|| format!("cannot read the version or the date of {}", names.join(", ")))
    }

    pub(crate) fn to_json(&self, now: UtcTime) -> Value {
        let role = |(place, (role, file)): (usize, (BaseRole, &Option<ListedFile>))| {
            let grant = self.grants.as_ref().and_then(|grants| grants.get(place));
            let file = file.map(|ListedFile { version, expires }| {
                json!({
                    "version": version,
                    "expires": expires.map(|date| date.to_rfc3339()),
                    "days": expires.map(|date| days_left(date, now)),
                    "threshold": grant.map(|grant| grant.threshold.get()),
                    "keys": grant.map(|grant| {
                        grant.key_ids.iter().map(|id| printable(id.as_str())).collect::<Vec<_>>()
                    }),
                })
            });
            (Role::from(role).as_str().to_owned(), file.unwrap_or_default())
        };
        let roles: Map<String, Value> = ROLES.into_iter().zip(&self.files).enumerate().map(role).collect();
        let first = self
            .first_to_expire()
            .map(|(role, date)| json!({"role": Role::from(role).as_str(), "days": days_left(date, now)}));
        json!({
            "gun": printable(&self.name),
            "roles": roles,
            "first_to_expire": first,
            "trouble": self.trouble().map(|trouble| printable(&trouble)),
        })
    }
}

/// Stores for the tests of lists.
#[cfg(test)]
pub(crate) mod testing {
    use tuf_schema::Version;

    use super::*;
    use crate::clock::TestClock;
    use crate::publish::{NewFile, ValidatedUpdate};
    use crate::store::memory::MemoryStore;

    pub(crate) const NOW: &str = "2026-11-21T21:05:00Z";

    /// A document of which `before` stands before its date.
    pub(crate) fn file(role: Role, before: &str, date: &str) -> NewFile {
        let content = format!(r#"{{"signed":{{{before}"expires":"{date}","version":1}},"signatures":[]}}"#);
        NewFile::new(role, Version::FIRST, Bytes::from(content))
    }

    /// Repositories with these files and a timestamp of ten days.
    pub(crate) async fn store(repositories: impl IntoIterator<Item = (String, Vec<NewFile>)>) -> MemoryStore {
        let store = MemoryStore::new(TestClock::at(NOW));
        for (name, others) in repositories {
            let timestamp = file(Role::Timestamp, "", "2026-12-01T21:05:00Z");
            let update = ValidatedUpdate::for_store_tests(&Gun::parse(&name).unwrap(), None, timestamp, others);
            store.commit(&update).await.unwrap();
        }
        store
    }

    pub(crate) fn request(limit: u32, after: Option<&str>) -> PageQuery {
        PageQuery { prefix: String::new(), after: after.map(str::to_owned), limit }
    }
}

#[cfg(test)]
mod tests {
    use tuf_schema::testing::{Publisher, secret_key};
    use tuf_schema::{SigningKey as _, Version};

    use super::testing::{NOW, file, request, store};
    use super::*;
    use crate::publish::NewFile;

    #[tokio::test]
    async fn a_page_names_where_the_next_begins_if_there_is_one_more_and_not_if_there_is_none() {
        let names = |count: usize| (0..count).map(|number| (format!("g{number}"), Vec::new()));
        let two = request(2, None);
        assert_eq!(page(&store(names(2)).await, &two).await.unwrap().next, None);
        let found = page(&store(names(3)).await, &two).await.unwrap();
        assert_eq!((found.repositories.len(), found.next.as_deref()), (2, Some("g1")));
        let rest = page(&store(names(3)).await, &request(2, Some("g1"))).await.unwrap();
        assert_eq!((rest.repositories.len(), rest.next), (1, None));
    }

    #[tokio::test]
    async fn a_page_holds_a_thousand_repositories_whatever_is_asked_for() {
        let names = |count: u32| (0..count).map(|number| (format!("g{number:04}"), Vec::new()));
        let found = page(&store(names(MAX_LISTED + 1)).await, &request(u32::MAX, None)).await.unwrap();
        assert_eq!((found.repositories.len(), found.next.as_deref()), (1000, Some("g0999")));
        let found = page(&store(names(MAX_LISTED)).await, &request(MAX_LISTED, None)).await.unwrap();
        assert_eq!((found.repositories.len(), found.next), (1000, None));
    }

    #[tokio::test]
    async fn a_date_behind_the_beginning_is_read_out_of_the_whole_file() {
        let long = format!(r#""delegations":"{}","#, "x".repeat(20_000));
        let others = vec![file(Role::Targets, &long, "2026-11-23T21:05:00Z")];
        let found = page(&store([("a".to_owned(), others)]).await, &request(1, None)).await.unwrap();
        let first = found.repositories.first().and_then(Listed::first_to_expire);
        assert_eq!(first, Some((BaseRole::Targets, UtcTime::parse("2026-11-23T21:05:00Z").unwrap())));
    }

    #[tokio::test]
    async fn of_names_those_are_told_that_are_stored_and_no_other_that_begins_like_them() {
        let names = ["a", "a/b", "ab", "b"].map(|name| (name.to_owned(), Vec::new()));
        let store = store(names).await;
        let asked: BTreeSet<Gun> = ["a", "c", "b"].map(|name| Gun::parse(name).unwrap()).into();
        let told = async |after: Option<&str>, limit: u32| {
            let page = page_of(&store, &asked, after, limit).await.unwrap();
            (page.repositories.into_iter().map(|listed| listed.name).collect::<Vec<_>>().join(" "), page.next)
        };
        assert_eq!(told(None, 3).await, ("a b".into(), None));
        assert_eq!(told(None, 2).await, ("a b".into(), Some("b".into())));
        assert_eq!(told(Some("b"), 2).await, (String::new(), None));
        assert_eq!(told(Some("aa"), 1).await, ("b".into(), Some("b".into())));
        assert_eq!(told(Some("c"), 10).await, (String::new(), None));
    }

    #[tokio::test]
    async fn a_page_looks_for_a_hundred_names_and_for_one_more_on_the_next() {
        let store = store([("n100".to_owned(), Vec::new())]).await;
        for (names, is_there_more) in [(100, false), (101, true)] {
            let asked: BTreeSet<Gun> = (0..names).map(|number| Gun::parse(&format!("n{number:03}")).unwrap()).collect();
            let page = page_of(&store, &asked, None, MAX_LISTED).await.unwrap();
            let next = is_there_more.then(|| "n099".to_owned());
            assert_eq!((page.repositories.len(), page.next.clone()), (0, next), "{names}");
            if is_there_more {
                assert_eq!(page_of(&store, &asked, page.next.as_deref(), 1).await.unwrap().repositories.len(), 1);
            }
        }
    }

    #[tokio::test]
    async fn key_ids_are_those_that_the_newest_root_names_however_long_it_is() {
        let gun = Gun::parse("a").unwrap();
        let (snapshot, timestamp) = (secret_key(), secret_key());
        let mut author = Publisher::new(&gun, snapshot.public(), timestamp.public(), UtcTime::parse(NOW).unwrap());
        for others in [0, 40] {
            for key in (0..others).map(|_| secret_key()) {
                author.root.targets.key_ids.push(key.public().id().clone());
                author.root.keys.insert(key.public().id().clone(), key.public().clone());
            }
            let bytes = author.root_bytes();
            let beginning = Beginning { version: None, bytes: bytes.slice(..bytes.len().min(8 << 10)) };
            assert_eq!(beginning.is_whole(BaseRole::Root), others == 0, "{}", bytes.len());
            let store = store([("a".to_owned(), vec![NewFile::new(Role::Root, Version::FIRST, bytes)])]).await;
            let told = page(&store, &request(1, None)).await.unwrap().repositories.remove(0).grants.unwrap();
            let expected = ROLES.map(|role| author.root.grant(role).clone());
            assert_eq!(told, expected);
        }
    }

    #[tokio::test]
    async fn pages_of_more_than_are_read_at_a_time_miss_none() {
        let names: Vec<_> = (0..250).map(|number| (format!("g{number:04}"), Vec::new())).collect();
        let store = store(names).await;
        for limit in [99, 100, 101, 199, 250] {
            let found = page(&store, &request(limit, None)).await.unwrap();
            let last = found.repositories.last().map(|listed| listed.name.clone());
            let next = (limit < 250).then_some(last).flatten();
            assert_eq!((found.repositories.len(), found.next), (limit as usize, next));
        }
    }
}
