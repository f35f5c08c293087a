//! `bulla renew`: signs anew what has expired, or soon will, with the keys at hand.

use std::path::PathBuf;

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
    ends: Moment,
    expired: bool,
    state: State,
    /// Whose signatures are needed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keys: Vec<String>,
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
        let lines = self.due.iter().map(|due| format!("  {}", due.text(&self.gun)));
        let last = self.published.then(|| format!("Successfully renewed {}", self.gun));
        let first =
            if self.published { format!("Renewed in {}:", self.gun) } else { format!("To renew in {}:", self.gun) };
        std::iter::once(first).chain(lines).chain(last).collect::<Vec<_>>().join("\n")
    }
}

impl Due {
    fn of(item: &Item, published: bool, now: UtcTime) -> Self {
        let (state, keys) = match &item.by {
            By::Here => (if published { State::Renewed } else { State::Planned }, Vec::new()),
            By::Holders { keys, .. } => (State::KeysElsewhere, keys.iter().map(KeyId::to_string).collect()),
            // With each upload the server signs what is its own.
            By::Server => (if published { State::Renewed } else { State::OfServer }, Vec::new()),
        };
        Self { what: name(&item.what), ends: Moment(item.ends), expired: item.has_ended(now), state, keys }
    }

    fn text(&self, gun: &str) -> String {
        let ends = if self.expired { "expired" } else { "ends" };
        let then = match self.state {
            State::Renewed => "signed anew".to_owned(),
            State::Planned => "can be signed anew with the keys here".to_owned(),
            State::KeysElsewhere => {
                format!("needs a key that is not here ({}); its holder runs: bulla renew {gun}", self.keys.join(", "))
            }
            State::OfServer => "is for the trust server to sign anew; tell its administrator".to_owned(),
        };
        format!("{}, {ends} {}: {then}", self.what, self.ends)
    }
}

/// Runs the verb.
pub(crate) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let guns = batch::repositories(&arguments.repositories, arguments.from.as_deref(), context)?;
    let mut batch = Batch::default();
    for gun in &guns {
        batch.push(gun, renew_one(gun, arguments.dry_run, context).await);
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

async fn renew_one(gun: &Gun, dry_run: bool, context: &Context) -> Result<Renewal, CliError> {
    let failed = |source: RenewalError| CliError::Renew { gun: gun.clone(), source: Box::new(source) };
    let opened = Opened::at(gun, context).await?;
    let mut keys = context.keyring()?;
    let mut publisher = opened.publisher(&mut keys, context);
    let plan = renew::plan(&mut publisher).await.map_err(|e| failed(e.into()))?;
    let publishes = !dry_run && plan.here().next().is_some();
    if publishes {
        announce(&plan, context);
        let renewed = renew::carry_out(&mut publisher, &plan).await.map_err(failed)?;
        renewed.root.iter().for_each(|notice| root_notice::tell(gun, notice, context));
    }
    let due = plan.items.iter().map(|item| Due::of(item, publishes, plan.now)).collect();
    Ok(Renewal { gun: gun.to_string(), published: publishes, due })
}

/// Says what is going to be signed before any key is opened.
fn announce(plan: &Plan, context: &Context) {
    let signed: Vec<_> = plan.here().map(|item| name(&item.what)).collect();
    context.out.note(&format!("Signing anew in {}: {}", plan.gun, signed.join(", ")));
}

/// What can expire, in words.
pub(super) fn name(what: &What) -> String {
    match what {
        What::Document(role @ Role::Delegation(_)) => format!("delegation {role}"),
        What::Document(role) => role.to_string(),
        What::RootCertificate(key) => format!("certificate of root key {key}"),
    }
}
