//! `admin prune`: removes what newer versions have taken the place of long ago.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use serde_json::json;
use tuf_schema::{Gun, Role, Sha256, UtcTime};

use super::error::AdminError;
use super::open;
use super::verify::Verdict;
use crate::clock::Clock;
use crate::config::Config;
use crate::links::Links;
use crate::store::{MetadataStore, OldFiles, OldFilesPage, StoreError, Stored};

/// The longest time that may be asked for, in days: a hundred years.
pub const MAX_DAYS: u32 = 36_500;

/// How many repositories are read at a time.
const GUN_PAGE: u32 = 100;
/// How many files are looked at in one transaction, which publishes to their repository wait for.
const FILE_PAGE: u32 = 1000;
const DAY: i64 = 24 * 60 * 60;

/// What is removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneRequest {
    /// Files whose successor was stored at least so many days ago, at most [`MAX_DAYS`].
    pub superseded_days: u32,
    /// Only this repository.
    pub gun: Option<Gun>,
    /// Only tell.
    pub dry_run: bool,
    /// Print JSON, one object a line.
    pub json: bool,
}

/// Why a repository is left alone.
#[derive(Debug)]
enum Left {
    /// It has no timestamp, or one that names no snapshot by a digest.
    NothingCurrent,
    /// The snapshot that the timestamp leads to is not stored.
    NoSnapshot,
    /// A stored file cannot be read.
    Unreadable(String),
}

/// Removes superseded files of each role but root, and leaves all that is current and every root. Servers may go on
/// meanwhile.
///
/// # Errors
/// [`AdminError`] when the database does not answer, when nothing is stored of the repository that was asked for, or the
/// output cannot be written; what was printed before is done.
pub async fn prune(
    config: &Config,
    request: &PruneRequest,
    clock: Arc<dyn Clock>,
    output: &mut (dyn Write + Send),
) -> Result<Verdict, AdminError> {
    let store = open::existing(&config.storage, &clock).await?;
    let days = i64::from(request.superseded_days.min(MAX_DAYS));
    let before = clock.now().plus_seconds(days.saturating_mul(-DAY));
    let mut pruning = Pruning { store: &*store, before, dry_run: request.dry_run, told: Told::new(request, output) };
    match &request.gun {
        Some(gun) => {
            if store.files(gun, None, 1).await?.is_empty() {
                return Err(AdminError::NoRepository(gun.clone()));
            }
            pruning.repository(gun).await?;
        }
        None => pruning.all().await?,
    }
    Ok(pruning.told.finish()?)
}

struct Pruning<'a> {
    store: &'a dyn MetadataStore,
    before: UtcTime,
    dry_run: bool,
    told: Told<'a>,
}

impl Pruning<'_> {
    async fn all(&mut self) -> Result<(), AdminError> {
        let mut after = None;
        loop {
            let page = self.store.guns(after.as_ref(), GUN_PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            for gun in &page {
                self.repository(gun).await?;
            }
        }
    }

    async fn repository(&mut self, gun: &Gun) -> Result<(), AdminError> {
        let kept = match current(self.store, gun).await? {
            Ok(kept) => kept,
            Err(why) => return Ok(self.told.left_alone(gun, &why)?),
        };
        let mut removed = OldFilesPage::default();
        let mut query = OldFiles { before: self.before, kept: &kept, after: None, limit: FILE_PAGE };
        loop {
            let page = if self.dry_run {
                self.store.old_files(gun, &query).await?
            } else {
                self.store.remove_old_files(gun, &query).await?
            };
            removed.files = removed.files.saturating_add(page.files);
            removed.bytes = removed.bytes.saturating_add(page.bytes);
            query.after = page.next;
            if query.after.is_none() {
                return Ok(self.told.repository(gun, removed)?);
            }
        }
    }
}

/// The digests of all that clients are led to now. It is mostly the newest of each role, which is never removed; a
/// repository that the reference left in disorder may lead elsewhere.
async fn current(store: &dyn MetadataStore, gun: &Gun) -> Result<Result<BTreeSet<Sha256>, Left>, StoreError> {
    match led_to(store, gun).await {
        Err(StoreError::Corrupt { what }) => Ok(Err(Left::Unreadable(what))),
        other => other,
    }
}

async fn led_to(store: &dyn MetadataStore, gun: &Gun) -> Result<Result<BTreeSet<Sha256>, Left>, StoreError> {
    let links = Links::new();
    let newest: Option<Stored> = store.newest(gun).await?.timestamp;
    let link = newest.as_ref().map(|timestamp| links.timestamp(timestamp)).transpose()?;
    let Some(snapshot) = link.and_then(|link| link.snapshot) else { return Ok(Err(Left::NothingCurrent)) };
    let Some(stored) = store.by_sha256(gun, &Role::Snapshot, &snapshot.sha256).await? else {
        return Ok(Err(Left::NoSnapshot));
    };
    let mut kept: BTreeSet<Sha256> = links.snapshot(&stored)?.roles.values().map(|listed| listed.sha256).collect();
    kept.insert(snapshot.sha256);
    Ok(Ok(kept))
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingCurrent => f.write_str("no timestamp leads to a snapshot"),
            Self::NoSnapshot => f.write_str("the snapshot that its timestamp leads to is not stored"),
            Self::Unreadable(what) => write!(f, "a stored file cannot be read: {what}"),
        }
    }
}

/// What is printed, and counted.
struct Told<'a> {
    output: &'a mut (dyn Write + Send),
    json: bool,
    dry_run: bool,
    repositories: u64,
    left: u64,
    removed: OldFilesPage,
}

impl<'a> Told<'a> {
    fn new(request: &PruneRequest, output: &'a mut (dyn Write + Send)) -> Self {
        let (json, dry_run) = (request.json, request.dry_run);
        Self { output, json, dry_run, repositories: 0, left: 0, removed: OldFilesPage::default() }
    }

    fn verb(&self) -> &'static str {
        if self.dry_run { "would be removed" } else { "removed" }
    }

    fn repository(&mut self, gun: &Gun, OldFilesPage { files, bytes, .. }: OldFilesPage) -> io::Result<()> {
        self.repositories = self.repositories.saturating_add(1);
        self.removed.files = self.removed.files.saturating_add(files);
        self.removed.bytes = self.removed.bytes.saturating_add(bytes);
        if files == 0 {
            return Ok(());
        }
        if self.json {
            let line = json!({"gun": gun.as_str(), "files": files, "bytes": bytes, "removed": !self.dry_run});
            return writeln!(self.output, "{line}");
        }
        let verb = self.verb();
        writeln!(self.output, "{gun}: {files} files of {bytes} bytes {verb}")
    }

    fn left_alone(&mut self, gun: &Gun, why: &Left) -> io::Result<()> {
        self.repositories = self.repositories.saturating_add(1);
        self.left = self.left.saturating_add(1);
        if self.json {
            return writeln!(self.output, "{}", json!({"gun": gun.as_str(), "left_alone": why.to_string()}));
        }
        writeln!(self.output, "{gun}: left alone: {why} (`admin verify --gun` says more)")
    }

    fn finish(self) -> io::Result<Verdict> {
        let (verb, Self { output, json, dry_run, repositories, left, removed }) = (self.verb(), self);
        let OldFilesPage { files, bytes, .. } = removed;
        if json {
            let summary = json!({"repositories": repositories, "files": files, "bytes": bytes, "removed": !dry_run,
                "left_alone": left});
            writeln!(output, "{}", json!({ "summary": summary }))?;
        } else {
            let of = format!("{files} files of {bytes} bytes {verb}");
            writeln!(output, "summary: {repositories} repositories: {of}, {left} left alone")?;
        }
        output.flush()?;
        Ok(if left == 0 { Verdict::Whole } else { Verdict::Findings })
    }
}
