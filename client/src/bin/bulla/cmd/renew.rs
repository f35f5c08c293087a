//! `bulla renew`: signs anew what has expired, or soon will, with the keys at hand.

use std::path::PathBuf;

use bulla::keys::Keyring;
use bulla::renew::{self, By, Item, Plan, RenewalError, What};
use clap::Args;
use serde::Serialize;
use tuf_schema::{Gun, KeyId, Role, UtcTime};

use super::batch::{self, Batch};
use super::moment::Moment;
use super::trust::opened::Opened;
use super::trust::root_notice;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::{Code, Exit};
use crate::output::Show;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Repositories, or images of them
    #[arg(value_name = "GUN|IMAGE", required_unless_present = "from")]
    repositories: Vec<String>,
    /// File that names repositories, one a line
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// One repository.
#[derive(Serialize)]
struct Renewal {
    gun: String,
    /// Whether a new version was published.
    published: bool,
    due: Vec<Due>,
}

/// Something that has expired or will within six months.
#[derive(Serialize)]
struct Due {
    what: String,
    /// The version that was published before.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    /// How many targets it lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    targets: Option<usize>,
    ends: Moment,
    expired: bool,
    state: State,
    /// Whose signatures are needed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keys: Vec<String>,
    /// What these people do, in words.
    #[serde(skip)]
    others: String,
}

#[derive(Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum State {
    /// It was signed anew.
    Renewed,
    /// It can be signed anew with the keys here.
    Planned,
    /// Others hold its keys.
    KeysElsewhere,
    /// The trust server signs it.
    OfServer,
}

impl Show for Renewal {
    fn text(&self) -> String {
        if self.due.is_empty() {
            return format!("Nothing to renew in {}", self.gun);
        }
        let lines = self.due.iter().map(|due| format!("  {}", due.text()));
        let last = self.published.then(|| format!("Successfully renewed {}", self.gun));
        let first =
            if self.published { format!("Renewed in {}:", self.gun) } else { format!("To renew in {}:", self.gun) };
        std::iter::once(first).chain(lines).chain(last).collect::<Vec<_>>().join("\n")
    }
}

impl Due {
    fn of(item: &Item, gun: &Gun, published: bool, now: UtcTime) -> Self {
        let (mut keys, mut others) = (Vec::new(), String::new());
        let state = match &item.by {
            // With each upload the server signs what is its own.
            By::Here | By::Server if published => State::Renewed,
            By::Here => State::Planned,
            By::Server => {
                others = of_server(item, gun);
                State::OfServer
            }
            By::Holders { keys: of, threshold } => {
                others = self::others(item, of, *threshold, gun, item.has_ended(now));
                keys = of.iter().map(KeyId::to_string).collect();
                State::KeysElsewhere
            }
        };
        Self {
            what: name(&item.what),
            version: item.published.map(|shown| shown.version.number()),
            targets: item.published.and_then(|shown| shown.targets),
            ends: Moment(item.ends),
            expired: item.has_ended(now),
            state,
            keys,
            others,
        }
    }

    fn text(&self) -> String {
        let then = match self.state {
            State::Renewed => "signed anew".to_owned(),
            State::Planned => "can be signed anew with the keys here".to_owned(),
            State::KeysElsewhere => format!("too few of its keys are here; {}", self.others),
            State::OfServer => self.others.clone(),
        };
        format!("{}: {then}", self.facts())
    }

    /// What it is, by what a person tells it from an older one.
    fn facts(&self) -> String {
        let version = self.version.map(|version| format!(", version {version}")).unwrap_or_default();
        let targets = match self.targets {
            None => String::new(),
            Some(1) => " with 1 target".to_owned(),
            Some(number) => format!(" with {number} targets"),
        };
        let ends = if self.expired { "expired" } else { "ends" };
        format!("{}{version}{targets}, {ends} {}", self.what, self.ends)
    }
}

/// Runs the verb.
pub(crate) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let guns = batch::repositories(&arguments.repositories, arguments.from.as_deref(), context)?;
    // One for all: who is asked for the passphrase of a key is asked once.
    let mut keys = context.keyring()?;
    let mut batch = Batch::default();
    for gun in &guns {
        batch.push(gun, renew_one(gun, arguments.dry_run, &mut keys, context).await);
    }
    let is_left = |due: &&Due| due.expired && due.state == State::KeysElsewhere;
    let left = batch.done().iter().any(|done: &Renewal| done.due.iter().any(|due| is_left(&due)));
    match batch.finish(context)? {
        Exit::Success if left && !arguments.dry_run => {
            context.out.failures(Code::NoKey, &["Error: not everything that has expired could be renewed".to_owned()]);
            Ok(Code::NoKey.exit())
        }
        exit => Ok(exit),
    }
}

async fn renew_one(gun: &Gun, dry_run: bool, keys: &mut Keyring, context: &Context) -> Result<Renewal, CliError> {
    let failed = |source: RenewalError| CliError::Renew { gun: gun.clone(), source: Box::new(source) };
    let opened = Opened::at(gun, context).await?;
    let mut publisher = opened.publisher(keys, context);
    let plan = renew::plan(&mut publisher).await.map_err(|e| failed(e.into()))?;
    let publishes = !dry_run && plan.here().next().is_some();
    if publishes {
        context.out.note_lines(&announcement(&plan));
        let renewed = renew::carry_out(&mut publisher, &plan).await.map_err(failed)?;
        renewed.root.iter().for_each(|notice| root_notice::tell(gun, notice, context));
    }
    let due = plan.items.iter().map(|item| Due::of(item, gun, publishes, plan.now)).collect();
    Ok(Renewal { gun: gun.to_string(), published: publishes, due })
}

/// What is going to be signed, to be said before any key is opened: on a machine that kept nothing of the repository the
/// server may show what is long outdated.
fn announcement(plan: &Plan) -> String {
    let signed = plan.here().map(|item| format!("  {}", Due::of(item, &plan.gun, false, plan.now).facts()));
    std::iter::once(format!("Signing anew in {}:", plan.gun)).chain(signed).collect::<Vec<_>>().join("\n")
}

/// What those do whose keys an item takes and who are not here. Several sign what has ended only where their keys are
/// together, as a session opens nothing that has; else each can where he is.
pub(super) fn others(item: &Item, keys: &[KeyId], threshold: u32, gun: &Gun, has_ended: bool) -> String {
    let ids = keys.iter().map(KeyId::as_str).collect::<Vec<_>>().join(", ");
    match &item.what {
        _ if threshold == 1 => format!("the holder of {ids} runs: bulla renew {gun}"),
        What::Document(role) if role.lists_targets() && !has_ended => in_session(keys, threshold, gun, role.as_str()),
        What::Document(_) | What::RootCertificate(_) => format!(
            "bring {threshold} of these keys together (bulla key import FILE): {ids}; there run: bulla renew {gun}"
        ),
    }
}

/// Who signs anew what no key here does. Whether a snapshot's key is the server's nothing that is published says.
pub(super) fn of_server(item: &Item, gun: &Gun) -> String {
    const SERVER: &str = "the trust server signs it, and its renewal stands still; tell its administrator";
    match item.what {
        What::Document(Role::Snapshot) => {
            format!("{SERVER}, or another client does: where its key is, run: bulla renew {gun}")
        }
        What::Document(_) | What::RootCertificate(_) => SERVER.to_owned(),
    }
}

/// How several people sign a role anew as it is.
pub(super) fn in_session(keys: &[KeyId], threshold: u32, gun: &Gun, role: &str) -> String {
    let ids = keys.iter().map(KeyId::as_str).collect::<Vec<_>>().join(", ");
    format!(
        "the holders of {threshold} of {ids} sign it in a session: bulla repo witness {gun} {role}, then: bulla session start \
         {gun} FILE"
    )
}

/// What can expire, in words.
pub(super) fn name(what: &What) -> String {
    match what {
        What::Document(role @ Role::Delegation(_)) => format!("delegation {role}"),
        What::Document(role) => role.to_string(),
        What::RootCertificate(key) => format!("certificate of root key {key}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bulla::renew::Shown;
    use tuf_schema::version::Version;

    use super::*;

    fn plan() -> Plan {
        let at = |text: &str| UtcTime::parse(text).unwrap();
        let item = |role: &str, version: i64, targets: Option<usize>| Item {
            what: What::Document(Role::parse(role).unwrap()),
            published: Some(Shown { version: Version::new(version).unwrap(), targets }),
            ends: at("2026-11-22T00:00:00Z"),
            by: By::Here,
        };
        let certificate = Item {
            what: What::RootCertificate(KeyId::from_wire("k")),
            published: None,
            ends: at("2026-11-24T00:00:00Z"),
            by: By::Here,
        };
        let items =
            vec![item("root", 3, None), certificate, item("targets", 7, Some(12)), item("targets/a", 1, Some(1))];
        Plan { gun: Gun::parse("a.test/b").unwrap(), now: at("2026-11-23T00:00:00Z"), items, seen: BTreeMap::new() }
    }

    #[test]
    fn what_is_signed_anew_is_announced_with_version_date_and_number_of_targets() {
        let ended = Moment(plan().items[0].ends);
        let ends = Moment(plan().items[1].ends);
        assert_eq!(
            announcement(&plan()),
            format!(
                "Signing anew in a.test/b:\n  root, version 3, expired {ended}\n  certificate of root key k, ends {ends}\n  \
                 targets, version 7 with 12 targets, expired {ended}\n  \
                 delegation targets/a, version 1 with 1 target, expired {ended}"
            )
        );
    }

    #[test]
    fn several_holders_are_told_what_works_for_several() {
        let gun = Gun::parse("a.test/b").unwrap();
        let keys = [KeyId::from_wire("k"), KeyId::from_wire("l")];
        let said = |number: usize, threshold, has_ended| {
            let text = others(&plan().items[number], &keys, threshold, &gun, has_ended);
            (
                text.contains("bulla renew a.test/b"),
                text.contains("bulla repo witness a.test/b targets, then: bulla session"),
            )
        };
        let (alone, in_session) = ((true, false), (false, true));
        // root, its certificate, targets; what has ended no session opens.
        for (number, has_ended) in [(0, false), (1, false), (2, true)] {
            assert_eq!(said(number, 2, has_ended), alone, "{number}");
        }
        assert_eq!((said(2, 2, false), said(2, 1, false)), (in_session, alone));
    }

    #[test]
    fn a_snapshot_that_ended_may_be_the_server_s_or_another_client_s() {
        let mut plan = plan();
        let mut said = |role: &str| {
            plan.items[0].what = What::Document(Role::parse(role).unwrap());
            plan.items[0].by = By::Server;
            Due::of(&plan.items[0], &plan.gun, false, plan.now).text()
        };
        let of_server = "the trust server signs it, and its renewal stands still; tell its administrator";
        assert!(said("timestamp").ends_with(of_server));
        let others = format!("{of_server}, or another client does: where its key is, run: bulla renew a.test/b");
        assert!(said("snapshot").ends_with(&others));
    }

    #[test]
    fn a_plan_shows_version_date_and_number_of_targets_to_people_and_programs() {
        let plan = plan();
        let shown = Due::of(&plan.items[2], &plan.gun, false, plan.now);
        let ended = Moment(plan.items[2].ends);
        assert_eq!(
            shown.text(),
            format!("targets, version 7 with 12 targets, expired {ended}: can be signed anew with the keys here")
        );
        assert_eq!(
            serde_json::to_string(&shown).unwrap(),
            r#"{"what":"targets","version":7,"targets":12,"ends":"2026-11-22T00:00:00Z","expired":true,"state":"planned"}"#
        );
    }
}
