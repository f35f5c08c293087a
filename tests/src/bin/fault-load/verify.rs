//! What is there in the end: every acknowledged publish byte for byte, and every repository with all its signatures.

use std::fmt;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use e2e::http;
use tuf_schema::dialect::Document;
use tuf_schema::key::x509::Expiry;
use tuf_schema::model::{FileMeta, Root, Snapshot, Targets, Timestamp};
use tuf_schema::verify::{Authority, Floor, Verified, trust_first};
use tuf_schema::{BaseRole, Dialect, Envelope, Gun, Role, Sha256, Unverified, UtcTime};

use crate::ledger::Ledger;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    found: u64,
    pub(crate) lost: u64,
    pub(crate) unreadable: u64,
}

/// Looks for everything, through each of the replicas in turn.
pub(crate) async fn all(ledgers: &[Arc<Ledger>], ports: &[u16], now: UtcTime) -> anyhow::Result<Found> {
    let mut found = Found::default();
    for (ledger, port) in ledgers.iter().zip(ports.iter().cycle()) {
        for (version, sha256) in ledger.all() {
            let answer = http::get(*port, &format!("/v2/{}/_trust/tuf/{version}.targets.json", ledger.gun)).await?;
            let is_there = answer.status == 200 && Sha256::of(&answer.body) == sha256;
            found.found += u64::from(is_there);
            found.lost += u64::from(!is_there);
        }
        if let Err(error) = chain(*port, ledger, now).await {
            found.unreadable += 1;
            tell(&format!("{}: {error:#}", ledger.gun));
        }
    }
    Ok(found)
}

/// Walks from root to targets with every signature, digest, length and date.
async fn chain(port: u16, ledger: &Ledger, now: UtcTime) -> anyhow::Result<()> {
    let gun = Gun::parse(&ledger.gun)?;
    let root = unverified::<Root>(get(port, &gun, "root").await?, Role::Root)?;
    let root = trust_first(root, &gun, now, Expiry::Checked)?;
    let timestamp = verified::<Timestamp>(&root, get(port, &gun, "timestamp").await?, BaseRole::Timestamp)?;
    let timestamp = timestamp.current(Floor::default(), now)?;
    let snapshot = listed::<Snapshot>(&root, port, &gun, BaseRole::Snapshot, &timestamp.model().snapshot, now).await?;
    let meta = snapshot.meta.get(&Role::Targets).context("targets is not listed")?;
    let targets = listed::<Targets>(&root, port, &gun, BaseRole::Targets, meta, now).await?;
    let (version, acknowledged) = (targets.version.number(), ledger.newest());
    anyhow::ensure!(version >= acknowledged, "targets are version {version}, {acknowledged} was acknowledged");
    Ok(())
}

async fn listed<M: Document + Clone>(
    root: &Verified<Root>,
    port: u16,
    gun: &Gun,
    role: BaseRole,
    meta: &FileMeta,
    now: UtcTime,
) -> anyhow::Result<M> {
    let sha256 = meta.digests.sha256().context("no sha256 is listed")?;
    let bytes = get(port, gun, &format!("{}.{sha256}", Role::from(role))).await?;
    let document = verified::<M>(root, bytes, role)?.current(Floor { version: None, listed: Some(meta) }, now)?;
    Ok(document.model().clone())
}

async fn get(port: u16, gun: &Gun, file: &str) -> anyhow::Result<Bytes> {
    let answer = http::get(port, &format!("/v2/{gun}/_trust/tuf/{file}.json")).await?;
    anyhow::ensure!(answer.status == 200, "{file} was answered {}", answer.status);
    Ok(answer.body.into())
}

fn unverified<M: Document>(bytes: Bytes, role: Role) -> anyhow::Result<Unverified<M>> {
    Ok(Envelope::parse(Dialect::Notary, bytes)?.decode(role)?)
}

fn verified<M: Document>(root: &Verified<Root>, bytes: Bytes, role: BaseRole) -> anyhow::Result<Verified<M>> {
    Ok(unverified::<M>(bytes, role.into())?.verify(&Authority::of_base(root.model(), role))?)
}

fn tell(line: &str) {
    use std::io::Write as _;
    let _unwritable = writeln!(std::io::stdout(), "{line}");
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found, lost, unreadable } = self;
        write!(f, "{found} publishes found, {lost} lost, {unreadable} repositories unreadable")
    }
}
