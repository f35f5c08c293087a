//! `admin list`: which repositories are stored, a page at a time, in which versions, and what of them ends first.

use std::io::Write;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tuf_schema::{BaseRole, Dialect, Envelope, Gun, Role, UtcTime};

use super::days::days_left;
use super::error::AdminError;
use super::finding::printable;
use super::open;
use super::verify::Verdict;
use crate::clock::Clock;
use crate::config::Config;
use crate::store::{Beginning, MetadataStore, OverviewQuery, RepositoryRow, StoreError};

/// The most repositories of one page.
pub const MAX_LISTED: u32 = 1000;

/// Which repositories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRequest {
    /// Only those whose names begin with this.
    pub prefix: String,
    /// Only those behind this name.
    pub after: Option<String>,
    /// How many, at most [`MAX_LISTED`].
    pub limit: u32,
    /// Print JSON, one object a line.
    pub json: bool,
}

/// In the order in which roles are printed.
const ROLES: [BaseRole; 4] = [BaseRole::Root, BaseRole::Targets, BaseRole::Snapshot, BaseRole::Timestamp];

/// Prints the repositories in the order of the bytes of their names, and where the next page begins. What ends when is
/// what the files say of themselves: nothing is verified. Changes nothing.
///
/// # Errors
/// [`AdminError`] when the database cannot be read or the output not be written.
pub async fn list(
    config: &Config,
    request: &ListRequest,
    clock: Arc<dyn Clock>,
    output: &mut (dyn Write + Send),
) -> Result<Verdict, AdminError> {
    let store = open::existing(&config.storage, &clock).await?;
    let page = page(&*store, request).await?;
    let now = clock.now();
    if request.json {
        page.write_json(now, output)?
    } else {
        page.write_text(now, output)?
    }
    output.flush()?;
    let is_whole = |listed: &Listed| listed.trouble().is_none();
    Ok(if page.repositories.iter().all(is_whole) { Verdict::Whole } else { Verdict::Findings })
}

/// What is printed.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    repositories: Vec<Listed>,
    /// The last name, if there are more behind it.
    next: Option<String>,
}

/// One repository.
#[derive(Debug, PartialEq, Eq)]
struct Listed {
    name: String,
    /// The newest files, as [`ROLES`] are.
    files: [Option<ListedFile>; 4],
}

/// The newest file of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ListedFile {
    /// None when the row has none.
    version: Option<i64>,
    /// None when it cannot be read.
    expires: Option<UtcTime>,
}

/// Reads one repository more than is printed, to know whether there is one.
async fn page(store: &dyn MetadataStore, request: &ListRequest) -> Result<Page, StoreError> {
    let limit = usize::try_from(request.limit.min(MAX_LISTED)).unwrap_or_default();
    let mut repositories = Vec::new();
    let mut query = OverviewQuery {
        prefix: request.prefix.clone(),
        after: request.after.clone(),
        limit: request.limit.min(MAX_LISTED).saturating_add(1),
    };
    loop {
        let page = store.overview(&query).await?;
        for row in page.repositories {
            if repositories.len() == limit {
                let next = repositories.last().map(|last: &Listed| last.name.clone());
                return Ok(Page { repositories, next });
            }
            repositories.push(listed(store, row).await?);
        }
        // Names of which nothing is stored any more fill pages, too.
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(Page { repositories, next: None }),
        }
    }
}

async fn listed(store: &dyn MetadataStore, row: RepositoryRow) -> Result<Listed, StoreError> {
    let RepositoryRow { name, mut newest } = row;
    let mut files = [None; 4];
    for (role, file) in ROLES.into_iter().zip(&mut files) {
        let Some(beginning) = newest.remove(&role) else { continue };
        let expires = expiry(store, &name, role, &beginning).await?;
        *file = Some(ListedFile { version: beginning.version, expires });
    }
    Ok(Listed { name, files })
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
    let Ok(gun) = Gun::parse(name) else { return Ok(None) };
    match store.latest(&gun, &role.into()).await {
        Ok(stored) => Ok(stored.and_then(|stored| date(&stored.bytes))),
        Err(StoreError::Corrupt { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Listed {
    /// What ends first: of several at once the one that is printed first.
    fn first_to_expire(&self) -> Option<(BaseRole, UtcTime)> {
        let dates = ROLES.into_iter().zip(&self.files).filter_map(|(role, file)| Some((role, (*file)?.expires?)));
        dates.min_by_key(|(_, date)| *date)
    }

    /// Why it is not all told.
    fn trouble(&self) -> Option<String> {
        if let Err(error) = Gun::parse(&self.name) {
            return Some(error.to_string());
        }
        let is_unreadable = |file: &ListedFile| file.version.is_none() || file.expires.is_none();
        let unreadable =
            ROLES.into_iter().zip(&self.files).filter(|(_, file)| file.as_ref().is_some_and(is_unreadable));
        let names: Vec<String> = unreadable.map(|(role, _)| Role::from(role).to_string()).collect();
        (!names.is_empty()).then(|| format!("cannot read the version or the date of {}", names.join(", ")))
    }

    fn to_json(&self, now: UtcTime) -> Value {
        let role = |(role, file): (BaseRole, &Option<ListedFile>)| {
            let file = file.map(|ListedFile { version, expires }| {
                let days = expires.map(|date| days_left(date, now));
                json!({"version": version, "expires": expires.map(|date| date.to_rfc3339()), "days": days})
            });
            (Role::from(role).as_str().to_owned(), file.unwrap_or_default())
        };
        let roles: Map<String, Value> = ROLES.into_iter().zip(&self.files).map(role).collect();
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

    /// A question mark stands where something cannot be read.
    fn cells(&self, now: UtcTime) -> [String; 7] {
        let version = |file: Option<ListedFile>| match file {
            None => "-".to_owned(),
            Some(ListedFile { version: Some(version), expires: Some(_) }) => version.to_string(),
            Some(ListedFile { version, .. }) => version.map(|version| version.to_string()).unwrap_or_default() + "?",
        };
        let [root, targets, snapshot, timestamp] = self.files.map(version);
        let (days, first) = match self.first_to_expire() {
            Some((role, date)) => (days_left(date, now).to_string(), Role::from(role).to_string()),
            None => ("-".to_owned(), "-".to_owned()),
        };
        [printable(&self.name), root, targets, snapshot, timestamp, days, first]
    }
}

const HEADING: [&str; 7] = ["GUN", "root", "targets", "snapshot", "timestamp", "days", "first to expire"];

impl Page {
    /// In columns, for people; programs take JSON.
    fn write_text(&self, now: UtcTime, output: &mut (dyn Write + Send)) -> std::io::Result<()> {
        let rows: Vec<[String; 7]> = self.repositories.iter().map(|listed| listed.cells(now)).collect();
        let mut widths = HEADING.map(str::len);
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        if !rows.is_empty() {
            write_row(&HEADING.map(str::to_owned), &widths, output)?;
        }
        for row in &rows {
            write_row(row, &widths, output)?;
        }
        for listed in &self.repositories {
            if let Some(trouble) = listed.trouble() {
                writeln!(output, "trouble: {}: {}", printable(&listed.name), printable(&trouble))?;
            }
        }
        match &self.next {
            None => Ok(()),
            Some(name) if name.chars().any(char::is_control) => {
                writeln!(output, "next: the name has control characters; --output json tells what to pass to --after")
            }
            Some(name) => writeln!(output, "next: --after={}", for_a_shell(name)),
        }
    }

    /// A line for each repository, and one that says where the next page begins.
    fn write_json(&self, now: UtcTime, output: &mut (dyn Write + Send)) -> std::io::Result<()> {
        for listed in &self.repositories {
            writeln!(output, "{}", listed.to_json(now))?;
        }
        writeln!(output, "{}", json!({"next": self.next}))
    }
}

fn write_row(row: &[String; 7], widths: &[usize; 7], output: &mut (dyn Write + Send)) -> std::io::Result<()> {
    let padded: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
    writeln!(output, "{}", padded.join("  ").trim_end())
}

/// One word of a command line.
fn for_a_shell(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/.:_-@".contains(c);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::TestClock;
    use crate::publish::{NewFile, ValidatedUpdate};
    use crate::store::memory::MemoryStore;
    use bytes::Bytes;
    use tuf_schema::Version;

    const NOW: &str = "2026-11-21T21:05:00Z";

    fn now() -> UtcTime {
        UtcTime::parse(NOW).unwrap()
    }

    fn file(role: Role, before: &str, date: &str) -> NewFile {
        let content = format!(r#"{{"signed":{{{before}"expires":"{date}","version":1}},"signatures":[]}}"#);
        NewFile::new(role, Version::FIRST, Bytes::from(content))
    }

    async fn store(repositories: impl IntoIterator<Item = (String, Vec<NewFile>)>) -> MemoryStore {
        let store = MemoryStore::new(TestClock::at(NOW));
        for (name, others) in repositories {
            let timestamp = file(Role::Timestamp, "", "2026-12-01T21:05:00Z");
            let update = ValidatedUpdate::for_store_tests(&Gun::parse(&name).unwrap(), None, timestamp, others);
            store.commit(&update).await.unwrap();
        }
        store
    }

    fn request(limit: u32, after: Option<&str>) -> ListRequest {
        ListRequest { prefix: String::new(), after: after.map(str::to_owned), limit, json: false }
    }

    fn text(page: &Page) -> String {
        let mut written = Vec::new();
        page.write_text(now(), &mut written).unwrap();
        String::from_utf8(written).unwrap()
    }

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
    async fn what_ends_first_is_named_with_its_days_and_what_is_over_counts_below_zero() {
        let others = vec![
            file(Role::Root, "", "2036-11-21T21:05:00Z"),
            file(Role::Targets, "", "2026-11-21T21:04:59Z"),
            file(Role::Snapshot, "", "2026-11-21T21:04:59Z"),
        ];
        let found = page(&store([("a b".to_owned(), others)]).await, &request(1, None)).await.unwrap();
        let expected = "GUN  root  targets  snapshot  timestamp  days  first to expire\n\
                        a b  1     1        1         1          -1    targets\n";
        assert_eq!(text(&found), expected);
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
    async fn a_file_that_cannot_be_read_is_named_and_the_others_are_told() {
        let others = vec![NewFile::new(Role::Root, Version::FIRST, "xyz".into())];
        let found = page(&store([("a".to_owned(), others)]).await, &request(1, None)).await.unwrap();
        let expected = "GUN  root  targets  snapshot  timestamp  days  first to expire\n\
                        a    1?    -        -         1          10    timestamp\n\
                        trouble: a: cannot read the version or the date of root\n";
        assert_eq!(text(&found), expected);
    }

    #[test]
    fn a_name_is_printed_on_one_line_and_given_on_as_one_word() {
        let listed = |name: &str| Listed { name: name.to_owned(), files: [None; 4] };
        let page = |name: &str| Page { repositories: vec![listed(name)], next: Some(name.to_owned()) };
        let last = |name: &str| text(&page(name)).lines().last().unwrap().to_owned();
        assert_eq!(last("example.com:5000/a_b"), "next: --after=example.com:5000/a_b");
        assert_eq!(last("it's $HOME"), r"next: --after='it'\''s $HOME'");
        assert!(last("a\nb").contains("--output json"));
        assert_eq!(text(&page("a\nnext: b")).lines().filter(|line| line.starts_with("next: ")).count(), 1);
        let mut json = Vec::new();
        page("a\nb").write_json(now(), &mut json).unwrap();
        assert!(String::from_utf8(json).unwrap().ends_with("\n{\"next\":\"a\\nb\"}\n"));
    }
}
