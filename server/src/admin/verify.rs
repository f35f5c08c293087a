//! `admin verify`: whether everything that is stored can be read and believed.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use tuf_schema::{Gun, Role, Sha256};

use super::current::{CurrentState, SnapshotHand};
use super::error::AdminError;
use super::files::{Content, check_row};
use super::finding::{Finding, Next, Trouble, Weight};
use super::keys::held_keys;
use super::lost::LastSigned;
use super::open;
use super::report::Report;
use super::roots::RootChain;
use crate::clock::Clock;
use crate::config::Config;
use crate::publish::roots::TrustedRoots;
use crate::read::{Reader, RenewError, Repaired};
use crate::signer::{RoleSigner, SignerError};
use crate::store::{MetadataStore, StoreError};

/// How many repositories are asked for at a time.
const GUN_PAGE: u32 = 100;

/// How many files are held at a time; one is at most 64 MiB, unless it was stored under other limits.
const FILE_PAGE: u32 = 4;

/// How often a repository is looked at again because somebody published meanwhile.
const MAX_ATTEMPTS: u32 = 5;

/// How many findings of one repository are told one by one.
const MAX_FINDINGS: usize = 1000;

/// What to look at.
#[derive(Debug, Clone, Default)]
pub struct VerifyRequest {
    /// Only this repository.
    pub gun: Option<Gun>,
    /// Sign snapshot and timestamp anew where that mends a repository.
    pub repair: bool,
    /// What the signer printed of its keys: whatever it signed after the newest that is stored is lost.
    pub signer_keys: Option<PathBuf>,
    /// Print JSON, one object a line.
    pub json: bool,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is wrong.
    Whole,
    /// Something is; it was printed.
    Findings,
}

/// Looks at every repository, one after the other, and prints what is wrong. Changes nothing but with `repair`, and
/// then deletes nothing.
///
/// # Errors
/// [`AdminError`] when the database cannot be read or the output not be written. A signer that does not answer is
/// none: what needs it is left out, and said.
pub async fn verify(
    config: &Config,
    request: &VerifyRequest,
    clock: Arc<dyn Clock>,
    output: &mut (dyn Write + Send),
) -> Result<Verdict, AdminError> {
    let last_signed = match &request.signer_keys {
        Some(path) => LastSigned::read(path).map_err(|source| AdminError::SignerKeys { path: path.clone(), source })?,
        None => LastSigned::default(),
    };
    let store = open::existing(&config.storage, &clock).await?;
    let signer = open::signer(&config.trust)?;
    let mut verifier =
        Verifier { store, signer, clock, roots: TrustedRoots::new(), report: Report::new(output, request.json) };
    verifier.find_signer().await?;
    verifier.lost(&last_signed, request.gun.as_ref()).await?;
    match &request.gun {
        Some(gun) if !verifier.repository(gun, request.repair).await? => {
            return Err(AdminError::NoRepository(gun.clone()));
        }
        Some(_) => {}
        None => verifier.all(request.repair).await?,
    }
    Ok(if verifier.report.finish()? { Verdict::Whole } else { Verdict::Findings })
}

struct Verifier<'a> {
    store: Arc<dyn MetadataStore>,
    /// None when it cannot be asked.
    signer: Option<Arc<dyn RoleSigner>>,
    clock: Arc<dyn Clock>,
    roots: TrustedRoots,
    report: Report<'a>,
}

/// One repository as it was found.
struct Examined {
    files: u64,
    hand: SnapshotHand,
    findings: Vec<Finding>,
    /// Further ones, which are only counted.
    more: u64,
}

impl Examined {
    /// Whether signing snapshot and timestamp anew may mend something.
    fn is_repairable(&self) -> bool {
        let is_servers = |role: &str| role == Role::Snapshot.as_str() || role == Role::Timestamp.as_str();
        self.findings.iter().filter(|finding| finding.weight() == Weight::Finding).any(|finding| match finding.next {
            Next::Repair | Next::RestoreOrRepair(_) => true,
            Next::RestoreOrReplace => is_servers(&finding.role),
            Next::AskSigner
            | Next::PublisherSigns
            | Next::PublisherOfRole
            | Next::Restore
            | Next::Remove
            | Next::SignerBackup
            | Next::MendSigner
            | Next::NewerBackup
            | Next::Nothing
            | Next::BeforeGoingBack => false,
        })
    }

    fn note(&mut self, gun: &Gun, role: &str, version: Option<i64>, trouble: Trouble, next: Next) {
        if self.findings.len() >= MAX_FINDINGS {
            self.more = self.more.saturating_add(1);
            return;
        }
        let is_told = |told: &Finding| told.role == role && told.version == version && told.trouble == trouble;
        if !self.findings.iter().any(is_told) {
            self.findings.push(Finding { gun: gun.to_string(), role: role.to_owned(), version, trouble, next });
        }
    }
}

impl Verifier<'_> {
    /// Says it when the signer cannot be asked, and does not ask it then.
    async fn find_signer(&mut self) -> Result<(), AdminError> {
        let Some(signer) = self.signer.clone() else {
            self.report.keys_not_looked_at("the signer's keys are in the server's own memory");
            let why = "the keys are in the server's own memory, so nobody is asked whether they are held";
            return Ok(self.report.say("signer", &why)?);
        };
        match signer.check().await {
            Ok(()) => Ok(()),
            Err(error) => self.lose_signer(&error),
        }
    }

    fn lose_signer(&mut self, error: &SignerError) -> Result<(), AdminError> {
        self.signer = None;
        self.report.keys_not_looked_at(&error.to_string());
        Ok(self
            .report
            .say("signer", &format_args!("{error}: from here on it is not asked whether it holds the keys"))?)
    }

    /// Tells what the signer signed and the store lacks.
    async fn lost(&mut self, last_signed: &LastSigned, only: Option<&Gun>) -> Result<(), AdminError> {
        for gun in last_signed.guns().filter(|gun| only.is_none_or(|only| only == *gun)) {
            if let Some(finding) = last_signed.missing(&*self.store, gun).await? {
                self.report.finding(&finding)?;
            }
        }
        Ok(())
    }

    async fn all(&mut self, repair: bool) -> Result<(), AdminError> {
        let mut after = None;
        loop {
            let page = self.store.guns(after.as_ref(), GUN_PAGE).await?;
            for gun in &page {
                self.repository(gun, repair).await?;
            }
            after = page.last().cloned();
            if after.is_none() {
                return self.strange_names().await;
            }
        }
    }

    /// Tells of names that are none: no client can ask for what is stored under them.
    async fn strange_names(&mut self) -> Result<(), AdminError> {
        let mut after = String::new();
        loop {
            let page = self.store.strange_names(&after, GUN_PAGE).await?;
            for name in &page {
                let Err(error) = Gun::parse(name) else { continue };
                let trouble = Trouble::NoName(error);
                self.report.finding(&Finding {
                    gun: name.clone(),
                    role: String::new(),
                    version: None,
                    trouble,
                    next: Next::Remove,
                })?;
            }
            match page.last() {
                Some(last) => after.clone_from(last),
                None => return Ok(()),
            }
        }
    }

    /// Looks at one repository, mends it where that was asked for and can be, and says whether it is there.
    async fn repository(&mut self, gun: &Gun, repair: bool) -> Result<bool, AdminError> {
        let mut examined = self.examined(gun).await?;
        if repair && examined.is_repairable() && self.repair(gun).await? {
            examined = self.examined(gun).await?;
        }
        // Without any it was deleted since it was listed, or no row of it can be read.
        let is_damaged = |finding: &Finding| matches!(finding.trouble, Trouble::DamagedRow(_));
        let is_there = examined.files > 0 || examined.findings.iter().any(is_damaged);
        if is_there {
            self.report.repository(examined.files, &examined.findings, examined.more)?;
        }
        Ok(is_there)
    }

    /// Signs snapshot and timestamp anew, and says whether that changed anything.
    async fn repair(&mut self, gun: &Gun) -> Result<bool, AdminError> {
        let Some(signer) = self.signer.clone() else { return Ok(false) };
        let reader = Reader::new(Arc::clone(&self.store), signer, Arc::clone(&self.clock));
        match reader.repair(gun).await {
            Ok(Repaired::NotThere | Repaired::Sound) => {
                let why =
                    "every entry points to what is stored, so nothing is signed anew: a publish mends it, or a backup";
                self.report.say("not repaired", &format_args!("{gun}: {why}"))?;
                Ok(false)
            }
            Ok(Repaired::Timestamp { version, snapshot }) => {
                self.report.repaired(gun, &format_args!("timestamp {version} lists snapshot version {snapshot}"))?;
                Ok(true)
            }
            Ok(Repaired::Snapshot { version, listed, dropped }) => {
                let listed: Vec<String> =
                    listed.iter().map(|(role, version)| format!("{role} version {version}")).collect();
                self.report.repaired(gun, &format_args!("snapshot {version} lists {}", listed.join(", ")))?;
                for role in dropped {
                    self.report.say(
                        "dropped",
                        &format_args!("{gun}: {role} is not listed any more, as no file of it is stored"),
                    )?;
                }
                Ok(true)
            }
            Err(RenewError::Store(error @ StoreError::Unavailable(_))) => Err(error.into()),
            Err(error) => {
                self.report.say("not repaired", &format_args!("{gun}: {error}"))?;
                Ok(false)
            }
        }
    }

    /// Looks at a repository, again if somebody published meanwhile: what was read may be of two moments then.
    async fn examined(&mut self, gun: &Gun) -> Result<Examined, AdminError> {
        let mut attempt = 1;
        loop {
            let before = self.state_of(gun).await?;
            let examined = self.examine(gun).await?;
            if examined.findings.is_empty() || attempt == MAX_ATTEMPTS || self.state_of(gun).await? == before {
                return Ok(examined);
            }
            attempt += 1;
        }
    }

    /// What changes with every publish.
    async fn state_of(&self, gun: &Gun) -> Result<Option<Sha256>, StoreError> {
        match self.store.latest(gun, &Role::Timestamp).await {
            Ok(timestamp) => Ok(timestamp.map(|stored| stored.sha256)),
            Err(StoreError::Corrupt { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn examine(&mut self, gun: &Gun) -> Result<Examined, AdminError> {
        let mut examined = Examined { files: 0, hand: SnapshotHand::Unknown, findings: Vec::new(), more: 0 };
        let newest = match self.store.newest(gun).await {
            Ok(newest) => Some(newest),
            Err(StoreError::Corrupt { what }) => {
                examined.note(gun, "", None, Trouble::DamagedRow(what), Next::Restore);
                None
            }
            Err(error) => return Err(error.into()),
        };
        match self.rows(gun, &mut examined).await {
            Err(AdminError::Store(StoreError::Corrupt { what })) => {
                examined.note(gun, "", None, Trouble::DamagedRow(what), Next::Restore);
            }
            looked => looked?,
        }
        let Some(newest) = newest else { return Ok(examined) };
        let now = self.clock.now();
        if let Some(stored) = &newest.root
            && let Ok(root) = self.roots.believe(gun, stored, now)
            && let Some(signer) = self.signer.clone()
        {
            match held_keys(&*signer, gun, root.model(), now).await {
                Ok(held) => {
                    examined.hand = held.hand;
                    examined.findings.extend(held.findings);
                }
                Err(error @ (SignerError::Unavailable(_) | SignerError::Deadline(_) | SignerError::Busy { .. })) => {
                    self.lose_signer(&error)?
                }
                Err(error) => {
                    let trouble = Trouble::SignerFailed(error.to_string());
                    examined.note(gun, "", None, trouble, Next::MendSigner);
                }
            }
        }
        let hand = examined.hand;
        let mut current = CurrentState { store: &*self.store, gun, newest: &newest, hand, now, findings: Vec::new() };
        let looked = current.examine().await;
        for Finding { role, version, trouble, next, .. } in current.findings {
            examined.note(gun, &role, version, trouble, next);
        }
        match looked {
            Err(StoreError::Corrupt { what }) => {
                examined.note(gun, "", None, Trouble::DamagedRow(what), Next::Restore);
            }
            looked => looked?,
        }
        Ok(examined)
    }

    /// Every stored file by itself, and the chain of roots.
    async fn rows(&self, gun: &Gun, examined: &mut Examined) -> Result<(), AdminError> {
        let mut roots = RootChain::new(gun);
        let mut after = None;
        loop {
            let page = self.store.files(gun, after, FILE_PAGE).await?;
            let Some(last) = page.last().map(|row| row.id) else { return Ok(()) };
            after = Some(last);
            for row in page {
                examined.files = examined.files.saturating_add(1);
                let (mut troubles, content) = check_row(&row);
                let next = Next::RestoreOrReplace;
                for trouble in troubles.drain(..) {
                    examined.note(gun, &row.role, Some(row.version), trouble, next);
                }
                let Some(Content::Root(root)) = content else { continue };
                for trouble in roots.feed(root, row.created_at.unwrap_or_else(|| self.clock.now())) {
                    examined.note(gun, &row.role, Some(row.version), trouble, Next::Restore);
                }
            }
        }
    }
}
