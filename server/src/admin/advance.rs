//! `admin advance`: after a database was put back from a backup, takes back what clients hold and signs above what they
//! have seen.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use ring::rand::SystemRandom;
use serde_json::json;
use tuf_schema::Gun;

use super::error::AdminError;
use super::open;
use super::take_back::{TakeBack, TakenBack};
use super::trust_directory::TrustDirectory;
use super::verify::Verdict;
use crate::chain::with_sources;
use crate::clock::Clock;
use crate::config::Config;
use crate::publish::Publisher;
use crate::publish::roots::TrustedRoots;
use crate::read::{Advanced, Reader, RenewError};
use crate::signer::{RoleSigner, SignerError};
use crate::store::{Floors, MetadataStore, StoreError};

/// How far versions are moved on when nothing else is asked for: more than a publish each second of a day.
pub const DEFAULT_ADVANCE: u32 = 100_000;

/// How far they may be moved on at once: a thousandth of all versions.
pub const MAX_ADVANCE: u32 = 2_000_000;

/// How many repositories are asked for at a time.
const PAGE: u32 = 100;

/// What is to be done.
#[derive(Debug, Clone)]
pub struct AdvanceRequest {
    /// How far above the stored versions of snapshot and timestamp the next ones are, at most [`MAX_ADVANCE`].
    pub by: u32,
    /// Trust directories of clients, whose documents are taken back where they are newer than what is stored.
    pub seen: Vec<PathBuf>,
    /// Only this repository.
    pub gun: Option<Gun>,
    /// Print JSON, one object a line.
    pub json: bool,
}

/// What is needed beside the database: looked for before anything is changed.
pub(super) struct Ready {
    directories: Vec<TrustDirectory>,
    signer: Arc<dyn RoleSigner>,
}

impl Ready {
    /// # Errors
    /// [`AdminError`] when a trust directory is none, or the signer does not answer.
    pub(super) async fn look(config: &Config, request: &AdvanceRequest) -> Result<Self, AdminError> {
        let directories = request.seen.iter().map(|path| TrustDirectory::open(path, config.limits.document_bytes));
        let directories = directories.collect::<Result<_, _>>()?;
        let signer = open::signer(&config.trust)?.ok_or(AdminError::LocalKeys)?;
        signer.check().await?;
        Ok(Self { directories, signer })
    }
}

/// Publishes again what the trust directories hold and the database lacks, and signs snapshot and timestamp of every
/// repository above what is stored and what was seen. Deletes nothing.
///
/// # Errors
/// [`AdminError`] when database or signer do not answer, when nothing is stored of the repository that was asked for, or
/// the output cannot be written; what was printed before is done.
pub async fn advance(
    config: &Config,
    request: &AdvanceRequest,
    clock: Arc<dyn Clock>,
    output: &mut (dyn Write + Send),
) -> Result<Verdict, AdminError> {
    advance_with(Ready::look(config, request).await?, config, request, clock, output).await
}

/// The same, when everything is there.
pub(super) async fn advance_with(
    ready: Ready,
    config: &Config,
    request: &AdvanceRequest,
    clock: Arc<dyn Clock>,
    output: &mut (dyn Write + Send),
) -> Result<Verdict, AdminError> {
    let Ready { directories, signer } = ready;
    let store = open::existing(&config.storage, &clock).await?;
    let chance = Arc::new(SystemRandom::new());
    let (limits, told) = (config.limits.publish, Told::new(request.json, output));
    let publisher = Publisher::new(Arc::clone(&store), Arc::clone(&signer), Arc::clone(&clock), limits, chance);
    let reader = Reader::new(Arc::clone(&store), Arc::clone(&signer), Arc::clone(&clock));
    let roots = TrustedRoots::new();
    let take_back = TakeBack { store: Arc::clone(&store), signer, clock, publisher, roots };
    let mut advancing =
        Advancing { store, reader, take_back, by: request.by.min(MAX_ADVANCE), seen: BTreeMap::new(), told };
    for directory in &directories {
        advancing.take_back(directory, request.gun.as_ref()).await?;
    }
    match &request.gun {
        Some(gun) if !advancing.repository(gun).await? => return Err(AdminError::NoRepository(gun.clone())),
        Some(_) => {}
        None => advancing.all().await?,
    }
    Ok(advancing.told.finish()?)
}

struct Advancing<'a> {
    store: Arc<dyn MetadataStore>,
    reader: Reader,
    take_back: TakeBack,
    by: u32,
    /// The highest versions of the server's own documents that the trust directories show.
    seen: BTreeMap<Gun, Floors>,
    told: Told<'a>,
}

impl Advancing<'_> {
    async fn take_back(&mut self, directory: &TrustDirectory, only: Option<&Gun>) -> Result<(), AdminError> {
        for gun in directory.guns()?.into_iter().filter(|gun| only.is_none_or(|only| only == gun)) {
            let taken = match directory.documents(&gun) {
                Ok(documents) => self.take_back.documents(&gun, &documents).await.map_err(AdminError::TakeBack)?,
                // one that cannot be read keeps the others from nothing
                Err(error) => TakenBack { refused: vec![with_sources(&error)], ..TakenBack::default() },
            };
            let seen = self.seen.entry(gun.clone()).or_default();
            seen.snapshot = seen.snapshot.max(taken.seen.snapshot);
            seen.timestamp = seen.timestamp.max(taken.seen.timestamp);
            self.told.taken_back(&gun, directory, &taken)?;
        }
        Ok(())
    }

    async fn all(&mut self) -> Result<(), AdminError> {
        let mut after = None;
        loop {
            let page = self.store.guns(after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            for gun in &page {
                self.repository(gun).await?;
            }
        }
    }

    /// Whether there is such a repository.
    async fn repository(&mut self, gun: &Gun) -> Result<bool, AdminError> {
        let seen = self.seen.get(gun).copied().unwrap_or_default();
        match self.reader.advance(gun, self.by, seen).await {
            Ok(Some(advanced)) => self.told.advanced(gun, advanced, seen)?,
            Ok(None) if self.store.files(gun, None, 1).await?.is_empty() => return Ok(false),
            Ok(None) => self.told.left(gun, "it has no root or no snapshot")?,
            Err(RenewError::Store(error @ StoreError::Unavailable(_))) => return Err(error.into()),
            Err(RenewError::Signer(
                error @ (SignerError::Unavailable(_) | SignerError::Deadline(_) | SignerError::Busy { .. }),
            )) => return Err(error.into()),
            Err(error) => self.told.left(gun, &with_sources(&error))?,
        }
        Ok(true)
    }
}

/// What is printed, and counted.
struct Told<'a> {
    output: &'a mut (dyn Write + Send),
    json: bool,
    advanced: u64,
    taken_back: u64,
    refused: u64,
    /// Repositories whose snapshot is their publisher's, and of which no trust directory shows which was the last.
    publishers: u64,
    left: u64,
}

impl<'a> Told<'a> {
    fn new(json: bool, output: &'a mut (dyn Write + Send)) -> Self {
        Self { output, json, advanced: 0, taken_back: 0, refused: 0, publishers: 0, left: 0 }
    }

    fn taken_back(&mut self, gun: &Gun, from: &TrustDirectory, taken: &TakenBack) -> io::Result<()> {
        let from = from.path().display();
        if !taken.published.is_empty() {
            self.taken_back = self.taken_back.saturating_add(1);
            if self.json {
                let documents: serde_json::Map<_, _> =
                    taken.published.iter().map(|(role, version)| (role.to_string(), version.number().into())).collect();
                let line = json!({"gun": gun.as_str(), "taken_back": documents, "from": from.to_string()});
                writeln!(self.output, "{line}")?;
            } else {
                let documents: Vec<String> =
                    taken.published.iter().map(|(role, version)| format!("{role} {version}")).collect();
                writeln!(self.output, "{gun}: {} taken back from {from}", documents.join(", "))?;
            }
        }
        for why in &taken.refused {
            self.refused = self.refused.saturating_add(1);
            if self.json {
                let line = json!({"gun": gun.as_str(), "refused": why, "from": from.to_string()});
                writeln!(self.output, "{line}")?;
            } else {
                writeln!(self.output, "{gun}: not taken back from {from}: {why}")?;
            }
        }
        Ok(())
    }

    fn advanced(&mut self, gun: &Gun, advanced: Advanced, seen: Floors) -> io::Result<()> {
        let Advanced { snapshot, timestamp } = advanced;
        self.advanced = self.advanced.saturating_add(1);
        // one that was seen is stored by now, or its refusal was told
        let may_be_behind = snapshot.is_none() && seen.snapshot.is_none();
        if may_be_behind {
            self.publishers = self.publishers.saturating_add(1);
        }
        if self.json {
            let snapshot = snapshot.map(|version| version.number());
            let line = json!({"gun": gun.as_str(), "snapshot": snapshot, "timestamp": timestamp.number()});
            return writeln!(self.output, "{line}");
        }
        match snapshot {
            Some(snapshot) => writeln!(self.output, "{gun}: snapshot {snapshot}, timestamp {timestamp}"),
            None if may_be_behind => writeln!(
                self.output,
                "{gun}: timestamp {timestamp}; its publisher signs the snapshot, which stays: clients that saw a later one \
                 refuse it until the next publish above that"
            ),
            None => writeln!(self.output, "{gun}: timestamp {timestamp}; its publisher signs the snapshot"),
        }
    }

    fn left(&mut self, gun: &Gun, why: &str) -> io::Result<()> {
        self.left = self.left.saturating_add(1);
        if self.json {
            return writeln!(self.output, "{}", json!({"gun": gun.as_str(), "left_alone": why}));
        }
        writeln!(self.output, "{gun}: left alone: {why} (`admin verify --gun` says more)")
    }

    fn finish(self) -> io::Result<Verdict> {
        let Self { output, json, advanced, taken_back, refused, publishers, left } = self;
        if json {
            let summary = json!({"advanced": advanced, "taken_back": taken_back, "refused": refused,
                "snapshots_that_may_be_old": publishers, "left_alone": left});
            writeln!(output, "{}", json!({ "summary": summary }))?;
        } else {
            writeln!(
                output,
                "summary: {advanced} repositories signed above what was stored, {publishers} of them with a snapshot of their \
                 publisher's that may be an old one; documents taken back {taken_back} times, refused {refused} times; {left} left alone"
            )?;
        }
        output.flush()?;
        Ok(if refused == 0 && publishers == 0 && left == 0 { Verdict::Whole } else { Verdict::Findings })
    }
}
