//! `bulla threshold set`: gives a role a threshold, and keys together with it, at once or in a session.

use std::num::NonZeroU32;
use std::path::PathBuf;

use bulla::keys::public_file;
use bulla::publish::PublishError;
use bulla::threshold::SetThreshold;
use clap::Args;
use serde::Serialize;
use tuf_schema::{KeyId, PublicKey, Role};

use crate::cmd::key::KeyError;
use crate::cmd::repo::RepoError;
use crate::cmd::repo::arguments::{gun, key_id};
use crate::cmd::session;
use crate::cmd::trust::opened::Opened;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Repository
    #[arg(value_name = "GUN")]
    gun: String,
    /// root, targets, or a delegation such as targets/releases
    #[arg(value_name = "ROLE")]
    role: String,
    /// How many of the role's keys must sign
    #[arg(value_name = "M")]
    threshold: NonZeroU32,
    /// File of a public key or certificate that the role gets; for root a certificate for the repository (bulla key
    /// export --public-for)
    #[arg(long, value_name = "FILE")]
    add_key: Vec<PathBuf>,
    /// Id of a key that the role loses
    #[arg(long, value_name = "KEY_ID")]
    remove_key: Vec<String>,
    /// Write a session for others to sign, and publish nothing
    #[arg(long, value_name = "FILE")]
    session: Option<PathBuf>,
}

/// What was published.
#[derive(Serialize)]
struct Set {
    gun: String,
    role: String,
    threshold: u32,
    keys: usize,
    /// The roles that were signed and list targets.
    roles: Vec<String>,
}

impl Show for Set {
    fn text(&self) -> String {
        format!("{} of {} is signed by {} of {} keys now", self.role, self.gun, self.threshold, self.keys)
    }
}

/// Runs the verb.
pub(super) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let gun = gun(&arguments.gun)?;
    let role = Role::parse(&arguments.role).map_err(KeyError::from)?;
    let add = arguments.add_key.iter().map(|path| read(path, &role, context)).collect::<Result<_, _>>();
    let remove: Vec<KeyId> = arguments.remove_key.iter().map(|id| key_id(id)).collect::<Result<_, _>>()?;
    let edit =
        SetThreshold { role: role.clone(), threshold: arguments.threshold, add: add.map_err(RepoError::from)?, remove };
    let opened = Opened::at(&gun, context).await?;
    let mut keys = context.keyring()?;
    let mut publisher = opened.publisher(&mut keys, context);
    let planned = publisher.plan(&edit).await.map_err(|e| opened.failed(e))?;
    let of = SetThreshold::in_force(&role, &planned).map_err(|e| opened.failed(PublishError::from(e)))?;
    if let Some(warning) = super::where_all_must_sign(&role, of.0, of.1) {
        context.out.warn(&warning);
    }
    if let Some(file) = &arguments.session {
        return session::begin(&gun, &edit, file, context).await;
    }
    let published = publisher.publish(&edit).await.map_err(|e| {
        if matches!(e, PublishError::Threshold(_) | PublishError::NoKey(_)) {
            context.out.note("Add --session FILE to have this signed by several people");
        }
        opened.failed(e)
    })?;
    opened.tell(&published, context);
    let roles = published.roles.iter().map(ToString::to_string).collect();
    let (threshold, keys) = of;
    context.out.show(&Set { gun: gun.to_string(), role: role.to_string(), threshold, keys, roles })?;
    Ok(Exit::Success)
}

fn read(path: &std::path::Path, role: &Role, context: &Context) -> Result<PublicKey, public_file::PublicFileError> {
    match role {
        Role::Root => public_file::root(path),
        // Names no certificate whose date somebody might expect to count.
        Role::Targets => public_file::signer(path, context.now).map(|key| key.bare().unwrap_or(key)),
        Role::Delegation(_) | Role::Snapshot | Role::Timestamp => public_file::signer(path, context.now),
    }
}
