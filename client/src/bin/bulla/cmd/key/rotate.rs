//! `bulla key rotate`: new keys for roles, after a plan has been shown.

use std::path::PathBuf;

use bulla::keys::Keyring;
use bulla::remote::Action;
use bulla::rotate::{self, Plan, Request, Rotated, Source, Step};
use clap::Args;
use serde::Serialize;
use tuf_schema::{DelegationName, Gun, KeyId, Role};

use super::KeyError;
use crate::cmd::batch::{self, Batch};
use crate::cmd::trust::opened::Opened;
use crate::cmd::trust::root_notice;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;
use crate::terminal::{Answer, confirm};

#[derive(Args)]
#[command(
    override_usage = "bulla key rotate GUN ROLE... [OPTIONS]\n       bulla key rotate --from FILE ROLE... [OPTIONS]"
)]
pub(crate) struct Arguments {
    /// Repository (none with --from), then roles: root, targets, snapshot, timestamp, or delegations such as targets/x
    #[arg(value_name = "GUN ROLE", required = true)]
    names: Vec<String>,
    /// The trust server makes the keys of snapshot and timestamp, and signs with them
    #[arg(short = 'r', long)]
    server_managed: bool,
    /// File of a private key to rotate to, in place of a new one; may be repeated
    #[arg(short, long = "key", value_name = "FILE")]
    key: Vec<PathBuf>,
    /// Sign a new root with the keys of so many older roots, too, for readers who missed some
    #[arg(short, long, value_name = "N", default_value_t = 0)]
    legacy: u32,
    /// File that names repositories, one a line
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Show the plan, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask before a root key is rotated
    #[arg(short, long)]
    yes: bool,
    /// Keep the old private keys of targets and snapshot
    #[arg(long)]
    keep_old: bool,
}

/// One repository.
#[derive(Serialize)]
struct Rotation {
    gun: String,
    rotated: bool,
    steps: Vec<StepRow>,
    /// What gets a new version.
    signed: Vec<String>,
    /// Old private keys that are removed when the new ones count.
    removed: Vec<String>,
    /// Old private keys that stay.
    kept: Vec<String>,
}

#[derive(Serialize)]
struct StepRow {
    role: String,
    source: &'static str,
    old: Vec<String>,
    /// Nothing before the keys are made.
    new: Vec<String>,
    /// Other delegations whose keys are exchanged with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    with: Vec<String>,
}

impl Show for Rotation {
    fn text(&self) -> String {
        if !self.rotated {
            return self.plan_text();
        }
        let line = |step: &StepRow| format!("Successfully rotated {} key for repository {}", step.role, self.gun);
        self.steps.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

impl Rotation {
    fn of(plan: &Plan, rotated: Option<&Rotated>) -> Self {
        let new = |role: &Role| rotated.and_then(|done| done.roles.iter().find(|(r, _)| r == role));
        let ids = |ids: &[KeyId]| ids.iter().map(KeyId::to_string).collect::<Vec<_>>();
        let step = |step: &Step| StepRow {
            role: step.role.to_string(),
            source: match step.source {
                Source::Made => "made",
                Source::Server => "server",
                Source::Files(_) => "files",
            },
            old: ids(&step.old),
            new: new(&step.role).map(|(_, new)| ids(new)).unwrap_or_default(),
            with: step.with.iter().map(DelegationName::to_string).collect(),
        };
        let planned = |removed: bool| {
            let keys = plan.old_keys.iter().filter(|old| old.is_removed == removed);
            keys.map(|old| old.key.id.to_string()).collect::<Vec<_>>()
        };
        Self {
            gun: plan.gun.to_string(),
            rotated: rotated.is_some(),
            steps: plan.steps.iter().map(step).collect(),
            signed: plan.signed.iter().map(Role::to_string).collect(),
            removed: rotated.map_or_else(|| planned(true), |done| ids(&done.removed)),
            kept: rotated.map_or_else(|| planned(false), |done| ids(&done.kept)),
        }
    }

    fn plan_text(&self) -> String {
        let mut lines = vec![format!("To rotate in {}:", self.gun)];
        for step in &self.steps {
            let new = match step.source {
                "server" => "a new key of the trust server",
                "files" => "the keys that are named",
                _ => "a new key, made here",
            };
            let with = if step.with.is_empty() { String::new() } else { format!(", also in {}", step.with.join(", ")) };
            lines.push(format!("  {}: {new}, in place of {}{with}", step.role, step.old.join(", ")));
        }
        lines.push(format!("  signed anew: {}", self.signed.join(", ")));
        if !self.removed.is_empty() {
            lines.push(format!("  private keys removed here once the new ones count: {}", self.removed.join(", ")));
        }
        if !self.kept.is_empty() {
            lines.push(format!("  old private keys that stay here: {}", self.kept.join(", ")));
        }
        lines.join("\n")
    }
}

/// Runs the verb.
pub(super) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let (guns, roles) = named(arguments, context)?;
    let request = Request {
        roles,
        server_managed: arguments.server_managed,
        files: arguments.key.clone(),
        older_roots: arguments.legacy,
        keep_old: arguments.keep_old,
    };
    let action = if request.server_managed { Action::Admin } else { Action::PullAndPush };
    let mut keys = context.keyring()?;
    let mut batch = Batch::default();
    let mut planned = Vec::new();
    for gun in guns {
        match look(&gun, action, &request, &mut keys, context).await {
            Ok(found) => planned.push((gun, found)),
            Err(e) => batch.push(&gun, Err(e)),
        }
    }
    if arguments.dry_run {
        for (gun, (_, plan)) in &planned {
            batch.push(gun, Ok(Rotation::of(plan, None)));
        }
        return batch.finish(context);
    }
    for (_, (_, plan)) in &planned {
        context.out.note_lines(&Rotation::of(plan, None).plan_text());
    }
    if planned.iter().any(|(_, (_, plan))| plan.rotates_root()) && !arguments.yes && !confirmed(context)? {
        context.out.note("Aborting action.");
        return Ok(Exit::Success);
    }
    for (gun, (opened, plan)) in &planned {
        batch.push(gun, rotate_one(opened, plan, &mut keys, context).await);
    }
    batch.finish(context)
}

/// The repositories and the roles that the arguments name.
fn named(arguments: &Arguments, context: &Context) -> Result<(Vec<Gun>, Vec<Role>), CliError> {
    let (guns, roles) = match (&arguments.from, arguments.names.split_first()) {
        (Some(_), _) => (&[][..], arguments.names.as_slice()),
        (None, Some((gun, roles))) => (std::slice::from_ref(gun), roles),
        (None, None) => (&[][..], &[][..]),
    };
    if roles.is_empty() {
        return Err(KeyError::NoRole.into());
    }
    let roles = roles.iter().map(|text| Role::parse(text)).collect::<Result<_, _>>().map_err(KeyError::from)?;
    Ok((batch::repositories(guns, arguments.from.as_deref(), context)?, roles))
}

/// Asks in notary's words.
fn confirmed(context: &Context) -> Result<bool, CliError> {
    context.out.note("Warning: you are about to rotate your root key.");
    context.out.note("You must use your old key to sign this root rotation.");
    match confirm(context.out, "Are you sure you want to proceed?  (yes/no)")? {
        Answer::Yes => Ok(true),
        Answer::No => Ok(false),
        Answer::None => Err(KeyError::RotationNotConfirmed.into()),
    }
}

async fn look(
    gun: &Gun,
    action: Action,
    request: &Request,
    keys: &mut Keyring,
    context: &Context,
) -> Result<(Opened, Plan), CliError> {
    let opened = Opened::to(action, gun, context).await?;
    let plan = rotate::plan(&mut opened.publisher(keys, context), request).await;
    let plan = plan.map_err(|e| failed(gun, e))?;
    Ok((opened, plan))
}

async fn rotate_one(opened: &Opened, plan: &Plan, keys: &mut Keyring, context: &Context) -> Result<Rotation, CliError> {
    let rotated = rotate::carry_out(&mut opened.publisher(keys, context), plan).await;
    let rotated = rotated.map_err(|e| failed(&plan.gun, e))?;
    if !rotated.is_served {
        context.out.warn(&format!(
            "the trust server took the new keys of {gun}, but what it serves does not name them; the old and the new \
             private keys are kept. See which of them count with: bulla doctor {gun}",
            gun = plan.gun
        ));
    }
    if let Some(why) = &rotated.not_removed {
        context.out.warn(&format!("the keys of {} are rotated, but an old private key is still here: {why}", plan.gun));
    }
    rotated.root.iter().for_each(|notice| root_notice::tell(&plan.gun, notice, context));
    Ok(Rotation::of(plan, Some(&rotated)))
}

fn failed(gun: &Gun, error: rotate::RotationError) -> CliError {
    KeyError::Rotation { gun: gun.clone(), source: Box::new(error) }.into()
}
